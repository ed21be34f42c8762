"""Claims that end without a settled sync: how they are told apart, and when a connection is given up."""

from datetime import timedelta

import pytest
from sqlalchemy import text, update

from adpulse.frequency import Frequency
from adpulse.model import Lane, RunState, SyncStatus
from adpulse.retry import DEAD_AFTER
from storage.control.runs import Leg
from storage.control.tables import ConnectionRow
from storage.control.unsettled import Ending, suspected


def claim(plane, connection):
    """The connection's next claim; others that wait are given back."""
    plane.runs.request(connection.id)
    found = {each.connection.id: each for each in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")}
    lease = found.pop(connection.id)
    plane.leases.release(list(found.values()))
    return lease


def ends(plane, connection, ending, times=1):
    for _ in range(times):
        plane.leases.release([claim(plane, connection)], ending)


def newest(plane, connection):
    return plane.runs.history(connection.id, 1)[0]


def test_five_unsettled_claims_within_ten_minutes_are_a_dead_letter_and_the_connection_rests_an_hour(plane):
    connection = plane.connect("1", "5min")
    for _ in range(5):
        ends(plane, connection, Ending.UNSETTLED)
        plane.wall.advance(timedelta(seconds=149))

    (letter,) = plane.runs.dead_letters(connection.id)
    view = plane.connections.get(connection.id)
    assert (letter.error_code, letter.state) == ("unsettled", RunState.DEAD)
    assert letter.error.startswith("The sync of Account 1 ended 5 times within 10 minutes without a result")
    assert (view.sync_status, view.last_sync_error, view.consecutive_failures) == (SyncStatus.ERROR, letter.error, 1)
    assert view.next_due_at == plane.clock.now() + timedelta(hours=1)
    assert plane.runs.leases_of_connection(connection.id) == []
    assert plane.leases.waiting("meta", Lane.ON_DEMAND) == 0


def test_four_unsettled_claims_are_none(plane):
    connection = plane.connect("1", "5min")

    ends(plane, connection, Ending.UNSETTLED, 4)

    assert (plane.runs.dead_letters(), newest(plane, connection).state) == ([], RunState.QUEUED)


def test_five_unsettled_claims_in_more_than_ten_minutes_are_none(plane):
    connection = plane.connect("1", "5min")
    for _ in range(8):
        ends(plane, connection, Ending.UNSETTLED)
        plane.wall.advance(timedelta(seconds=151))

    assert plane.runs.dead_letters() == []


def test_the_ten_minutes_are_the_last_ones(plane):
    connection = plane.connect("1", "5min")
    ends(plane, connection, Ending.UNSETTLED)
    plane.wall.advance(timedelta(minutes=9))
    ends(plane, connection, Ending.UNSETTLED, 3)
    plane.wall.advance(timedelta(minutes=2))
    ends(plane, connection, Ending.UNSETTLED)
    assert plane.runs.dead_letters() == []

    ends(plane, connection, Ending.UNSETTLED)

    assert len(plane.runs.dead_letters()) == 1


def test_after_a_letter_the_count_begins_anew(plane):
    connection = plane.connect("1", "5min")
    ends(plane, connection, Ending.UNSETTLED, 5)

    ends(plane, connection, Ending.UNSETTLED, 4)
    assert newest(plane, connection).state is RunState.QUEUED
    ends(plane, connection, Ending.UNSETTLED)
    assert newest(plane, connection).state is RunState.DEAD
    assert len(plane.runs.dead_letters()) == 1


def test_a_lease_given_back_is_counted_as_nothing(plane):
    connection = plane.connect("1", "5min")

    ends(plane, connection, Ending.RELEASED, 9)

    lease = claim(plane, connection)
    assert (plane.runs.dead_letters(), lease.worker_deaths, suspected(lease)) == ([], 0, None)


def test_unsettled_claims_of_others_do_not_count(plane):
    one, other = plane.connect("1", "5min"), plane.connect("2", "5min")
    for _ in range(4):
        ends(plane, one, Ending.UNSETTLED)
        ends(plane, other, Ending.UNSETTLED)

    assert plane.runs.dead_letters() == []


def test_a_lease_that_was_lost_counts_for_nobody(plane):
    connection = plane.connect("1", "5min")
    lost = claim(plane, connection)
    plane.leases.release([lost])

    plane.leases.release([lost] * 9, Ending.UNSETTLED)

    assert plane.runs.dead_letters() == []


@pytest.mark.parametrize("how", ["its lease ran out", "it was given back by a successor"])
def test_a_connection_that_three_dying_workers_in_a_row_had_is_suspected(plane, how):
    connection, other = plane.connect("1", "5min"), plane.connect("2", "5min")
    told = []
    for _ in range(3):
        lease = claim(plane, connection)
        told.append(suspected(lease))
        if how == "its lease ran out":
            plane.wall.advance(timedelta(minutes=4))
        else:
            plane.leases.release([lease], Ending.WORKER_DIED)

    error = suspected(claim(plane, connection))
    assert told == [None, None, None]
    assert error.code == "worker_died"
    assert str(error).startswith("3 workers in a row died while they synced Account 1")
    assert claim(plane, other).worker_deaths == 0


def test_a_settled_sync_between_two_deaths_clears_its_connection(plane):
    connection = plane.connect("1", "5min")
    ends(plane, connection, Ending.WORKER_DIED, 2)
    plane.runs.done(claim(plane, connection), Leg())
    ends(plane, connection, Ending.WORKER_DIED, 2)

    assert suspected(claim(plane, connection)) is None


def test_a_tick_counts_a_death_as_well(plane):
    plane.connect("1", "5min")
    found = []
    for _ in range(4):
        (lease,) = plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w")
        found.append(lease.worker_deaths)
        plane.wall.advance(timedelta(minutes=4))
        plane.clock.advance(minutes=5)

    assert found == [0, 1, 2, 3]


def test_a_lease_that_was_given_before_the_clock_was_set_back_is_no_death(plane):
    connection = plane.connect("1", "5min")
    claim(plane, connection)
    plane.wall.advance(timedelta(days=-1))

    assert claim(plane, connection).worker_deaths == 0


def test_what_cannot_be_counted_is_given_back_all_the_same(plane):
    odd, fine = plane.connect("1", "5min"), plane.connect("2", "5min")
    taken = [claim(plane, odd), claim(plane, fine)]
    with plane.engine.begin() as session:
        session.execute(update(ConnectionRow).where(ConnectionRow.id == odd.id).values(unsettled_at="yesterday"))

    plane.leases.release(taken, Ending.UNSETTLED)

    assert [newest(plane, each).state for each in (odd, fine)] == [RunState.QUEUED] * 2
    ends(plane, odd, Ending.UNSETTLED, 4)
    assert [letter.error_code for letter in plane.runs.dead_letters()] == ["unsettled"]


def odd_row(plane, connection, frequency="fortnightly"):
    with plane.engine.begin() as session:
        session.execute(text("UPDATE connection SET sync_frequency = :f WHERE id = :id"), {"f": frequency, "id": connection.id})


def test_a_row_that_cannot_be_leased_fails_with_growing_pauses_until_it_is_a_dead_letter(plane):
    odd, fine = plane.connect("1", "5min"), plane.connect("2", "5min")
    for each in (odd, fine):
        plane.runs.request(each.id)
    odd_row(plane, odd)

    claimed = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")
    waits = []
    for _ in range(DEAD_AFTER - 1):
        run = newest(plane, odd)
        waits.append((run.until - plane.clock.now()).total_seconds())
        assert "fortnightly" in run.error
        plane.clock.advance(seconds=waits[-1])
        assert plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w") == []

    assert [each.connection.id for each in claimed] == [fine.id]
    doubled = (60, 120, 240, *[480 / 1.1] * (DEAD_AFTER - 4))
    assert all(least <= wait <= 1.1 * least for wait, least in zip(waits, doubled, strict=True))
    assert (newest(plane, odd).state, newest(plane, odd).attempts) == (RunState.DEAD, DEAD_AFTER)
    odd_row(plane, odd, "5min")
    assert plane.connections.get(odd.id).next_due_at == plane.clock.now() + timedelta(hours=1)


def test_a_row_of_an_unknown_frequency_does_not_keep_its_neighbours_from_being_planned(plane):
    odd, fine = plane.connect("1", "5min"), plane.connect("2", "hourly")
    odd_row(plane, odd)

    assert [(each.frequency, each.count) for each in plane.connections.groups_of(fine.scope, 100)] == [(Frequency.HOURLY, 1)]
    assert plane.connections.groups() == {("meta", Frequency.HOURLY): 1}


def test_a_due_row_that_cannot_be_leased_gets_a_run_that_says_why(plane):
    odd, fine = plane.connect("1", "5min"), plane.connect("2", "5min")
    with plane.engine.begin() as session:
        session.execute(text("UPDATE connection SET gross_margin = 'a third' WHERE id = :id"), {"id": odd.id})

    claimed = plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w")

    assert [each.connection.id for each in claimed] == [fine.id]
    assert (newest(plane, odd).state, newest(plane, odd).attempts) == (RunState.FAILED, 1)
    assert newest(plane, odd).error.startswith(f"The control plane's row of connection {odd.id} cannot be used (InvalidOperation")
    assert plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w") == []
