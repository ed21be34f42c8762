"""Stale is: no sync completed within three intervals. Told once, and again only after it was fresh."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from sqlalchemy import event as listening
from sqlalchemy import update

from adpulse.events import EventType
from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import ConnectionStatus, Lane
from storage.control import staleness
from storage.control.bulk import Choice
from storage.control.runs import Leg
from storage.control.tables import ConnectionRow

FIVE = timedelta(minutes=5)


@pytest.fixture
def hook(plane):
    return plane.webhooks.create(plane.workspace.id, "ours", SecretStr("http://127.0.0.1:9/"), events=[EventType.DATA_STALE])[0]


def sync(plane, connection):
    plane.runs.request(connection.id)
    for lease in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "flow-run"):
        plane.runs.done(lease, Leg())


def names(changed):
    return [each.name for each in changed.stale]


def stale_since(plane, connection):
    return plane.connections.get(connection.id).stale_since


@pytest.mark.parametrize("frequency", SCHEDULED)
def test_three_intervals_after_its_last_sync_a_connection_is_fresh_and_a_moment_later_it_is_stale(plane, frequency):
    plane.workspaces.grant_realtime(plane.workspace.id)
    connection = plane.connect("1", frequency.value)
    plane.clock.advance(seconds=1)
    sync(plane, connection)

    plane.clock.advance(seconds=3 * frequency.interval.total_seconds())
    assert names(plane.staleness.renew()) == []
    plane.clock.advance(microseconds=1)
    assert names(plane.staleness.renew()) == [connection.name]
    assert stale_since(plane, connection) == plane.clock.now()


def test_it_is_told_once_until_it_was_fresh(plane, hook):
    connection = plane.connect("1")
    plane.clock.advance(minutes=16)
    for _ in range(3):
        plane.staleness.renew()
        plane.clock.advance(hours=1)
    assert len(plane.outbox.history(hook.id)) == 1

    sync(plane, connection)
    assert plane.staleness.renew().fresh == 1
    assert stale_since(plane, connection) is None
    plane.clock.advance(minutes=16)
    plane.staleness.renew()

    newest, _ = plane.outbox.history(hook.id)
    data = json.loads(newest.payload)["data"]
    assert (data["connection_id"], data["sync_frequency"]) == (connection.id, "5min")
    assert data["last_sync_completed_at"] == (plane.clock.now() - timedelta(minutes=16)).isoformat()


def test_manual_paused_and_disconnected_ones_are_never_stale(plane):
    manual, paused, left = (plane.connect(number, frequency) for number, frequency in (("1", "manual"), ("2", "5min"), ("3", "5min")))
    plane.connections.set_status(paused.id, ConnectionStatus.PAUSED, "Paused.")
    plane.connections.disconnect(left.id, "Disconnected.")
    plane.clock.advance(days=30)

    assert names(plane.staleness.renew()) == []
    assert stale_since(plane, manual) is None


def test_one_that_a_person_must_mend_goes_stale_like_any_other(plane):
    connection = plane.connect("1")
    plane.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect.")
    plane.clock.advance(minutes=16)

    assert names(plane.staleness.renew()) == [connection.name]


@pytest.mark.parametrize("stops", [ConnectionStatus.PAUSED, ConnectionStatus.CURRENCY_CHANGED])
def test_one_that_is_not_to_be_synced_any_more_is_not_stale_any_more(plane, stops):
    connection = plane.connect("1")
    plane.clock.advance(minutes=16)
    plane.staleness.renew()

    plane.connections.set_status(connection.id, stops, "No longer.")

    assert plane.staleness.renew().fresh == 1
    assert stale_since(plane, connection) is None


@pytest.mark.parametrize("again", ["frequency", "resume"])
def test_a_connection_is_given_its_three_intervals_from_when_it_is_to_be_synced_so_often(plane, again):
    connection = plane.connect("1", "manual" if again == "frequency" else "5min")
    if again == "resume":
        plane.connections.set_status(connection.id, ConnectionStatus.PAUSED, "Paused.")
    plane.clock.advance(days=30)
    if again == "resume":
        plane.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
    else:
        plane.connections.set_frequency(connection.id, "5min")

    assert names(plane.staleness.renew()) == []
    plane.clock.advance(minutes=15, microseconds=1)
    assert names(plane.staleness.renew()) == [connection.name]


def test_a_stale_connection_that_is_resumed_stays_stale_until_a_sync_completed(plane, hook):
    connection = plane.connect("1")
    plane.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Reconnect.")
    plane.clock.advance(minutes=16)
    plane.staleness.renew()
    plane.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
    plane.staleness.renew()
    assert stale_since(plane, connection)

    sync(plane, connection)
    plane.staleness.renew()

    assert stale_since(plane, connection) is None
    assert len(plane.outbox.history(hook.id)) == 1


def test_a_slower_frequency_may_make_it_fresh(plane):
    connection = plane.connect("1")
    sync(plane, connection)
    plane.clock.advance(minutes=16)
    plane.staleness.renew()

    plane.connections.set_frequency(connection.id, Frequency.HOURLY.value)

    assert plane.staleness.renew().fresh == 1


def test_a_connection_of_before_there_was_staleness_counts(plane):
    connection = plane.connect("1")
    with plane.engine.begin() as session:
        session.execute(update(ConnectionRow).values(expected_since=None, last_sync_completed_at=plane.clock.now()))
    assert names(plane.staleness.renew()) == []
    plane.clock.advance(minutes=16)

    assert names(plane.staleness.renew()) == [connection.name]


@pytest.mark.slow
def test_a_thousand_connections_are_found_by_one_statement_and_told_by_another(plane, hook):
    for number in range(1000):
        plane.connect(str(number), "5min" if number % 2 else "daily")
    plane.clock.advance(minutes=16)
    statements = []
    listening.listen(plane.engine, "before_cursor_execute", lambda *call: statements.append(call[2].split()[0]))

    changed = plane.staleness.renew()

    assert len(changed.stale) == 500
    assert {name: statements.count(name) for name in ("UPDATE", "INSERT")} == {"UPDATE": 2, "INSERT": 1}
    assert len(plane.outbox.history(hook.id, 1000)) == 500


def test_an_account_whose_limits_allow_less_is_stale_after_three_of_its_own_intervals(plane):
    plane.workspaces.grant_realtime(plane.workspace.id)
    slow, quick = plane.connect("1", "realtime"), plane.connect("2", "realtime")
    for each in (slow, quick):
        sync(plane, each)
    plane.staleness.pace({slow.id: timedelta(minutes=11, seconds=30), quick.id: None, "gone": timedelta(1)})

    plane.clock.advance(minutes=34, seconds=30)  # three intervals
    assert names(plane.staleness.renew()) == [quick.name]
    plane.clock.advance(microseconds=1)
    assert names(plane.staleness.renew()) == [slow.name]
    plane.staleness.pace({slow.id: timedelta(minutes=20)})
    assert plane.staleness.renew().fresh == 1


@pytest.mark.parametrize("many", [False, True])
def test_another_frequency_forgets_the_pace_of_the_one_before(plane, many):
    connection = plane.connect("1", "hourly")
    plane.staleness.pace({connection.id: timedelta(days=2)})
    if many:
        plane.bulk.set_frequency(Choice(workspace_id=plane.workspace.id, ids=[connection.id]), "5min")
    else:
        plane.connections.set_frequency(connection.id, "5min")

    plane.clock.advance(minutes=15, microseconds=1)

    assert names(plane.staleness.renew()) == [connection.name]


def test_a_pace_makes_nobody_stale_who_is_synced_by_hand(plane):
    connection = plane.connect("1", "manual")
    plane.staleness.pace({connection.id: timedelta(minutes=1)})
    plane.clock.advance(days=1)

    assert names(plane.staleness.renew()) == []


@given(seconds=st.floats(min_value=0.001, max_value=10 * 86_400))
def test_a_noted_pace_is_never_shorter_and_of_a_few_values(seconds):
    noted = staleness._rounded(timedelta(seconds=seconds))

    assert timedelta(seconds=seconds) <= timedelta(seconds=noted) <= timedelta(seconds=seconds) + timedelta(minutes=15)
    assert noted % (30 if noted <= 3600 else 900) == 0


def test_what_did_not_change_is_not_written(plane):
    connection, written = plane.connect("1"), []
    listening.listen(plane.engine, "before_cursor_execute", lambda *told: written.append(told[2]))
    plane.staleness.pace({connection.id: timedelta(minutes=7)})
    plane.staleness.pace({connection.id: timedelta(minutes=6, seconds=45)})

    assert len([each for each in written if each.startswith("UPDATE")]) == 1
