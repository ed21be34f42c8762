"""When a tick could read something next: never before, and not later than it could."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from connecting import unstored
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Heat, Lane, Parts
from adpulse.planner.account import Account
from adpulse.planner.next_read import LONGEST_WAIT, next_useful_slot
from adpulse.planner.plan import plan
from adpulse.planner.windows import PartitionAges
from adpulse.platforms.base import CallLimit

NOW = datetime(2026, 3, 20, 15, 0, 1, tzinfo=UTC)
SLOT = datetime(2026, 3, 20, 15, 0, 30, tzinfo=UTC)
BURST = CallLimit(calls=50, window=timedelta(seconds=300))


def account(*, ads=150, frequency=Frequency.REALTIME, **facts):
    connection = unstored(frequency=frequency, timezone="UTC", ad_count=ads, campaign_count=max(1, ads // 20))
    return Account(connection=connection, parts=Parts.BOTH, on_demand=False, page_size=500, limit=180, lane=Lane.BACKGROUND, **facts)


def read(minutes=0):
    """Everything was read so long ago."""
    at, today = NOW - timedelta(minutes=minutes), NOW.date()
    kinds = (FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)
    days = {(kind, today - timedelta(days=n)): at for kind in kinds for n in range(90)}
    dateless = dict.fromkeys((FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED), at)
    return PartitionAges(days=days, dateless=dateless)


def hot(count, ago):
    return tuple((NOW - timedelta(seconds=ago), Heat.HOT) for _ in range(count))


def test_a_small_account_is_due_with_each_slot():
    assert next_useful_slot(NOW, account(), read(), ()) == SLOT
    assert next_useful_slot(NOW, account(frequency=Frequency.EVERY_5_MIN), read(), ()) == datetime(2026, 3, 20, 15, 5, tzinfo=UTC)


@pytest.mark.parametrize("minute", [0, 1, 2, 3, 4])
def test_a_connection_whose_sync_comes_late_after_its_slot_is_due_with_the_next_one_all_the_same(minute):
    now, ages = NOW + timedelta(minutes=minute), read(minutes=-minute)

    due = next_useful_slot(now, account(frequency=Frequency.EVERY_5_MIN), ages, ())
    assert due == datetime(2026, 3, 20, 15, 5, tzinfo=UTC)


def test_a_connection_that_is_never_due_by_itself_stays_so():
    assert next_useful_slot(NOW, account(frequency=Frequency.MANUAL), read(), ()) is None


def test_a_large_account_is_due_when_its_pace_allows_for_the_next_read():
    large = account(ads=10_000)
    due = next_useful_slot(NOW, large, read(), ())

    of_this_hour = replace(large, yesterday_due=False, days_are_checked=False).hour
    assert timedelta(0) <= due - (NOW + of_this_hour.pace * 0.95) < timedelta(seconds=30)


def test_a_full_hour_is_due_when_enough_calls_leave_it_and_at_most_after_an_hour():
    full = hot(180, 2400)

    assert next_useful_slot(NOW, account(), read(minutes=40), full) == datetime(2026, 3, 20, 15, 20, 30, tzinfo=UTC)
    assert next_useful_slot(NOW, account(ads=60_000), read(), hot(180, 0)) == SLOT + LONGEST_WAIT - timedelta(seconds=30)


def test_a_full_burst_window_is_due_when_it_has_room():
    assert next_useful_slot(NOW, account(burst=BURST), read(minutes=5), hot(50, 60)) == datetime(2026, 3, 20, 15, 4, 30, tzinfo=UTC)


def test_a_refusal_that_says_how_long_to_wait_counts_up_to_an_hour():
    def due(minutes):
        return next_useful_slot(NOW, account(), read(), (), not_before=NOW + timedelta(minutes=minutes))

    assert (due(3), due(600)) == (SLOT + timedelta(minutes=3), SLOT + LONGEST_WAIT - timedelta(seconds=30))


@pytest.mark.parametrize("on_demand", [False, True])
def test_that_a_person_asked_for_the_last_sync_makes_no_tick_useful(on_demand):
    asked = replace(account(ads=10_000), on_demand=on_demand, parts=Parts.ENTITIES if on_demand else Parts.BOTH)

    assert next_useful_slot(NOW, asked, read(), ()) == next_useful_slot(NOW, account(ads=10_000), read(), ())


@examples(10)
@given(
    ads=st.sampled_from([40, 900, 4_000, 12_000, 40_000]),
    frequency=st.sampled_from([Frequency.EVERY_5_MIN, Frequency.EVERY_10_MIN, Frequency.EVERY_30_MIN]),
    minutes=st.integers(0, 90),
    calls=st.lists(st.tuples(st.integers(0, 3600), st.sampled_from(list(Heat))), max_size=180),
    limited=st.booleans(),
)
def test_no_slot_before_it_has_anything_to_read_and_it_has(ads, frequency, minutes, calls, limited):
    made = tuple(sorted(((NOW - timedelta(seconds=ago), heat) for ago, heat in calls), key=lambda call: call[0]))
    ticked, ages = account(ads=ads, frequency=frequency, burst=BURST if limited else None), read(minutes)
    due = next_useful_slot(NOW, ticked, ages, made)

    def reads(slot):
        late = NOW - datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
        return bool(plan(slot + late, replace(ticked, lane=Lane.SCHEDULED), ages, made).fetches)

    first = datetime(2026, 3, 20, 15, 0, tzinfo=UTC) + frequency.interval
    before = [slot for slot in (first + n * frequency.interval for n in range(13)) if slot < due]
    assert not any(map(reads, before))
    assert reads(due) or NOW + LONGEST_WAIT - frequency.interval < due <= NOW + LONGEST_WAIT
