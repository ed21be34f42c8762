"""Sync runs: legal moves only, one open run per connection, telemetry that tells what happened."""

from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest
from fakes import SteppedClock
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from plane import ControlPlane
from sqlalchemy import text, update

from adpulse.errors import LeaseLost, Unavailable, UnknownConnection, Usage
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Lane, Parts, RunCounts, RunState, SyncStatus
from storage.control.leases import LEASE
from storage.control.runs import LEGAL_MOVES, Leg
from storage.control.tables import ConnectionRow
from storage.control.unsettled import Ending, suspected

AT = datetime(2026, 3, 20, 14, 59, tzinfo=UTC)
CHANGED = Leg(counts=RunCounts(fetched=10, inserted=2, updated=1, unchanged=7), changes=1, changed_at=AT)


def claim(plane):
    return plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "flow-run")


@pytest.fixture
def lease(plane):
    connection = plane.connect("1", "manual")
    plane.runs.request(connection.id)
    return claim(plane)[0]


def view(plane, lease):
    return plane.connections.get(lease.connection.id)


def test_a_request_is_queued_and_a_second_one_returns_the_same(plane):
    connection = plane.connect("1", "manual")
    first, second = plane.runs.request(connection.id), plane.runs.request(connection.id)

    assert (first.created, second.created, second.run_id) == (True, False, first.run_id)
    assert plane.connections.get(connection.id).sync_status is SyncStatus.QUEUED


def test_a_request_while_it_runs_returns_the_running_one(plane, lease):
    ticket = plane.runs.request(lease.connection.id)

    assert (ticket.run_id, ticket.created) == (lease.run_id, False)
    assert view(plane, lease).sync_status is SyncStatus.SYNCING


def test_two_halves_asked_for_become_both(plane):
    connection = plane.connect("1", "manual")
    plane.runs.request(connection.id, Parts.ENTITIES)
    plane.runs.request(connection.id, Parts.METRICS)

    assert claim(plane)[0].parts is Parts.BOTH


def test_only_the_first_leg_of_a_requested_run_counts_as_asked(plane, lease):
    plane.runs.postponed(lease, CHANGED, until=plane.clock.now(), reason="budget")
    (again,) = claim(plane)

    assert (lease.on_demand, again.on_demand, again.run_id) == (True, False, lease.run_id)


def test_who_asked_is_owed_todays_numbers_until_they_are_read(plane, lease):
    plane.runs.postponed(lease, Leg(idle=True, today=False), until=plane.clock.now(), reason="the hour is full")
    (again,) = claim(plane)
    plane.runs.postponed(again, Leg(today=True), until=plane.clock.now(), reason="older days")
    (last,) = claim(plane)

    assert (lease.on_demand, again.on_demand, last.on_demand) == (True, True, False)


def test_done_sets_the_eight_fields(plane, lease):
    plane.clock.advance(seconds=20)
    plane.runs.done(lease, CHANGED)
    told = view(plane, lease)

    assert (told.total_syncs_attempted, told.total_syncs_with_changes) == (1, 1)
    assert (told.last_sync_completed_at, told.last_metrics_changed_at) == (plane.clock.now(), AT)
    assert told.last_sync_attempted_at == plane.clock.now() - timedelta(seconds=20)
    assert (told.sync_status, told.last_sync_error) == (SyncStatus.IDLE, None)


def test_a_sync_of_several_legs_is_one_attempt_and_one_change(plane, lease):
    plane.runs.postponed(lease, CHANGED, until=plane.clock.now(), reason="budget")
    (second,) = claim(plane)
    plane.leases.release([second])
    (third,) = claim(plane)
    plane.wall.advance(timedelta(minutes=4))
    (adopted,) = claim(plane)
    plane.runs.done(adopted, CHANGED)
    told = view(plane, lease)

    assert len({leg.run_id for leg in (lease, second, third, adopted)}) == 1
    assert (told.total_syncs_attempted, told.total_syncs_with_changes) == (1, 1)


def test_a_sync_that_failed_is_attempted_again(plane, lease):
    plane.runs.failed(lease, Leg(), Unavailable("The platform does not answer.", "http-503"), until=plane.clock.now())
    claim(plane)

    assert view(plane, lease).total_syncs_attempted == 2


def test_a_sync_without_changes_leaves_the_freshness_alone(plane, lease):
    plane.runs.done(lease, Leg(counts=RunCounts(fetched=10, unchanged=10, entities_changed=3)))

    assert (view(plane, lease).last_metrics_changed_at, view(plane, lease).total_syncs_with_changes) == (None, 0)


def test_a_postponed_run_adds_up_its_legs(plane, lease):
    plane.runs.postponed(lease, CHANGED, until=plane.clock.now() + timedelta(hours=1), reason="the hour is full")
    assert view(plane, lease).postponed_reason == "the hour is full"
    assert claim(plane) == []

    plane.clock.advance(hours=1)
    (again,) = claim(plane)
    plane.runs.done(again, CHANGED)
    run = plane.runs.get(lease.run_id)
    assert (run.state, run.counts.inserted, run.counts.fetched) == (RunState.DONE, 4, 20)
    assert view(plane, lease).postponed_until is None


def test_a_failure_is_told_and_counted_and_the_next_success_clears_it(plane):
    connection = plane.connect("1", "5min")
    plane.runs.request(connection.id)
    (lease,) = claim(plane)
    due = plane.clock.now() + timedelta(minutes=2)
    plane.runs.failed(lease, Leg(), Unavailable("Meta did not answer", "2"), until=due)
    told = view(plane, lease)
    assert (told.sync_status, told.last_sync_error, told.consecutive_failures) == (SyncStatus.ERROR, "Meta did not answer", 1)
    assert (told.next_due_at, plane.runs.get(lease.run_id).error_code) == (due, "2")

    plane.runs.request(connection.id)
    plane.runs.done(claim(plane)[0], Leg())
    assert (view(plane, lease).last_sync_error, view(plane, lease).consecutive_failures) == (None, 0)


@pytest.mark.parametrize("ends", ["done", "postponed"])
def test_a_leg_that_read_nothing_completes_nothing_and_mends_nothing(plane, ends):
    connection = plane.connect("1", "5min")
    plane.runs.request(connection.id)
    (lease,) = claim(plane)
    plane.runs.done(lease, Leg())
    completed = plane.clock.now()
    plane.clock.advance(minutes=5)
    plane.runs.request(connection.id)
    plane.runs.failed(claim(plane)[0], Leg(), Unavailable("Meta did not answer", "2"), until=plane.clock.now())
    plane.clock.advance(minutes=5)
    (again,) = claim(plane)
    if ends == "done":
        plane.runs.done(again, Leg(idle=True))
    else:
        plane.runs.postponed(again, Leg(idle=True), until=plane.clock.now(), reason="the app's calls are used up")

    told = view(plane, lease)
    assert (told.last_sync_completed_at, told.last_sync_error, told.consecutive_failures) == (completed, "Meta did not answer", 1)
    assert told.sync_status is SyncStatus.IDLE


def test_every_call_is_counted_and_renews_the_lease(plane, lease):
    for _ in range(3):
        plane.wall.advance(LEASE - timedelta(seconds=30))
        plane.runs.calling(lease)
        assert claim(plane) == []

    assert plane.runs.get(lease.run_id).calls == 3


def test_a_lease_lasts_anew_from_when_it_was_renewed(plane, lease):
    for _ in range(3):
        plane.wall.advance(LEASE - timedelta(seconds=30))
        plane.leases.renew([lease])
        assert claim(plane) == []

    plane.wall.advance(LEASE)
    assert [each.run_id for each in claim(plane)] == [lease.run_id]


def test_a_closed_run_cannot_be_closed_again(plane, lease):
    plane.runs.done(lease, CHANGED)

    with pytest.raises(LeaseLost):
        plane.runs.done(lease, CHANGED)
    assert view(plane, lease).total_syncs_with_changes == 1
    assert plane.runs.is_leased(lease.run_id, lease.generation) is False


def test_a_connection_that_is_not_synced_refuses_requests_with_the_reason(plane):
    connection = plane.connect("1")
    plane.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "The token has expired.")

    with pytest.raises(Usage, match=r"needs_reauth.*expired"):
        plane.runs.request(connection.id)
    with pytest.raises(UnknownConnection):
        plane.runs.request("nothing")


def test_requests_share_a_dispatch_generation_until_the_next_claim(plane):
    connection = plane.connect("1", "manual")
    before = plane.runs.dispatch_generation("meta", Lane.ON_DEMAND)
    plane.runs.request(connection.id)
    assert (plane.runs.dispatch_generation("meta", Lane.ON_DEMAND), plane.leases.waiting("meta", Lane.ON_DEMAND)) == (before, 1)

    claim(plane)
    assert (plane.runs.dispatch_generation("meta", Lane.ON_DEMAND), plane.leases.waiting("meta", Lane.ON_DEMAND)) == (
        before + 1,
        0,
    )


def test_a_paused_connection_waits_for_nobody(plane):
    connection = plane.connect("1", "manual")
    plane.runs.request(connection.id)
    plane.connections.set_status(connection.id, ConnectionStatus.PAUSED, None)

    assert (plane.leases.waiting("meta", Lane.ON_DEMAND), claim(plane)) == (0, [])


class Machine(RuleBasedStateMachine):
    """Random requests, claims and endings: closed stays closed, and a connection never has two open runs.

    Claims that end unsettled, and workers that die, are counted beside the product: it gives up exactly when it should.
    """

    def __init__(self, new_engine):
        super().__init__()
        self.opened = ExitStack()
        self.new_engine = new_engine

    @initialize()
    def begin(self):
        self.engine = self.opened.enter_context(self.new_engine())
        self.plane = ControlPlane(self.engine, SteppedClock())
        self.ids = [self.plane.connect(str(number)).id for number in range(3)]
        self.leases = []
        self.before = {}
        self.unsettled, self.deaths, self.ran_out = Counter(), Counter(), set()

    @rule(which=st.integers(0, 2), force=st.booleans())
    def request(self, which, force):
        self.plane.runs.request(self.ids[which], force=force)

    @rule(queued=st.booleans(), seconds=st.integers(0, 900))
    def claim(self, queued, seconds):
        self.plane.clock.advance(seconds=seconds)
        claimed = claim(self.plane) if queued else self.plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w")
        again = {lease.connection.id for lease in claimed}
        self.deaths.update(self.ran_out & again)
        self.ran_out -= again
        self.leases += claimed
        for lease in claimed:
            assert lease.worker_deaths == self.deaths[lease.connection.id]
            assert bool(suspected(lease)) is (self.deaths[lease.connection.id] >= 3)

    @rule(which=st.integers(0, 2))
    def lease_runs_out(self, which):
        held = (ConnectionRow.id == self.ids[which]) & ConnectionRow.lease_owner.is_not(None)
        with self.engine.begin() as session:
            if session.execute(update(ConnectionRow).where(held).values(lease_until=self.plane.wall.now() - timedelta(seconds=1))).rowcount:
                self.ran_out.add(self.ids[which])

    @rule(index=st.integers(0, 99), ending=st.sampled_from(Ending))
    def give_back(self, index, ending):
        if not self.leases:
            return
        lease = self.leases[index % len(self.leases)]
        connection_id, held = lease.connection.id, self.plane.runs.is_leased(lease.run_id, lease.generation)
        self.plane.leases.release([lease], ending)
        if not held:
            return
        self.ran_out.discard(connection_id)
        self.deaths[connection_id] += ending is Ending.WORKER_DIED
        self.unsettled[connection_id] += ending is Ending.UNSETTLED
        given_up = self.unsettled[connection_id] == 5
        if given_up:
            del self.unsettled[connection_id]
        assert self.plane.runs.get(lease.run_id).state is (RunState.DEAD if given_up else RunState.QUEUED)

    @rule(index=st.integers(0, 99), ending=st.sampled_from(["done", "postponed", "failed", "fetched", "applied"]))
    def end(self, index, ending):
        if not self.leases:
            return
        lease = self.leases[index % len(self.leases)]
        try:
            self.finish(lease, ending)
            if ending in ("done", "postponed", "failed"):
                del self.deaths[lease.connection.id]
                self.ran_out.discard(lease.connection.id)
        except LeaseLost:
            assert not self.plane.runs.is_leased(lease.run_id, lease.generation) or ending in ("applied", "fetched")

    def finish(self, lease, ending):
        runs = self.plane.runs
        if ending in ("fetched", "applied"):
            getattr(runs, ending)(lease)
        elif ending == "done":
            runs.done(lease, CHANGED)
        elif ending == "postponed":
            runs.postponed(lease, CHANGED, until=self.plane.clock.now() + timedelta(minutes=7), reason="r")
        else:
            runs.failed(lease, Leg(), Unavailable("x"), until=self.plane.clock.now())

    @invariant()
    def moves_are_legal_and_one_run_is_open(self):
        if not hasattr(self, "engine"):
            return
        with self.engine.connect() as session:
            rows = session.execute(text("SELECT id, connection_id, state FROM sync_run")).all()
        opened = [row.connection_id for row in rows if row.state not in ("done", "dead")]
        assert len(opened) == len(set(opened))
        for row in rows:
            old, new = self.before.get(row.id), RunState(row.state)
            assert old is None or old is new or new in LEGAL_MOVES[old]
            self.before[row.id] = new

    def teardown(self):
        self.opened.close()


def test_no_sequence_of_operations_breaks_a_run(new_engine):
    run_state_machine_as_test(lambda: Machine(new_engine), settings=settings(max_examples=25, stateful_step_count=30))


def test_a_settled_sync_is_due_when_a_tick_could_read_something_next_unless_its_frequency_was_changed(plane):
    kept, changed = plane.connect("1"), plane.connect("2")
    later = plane.clock.now() + timedelta(minutes=40)
    first, second = sorted(plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "test"), key=lambda lease: lease.connection.name)
    plane.clock.advance(minutes=6)
    plane.connections.set_frequency(changed.id, "10min")
    for lease in (first, second):
        plane.runs.postponed(lease, Leg(next_due_at=later), until=later, reason="no calls are left")

    assert plane.connections.get(kept.id).next_due_at == later
    assert plane.connections.get(changed.id).next_due_at == plane.clock.now()
