"""Many connections changed at once: all or nothing, in a few statements however many they are, never another workspace's."""

import pytest
from sqlalchemy import event, update

from adpulse.errors import FrequencyRefused, UnknownConnection, Usage
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Lane, RunState, SyncStatus
from storage.control.bulk import Choice, Outcome
from storage.control.runs import Leg
from storage.control.tables import ConnectionRow


@pytest.fixture
def six(plane):
    """Six connections, the first five labelled, of which three cannot all be synced."""
    made = [plane.connect(str(number)) for number in range(6)]
    for each in made[:5]:
        plane.labels.change(each.id, lambda _: ["eu"])
    plane.connections.set_status(made[2].id, ConnectionStatus.PAUSED, "Paused.")
    plane.connections.set_status(made[3].id, ConnectionStatus.NEEDS_REAUTH, "Reconnect it.")
    plane.connections.set_frequency(made[4].id, "daily")
    return made


def eu(plane):
    return Choice(workspace_id=plane.workspace.id, label="eu")


def outcomes(done):
    return [each.outcome for each in done]


def status(plane, connection):
    return plane.connections.get(connection.id).connection.status


def test_a_frequency_is_set_where_it_differs(plane, six):
    done = plane.bulk.set_frequency(eu(plane), "daily")

    assert outcomes(done) == [Outcome.DONE] * 4 + [Outcome.UNCHANGED]
    found = [plane.connections.get(each.id).connection.frequency for each in six]
    assert found == [Frequency.DAILY] * 5 + [Frequency.EVERY_5_MIN]
    assert plane.connections.get(six[0].id).next_due_at == plane.clock.now()


def test_pausing_tells_what_could_not_be_paused_and_why(plane, six):
    done = plane.bulk.pause(eu(plane))

    assert outcomes(done) == [Outcome.DONE, Outcome.DONE, Outcome.UNCHANGED, Outcome.REFUSED, Outcome.DONE]
    assert done[3].reason == "It is not synced at present (needs_reauth). Reconnect it."
    assert [status(plane, each) for each in six[3:]] == [ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.PAUSED, ConnectionStatus.ACTIVE]


def test_resuming_makes_due_and_asks_for_a_sync(plane, six):
    plane.bulk.pause(eu(plane))
    plane.connections.set_frequency(six[0].id, "manual")

    done = plane.bulk.resume(eu(plane))

    assert outcomes(done) == [Outcome.DONE] * 3 + [Outcome.REFUSED, Outcome.DONE]
    assert [plane.runs.get(each.run_id).connection_id for each in done if each.run_id] == [six[n].id for n in (0, 1, 2, 4)]
    assert plane.connections.get(six[0].id).next_due_at is None
    assert plane.connections.get(six[1].id).next_due_at == plane.clock.now()


def test_sync_now_joins_what_is_open_and_queues_the_rest(plane, six):
    first = plane.runs.request(six[0].id)
    done = plane.bulk.sync_now(eu(plane))

    assert outcomes(done) == [Outcome.UNCHANGED, Outcome.DONE, Outcome.REFUSED, Outcome.REFUSED, Outcome.DONE]
    assert done[0].run_id == first.run_id
    assert [plane.connections.get(each.id).sync_status for each in six[:2]] == [SyncStatus.QUEUED] * 2
    assert len(plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")) == 3


@pytest.mark.usefixtures("six")
def test_what_waits_for_its_time_is_queued_again(plane):
    plane.bulk.sync_now(eu(plane))
    leases = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")
    for lease in leases:
        plane.runs.postponed(lease, Leg(), until=plane.clock.now().replace(year=2099), reason="later", lane=Lane.BACKGROUND)

    done = plane.bulk.sync_now(eu(plane))

    assert {plane.runs.get(each.run_id).state for each in done if each.run_id} == {RunState.QUEUED}
    assert len(plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")) == len(leases) == 3


def test_a_label_is_added_where_it_is_missing_and_removed_where_it_is(plane, six):
    plane.labels.change(six[1].id, lambda now: now | {"retail"})
    plane.labels.change(six[2].id, lambda now: now | {str(number) for number in range(49)})

    added = plane.bulk.add_label(eu(plane), " retail ")

    assert outcomes(added) == [Outcome.DONE, Outcome.UNCHANGED, Outcome.REFUSED, Outcome.DONE, Outcome.DONE]
    assert added[2].reason == "It has 50 labels, the most that there may be."
    labelled = [view.connection.id for view in plane.connections.all(label="retail")]
    assert labelled == [six[number].id for number in (0, 1, 3, 4)]

    removed = plane.bulk.remove_label(eu(plane), "retail")

    assert outcomes(removed) == [Outcome.DONE, Outcome.DONE, Outcome.UNCHANGED, Outcome.DONE, Outcome.DONE]
    assert plane.connections.all(label="retail") == []
    assert len(plane.connections.all(label="eu")) == 5, "other labels stay"


def test_an_unknown_id_or_frequency_changes_nothing(plane, six):
    other = plane.workspaces.create("Borealis")
    choice = Choice(workspace_id=plane.workspace.id, ids=[six[0].id, "nobody"])

    with pytest.raises(UnknownConnection, match="no connection nobody"):
        plane.bulk.pause(choice)
    with pytest.raises(UnknownConnection):
        plane.bulk.pause(Choice(workspace_id=other.id, ids=[six[0].id]))
    with pytest.raises(FrequencyRefused):
        plane.bulk.set_frequency(eu(plane), "realtime")
    with pytest.raises(Usage, match="is not a label"):
        plane.bulk.add_label(eu(plane), "a,b")
    with pytest.raises(UnknownConnection):
        plane.bulk.remove_label(Choice(workspace_id=other.id, ids=[six[0].id]), "eu")
    assert len(plane.connections.all(label="eu")) == 5

    assert status(plane, six[0]) is ConnectionStatus.ACTIVE
    assert plane.bulk.pause(Choice(workspace_id=other.id, label="eu")) == []


@pytest.mark.parametrize("act", ["pause", "resume", "sync_now", "add_label", "remove_label"])
def test_hundreds_take_no_more_statements_than_one(plane, act):
    made = [plane.connect(str(number)).id for number in range(300)]
    if act == "resume":
        with plane.engine.begin() as session:
            session.execute(update(ConnectionRow).values(status="paused"))
    if act == "remove_label":
        plane.bulk.add_label(Choice(workspace_id=plane.workspace.id, ids=made), "eu")
    value = ["eu"] if act.endswith("label") else []
    statements = []
    event.listen(plane.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

    done = getattr(plane.bulk, act)(Choice(workspace_id=plane.workspace.id, ids=made), *value)

    assert outcomes(done) == [Outcome.DONE] * 300
    assert len([each for each in statements if not each.startswith("BEGIN")]) <= 7
