"""What is counted of an installation is what is there, on both databases, whatever the number of connections."""

from datetime import timedelta

import pytest
from sqlalchemy import event, update

from adpulse.errors import AuthExpired, BadRequest
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Heat, Lane, RunCounts, RunState
from adpulse.planner.scopes import ScopeLimits, scope_limits
from adpulse.settings import Settings
from storage.control.gauges import AGES, Gauges
from storage.control.runs import Leg
from storage.control.tables import ConnectionRow, RunRow


@pytest.fixture
def gauges(plane):
    return Gauges(plane.engine, plane.clock, scope_limits(Settings()), wall=plane.wall)


def synced(plane, connection, ago, **values):
    with plane.engine.begin() as session:
        at = plane.clock.now() - ago
        session.execute(update(ConnectionRow).where(ConnectionRow.id == connection.id).values(last_sync_completed_at=at, **values))


def group(snapshot, frequency, provider="meta", status=ConnectionStatus.ACTIVE):
    (found,) = [each for each in snapshot.connections if (each.provider, each.status, each.frequency) == (provider, status, frequency)]
    return found


def test_warnings_are_counted_by_platform_and_topic(plane, gauges):
    plane.runs.request(plane.connect("7").id)
    (lease,) = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "test")
    kinds = ("entities_full", "refused_rows ads 2026-03-20", "refused_rows campaigns 2026-03-20")
    for kind in kinds:
        plane.warnings.record(lease, kind, BadRequest("odd"))

    assert gauges.read().warnings == {("meta", "entities_full"): 1, ("meta", "refused_rows"): 2}


def test_an_empty_installation_counts_nothing(gauges):
    found = gauges.read()

    assert (found.connections, found.open_runs, found.dead_letters, found.ended, found.scopes) == ([], {}, {}, [], [])
    assert found.calls == found.busiest_account == {"meta": 0, "google": 0}


def test_connections_are_grouped_and_what_holds_them_up_is_counted(plane, gauges):
    soon = plane.clock.now() + timedelta(minutes=5)
    for number, values in enumerate([{"postponed_until": soon}, {"cooldown_until": soon}, {"consecutive_failures": 2}, {}]):
        synced(plane, plane.connect(str(number)), timedelta(minutes=1), **values)
    plane.connect("never")
    plane.connections.set_status(plane.connect("paused").id, ConnectionStatus.PAUSED, "why")
    plane.connect("customer", provider="google", scope="google:1")

    found = gauges.read()
    five = group(found, Frequency.EVERY_5_MIN)

    assert (five.count, five.postponed, five.cooling_down, five.failing, five.never_synced) == (5, 1, 1, 1, 1)
    assert group(found, Frequency.EVERY_5_MIN, status=ConnectionStatus.PAUSED).count == 1
    assert group(found, Frequency.EVERY_5_MIN, "google").never_synced == 1


def test_a_wait_that_is_over_holds_nobody_up(plane, gauges):
    past = plane.clock.now() - timedelta(seconds=1)
    synced(plane, plane.connect("1"), timedelta(0), postponed_until=past, cooldown_until=past)

    assert (group(gauges.read(), Frequency.EVERY_5_MIN).postponed, group(gauges.read(), Frequency.EVERY_5_MIN).cooling_down) == (0, 0)


def test_stale_is_three_intervals_of_ones_own_frequency_and_only_of_what_is_polled(plane, gauges):
    ages = {"5min": (14, 16), "hourly": (179, 181), "daily": (3 * 1440 - 1, 3 * 1440 + 1)}
    for frequency, minutes in ages.items():
        for each in minutes:
            synced(plane, plane.connect(f"{frequency}{each}", frequency), timedelta(minutes=each))
    synced(plane, plane.connect("manual", "manual"), timedelta(days=400))
    paused = plane.connect("paused")
    synced(plane, paused, timedelta(days=400))
    plane.connections.set_status(paused.id, ConnectionStatus.PAUSED, "why")

    found = gauges.read()

    assert {each.frequency: each.stale for each in found.connections if each.polled} == dict.fromkeys(map(Frequency, ages), 1)
    assert [each.stale for each in found.connections if not each.polled] == [0, 0]


def test_one_whose_limits_allow_less_is_stale_later(plane, gauges):
    for name, minutes in (("kept", None), ("paced", timedelta(minutes=10))):
        connection = plane.connect(name)
        synced(plane, connection, timedelta(minutes=20))
        plane.staleness.pace({connection.id: minutes})

    assert [each.stale for each in gauges.read().connections] == [1]


def test_ages_are_cumulative_and_the_bound_belongs_to_its_bucket(plane, gauges):
    for age in (AGES[0], AGES[0] + 1, AGES[-1] + 1):
        synced(plane, plane.connect(str(age)), timedelta(seconds=age))

    five = group(gauges.read(), Frequency.EVERY_5_MIN)

    assert five.synced_within == (1, *[2] * (len(AGES) - 1))
    assert five.oldest == plane.clock.now() - timedelta(seconds=AGES[-1] + 1)


def test_runs_are_counted_by_state_and_what_the_last_hour_brought_by_its_end(plane, gauges):
    connections = [plane.connect(str(number)) for number in range(4)]
    leases = plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "test")
    counts = RunCounts(fetched=10, inserted=1, updated=2, unchanged=7)
    plane.runs.done(leases[0], Leg(counts=counts, changes=1, changed_at=plane.clock.now()))
    plane.runs.done(leases[1], Leg(counts=RunCounts(fetched=5, unchanged=5)))
    plane.runs.dead(leases[2], Leg(), AuthExpired("ended"), next_due_at=plane.clock.now())
    plane.runs.request(plane.connect("asked").id)
    plane.runs.resolve(plane.runs.dead_letters()[0].id, "seen")
    plane.runs.done(leases[3], Leg(counts=RunCounts(fetched=100, inserted=100)))
    aged = plane.runs.get(leases[3].run_id).finished_at - timedelta(minutes=61)
    with plane.engine.begin() as session:
        session.execute(update(RunRow).where(RunRow.id == leases[3].run_id).values(finished_at=aged))

    found = gauges.read()
    ended = {each.state: (each.count, each.changed, each.rows_fetched, each.rows_written) for each in found.ended}

    assert len(connections) == len(leases)
    assert found.open_runs == {("meta", RunState.QUEUED): 1}
    assert found.dead_letters == {}
    assert ended == {RunState.DONE: (2, 1, 15, 3), RunState.DEAD: (1, 0, 0, 0)}


def test_calls_are_those_of_the_window_of_each_limit(plane, gauges):
    for _ in range(3):
        plane.ledger.take("meta:1", "meta", Heat.HOT)
    plane.ledger.take("meta:2", "meta", Heat.HOT)
    plane.ledger.take("google:7", "google:project", Heat.HOT)
    plane.clock.advance(hours=2)
    plane.ledger.take("google:7", "google:project", Heat.HOT)
    plane.ledger.take("meta:2", "meta", Heat.HOT)

    found = gauges.read()

    assert found.calls == {"meta": 1, "google": 1}
    assert found.busiest_account == {"meta": 1, "google": 1}
    assert {each.scope: each.calls for each in found.scopes} == {"meta": 1, "google:project": 2}


def test_the_busiest_account_is_the_one_with_most_calls(plane, gauges):
    for key, calls in (("meta:1", 3), ("meta:2", 2), ("google:1", 1)):
        for _ in range(calls):
            plane.ledger.take(key, key.partition(":")[0], Heat.HOT)

    found = gauges.read()

    assert found.calls == {"meta": 5, "google": 1}
    assert found.busiest_account == {"meta": 3, "google": 1}


def test_many_connections_are_no_more_statements_than_one(plane):
    gauges = Gauges(plane.engine, plane.clock, ScopeLimits(), wall=plane.wall)
    statements = []
    event.listen(plane.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))

    def asked():
        statements.clear()
        gauges.read()
        return len([each for each in statements if each.lstrip().startswith("SELECT")])

    one = (plane.connect("0"), asked())[1]
    for number in range(1, 30):
        plane.connect(str(number))
        plane.ledger.take(f"meta:{number}", "meta", Heat.HOT)

    assert asked() == one < 12
