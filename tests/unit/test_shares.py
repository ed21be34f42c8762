"""How a limit is divided, and what a connection makes of its share."""

import math
from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import PageSizes
from adpulse.planner.cadence import cadence
from adpulse.planner.demand import Demand, Rhythm, demand
from adpulse.planner.scopes import ScopeLimit, scope_limits
from adpulse.planner.shares import RESERVE, divide
from adpulse.platforms.base import Size
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.platform import META
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.platforms.registry import platform_of
from adpulse.settings import Settings

DAY = timedelta(days=1)
NEARLY = 1 + 1e-9


def google(calls=15_000):
    return ScopeLimit(provider="google", calls=calls, window=DAY)


def needs(frequency, *, groups=0, ads=500, provider="google"):
    return demand(frequency, platform_of(provider).costs(Size(ads=ads, campaigns=20, asset_groups=groups), 500), 180)


numbers = st.floats(0.5, 50)
demands = st.builds(
    Demand,
    frequency=st.sampled_from(list(Frequency)),
    ads=st.floats(1, 40),
    categories=st.floats(0, 10),
    totals=numbers,
    changes=numbers,
    daily=st.floats(1, 400),
)
groups = st.dictionaries(demands, st.integers(1, 3000), min_size=1, max_size=12)
limits = st.one_of(
    st.builds(google, st.integers(1, 1_000_000)),
    st.builds(ScopeLimit, provider=st.just("meta"), calls=st.integers(1, 100_000), window=st.just(timedelta(hours=1))),
)


@given(limit=limits, each=groups)
def test_the_shares_and_the_reserve_sum_up_to_the_limit_at_most(limit, each):
    shares = divide(limit, each)

    assert sum(shares.of(one).calls * count for one, count in each.items()) <= limit.calls * (1 - RESERVE) * NEARLY


@given(limit=limits, each=groups)
def test_nobody_gets_less_than_an_equal_part_of_half_unless_it_needs_less(limit, each):
    shares = divide(limit, each)
    equal = limit.calls * (1 - RESERVE) / 2 / sum(each.values())

    assert all(shares.of(one).calls * NEARLY >= min(one.needed / limit.windows_per_day, equal) for one in each)


@given(limit=limits, each=groups)
def test_nothing_is_left_while_somebody_lacks_something(limit, each):
    shares = divide(limit, each)
    lacking = [one for one in each if shares.of(one).per_day * NEARLY < one.needed]
    used = sum(shares.of(one).calls * count for one, count in each.items())

    assert not lacking or used == pytest.approx(limit.calls * (1 - RESERVE))


@given(limit=limits, each=groups, ratio=st.floats(1, 10))
def test_nobody_loses_when_the_limit_grows(limit, each, ratio):
    before = divide(limit, each)
    after = divide(ScopeLimit(provider=limit.provider, calls=math.ceil(limit.calls * ratio), window=limit.window), each)

    assert all(after.of(one).calls * NEARLY >= before.of(one).calls for one in each)


@given(limit=limits, each=groups, pair=st.data())
def test_who_needs_more_gets_no_less_and_realtime_no_less_than_others_of_the_same_need(limit, each, pair):
    shares = divide(limit, each)
    one, other = (pair.draw(st.sampled_from(list(each))) for _ in range(2))
    assume(one.needed >= other.needed)
    assume(one.frequency is other.frequency or one.frequency is Frequency.REALTIME)

    assert shares.of(one).calls * NEARLY >= shares.of(other).calls


@given(limit=limits, each=groups)
def test_others_get_more_than_their_equal_part_only_once_realtime_is_satisfied(limit, each):
    shares = divide(limit, each)
    lacking = [one for one in each if one.frequency is Frequency.REALTIME and shares.of(one).per_day * NEARLY < one.needed]

    others = [one for one in each if one.frequency is not Frequency.REALTIME]
    assert not lacking or all(shares.of(one).per_day <= max(shares.equal, 0) * NEARLY for one in others)


@given(one=demands, calls=st.floats(0.1, 5000))
def test_a_rhythm_needs_no_more_than_the_calls_it_was_made_for(one, calls):
    rhythm = one.within(calls)

    assert one.per_day(rhythm) <= calls * (1 + 1e-6)
    assert rhythm.interval >= one.interval


@given(one=demands, calls=st.floats(0.1, 5000), more=st.floats(1, 10))
def test_more_calls_never_make_a_rhythm_slower(one, calls, more):
    assert one.within(calls * more).interval <= one.within(calls).interval + timedelta(milliseconds=1)


@given(one=demands)
def test_who_gets_what_it_needs_keeps_its_frequency(one):
    rhythm = one.within(one.needed * NEARLY)

    assert rhythm.interval <= one.interval + timedelta(milliseconds=1)
    assert rhythm.stretch == pytest.approx(1)


def test_a_google_accounts_needs_are_those_that_were_counted_by_hand():
    realtime = needs(Frequency.REALTIME)
    # Facts, walk, days 2 to 28, and weekly those until a week after they are final, all with the account's totals; and today's of these.
    daily = 1 + 4 + 5 + 3 * 5 / 7 + 1

    assert realtime.needed == pytest.approx(2880 + 24 * 60 / 14.25 + 24 / 0.95 * (2 + 1.5) + daily)
    assert needs(Frequency.DAILY).needed == pytest.approx(1 + 1 + 2 + 1.5 + daily)


def test_a_meta_accounts_needs_are_those_that_were_counted_by_hand():
    small, large = (needs(Frequency.REALTIME, provider="meta", ads=ads).needed for ads in (20, 1000))
    # Facts, the walk, days 2 to 7 four times, days 8 to 28, and a day that became final; totals (of the account, too) and changes hourly.
    daily = 1 + 4 + 4 * 3 + 3 + 2
    hourly = 24 / 0.95 * (2 + 3)
    # Checks of days 2 to 7 four times and of days 8 to 28 once; six days whole, and a quarter of the others.
    large_daily = 1 + (2 + 3 * 2) + 3 * 1 + 2 + (6 + 27 / 4) * (3 + 1 + 1)

    assert small == pytest.approx(2880 + hourly + daily)
    assert large == pytest.approx(2880 * 2 + hourly + large_daily)


def test_what_a_manual_connection_needs_is_a_read_a_day():
    assert needs(Frequency.MANUAL).needed == needs(Frequency.DAILY).needed


@pytest.mark.parametrize(("access", "calls"), [("explorer", 2880), ("basic", 15_000), ("standard", None)])
def test_the_access_level_decides_what_a_google_cloud_project_may_call(access, calls):
    found = scope_limits(Settings().with_platform_settings(GoogleSettings(access=access))).of("google:p")

    assert (found.calls if found else None) == calls


def test_a_meta_app_has_a_limit_when_it_is_told():
    assert scope_limits(Settings()).of("meta") is None
    assert scope_limits(Settings().with_platform_settings(MetaSettings(app_calls_per_hour=4000))).of("meta").rate == "4,000 calls an hour"


def slowed(frequency, count, *, provider="google", limit=None, ads=500):
    costs = platform_of(provider).costs(Size(ads=ads, campaigns=20, asset_groups=0), 500)
    mine = demand(frequency, costs, 180)
    share = divide(limit, {mine: count}).of(mine) if limit else None
    return cadence(frequency, costs, 180, share)


@pytest.mark.parametrize("frequency", SCHEDULED)
def test_without_a_limit_a_google_account_keeps_every_frequency(frequency):
    found = slowed(frequency, 1)

    assert (found.interval, found.reason) == (frequency.interval, None)


def test_a_cadence_that_others_slow_says_how_many_share_what():
    found = slowed(Frequency.EVERY_5_MIN, 52, limit=google())

    assert found.reason == "every 17 min instead of 5 min: 52 connections share the Google Cloud project's 15,000 operations a day"
    assert found.calls_per_hour * 24 * 52 == pytest.approx(15_000 * (1 - RESERVE))


def test_a_cadence_that_the_account_slows_says_what_a_read_takes():
    found = slowed(Frequency.REALTIME, 1, provider="meta", ads=2000)

    paced = "every 99 s instead of 30 s: one read takes 4 calls of the account's 180 an hour"
    assert found.reason == f"{paced}; what changed in few campaigns is read every 55 s"


@pytest.mark.parametrize(
    ("frequency", "facts", "longest"),
    [
        (Frequency.REALTIME, {}, timedelta(minutes=1, seconds=25)),
        (Frequency.REALTIME, {"provider": "meta", "ads": 2000}, timedelta(minutes=1, seconds=42.5)),
        (Frequency.REALTIME, {"provider": "meta", "ads": 10_000}, timedelta(minutes=9, seconds=24.4)),
        (Frequency.EVERY_5_MIN, {}, None),
    ],
    ids=str,
)
def test_how_long_an_account_may_be_unread_while_nothing_changes(frequency, facts, longest):
    found = slowed(frequency, 1, **facts).longest

    assert found == longest or abs(found - longest) < timedelta(seconds=1)


def test_who_is_alone_and_lacks_something_is_told_so():
    found = slowed(Frequency.REALTIME, 1, limit=google(1000))

    assert "even alone it has no more than the Google Cloud project's 1,000 operations a day" in found.reason


def test_manual_connections_have_no_cadence():
    found = slowed(Frequency.MANUAL, 10, limit=google(10))

    assert (found.interval, found.reason) == (None, None)


def test_a_tiny_share_slows_what_is_daily_too_instead_of_starving_it():
    rhythm = needs(Frequency.HOURLY).within(4)

    assert rhythm.stretch > 2
    assert rhythm.interval > DAY
    assert needs(Frequency.HOURLY).within(500) == Rhythm(interval=timedelta(hours=1))


def test_reads_cost_what_the_pages_take_that_the_account_has_reached():
    costs = platform_of("meta").costs(Size(ads=10_000, campaigns=500, page_sizes=PageSizes(report=5_000, walk=1_000)), 500)
    larger = platform_of("meta").costs(Size(ads=10_000, campaigns=500), 5_000)

    assert [costs.read(kind, 3) for kind in META.metric_kinds] == [larger.read(kind, 3) for kind in META.metric_kinds]
    assert (costs.full_walk, larger.full_walk) == (2 + 2 * 11, 2 + 2 * 3)


def test_a_read_of_today_is_one_day_of_what_delivers_and_older_days_are_reckoned_with_every_ad():
    costs = META.costs(Size(ads=10_000, campaigns=500, delivering_ads=2_000, delivering_campaigns=100), 500)

    assert [costs.usual(kind, 1) for kind in META.metric_kinds] == [4, 1]
    assert [costs.read(kind, 1) for kind in META.metric_kinds] == [21, 2]
    assert cadence(Frequency.REALTIME, costs, 180, None).limited_by == "one read takes 4 calls of the account's 180 an hour"


def test_a_cadence_says_where_the_hour_is_too_small_for_one_read():
    found = slowed(Frequency.REALTIME, 1, provider="meta", ads=100_000)

    assert "not possible within the account's 180 calls an hour, as one read takes 200" in found.reason
