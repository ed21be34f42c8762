"""A sync that waits or is under way is cancelled: nobody takes it up again, and the schedule goes on."""

from datetime import timedelta

import pytest

from adpulse.errors import LeaseLost
from adpulse.model import Lane, RunState, SyncStatus
from storage.control.runs import Leg


@pytest.fixture
def connection(plane):
    return plane.connect("1", "hourly")


def claim(plane):
    return plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")


def test_a_request_that_waits_is_claimed_by_nobody(plane, connection):
    run_id = plane.runs.request(connection.id).run_id

    assert plane.leases.cancel(connection.id) == run_id
    assert claim(plane) == []
    assert plane.connections.get(connection.id).sync_status is SyncStatus.IDLE


def test_a_sync_under_way_loses_its_lease_and_is_no_dead_letter(plane, connection):
    plane.runs.request(connection.id)
    (lease,) = claim(plane)

    plane.leases.cancel(connection.id)

    with pytest.raises(LeaseLost):
        plane.runs.calling(lease)
    with pytest.raises(LeaseLost):
        plane.runs.done(lease, Leg())
    assert plane.runs.dead_letters() == []
    assert plane.runs.get(lease.run_id).resolution == "cancelled"


def test_a_postponed_sync_does_not_go_on_when_its_time_comes(plane, connection):
    plane.runs.request(connection.id)
    (lease,) = claim(plane)
    plane.runs.postponed(lease, Leg(), until=plane.clock.now(), reason="no calls are left")

    plane.leases.cancel(connection.id)

    view = plane.connections.get(connection.id)
    assert (claim(plane), view.postponed_until, view.postponed_reason) == ([], None, None)


def test_the_next_request_is_a_new_run_and_the_schedule_is_as_it_was(plane, connection):
    due = plane.connections.get(connection.id).next_due_at
    first = plane.runs.request(connection.id).run_id
    plane.leases.cancel(connection.id)

    ticket = plane.runs.request(connection.id)

    assert (ticket.created, ticket.run_id != first, ticket.state) == (True, True, RunState.QUEUED)
    assert plane.connections.get(connection.id).next_due_at == due


def test_without_a_sync_nothing_is_cancelled_and_no_lease_changes(plane, connection):
    other = plane.connect("2", "hourly")
    run_id = plane.runs.request(other.id).run_id

    assert plane.leases.cancel(connection.id) is None
    assert plane.runs.get(run_id).state is RunState.QUEUED


def test_what_was_requested_before_a_waiting_flow_run_was_cancelled_is_withdrawn_and_nothing_else(plane):
    asked, leased, later = (plane.connect(number, "manual") for number in "123")
    runs = {leased.id: plane.runs.request(leased.id).run_id}
    claim(plane)
    runs |= {asked.id: plane.runs.request(asked.id).run_id}
    cancelled = plane.wall.now()
    plane.wall.advance(timedelta(seconds=1))
    runs |= {later.id: plane.runs.request(later.id).run_id}

    assert plane.leases.cancel_waiting("meta", Lane.BACKGROUND, cancelled) == []
    assert plane.leases.cancel_waiting("meta", Lane.ON_DEMAND, cancelled) == [runs[asked.id]]
    assert {each: plane.runs.get(run).state for each, run in runs.items()} == {
        asked.id: RunState.DEAD,
        leased.id: RunState.LEASED,
        later.id: RunState.QUEUED,
    }
    assert plane.leases.cancel_waiting("meta", Lane.ON_DEMAND, cancelled) == []


def test_a_flow_runs_cancellation_closes_what_it_has_leased_and_nothing_else(plane):
    mine, other, done = (plane.connect(number, "manual") for number in "123")
    runs = {each.id: plane.runs.request(each.id).run_id for each in (mine, done)}
    leased = {lease.connection.id: lease for lease in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "flow-run")}
    plane.runs.done(leased[done.id], Leg())
    runs[other.id] = plane.runs.request(other.id).run_id
    plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "another")

    assert plane.leases.cancel_all("flow-run") == [runs[mine.id]]
    assert {each: plane.runs.get(run).state for each, run in runs.items()} == {
        mine.id: RunState.DEAD,
        other.id: RunState.LEASED,
        done.id: RunState.DONE,
    }
    assert plane.leases.cancel_all("flow-run") == []
