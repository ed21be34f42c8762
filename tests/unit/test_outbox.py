"""Messages for webhooks: stored with what they tell of, for who asked, once; and what becomes of them."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr
from sqlalchemy import event as listening

from adpulse.errors import AccountRefused, AuthExpired, LeaseLost, NotFound, Unavailable, Usage
from adpulse.events import SUBSCRIBABLE, TROUBLE, EventType
from adpulse.model import ConnectionStatus, Lane, Restated, RunCounts
from adpulse.redact import redact
from storage.control import outbox
from storage.control.formats import Format
from storage.control.outbox import DeliveryState
from storage.control.runs import Leg

CHANGED = Leg(counts=RunCounts(fetched=10, inserted=2, updated=1, unchanged=7), changes=1, changed_at=datetime(2026, 3, 20, 15, tzinfo=UTC))
LOOPBACK = SecretStr("http://127.0.0.1:9/hooks")


@pytest.fixture
def hook(plane):
    return plane.webhooks.create(plane.workspace.id, "ours", LOOPBACK, events=SUBSCRIBABLE)[0]


@pytest.fixture
def connection(plane):
    return plane.connect("1", name="Harbor Outdoor")


def lease_of(plane, connection):
    plane.runs.request(connection.id)
    return plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "flow-run")[0]


def told(plane, hook):
    """Type and data of the messages of a webhook, oldest first."""
    bodies = [json.loads(each.payload) for each in reversed(plane.outbox.history(hook.id))]
    return [(body["type"], body["data"]) for body in bodies]


def test_a_completed_sync_is_told_with_the_counts_of_all_its_legs(plane, hook, connection):
    lease = lease_of(plane, connection)
    plane.runs.postponed(lease, CHANGED, until=plane.clock.now(), reason="budget")
    assert told(plane, hook) == []

    (again,) = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "flow-run")
    plane.runs.done(again, CHANGED)

    ((kind, data),) = told(plane, hook)
    assert kind == "sync.completed"
    assert (data["workspace_id"], data["connection_id"], data["connection"]) == (plane.workspace.id, connection.id, "Harbor Outdoor")
    assert (data["job_id"], data["rows_fetched"], data["rows_changed"], data["attempts"]) == (lease.run_id, 20, 6, 2)


def test_a_failed_try_is_told_only_when_nothing_tries_it_again(plane, hook, connection):
    plane.runs.failed(lease_of(plane, connection), Leg(), Unavailable("Meta did not answer", "2"), until=plane.clock.now())
    assert told(plane, hook) == []

    plane.runs.dead(lease_of(plane, connection), Leg(), Unavailable("Meta did not answer", "2"), next_due_at=plane.clock.now())

    ((kind, data),) = told(plane, hook)
    assert (kind, data["error"], data["error_code"], data["attempts"]) == ("sync.failed", "Meta did not answer", "2", 2)


def test_an_account_that_a_person_must_mend_is_told_once(plane, hook, connection):
    due = plane.clock.now()
    plane.runs.dead(lease_of(plane, connection), Leg(), AuthExpired("Reconnect."), next_due_at=due, status=ConnectionStatus.NEEDS_REAUTH)
    plane.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect.")
    plane.connections.set_status(connection.id, ConnectionStatus.PAUSED, "Paused.")
    plane.connections.set_status(connection.id, ConnectionStatus.CURRENCY_CHANGED, "It reports in EUR.")

    kinds = {(kind, data.get("status"), data.get("reason")) for kind, data in told(plane, hook)}
    assert len(told(plane, hook)) == 3
    assert kinds == {
        ("sync.failed", None, None),
        ("connection.needs_attention", "needs_reauth", "Reconnect."),
        ("connection.needs_attention", "currency_changed", "It reports in EUR."),
    }


def test_what_was_restated_is_told_however_the_leg_ended(plane, hook, connection):
    restated = Restated(rows=3, since=plane.clock.now().date() - timedelta(days=3), until=plane.clock.now().date() - timedelta(days=1))
    leg = Leg(counts=CHANGED.counts, changes=1, changed_at=plane.clock.now(), restated=restated)

    plane.runs.failed(lease_of(plane, connection), leg, Unavailable("later"), until=plane.clock.now())

    ((kind, data),) = told(plane, hook)
    assert (kind, data["rows"], data["since"], data["until"]) == ("data.restated", 3, "2026-03-17", "2026-03-19")


def test_a_sync_that_lost_its_lease_tells_nothing(plane, hook, connection):
    lease = lease_of(plane, connection)
    plane.leases.release([lease])

    with pytest.raises(LeaseLost):
        plane.runs.done(lease, CHANGED)

    assert told(plane, hook) == []


def test_only_who_asked_is_told_and_only_of_the_own_workspace(plane, connection):
    other = plane.workspaces.create("Borealis")
    quiet, _ = plane.webhooks.create(plane.workspace.id, "trouble", LOOPBACK)
    theirs, _ = plane.webhooks.create(other.id, "theirs", LOOPBACK, events=SUBSCRIBABLE)
    off, _ = plane.webhooks.create(plane.workspace.id, "off", LOOPBACK, events=SUBSCRIBABLE)
    plane.webhooks.change(off.id, enabled=False)

    plane.runs.done(lease_of(plane, connection), CHANGED)
    plane.runs.dead(lease_of(plane, connection), Leg(), AccountRefused("gone"), next_due_at=plane.clock.now())

    assert quiet.events == TROUBLE
    assert [kind for kind, _ in told(plane, quiet)] == ["sync.failed"]
    assert told(plane, theirs) == told(plane, off) == []


def test_a_sync_that_nobody_asked_to_hear_of_costs_one_query(plane, connection):
    lease, statements = lease_of(plane, connection), []
    listening.listen(plane.engine, "before_cursor_execute", lambda *call: statements.append(call[2]))

    plane.runs.done(lease, CHANGED)

    assert [each for each in statements if "webhook" in each and not each.startswith("SELECT")] == []
    assert len([each for each in statements if "webhook" in each]) == 1


def test_a_message_is_due_until_it_is_delivered_and_has_one_id(plane, hook):
    message = plane.webhooks.test(hook.id)
    (first,) = plane.outbox.due(10)
    plane.outbox.postponed(first, 500, "The receiver answered 500.", plane.wall.now())
    (second,) = plane.outbox.due(10)
    assert (first.id, second.id, second.attempts, second.payload) == (message, message, 1, first.payload)

    plane.outbox.delivered(second, 204)

    (done,) = plane.outbox.history(hook.id)
    assert plane.outbox.due(10) == []
    assert (done.state, done.attempts, done.last_status, done.last_error) == (DeliveryState.DELIVERED, 2, 204, None)
    assert done.event is EventType.TEST


def test_a_busy_webhook_does_not_hide_the_others(plane, hook):
    waiting, _ = plane.webhooks.create(plane.workspace.id, "other", LOOPBACK)
    for _ in range(5):
        plane.webhooks.test(hook.id)
    mine = plane.webhooks.test(waiting.id)

    assert [each.id for each in plane.outbox.due(3, busy=[hook.id])] == [mine]
    assert plane.outbox.due(10, busy=[hook.id], excluded=[mine]) == []


def test_a_webhook_that_failed_for_days_is_disabled_and_says_so(plane, hook):
    for _ in range(2):
        plane.webhooks.test(hook.id)
    first, second = plane.outbox.due(10)
    plane.outbox.failed(first, 500, "The receiver answered 500.")
    assert plane.webhooks.get(hook.id).enabled

    plane.wall.advance(outbox.FAILING_FOR + timedelta(minutes=1))
    plane.outbox.postponed(second, None, "The receiver does not answer.", plane.wall.now())

    ended = plane.webhooks.get(hook.id)
    assert (ended.enabled, "Every delivery failed since" in ended.disabled_reason) == (False, True)
    assert {each.state for each in plane.outbox.history(hook.id)} == {DeliveryState.FAILED}
    with pytest.raises(Usage, match="disabled"):
        plane.webhooks.test(hook.id)
    assert plane.webhooks.change(hook.id, enabled=True).failing_since is None


def test_one_delivery_ends_a_time_of_failures(plane, hook):
    for _ in range(3):
        plane.webhooks.test(hook.id)
    first, second, third = plane.outbox.due(10)
    plane.outbox.failed(first, 500, "no")
    plane.outbox.delivered(second, 200)
    plane.wall.advance(outbox.FAILING_FOR + timedelta(minutes=1))

    plane.outbox.failed(third, 500, "no")

    assert plane.webhooks.get(hook.id).enabled


def test_a_receiver_that_is_gone_disables_the_webhook_and_what_waits_for_it(plane, hook):
    for _ in range(2):
        plane.webhooks.test(hook.id)

    plane.outbox.receiver_gone(plane.outbox.due(1)[0], 410, "The receiver answered 410: it wants no more messages.")

    assert plane.webhooks.get(hook.id).disabled_reason.startswith("The receiver answered 410")
    assert [(each.state, each.attempts) for each in plane.outbox.history(hook.id)].count((DeliveryState.FAILED, 1)) == 1
    assert plane.outbox.due(10) == []


def test_what_ended_long_ago_is_dropped_and_what_waits_stays(plane, hook, monkeypatch):
    monkeypatch.setattr(outbox, "_PORTION", 2)
    for _ in range(4):
        plane.webhooks.test(hook.id)
    for each in plane.outbox.due(3):
        plane.outbox.delivered(each, 200)
    assert plane.outbox.prune(timedelta(days=7)) == 0
    plane.wall.advance(timedelta(days=8))

    assert [plane.outbox.prune(timedelta(days=7)) for _ in range(2)] == [3, 0]
    assert len(plane.outbox.history(hook.id)) == 1


def test_secrets_are_told_once_and_stored_encrypted(plane):
    made, secret = plane.webhooks.create(plane.workspace.id, "signed", LOOPBACK)
    slack_url = SecretStr("http://127.0.0.1:9/services/T0/B0/very-secret-part")
    slack, none = plane.webhooks.create(plane.workspace.id, "slack", slack_url, Format.SLACK)
    teams_url = SecretStr("http://127.0.0.1:9/workflows/1/triggers/manual?sig=very-secret-part")
    teams, nothing = plane.webhooks.create(plane.workspace.id, "teams", teams_url, Format.TEAMS)
    fresh = plane.webhooks.rotate(made.id)

    with plane.engine.connect() as session:
        stored = str(session.exec_driver_sql("SELECT * FROM webhook").all())
    for text in (secret.get_secret_value(), fresh.get_secret_value(), "very-secret-part"):
        assert text not in stored
        assert text not in repr((made, slack, plane.webhooks.address(made.id), plane.webhooks.address(slack.id)))
    assert (slack.url, none) == (teams.url, nothing) == ("http://127.0.0.1", None)
    assert [plane.webhooks.address(channel.id).url for channel in (slack, teams)] == [slack_url, teams_url]
    assert "very-secret-part" not in redact("127.0.0.1:1/other?sig=very-secret-part")
    for channel in (slack, teams):
        with pytest.raises(Usage, match="no secret but its URL"):
            plane.webhooks.rotate(channel.id)


def test_after_a_rotation_messages_are_signed_with_both_secrets_for_a_day(plane):
    hook, first = plane.webhooks.create(plane.workspace.id, "signed", LOOPBACK)
    second, third = plane.webhooks.rotate(hook.id), plane.webhooks.rotate(hook.id)
    assert plane.webhooks.address(hook.id).secrets == (third, second)

    plane.wall.advance(timedelta(days=1, minutes=1))

    assert plane.webhooks.address(hook.id).secrets == (third,)
    assert first not in (second, third)


def test_a_webhook_is_got_by_its_id_before_a_name_and_found_only_in_its_workspace(plane, hook):
    elsewhere = plane.workspaces.create("Elsewhere").id
    plane.webhooks.create(elsewhere, hook.id, LOOPBACK)

    assert plane.webhooks.get(hook.id) == hook
    assert plane.webhooks.find(hook.id, plane.workspace.id) == hook
    assert plane.webhooks.find(hook.id, elsewhere) is None


def test_a_removed_webhook_goes_with_its_deliveries(plane, hook):
    plane.webhooks.test(hook.id)

    plane.webhooks.remove(hook.id)

    assert (plane.outbox.due(10), plane.outbox.history(hook.id), plane.webhooks.address(hook.id)) == ([], [], None)
    with pytest.raises(NotFound):
        plane.webhooks.get(hook.id)


def test_an_event_that_nobody_can_ask_for_is_refused_with_those_there_are(plane):
    for wanted in ((), (EventType.TEST,)):
        with pytest.raises(Usage, match=r"sync\.completed"):
            plane.webhooks.create(plane.workspace.id, "wrong", LOOPBACK, events=wanted)
