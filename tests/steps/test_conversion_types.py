"""The types of an account are read by themselves once a day, if it is synced anyway, and never while the platform pauses it."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from adpulse.errors import RateLimited
from adpulse.model import ConnectionStatus
from adpulse.services import conversion_types
from storage.control.tables import ConnectionRow

DAY = timedelta(days=1)


@pytest.fixture
def synced(installation):
    return installation.synced("Corner Store 1")


def renew(installation):
    """Of how many accounts the types were read, and how many calls it took."""
    before = len(installation.sandbox.calls.calls())
    return conversion_types.renew(installation.app), len(installation.sandbox.calls.calls()) - before


def pass_a_day(installation):
    installation.sandbox.clock.advance(DAY.total_seconds())


def test_types_are_read_once_a_day_after_a_sync(installation, synced):
    assert renew(installation) == (1, 1)
    assert renew(installation) == (0, 0)

    pass_a_day(installation)
    assert renew(installation) == (0, 0)
    installation.sync(synced)
    assert renew(installation) == (1, 1)


def test_types_that_could_not_be_read_are_requested_again_the_next_day_and_the_earlier_ones_stay(installation, synced):
    renew(installation)
    kept = installation.app.conversion_types.of(synced.id)
    pass_a_day(installation)
    installation.sync(synced)
    installation.sandbox.faults.add([{"action": "permission_lost", "kind": "insights"}])

    assert renew(installation) == (0, 1)
    assert renew(installation) == (0, 0)
    assert installation.app.conversion_types.of(synced.id) == kept
    assert installation.app.connections.get(synced.id).connection.status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize("values", [{"status": "paused"}, {"cooldown_until": timedelta(minutes=5)}], ids=["paused", "cooling down"])
def test_an_account_that_is_not_to_be_called_is_not_asked(installation, synced, values):
    now = installation.sandbox.clock.now()
    stored = {name: now + value if isinstance(value, timedelta) else value for name, value in values.items()}
    with installation.engine.begin() as session:
        session.execute(update(ConnectionRow).where(ConnectionRow.id == synced.id).values(**stored))

    assert renew(installation) == (0, 0)


def test_the_call_is_counted_and_none_is_made_beyond_the_limit(installation, synced):
    app = installation.app
    before = len(app.ledger.calls(synced.ledger_key))
    renew(installation)
    assert len(app.ledger.calls(synced.ledger_key)) == before + 1

    app.account_limits.set_calls_per_hour(synced, before + 1)
    installation.sandbox.clock.advance(600)
    kept, failure = conversion_types.look(app, synced)
    assert (kept is not None, failure) == (True, None)
    with pytest.raises(RateLimited, match="calls an hour"):
        conversion_types.read(app, synced)
