"""Plans for Google: a query is one call whatever its range, so days are read whole, and all that share a project keep their share."""

import itertools
from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from connecting import unstored
from hypothesis import given, settings
from hypothesis import strategies as st
from repeats import first_quick

from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Heat, Parts
from adpulse.planner.account import Account, Spent
from adpulse.planner.costs import cost_of_days
from adpulse.planner.plan import plan
from adpulse.planner.scopes import ScopeLimit
from adpulse.planner.shares import Share
from adpulse.planner.windows import PartitionAges, cold_days

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
WHOLE = [FetchKind.ADS, FetchKind.CATEGORIES, FetchKind.CAMPAIGNS]
WITH_ACCOUNT = [*WHOLE, FetchKind.ACCOUNT]
BASIC = ScopeLimit(provider="google", calls=15_000, window=DAY)


def connection(*, ads=150, groups=0, frequency=Frequency.REALTIME):
    return unstored(
        provider="google",
        timezone="America/New_York",
        frequency=frequency,
        scope="google:p",
        ad_count=ads,
        campaign_count=None if ads is None else 10,
        asset_group_count=None if ads is None else groups,
    )


def account(conn, *, on_demand=False, share=None, spent=0, older=()):
    shared = None if share is None else Share(calls=share, limit=BASIC, connections=30)
    calls = Spent(calls=spent, older=tuple((at, Heat.COLD) for at in older))
    return Account(connection=conn, parts=Parts.BOTH, on_demand=on_demand, page_size=500, limit=180, share=shared, spent=calls)


class Simulation:
    """Applies plans as if every fetch took its cost at once; an account's calls are kept for its share, too."""

    def __init__(self, conn, share=None):
        self.connection, self.share = conn, share
        self.days, self.dateless, self.calls = {}, {}, []

    def tick(self, now, **how):
        spent = self.calls[bisect_left(self.calls, now - DAY, key=lambda call: call[0]) :]
        older = [at for at, heat in spent if heat is not Heat.HOT]
        made = plan(
            now,
            account(self.connection, share=self.share, spent=len(spent), older=older, **how),
            PartitionAges(dateless=dict(self.dateless), days=dict(self.days)),
            tuple(each for each in spent if each[0] >= now - timedelta(hours=1)),
        )
        for fetch in made.fetches:
            # Nothing changed: that is what asking costs most of the time.
            self.calls += [(now, fetch.heat)] * (1 if fetch.kind is FetchKind.ENTITIES_CHANGED else fetch.cost)
            if not fetch.kind.has_dates:
                self.dateless[fetch.kind] = now
            self.days |= {(fetch.kind, day): now for day in fetch.days}
        return made

    def ready(self, now):
        """Synced once and whole."""
        for _ in range(4):
            self.tick(now)
        return self


def kinds(made, heat=None):
    return [fetch.kind for fetch in made.fetches if heat in (None, fetch.heat)]


def costs(made):
    return [fetch.cost for fetch in made.fetches]


def test_the_first_plan_walks_entities_and_reads_today_whole():
    made = plan(NOW, account(connection(ads=None)), PartitionAges(), ())

    assert kinds(made) == [FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL, *WITH_ACCOUNT]
    assert costs(made) == [1, 4, 2, 2, 2, 1]


@pytest.mark.parametrize(("groups", "leaves"), [(0, 1), (3, 2)])
def test_leaves_are_a_second_call_where_there_are_asset_groups(groups, leaves):
    made = plan(NOW, account(connection(groups=groups)), PartitionAges(), ())

    assert costs(made)[2:5] == [leaves, leaves, 2]


@pytest.mark.parametrize("ads", [1, 100_000])
def test_a_read_costs_the_same_whatever_its_size_and_range(ads):
    mine = account(connection(ads=ads))

    assert cost_of_days(mine.costs, 1) == cost_of_days(mine.costs, 31) == 4


def test_conversions_are_split_a_quarter_of_an_hour_after_the_last_time_and_totals_come_hourly():
    simulation = Simulation(connection()).ready(NOW)

    read = {minutes: kinds(simulation.tick(NOW + minutes * MINUTE), Heat.HOT) for minutes in range(1, 61)}

    assert {minutes for minutes, each in read.items() if FetchKind.CATEGORIES in each} == {15, 30, 45, 57}
    assert {minutes for minutes, each in read.items() if FetchKind.CAMPAIGNS in each} == {57}
    assert read[57] == WHOLE
    assert all(FetchKind.ADS in each for each in read.values())


def test_totals_are_never_read_without_the_leaves_and_the_split_of_the_same_days():
    simulation = Simulation(connection(frequency=Frequency.EVERY_30_MIN))
    now = NOW
    for seconds in [0, 60, 1800, 7, 1800, 1800, 1800, 3600, 50_000, 3600, 90_000, 86_400 * 3]:
        now += timedelta(seconds=seconds)
        hot = [fetch for fetch in simulation.tick(now).fetches if fetch.heat is Heat.HOT]
        days = {kind: {day for fetch in hot if fetch.kind is kind for day in fetch.days} for kind in WHOLE}

        assert days[FetchKind.CAMPAIGNS] <= days[FetchKind.CATEGORIES] <= days[FetchKind.ADS]


def test_who_asks_gets_the_split_and_the_totals_however_fresh_they_are():
    simulation = Simulation(connection()).ready(NOW)

    assert kinds(simulation.tick(NOW + MINUTE, on_demand=True), Heat.HOT) == WHOLE


def test_today_waits_as_a_whole_when_a_part_of_it_does_not_fit():
    simulation = Simulation(connection()).ready(NOW)
    now = NOW + timedelta(hours=3)
    simulation.calls += [(now - MINUTE, Heat.HOT)] * 178
    made = simulation.tick(now)

    assert kinds(made, Heat.HOT) == []
    assert made.until == now + 59 * MINUTE + timedelta(milliseconds=1)


def test_a_first_sync_of_a_small_account_is_three_pieces_of_a_month():
    simulation = Simulation(connection())
    made = simulation.tick(NOW)

    pieces = [fetch for fetch in made.fetches if fetch.heat is Heat.BACKFILL]
    assert [fetch.kind for fetch in pieces] == WITH_ACCOUNT * 3
    assert [len(fetch.days) for fetch in pieces[::4]] == [31, 31, 26]
    assert made.until is None


def test_a_piece_and_a_leg_hold_no_more_rows_than_fit_into_memory():
    simulation = Simulation(connection(ads=9000, groups=500))
    made = simulation.tick(NOW)

    pieces = [fetch for fetch in made.fetches if fetch.heat is Heat.BACKFILL]
    assert [fetch.kind for fetch in pieces] == WITH_ACCOUNT
    assert 9500 * len(pieces[0].days) <= 100_000
    assert (made.until, made.reason) == (NOW, "older days go on in the background")


@pytest.mark.parametrize("step", [DAY, timedelta(hours=1)])
def test_days_until_28_are_read_daily_and_the_rest_of_the_lookback_weekly_in_few_pieces(step):
    conn = connection(frequency=Frequency.HOURLY)
    simulation, pieces = Simulation(conn).ready(NOW), 0

    for n in range(1, 42 * (DAY // step) + 1):
        now = NOW + n * step
        pieces += sum(fetch.kind is FetchKind.ADS and fetch.heat is Heat.COLD for fetch in simulation.tick(now).fetches)
        unread = [now - simulation.days[FetchKind.ADS, conn.today(now) - back * DAY] for back in range(2, 90)]
        assert max(unread[:27]) <= DAY
        assert max(unread) <= 7 * DAY

    assert pieces <= 45 + 7 * 3


def test_a_part_of_the_weekly_read_that_did_not_fit_does_not_have_the_rest_read_again():
    conn = connection(frequency=Frequency.HOURLY)
    today = conn.today(NOW)
    read_at = {n: NOW - (timedelta(hours=1) if n <= 59 else 8 * DAY) for n in range(2, 91)}
    ages = PartitionAges(days={(kind, today - n * DAY): at for kind in WHOLE for n, at in read_at.items()})

    assert [(today - day).days for day in cold_days(NOW, conn, ages)] == list(range(60, 91))


@pytest.mark.parametrize("pause", [1, 10, 50, 89])
def test_a_day_is_read_once_more_after_it_became_final_and_then_never(pause):
    conn = connection(frequency=Frequency.DAILY)
    simulation = Simulation(conn).ready(NOW)
    day = conn.today(NOW) - 40 * DAY
    final = datetime(2026, 3, 20, 4, tzinfo=UTC) + 51 * DAY

    now, after = NOW, []
    for step in [DAY] * 48 + [pause * DAY] + [DAY] * 20:
        now += step
        made = simulation.tick(now)
        after += [now for fetch in made.fetches if fetch.kind is FetchKind.ADS and day in fetch.days and now >= final]

    assert len(after) == 1


def test_a_day_lacking_a_part_is_read_as_if_it_were_missing():
    simulation = Simulation(connection(frequency=Frequency.HOURLY)).ready(NOW)
    lacking = simulation.connection.today(NOW) - 5 * DAY
    del simulation.days[FetchKind.CATEGORIES, lacking]
    made = simulation.tick(NOW)

    assert [(fetch.kind, fetch.since) for fetch in made.fetches if fetch.heat is Heat.BACKFILL] == [(kind, lacking) for kind in WHOLE]


@settings(max_examples=40, deadline=None)
@given(
    ads=st.integers(0, 12_000),
    groups=st.sampled_from([0, 40]),
    frequency=st.sampled_from(list(Frequency)),
    steps=st.lists(st.integers(0, 4000), min_size=5, max_size=60),
    on_demand=st.booleans(),
)
def test_no_sequence_of_plans_exceeds_the_hour(ads, groups, frequency, steps, on_demand):
    simulation, now = Simulation(connection(ads=ads, groups=groups, frequency=frequency)), NOW
    for seconds in steps:
        now += timedelta(seconds=seconds)
        simulation.tick(now, on_demand=on_demand)
    times = [at for at, _ in simulation.calls]

    assert all(later - earlier > timedelta(hours=1) for earlier, later in zip(times, times[180:], strict=False))


@pytest.mark.parametrize("groups", [0, 3])
def test_realtime_is_paced_so_that_nothing_of_a_day_is_refused(groups):
    simulation, reads = Simulation(connection(groups=groups)), []
    for tick in range(5 * 120):
        now = NOW + tick * timedelta(seconds=30)
        if FetchKind.ADS in kinds(simulation.tick(now), Heat.HOT):
            reads.append(now)
    gaps = [later - earlier for earlier, later in itertools.pairwise(reads)]

    assert max(gaps) <= 2 * MINUTE


def reads_of_today(simulation, hours, step=5 * MINUTE):
    ticks = [NOW + step * n for n in range(int(hours * timedelta(hours=1) / step))]
    return [now for now in ticks if FetchKind.ADS in kinds(simulation.tick(now), Heat.HOT)]


def test_reads_of_today_keep_the_pace_of_the_share_on_average_and_stay_within_it():
    simulation = Simulation(connection(frequency=Frequency.EVERY_5_MIN), share=400).ready(NOW)
    begun = len(simulation.calls)
    reads = reads_of_today(simulation, 48)
    every = account(simulation.connection, share=400).rhythm.interval

    assert timedelta(minutes=5) < every < timedelta(minutes=15)
    assert len(reads) == pytest.approx(48 * timedelta(hours=1) / every, rel=0.05)
    assert (len(simulation.calls) - begun) / 2 <= 400


def test_what_a_person_asks_for_is_not_paced_by_the_share():
    simulation = Simulation(connection(frequency=Frequency.EVERY_5_MIN), share=20).ready(NOW)
    made = simulation.tick(NOW + MINUTE, on_demand=True)

    assert kinds(made, Heat.HOT) == WHOLE
    assert FetchKind.ENTITIES_CHANGED in kinds(made)


def test_what_people_asked_for_beyond_the_share_is_paid_back_by_a_slower_pace_of_half_the_share_at_most():
    conn = connection(frequency=Frequency.EVERY_5_MIN)
    paces = [account(conn, share=400, spent=spent).rhythm.interval for spent in (0, 400, 460, 600, 4000)]

    assert paces[0] == paces[1] < paces[2] < paces[3] == paces[4]
    assert paces[4] == account(conn, share=200).rhythm.interval


def test_older_days_wait_for_the_share_and_say_so():
    simulation = Simulation(connection(frequency=Frequency.HOURLY), share=12)
    made = simulation.tick(NOW)

    assert kinds(made, Heat.BACKFILL) == WITH_ACCOUNT * 2
    assert made.reason == "the first sync wait for the share of the Google Cloud project's 15,000 operations a day"
    assert made.until == NOW + DAY + timedelta(milliseconds=1)


@pytest.mark.parametrize("share", first_quick([1.5, 12, 40, 300]))
def test_with_any_share_everything_is_read_some_time(share):
    simulation = Simulation(connection(frequency=Frequency.HOURLY), share=share)
    now, whole = NOW, set()
    for _ in range(24 * 60):
        now += timedelta(hours=1)
        made = simulation.tick(now)
        whole |= {day for fetch in made.fetches if fetch.kind is FetchKind.ADS and fetch.heat is Heat.BACKFILL for day in fetch.days}
    walks = [at for kind, at in simulation.dateless.items() if kind is FetchKind.ENTITIES_FULL]

    assert len(whole) >= 80  # the oldest leave the ninety days meanwhile
    assert now - walks[0] <= 15 * DAY
    assert len(simulation.calls) / 60 <= max(share * 1.3, 6)


def test_a_share_that_suffices_changes_nothing():
    conn = connection(frequency=Frequency.HOURLY)
    mine = account(conn)
    plenty = replace(mine, share=Share(calls=mine.demand.needed, limit=BASIC, connections=3))

    assert plan(NOW, plenty, PartitionAges(), ()) == plan(NOW, mine, PartitionAges(), ())


@pytest.mark.parametrize("frequency", [Frequency.REALTIME, Frequency.EVERY_5_MIN])
@pytest.mark.parametrize("limit", [24, 100, 180])
def test_however_often_today_is_read_older_days_find_room_beside_the_changes_of_every_hour(limit, frequency):
    mine = replace(account(connection(groups=3, frequency=frequency)), limit=limit)
    hourly = [(NOW - MINUTE * 10, Heat.COLD)] * mine.costs.changed_walk
    ages = PartitionAges(
        dateless=dict.fromkeys((FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL), NOW),
        days={(kind, NOW.date() - DAY * back): NOW for kind in WHOLE for back in (0, 1)},
    )

    made = plan(NOW, mine, ages, tuple(hourly))

    assert kinds(made, Heat.BACKFILL)[:3] == WHOLE


def test_the_accounts_totals_of_today_are_read_with_the_campaigns_totals_once_a_day():
    simulation = Simulation(connection(frequency=Frequency.HOURLY)).ready(NOW)
    hours = [hour for hour in range(1, 49) if FetchKind.ACCOUNT in kinds(simulation.tick(NOW + timedelta(hours=hour)), Heat.HOT)]

    # The account's days begin 13 and 37 hours later; the first of them is read again when its totals are a day old.
    assert hours == [13, 36, 37]
