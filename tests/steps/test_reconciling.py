"""The daily comparison of totals on an installation: what it stores, and of what it notifies."""

import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from adpulse.events import EventType
from adpulse.services import reconciling
from adpulse_sandbox.meta.world import Change

FOUND = "SELECT remainder::VARCHAR FROM reconciled_days WHERE level = 'account' AND remainder <> 0"


@pytest.fixture
def connection(installation):
    """A connection whose account spent more on one of its older days than its campaigns did."""
    connection = installation.connect("Corner Store 1")
    # The sixth report of a first sync is the one of the account's older days.
    installation.sandbox.faults.add(
        [{"action": "rewrite", "kind": "insights", "place": "data[3].spend", "value": "99999.50", "skip": 5, "count": 1}]
    )
    installation.sync(connection)
    return connection


@pytest.fixture
def hook(installation):
    url = SecretStr("https://93.184.216.34/")
    return installation.app.webhooks.create(installation.workspace.id, "ours", url, events=[EventType.DATA_REMAINDER])[0]


def sent(installation, hook):
    return [json.loads(delivery.payload)["data"] for delivery in installation.app.outbox.history(hook.id)]


def test_what_the_first_comparison_of_a_connection_finds_is_stored_and_notified_of_by_nobody(installation, connection, hook):
    first, again = (reconciling.reconcile(installation.app, installation.workspace.id, [connection])[0] for _ in range(2))

    assert [len(result.unexplained) for result in (first, again)] == [1, 1]
    assert len(installation.rows(FOUND)) == 1
    assert sent(installation, hook) == []


def test_a_comparison_in_the_middle_of_a_first_sync_is_not_the_first_one(installation, hook):
    app, account = installation.app, installation.sandbox.world.account("Optic Corner")
    object.__setattr__(account.campaigns[0], "changes", (*account.campaigns[0].changes, Change(at=app.clock.now(), status="DELETED")))
    connection = installation.connect("Optic Corner", token="varied")
    app.client(connection)._sleep = lambda _: None
    unnamed = {"action": "permission_lost", "kind": "activities"}
    installation.sandbox.faults.add([unnamed, {"action": "server_error", "kind": "insights", "above_days": 3}])
    installation.leg(connection)
    reconciling.reconcile(app, installation.workspace.id, [connection])
    installation.sandbox.faults.clear()
    installation.sandbox.faults.add([unnamed])
    installation.advance_to(app.clock.now() + timedelta(minutes=30))
    installation.sync(connection)

    reconciling.reconcile(app, installation.workspace.id, [connection])

    assert len(installation.rows(FOUND)) > 80
    assert sent(installation, hook) == []


def test_a_connection_that_nothing_was_read_of_was_not_compared(installation, connection, hook):
    app, other = installation.app, installation.connect("Sakura Tea")
    compared, empty = reconciling.reconcile(app, installation.workspace.id, [connection, other])

    later = app.remainder_notices.publish(other, compared.unexplained)

    assert (empty.changed, later, sent(installation, hook)) == (0, 0, [])


def test_a_day_that_does_not_add_up_is_stored_published_and_notified_of_once(installation, connection, hook):
    app = installation.app
    app.remainder_notices.publish(connection, [])
    calls = app.ledger.calls(connection.ledger_key)

    first, again = (reconciling.reconcile(app, installation.workspace.id, [connection])[0] for _ in range(2))

    (message,) = sent(installation, hook)
    assert ([len(result.unexplained) for result in (first, again)], first.changed > 89, again.changed) == ([1, 1], True, 0)
    assert installation.rows(FOUND) == [(message["remainders"][0]["remainder"],)]
    assert app.ledger.calls(connection.ledger_key) == calls


def test_a_workspace_in_which_nothing_was_stored_is_left_out(installation):
    connection = installation.connect("Corner Store 1")

    assert reconciling.reconcile(installation.app, installation.workspace.id, [connection]) == []
