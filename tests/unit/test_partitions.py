"""Partition ages: noted per day, only ever newer, forgotten on demand."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from adpulse.campaign_range import CampaignRange
from adpulse.model import Fetch, FetchKind, Heat, Lane, Parts
from adpulse.planner.change_check import ChangeCheck
from adpulse.planner.day_parts import DayPart


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
    check = ChangeCheck(day=DAY, fingerprints={"k1": "0a"}, calls=2, checked_at=plane.clock.now())
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
    checked(plane, connection)
    if how == "forgotten":
        plane.partitions.forget(connection.id, read_since=plane.clock.now())
    else:
        plane.runs.request(connection.id, force=True)

    assert plane.change_checks.of(connection.id) is None
    assert plane.partitions.ages(connection.id).checked == {}


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
