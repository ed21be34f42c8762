"""Partition ages: noted per day, only ever newer, forgotten on demand."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from adpulse.campaign_range import CampaignRange
from adpulse.model import CompleteRead, Fetch, FetchKind, Heat, Lane, Parts, days_between
from adpulse.planner.change_check import ChangeCheck
from adpulse.planner.day_parts import DayPart
from adpulse.planner.lookback import settles_at
from adpulse.planner.restatement_check import DayCheck
from adpulse.platforms.registry import platform_of
from storage.control import migrations
from storage.control.mappings import Mappings
from storage.control.tables import PartitionRow


def ads(since, until):
    return Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=1, since=since, until=until)


DAY = date(2026, 3, 10)


def test_a_read_counts_for_each_of_its_days(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    plane.partitions.record(connection.id, [ads(DAY, DAY + timedelta(days=2)).complete_at(now)], plane.clock.now())

    ages = plane.partitions.ages(connection.id)
    assert ages.days == {(FetchKind.ADS, DAY + timedelta(days=n)): now for n in range(3)}


def test_an_older_read_never_makes_a_partition_older(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    plane.partitions.record(connection.id, [ads(DAY, DAY).complete_at(now)], plane.clock.now())
    plane.partitions.record(connection.id, [ads(DAY, DAY).complete_at(now - timedelta(hours=1))], plane.clock.now())

    assert plane.partitions.ages(connection.id).days[FetchKind.ADS, DAY] == now


def test_a_read_from_the_future_of_a_clock_that_was_set_back_gives_way(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    later = now + timedelta(days=2)
    plane.partitions.record(connection.id, [ads(DAY, DAY).complete_at(later)], later)

    plane.partitions.record(connection.id, [ads(DAY, DAY).complete_at(now)], now)

    assert plane.partitions.ages(connection.id).days[FetchKind.ADS, DAY] == now


def test_a_forced_request_marks_the_lookback_and_leaves_final_days(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    old = now.date() - timedelta(days=60)
    walk = Fetch(kind=FetchKind.ENTITIES_FULL, heat=Heat.COLD, cost=1)
    plane.partitions.record(
        connection.id, [ads(DAY, DAY).complete_at(now), ads(old, old).complete_at(now), walk.complete_at(now)], plane.clock.now()
    )
    plane.runs.request(connection.id, Parts.BOTH, force=True)

    ages = plane.partitions.ages_to_plan_by(connection.id)
    assert (dict(ages.dateless), set(ages.days)) == ({}, {(FetchKind.ADS, old)})


def test_what_is_to_be_read_again_is_known_meanwhile_and_due_until_it_was_read(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    today = ads(now.date(), now.date())
    plane.partitions.record(connection.id, [today.complete_at(now)], now)
    plane.runs.request(connection.id, Parts.BOTH, force=True)
    known = {(FetchKind.ADS, now.date()): now}

    plane.partitions.record(connection.id, [today.complete_at(now - timedelta(minutes=1))], now)
    assert (plane.partitions.ages(connection.id).days, plane.partitions.ages_to_plan_by(connection.id).days) == (known, {})

    plane.partitions.record(connection.id, [today.complete_at(now)], now)
    assert plane.partitions.ages(connection.id).days == plane.partitions.ages_to_plan_by(connection.id).days == known


def test_ages_with_reads_that_are_not_noted_yet_are_those_after_noting_them(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    facts = Fetch(kind=FetchKind.ACCOUNT_FACTS, heat=Heat.COLD, cost=1)
    first = [ads(DAY, DAY + timedelta(days=2)).complete_at(now), facts.complete_at(now)]
    second = [
        ads(DAY - timedelta(days=1), DAY).complete_at(now + timedelta(hours=1)),
        facts.complete_at(now - timedelta(hours=1)),
    ]
    plane.partitions.record(connection.id, first, now)

    told = plane.partitions.ages(connection.id).after(second)
    plane.partitions.record(connection.id, second, now + timedelta(hours=1))

    assert told == plane.partitions.ages(connection.id)


def checked(plane, connection):
    """A leg's check whose leaves are stored."""
    plane.runs.request(connection.id)
    (lease,) = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "test")
    now = plane.clock.now()
    check = ChangeCheck(day=DAY, fingerprints={"k1": "0a"}, calls=2, checked_at=now, left=3, changes=(now - timedelta(minutes=15), now))
    plane.change_checks.record(lease, check)
    return lease, check


def test_the_last_check_of_a_connection_is_kept_unless_its_lease_was_lost(plane):
    connection = plane.connect("1")
    lease, check = checked(plane, connection)
    plane.leases.release([lease])
    plane.change_checks.record(lease, replace(check, calls=9))

    assert plane.change_checks.of(connection.id) == check
    assert plane.partitions.ages(connection.id).checked == {DAY: check.checked_at}


@pytest.mark.parametrize("how", ["forgotten", "requested"])
def test_no_check_counts_before_days_are_read_again(plane, how):
    connection = plane.connect("1")
    lease, _ = checked(plane, connection)
    restatements_checked(plane, lease, [(0, "0a")])
    if how == "forgotten":
        plane.partitions.forget(connection.id, read_since=plane.clock.now())
    else:
        plane.runs.request(connection.id, force=True)

    assert plane.change_checks.of(connection.id) is None
    assert plane.partitions.ages(connection.id).checked == plane.partitions.ages(connection.id).restatements_checked == {}


def restatements_checked(plane, lease, days):
    """Checks of days that are so far from ``DAY``; None where nothing is known."""
    checks = {
        DAY + timedelta(days=far): known and DayCheck(fingerprints={"k1": known}, checked_at=plane.clock.now()) for far, known in days
    }
    plane.restatement_checks.record(lease, checks, oldest=DAY)
    return checks


def test_checks_of_older_days_are_kept_by_day_until_these_are_too_old(plane):
    connection = plane.connect("1")
    lease, _ = checked(plane, connection)
    first = restatements_checked(plane, lease, [(-1, "0a"), (0, "0b"), (1, "0c"), (2, "0d")])
    restatements_checked(plane, lease, [(1, "1c"), (2, None)])
    plane.leases.release([lease])
    restatements_checked(plane, lease, [(0, "2b")])  # its lease is lost

    ages, days = plane.partitions.ages(connection.id), [DAY + timedelta(days=far) for far in range(-1, 3)]
    known = plane.restatement_checks.of(connection.id, days)
    assert known == {days[1]: first[days[1]], days[2]: DayCheck(fingerprints={"k1": "1c"}, checked_at=plane.clock.now())}
    assert ages.restatements_checked == dict.fromkeys(days[1:3], plane.clock.now())
    assert plane.restatement_checks.of(connection.id, days[:2]) == {days[1]: first[days[1]]}
    assert plane.restatement_checks.of(plane.connect("2").id, days) == {}


def begun(plane, connection):
    """A day whose read in two parts has begun."""
    named = DayPart(campaigns=CampaignRange(only=("k1", "k2")), leaf_calls=30, total_calls=1)
    others = DayPart(campaigns=CampaignRange(without=("k1", "k2")), leaf_calls=2, total_calls=2)
    plane.runs.request(connection.id)
    (lease,) = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "test")
    plane.day_parts.begin(lease, {DAY: (named, others)})
    return named, others


def test_a_day_is_read_with_its_last_part_and_is_as_old_as_its_first_one(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    named, others = begun(plane, connection)
    first = plane.partitions.record_parts(connection.id, {(DAY, others.campaigns): now}, now)
    between = plane.partitions.ages(connection.id)
    last = plane.partitions.record_parts(connection.id, {(DAY, named.campaigns): now + timedelta(hours=2)}, now + timedelta(hours=2))
    after = plane.partitions.ages(connection.id)

    assert (first, between.days, between.parts) == ([], {}, {DAY: (named, replace(others, read_at=now))})
    assert (last, after.parts) == ([DAY], {})
    assert after.days == {(kind, DAY): now for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS)}


def test_a_day_that_is_to_be_read_again_is_read_from_its_first_part(plane):
    connection = plane.connect("1")
    begun(plane, connection)
    plane.runs.request(connection.id, force=True)

    assert plane.partitions.ages(connection.id).parts == {}


# Ranges. Meta's days are final after 28 days, Google's after 90.


def stored_rows(plane):
    with plane.engine.connect() as session:
        return session.execute(select(PartitionRow.kind, PartitionRow.day, PartitionRow.days).order_by(PartitionRow.day)).all()


def test_days_of_one_read_are_one_row(plane):
    connection, now = plane.connect("1"), plane.clock.now()

    plane.partitions.record(connection.id, [ads(DAY, DAY + timedelta(days=6)).complete_at(now)], now)
    assert stored_rows(plane) == [("ads", "2026-03-10", 7)]

    plane.partitions.record(
        connection.id, [ads(DAY + timedelta(days=2), DAY + timedelta(days=3)).complete_at(now + timedelta(minutes=10))], now
    )
    assert [days for _, _, days in stored_rows(plane)] == [2, 2, 3]


def test_years_that_were_read_day_by_day_are_a_few_rows_and_every_day_stays_final(plane):
    """Each day is read a day after the one before it, when it has become final."""
    connection, kinds = plane.connect("1"), (FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)
    first, most, reads, length = date(2023, 3, 1), 0, 55, 20  # many days a read: the same in a part of the time
    for number in range(reads):
        days = days_between(first + timedelta(days=length * number), first + timedelta(days=length * number + length - 1))
        now = settles_at(connection, days[-1]) + timedelta(minutes=number % 50)
        plane.partitions.record(connection.id, [CompleteRead(kind, days, now) for kind in kinds], now)
        most = max(most, len(stored_rows(plane)))

    ages = plane.partitions.ages_to_plan_by(connection.id)
    assert most <= 200
    assert len(stored_rows(plane)) <= 9
    assert len(ages.days) == 3 * length * reads
    assert all(at >= settles_at(connection, day) for (_, day), at in ages.days.items())
    assert max(ages.days.values()) <= now


def test_what_a_restored_warehouse_lacks_is_forgotten_and_no_more(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    old, held = date(2025, 6, 1), now - timedelta(minutes=30)
    for number in range(30):
        at = now - timedelta(days=30 - number)
        plane.partitions.record(connection.id, [ads(old + timedelta(days=number), old + timedelta(days=number)).complete_at(at)], at)
    for number, minutes in ((2, -10), (1, 10)):  # in one hour and so one range, half of which the restored warehouse has
        at = held + timedelta(minutes=minutes)
        day = old - timedelta(days=number)
        plane.partitions.record(connection.id, [ads(day, day).complete_at(at)], at)

    plane.partitions.forget(connection.id, now.date() - timedelta(days=28), held)

    days = {day for _, day in plane.partitions.ages(connection.id).days}
    assert old - timedelta(days=1) not in days
    assert {old + timedelta(days=number) for number in range(28)} <= days


def test_days_counted_by_an_earlier_mapping_are_not_united_with_those_of_the_new_one(plane):
    connection, now = plane.connect("1"), plane.clock.now()
    old = date(2025, 6, 1)
    plane.partitions.record(connection.id, [ads(old, old).complete_at(now)], now)
    plane.clock.advance(minutes=1)
    chosen = plane.clock.now()
    Mappings(plane.engine, plane.clock).choose(connection, platform_of(connection.provider).mapping.preset("purchases"))
    plane.clock.advance(minutes=1)
    later = plane.clock.now()
    plane.partitions.record(connection.id, [ads(old + timedelta(days=1), old + timedelta(days=1)).complete_at(later)], later)

    assert plane.partitions.ages(connection.id).days_read_until(chosen) == {old}


def test_a_time_before_its_ranges_has_a_row_for_each_day(plane):
    """The migration of ranges is taken back."""
    connection, now = plane.connect("1"), plane.clock.now()
    plane.partitions.record(connection.id, [ads(DAY, DAY + timedelta(days=6)).complete_at(now)], now)

    before = plane.partitions.ages(connection.id).days
    migrations.downgrade(plane.engine, "0028")
    with plane.engine.connect() as session:
        days = session.execute(text("SELECT day FROM partition_state ORDER BY day")).scalars().all()
    migrations.migrate(plane.engine)

    assert days == [str(DAY + timedelta(days=number)) for number in range(7)]
    assert plane.partitions.ages(connection.id).days == before
