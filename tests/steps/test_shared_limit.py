"""Accounts that share the limit of their app: who finds it used up waits, and nobody is rested for it."""

from datetime import timedelta

import pytest
from installation import Installation

from adpulse.frequency import Frequency
from adpulse.model import Heat, RunState


@pytest.fixture
def shared(sandbox, tmp_path):
    """The app may make 12 calls an hour."""
    made = Installation(tmp_path / "shared", sandbox, ADPULSE_META_APP_CALLS_PER_HOUR="12")
    yield made
    made.close()


def test_who_finds_the_apps_limit_used_up_is_postponed_until_there_is_room_and_nobody_is_rested(shared):
    first, second = shared.connect("Corner Store 1"), shared.connect("Corner Store 2")
    for _ in range(11):
        shared.app.ledger.take("meta:elsewhere", "meta", Heat.HOT)

    (run,) = shared.leg(first)

    assert run.state is RunState.POSTPONED
    assert run.reason == "The 12 calls in 60 min of the Meta app are used up; the next slot frees in 60 min."
    assert run.until - shared.sandbox.clock.now() == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=1))
    assert [shared.app.connections.get(each.id).cooldown_until for each in (first, second)] == [None, None]
    assert len(shared.remote.calls(first.external_id)) == 1


def test_who_was_not_read_at_all_completed_nothing_and_goes_stale(shared, sandbox):
    shared.connect("Corner Store 1")
    connection = shared.connect("Corner Store 2", frequency="hourly")
    for _ in range(12):
        shared.app.ledger.take("meta:elsewhere", "meta", Heat.HOT)

    shared.tick(Frequency.HOURLY)
    told = shared.app.connections.get(connection.id)
    assert (told.last_sync_completed_at, told.postponed_reason is None) == (None, False)
    assert shared.remote.calls(connection.external_id) == []
    sandbox.clock.advance(4 * 3600)
    assert [each.name for each in shared.app.staleness.renew().stale] == ["Corner Store 2"]


def test_a_first_sync_is_read_in_pieces_that_fit_the_share(shared):
    shared.connect("Corner Store 1")
    connection = shared.connect("Corner Store 2")

    run = shared.sync(connection, legs=40)

    assert run.state is RunState.DONE
    assert len(shared.remote.calls(connection.external_id)) > 12
    assert shared.differences(connection) == []


def test_the_status_tells_a_cadence_that_the_share_slows(shared):
    shared.app.workspaces.grant_realtime(shared.workspace.id)
    for name in ("Corner Store 1", "Corner Store 2"):
        shared.connect(name, frequency=Frequency.REALTIME)
    connections = [view.connection for view in shared.app.connections.all()]

    reasons = {each.reason for each in shared.app.cadences(connections).values()}

    assert len(reasons) == 1
    assert "instead of 30 s: 2 connections share the Meta app's 12 calls an hour" in reasons.pop()
