"""The planner: what is due, in which order, and never more than the account's hour allows."""

import itertools
from bisect import bisect_left
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from connecting import unstored
from hypothesis import example, given, settings
from hypothesis import strategies as st
from repeats import first_quick

from adpulse.frequency import Frequency
from adpulse.model import Fetch, FetchKind, Heat, Lane, Parts
from adpulse.planner.account import ESTIMATED_DAYS
from adpulse.planner.change_check import REST, ChangeCheck, check_calls
from adpulse.planner.plan import Account, plan
from adpulse.planner.room import Room
from adpulse.planner.windows import PartitionAges, Span, cold_days, days_without_account, missing_days, recent_days, requested_spans
from adpulse.platforms.base import CallLimit
from adpulse.platforms.registry import PLATFORMS, platform_of

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
HOT_READS = (FetchKind.ADS, FetchKind.CHECK)


def connection(*, ads=150, frequency=Frequency.REALTIME, timezone="America/New_York", **facts):
    sizes = {"ad_count": ads, "campaign_count": None if ads is None else max(1, ads // 20)}
    return unstored(timezone=timezone, frequency=frequency, **sizes | facts)


def account(connection, *, parts=Parts.BOTH, on_demand=False, limit=180, lane=Lane.BACKGROUND, sharing=1):
    return Account(connection=connection, parts=parts, on_demand=on_demand, page_size=500, limit=limit, lane=lane, sharing=sharing)


class Simulation:
    """Applies plans as if every fetch took its whole cost at once, in business time."""

    def __init__(self, connection, limit=180):
        self.connection = connection
        self.limit = limit
        self.sharing = 1
        self.burst = None
        self.resting = frozenset()
        self.history_since = None
        self.now = NOW
        self.days = {}
        self.dateless = {}
        self.holes = {}
        self.refused = set()
        self.check = None
        self.restatements_checked = {}
        self.calls = []

    def ages(self):
        return PartitionAges(
            dateless=dict(self.dateless),
            days=dict(self.days),
            holes=dict(self.holes),
            refused=frozenset(self.refused),
            restatements_checked=dict(self.restatements_checked),
        )

    def tick(self, now, *, on_demand=False):
        first = bisect_left(self.calls, now - timedelta(hours=1), key=lambda call: call[0])
        recent = tuple(self.calls[first:])
        mine = account(self.connection, on_demand=on_demand, limit=self.limit, sharing=self.sharing)
        mine = replace(mine, resting=self.resting, burst=self.burst, check=self.check, history_since=self.history_since)
        made = plan(now, mine, self.ages(), recent)
        for fetch in made.fetches:
            self.calls += [(now, fetch.heat)] * fetch.cost
            self.record(fetch, now)
        for check in (fetch for fetch in made.fetches if fetch.kind is FetchKind.CHECK):
            self.take_everything_for_changed(check, made.fetches, mine.costs, now)
        return made

    def take_everything_for_changed(self, check, fetches, costs, now):
        """Each check asks for all leaves, unless the plan has them; what the hour has no room for is not read."""
        is_planned = any(fetch.kind is FetchKind.ADS and check.until in fetch.days for fetch in fetches)
        calls, whole = check_calls(costs), costs.usual(FetchKind.ADS, 1)
        more = 0 if is_planned else calls + whole - check.cost
        if sum(now - at <= timedelta(hours=1) for at, _ in self.calls) + more > self.limit:
            return
        if not is_planned:
            self.calls += [(now, check.heat)] * more
            self.days[FetchKind.ADS, check.until] = now
        is_soon = self.check is not None and now - self.check.checked_at < REST
        in_a_row = self.check.in_a_row + 1 if is_soon else 1
        self.check = ChangeCheck(day=check.until, fingerprints={}, calls=calls + whole, checked_at=now, in_a_row=in_a_row)

    def record(self, fetch: Fetch, now):
        """What a check of older days asks for is read with it, within the calls that it was planned with."""
        if not fetch.kind.has_dates:
            self.dateless[fetch.kind] = now
        for day in fetch.days if fetch.kind.has_dates else ():
            if fetch.kind is FetchKind.RESTATEMENTS:
                self.restatements_checked[day] = now
            else:
                self.days[fetch.kind, day] = now

    def run(self, hours):
        """Ticks at the grid, and goes on as soon as what had to wait may be read; the instants of reads of today."""
        hot, interval, until = [], self.connection.frequency.interval, self.now + timedelta(hours=hours)
        while self.now < until:
            made = self.tick(self.now)
            if any(fetch.kind in HOT_READS and fetch.heat is Heat.HOT for fetch in made.fetches):
                hot.append(self.now)
            tick = NOW + ((self.now - NOW) // interval + 1) * interval
            self.now = tick if made.until is None else min(tick, max(made.until, self.now + timedelta(seconds=20)))
        return hot

    def oldest(self, first, last):
        """How long ago the one of these days back was read, or checked after that, of which this is longest ago."""
        today, kinds, ages = self.connection.today(self.now), platform_of(self.connection.provider).metric_kinds, self.ages()
        return max(self.now - ages.known_at(kind, today - timedelta(days=n)) for kind in kinds for n in range(first, last + 1))

    def most_in_an_hour(self):
        return self.most_within(timedelta(hours=1))

    def most_within(self, window):
        times = sorted(at for at, _ in self.calls)
        return max(bisect_left(times, start + window) - bisect_left(times, start) for start in set(times))


def kinds(made):
    return [(fetch.kind, fetch.heat) for fetch in made.fetches]


def test_the_first_plan_walks_entities_and_reads_today_before_anything_else():
    made = plan(NOW, account(connection(ads=None)), PartitionAges(), ())

    assert kinds(made) == [
        (FetchKind.ACCOUNT_FACTS, Heat.COLD),
        (FetchKind.ENTITIES_FULL, Heat.COLD),
        (FetchKind.ADS, Heat.HOT),
        (FetchKind.CAMPAIGNS, Heat.HOT),
        (FetchKind.ACCOUNT, Heat.HOT),
    ]
    assert made.until == NOW


def test_metrics_alone_still_learn_the_size_of_an_unknown_account():
    made = plan(NOW, account(connection(ads=None), parts=Parts.METRICS), PartitionAges(), ())

    assert FetchKind.ENTITIES_FULL in [fetch.kind for fetch in made.fetches]


def test_first_sync_of_a_small_account_takes_two_legs_and_leaves_no_day_out():
    simulation = Simulation(connection(ads=None, frequency=Frequency.MANUAL))
    first = simulation.tick(NOW, on_demand=True)
    simulation.connection = connection(ads=150, frequency=Frequency.MANUAL)
    second = simulation.tick(NOW)

    today = simulation.connection.today(NOW)
    expected = {today - timedelta(days=n) for n in range(90)}
    assert first.until == NOW
    assert second.until is None
    assert {day for kind, day in simulation.days if kind is FetchKind.ADS} == expected
    assert {day for kind, day in simulation.days if kind is FetchKind.CAMPAIGNS} == expected


def test_older_days_come_newest_first_with_ads_and_totals_of_the_same_days_together():
    simulation = Simulation(connection(ads=2000, frequency=Frequency.HOURLY))
    made = simulation.tick(NOW)
    older = [fetch for fetch in made.fetches if fetch.heat is Heat.BACKFILL]

    assert [fetch.kind for fetch in older[:3]] == [FetchKind.RESTATEMENTS, FetchKind.ADS, FetchKind.CAMPAIGNS], (
        "and a check to compare with"
    )
    assert older[0].until == date(2026, 3, 18)
    assert len({(fetch.since, fetch.until) for fetch in older[:3]}) == 1
    assert made.until == NOW


def test_a_large_first_sync_is_postponed_by_the_budget_and_resumes_without_reading_a_day_twice():
    simulation = Simulation(connection(ads=2000, frequency=Frequency.MANUAL))
    now, postponements, reads = NOW, 0, []
    for _ in range(200):
        made = simulation.tick(now)
        reads += [fetch for fetch in made.fetches if fetch.heat is Heat.BACKFILL and fetch.kind is FetchKind.ADS]
        if made.until is None:
            break
        postponements += made.until > now
        now = max(made.until, now)

    days = [fetch.since + timedelta(days=n) for fetch in reads for n in range((fetch.until - fetch.since).days + 1)]
    assert postponements >= 1
    assert len(days) == len(set(days)) == 88
    assert simulation.most_in_an_hour() <= 180


def test_an_account_that_is_too_large_for_180_calls_an_hour_is_read_within_an_operators_larger_limit():
    large = connection(ads=100_000)
    assert FetchKind.ADS not in {fetch.kind for fetch in plan(NOW, account(large), PartitionAges(), ()).fetches}

    simulation = Simulation(large, limit=1_000)
    simulation.run(3)

    today = large.today(simulation.now)
    assert simulation.now - simulation.days[FetchKind.ADS, today] < timedelta(hours=1)
    assert simulation.most_in_an_hour() <= 1_000


def test_realtime_150_ads_reads_today_every_tick_and_stays_under_180_an_hour():
    simulation = Simulation(connection())
    seen = []
    for tick in range(26 * 120):
        now = NOW + timedelta(seconds=30 * tick)
        made = simulation.tick(now)
        seen.append(any(f.kind is FetchKind.ADS and f.until == simulation.connection.today(now) for f in made.fetches))

    assert simulation.most_in_an_hour() <= 180
    assert all(seen)
    assert simulation.tick(NOW + timedelta(hours=26)).until is None


@pytest.mark.parametrize(
    ("account_", "limit", "hours", "hot"),
    first_quick(
        [
            ({"ads": 600}, 180, 2, 2),
            ({"provider": "google", "asset_group_count": 5, "frequency": Frequency.EVERY_5_MIN}, 16, 8, 130),
            ({"ads": 2000}, 180, 6, 7),
            ({"ads": 8000, "frequency": Frequency.EVERY_5_MIN}, 180, 27, 36),
            ({"ads": 150, "frequency": Frequency.EVERY_5_MIN}, 16, 12, 26),
            ({"ads": 150, "frequency": Frequency.EVERY_5_MIN}, 12, 18, 26),
        ],
        2,
    ),
)
def test_whatever_today_takes_the_first_sync_ends_and_older_days_are_read_again(account_, limit, hours, hot):
    """With the hours that the first sync takes, and the minutes between two reads of today meanwhile."""
    simulation = Simulation(connection(**account_), limit)
    reads = simulation.run(hours)
    assert simulation.oldest(0, 89) <= timedelta(hours=hours)
    reads += simulation.run(30)

    assert max(b - a for a, b in itertools.pairwise(reads)) <= timedelta(minutes=hot)
    assert simulation.oldest(2, 28) <= timedelta(hours=25)
    assert simulation.most_in_an_hour() <= limit


def test_where_few_ads_deliver_today_is_read_as_often_as_these_allow_for():
    few = account(connection(ads=10_000, delivering_ads=900, delivering_campaigns=50))
    many = account(connection(ads=10_000))

    assert few.hour.pace < timedelta(minutes=1)
    assert many.hour.pace > timedelta(minutes=8)


def test_yesterday_is_read_less_often_where_it_takes_calls_of_its_own():
    conn, now = connection(ads=2000, timezone="UTC"), datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
    today, yesterday = date(2026, 3, 20), date(2026, 3, 19)
    days = {(kind, day): now - timedelta(minutes=10) for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS) for day in (today, yesterday)}

    def requested(hours):
        ages = PartitionAges(days=days | {(FetchKind.ADS, yesterday): now - timedelta(hours=hours)})
        return [
            f.since
            for f in plan(now, account(conn, parts=Parts.METRICS), ages, ()).fetches
            if f.kind is FetchKind.ADS and f.heat is Heat.HOT
        ]

    assert requested(2) == [today]
    assert requested(3) == [yesterday]


@pytest.mark.parametrize(
    ("count", "facts", "hot", "days"),
    [(2, {"ads": 150}, 11, 2), pytest.param(3, {"ads": 2000, "frequency": Frequency.EVERY_5_MIN}, 25, 3, marks=pytest.mark.slow)],  # as two
)
def test_connections_of_one_account_share_its_hour_and_none_of_them_starves(count, facts, hot, days):
    """As in two workspaces that have the same account. While days of the first sync are missing, today has half of the calls."""
    calls, simulations, reads, missing_until = [], [Simulation(connection(**facts)) for _ in range(count)], [[] for _ in range(count)], NOW
    for each in simulations:
        each.calls, each.sharing = calls, count
    for hours in range(24 * days):
        for minute, place in itertools.product(range(60), range(count)):
            if place == 0:  # whoever waits longest comes first, as in a claim
                order = sorted(zip(simulations, reads, strict=True), key=lambda one: one[1][-1:])
            each, read = order[place]
            each.now = NOW + timedelta(hours=hours, minutes=minute)
            made = each.tick(each.now)
            if any(fetch.heat is Heat.HOT and fetch.kind is FetchKind.ADS for fetch in made.fetches):
                read.append(each.now)
            if any(fetch.heat is Heat.BACKFILL for fetch in made.fetches):
                missing_until = each.now

    for each, read in zip(simulations, reads, strict=True):
        assert each.oldest(2, 28) <= timedelta(hours=26)
        assert each.oldest(29, 88) <= timedelta(days=days)
        gaps = {b: b - a for a, b in itertools.pairwise(read)}
        assert max(gap for end, gap in gaps.items() if end > missing_until) <= timedelta(minutes=hot)
        assert max(gaps.values()) <= timedelta(minutes=2 * hot)
    assert simulations[0].most_in_an_hour() <= 180


def test_what_is_read_beyond_the_lookbacks_rhythm_has_one_connections_part_of_a_shared_hour():
    mine = account(connection(ads=150), sharing=3)
    piece = (Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=5, since=date(2026, 3, 10), until=date(2026, 3, 10)),)
    part = (mine.limit - mine.hour.hot * mine.sharing) // mine.sharing
    used = Room.of(mine, ((NOW - timedelta(minutes=30), Heat.COLD),) * (part - 4))

    assert used.waits(NOW, piece) is None
    assert used.waits(NOW, piece, is_spare=True) is not None


@settings(max_examples=100)
@given(
    ads=st.sampled_from([150, 2000, 9000, 25_000]),
    frequency=st.sampled_from(list(Frequency)),
    used=st.integers(0, 180),
    on_demand=st.booleans(),
    lane=st.sampled_from([Lane.SCHEDULED, Lane.ON_DEMAND, Lane.BACKGROUND]),
)
@example(ads=9000, frequency=Frequency.MANUAL, used=145, on_demand=True, lane=Lane.ON_DEMAND)
def test_a_sync_never_goes_round_without_reading(ads, frequency, used, on_demand, lane):
    """Every day was read 30 hours ago, and ``used`` calls were made a while ago."""
    simulation = Simulation(connection(ads=ads, frequency=frequency))
    today = simulation.connection.today(NOW)
    simulation.dateless = {FetchKind.ACCOUNT_FACTS: NOW, FetchKind.ENTITIES_FULL: NOW}
    for kind, n in itertools.product((FetchKind.ADS, FetchKind.CAMPAIGNS), range(90)):
        simulation.days[kind, today - timedelta(days=n)] = NOW - timedelta(hours=30)
    simulation.calls = [(NOW - timedelta(minutes=45), Heat.HOT)] * used
    for _ in range(200):
        made = plan(NOW, account(simulation.connection, on_demand=on_demand, lane=lane), simulation.ages(), tuple(simulation.calls))
        if made.until is None or made.until > NOW:
            return
        assert made.fetches or made.lane is not lane
        for fetch in made.fetches:
            simulation.calls += [(NOW, fetch.heat)] * fetch.cost
            simulation.record(fetch, NOW)
        lane, on_demand = made.lane, on_demand and not made.fetches
    raise AssertionError("it went on and on")


@pytest.mark.parametrize(("ads", "hours"), first_quick([(150, 16), (150, 30), (2000, 30)]))
def test_the_last_week_of_a_realtime_account_is_hardly_ever_older_than_six_hours(ads, hours):
    simulation = Simulation(connection(ads=ads))
    simulation.run(hours)

    assert simulation.oldest(2, 7) <= timedelta(hours=7)


def test_a_large_realtime_account_is_paced_instead_of_going_blind():
    simulation = Simulation(connection(ads=2000))
    reads = []
    for tick in range(4 * 120):
        now = NOW + timedelta(seconds=30 * tick)
        made = simulation.tick(now)
        if any(f.kind in HOT_READS and f.heat is Heat.HOT for f in made.fetches):
            reads.append(now)
    gaps = [b - a for a, b in itertools.pairwise(reads)]

    assert simulation.most_in_an_hour() <= 180
    assert max(gaps) <= timedelta(minutes=6)


@pytest.mark.parametrize(
    ("local_hour", "expected"),
    [(1, True), (2, True), (4, False)],
)
def test_yesterday_is_read_with_every_tick_until_three_hours_after_local_midnight(local_hour, expected):
    conn = connection(timezone="Asia/Tokyo")
    now = datetime(2026, 3, 20, local_hour, 30, tzinfo=conn.zone).astimezone(UTC)
    today, minute = date(2026, 3, 20), timedelta(minutes=1)
    ages = PartitionAges(
        dateless={FetchKind.ACCOUNT_FACTS: now, FetchKind.ENTITIES_FULL: now},
        days={(FetchKind.ADS, today): now - minute, (FetchKind.ADS, today - timedelta(days=1)): now - minute},
    )
    hot = next(f for f in plan(now, account(conn), ages, ()).fetches if f.kind is FetchKind.ADS)

    assert (hot.until, hot.since == date(2026, 3, 19)) == (today, expected)


def test_today_is_the_accounts_day_not_the_utc_day():
    now = datetime(2026, 3, 20, 20, 0, tzinfo=UTC)
    made = plan(now, account(connection(timezone="Asia/Tokyo")), PartitionAges(), ())

    assert next(f.until for f in made.fetches if f.kind is FetchKind.ADS) == date(2026, 3, 21)


@pytest.mark.parametrize(
    ("hours", "cold", "recent"),
    [(5, [], []), (6, [], [2, 3, 4, 5, 6, 7]), (22, [29], [2, 3, 4, 5, 6, 7]), (24, [*range(2, 29), 29], [])],
)
def test_days_2_to_28_are_read_again_once_a_day_the_last_week_in_between_and_older_ones_only_until_they_are_final(hours, cold, recent):
    conn = connection(frequency=Frequency.DAILY)
    today = conn.today(NOW)
    read_at = {today - timedelta(days=n): NOW - timedelta(hours=hours) for n in range(90)}
    ages = PartitionAges(days={(kind, day): at for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS) for day, at in read_at.items()})

    assert [(today - day).days for day in cold_days(NOW, conn, ages)] == cold
    assert [(today - day).days for day in recent_days(NOW, conn, ages)] == recent


@pytest.mark.parametrize("pause", [50, 89, 400])
def test_a_day_that_became_final_while_paused_is_read_once_more_and_then_never(pause):
    conn = connection(frequency=Frequency.DAILY)
    simulation = Simulation(conn)
    simulation.tick(NOW)
    simulation.tick(NOW)
    later = NOW + timedelta(days=pause)
    simulation.tick(later)
    day = date(2026, 3, 10)
    assert simulation.days[FetchKind.ADS, day] == later

    simulation.tick(later + timedelta(days=1))
    assert simulation.days[FetchKind.ADS, day] == later


@pytest.mark.parametrize("pause", [40, 95, 200])
@pytest.mark.parametrize("provider", PLATFORMS)
def test_a_pause_leaves_no_hole_however_long_it_was(provider, pause):
    simulation = Simulation(connection(frequency=Frequency.HOURLY, provider=provider))
    simulation.run(26)
    begun = simulation.connection.today(simulation.now)
    simulation.now += timedelta(days=pause)
    simulation.run(6)

    kinds = platform_of(simulation.connection.provider).metric_kinds
    missing = [n for n in range(pause) for kind in kinds if (kind, begun + timedelta(days=n)) not in simulation.days]
    assert missing == []
    assert simulation.most_in_an_hour() <= 180


@pytest.mark.parametrize("provider", PLATFORMS)
@pytest.mark.parametrize("place", range(2))
@pytest.mark.parametrize("was_read", [True, False])
def test_a_hole_of_one_kind_of_read_keeps_no_other_read_of_its_day_from_being_made_daily(provider, place, was_read):
    simulation = Simulation(connection(frequency=Frequency.HOURLY, provider=provider))
    simulation.run(6)
    kinds = platform_of(provider).metric_kinds
    hole, day = kinds[-place], simulation.connection.today(simulation.now) - timedelta(days=5)
    simulation.holes[hole, day] = simulation.now + timedelta(days=30)
    if not was_read:
        del simulation.days[hole, day]
    simulation.run(50)

    reads = {kind: simulation.now - simulation.days[kind, day] for kind in kinds if kind is not hole}
    assert all(age <= timedelta(hours=27) for age in reads.values()), reads
    assert simulation.most_in_an_hour() <= 180


def test_a_day_with_a_hole_of_another_kind_of_read_is_requested_by_itself_and_priced_like_that():
    today = date(2026, 3, 20)
    days = [today - timedelta(days=n) for n in range(2, 7)]
    ages = PartitionAges(holes={(FetchKind.ADS, days[2]): NOW + timedelta(days=1)})
    span = Span(since=days[-1], until=days[0])

    leaves, totals = (requested_spans(kind, span, ages) for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS))

    assert leaves == [Span(since=days[1], until=days[0]), Span(since=days[4], until=days[3])]
    assert totals == [*leaves, Span(since=days[2], until=days[2])]


@pytest.mark.parametrize("provider", PLATFORMS)
def test_a_refused_row_of_a_final_day_is_read_again_daily_until_it_is_accepted_and_nothing_else_of_its_day_is(provider):
    simulation = Simulation(connection(frequency=Frequency.HOURLY, provider=provider))
    simulation.run(6)
    lookback = PLATFORMS[provider].lookback_days
    days = [simulation.connection.today(simulation.now) - timedelta(days=lookback + 62 + n) for n in range(3)]
    read_at = simulation.now - timedelta(days=40)
    simulation.days |= {(kind, day): read_at for day in days for kind in (*PLATFORMS[provider].metric_kinds, FetchKind.ACCOUNT)}
    simulation.refused = {(FetchKind.ADS, day) for day in days}

    instants = set()
    for _ in range(48):
        simulation.run(1)
        instants.add(simulation.days[FetchKind.ADS, days[0]])
    simulation.refused = set()
    simulation.run(50)

    assert {simulation.days[FetchKind.ADS, day] for day in days} <= instants - {read_at}
    assert len(instants - {read_at}) in (2, 3)
    assert {simulation.days[FetchKind.CAMPAIGNS, day] for day in days} == {read_at}
    assert simulation.now - simulation.days[FetchKind.ADS, days[0]] > timedelta(hours=49)


def test_a_spent_budget_postpones_until_the_first_instant_at_which_today_fits():
    calls = tuple((NOW - timedelta(minutes=59) + timedelta(seconds=n), Heat.HOT) for n in range(180))
    ages = PartitionAges(dateless={FetchKind.ACCOUNT_FACTS: NOW, FetchKind.ENTITIES_FULL: NOW})
    made = plan(NOW, account(connection()), ages, calls)

    assert made.fetches == ()
    assert made.until == NOW + timedelta(minutes=1, milliseconds=1)
    assert "180 an hour" in made.reason


def test_cold_reads_that_must_wait_do_not_hold_up_today():
    calls = tuple((NOW - timedelta(minutes=5), Heat.COLD) for _ in range(90))
    made = plan(NOW, account(connection()), PartitionAges(), calls)

    assert kinds(made)[:1] == [(FetchKind.ADS, Heat.HOT)]
    assert made.until == NOW + timedelta(minutes=55, milliseconds=1)


def test_a_person_who_asks_gets_today_read_even_if_it_is_seconds_old():
    simulation = Simulation(connection(frequency=Frequency.HOURLY))
    simulation.tick(NOW)
    simulation.tick(NOW)

    assert simulation.tick(NOW).fetches == ()
    assert {f.kind for f in simulation.tick(NOW, on_demand=True).fetches} == {
        FetchKind.ENTITIES_CHANGED,
        FetchKind.ADS,
        FetchKind.CAMPAIGNS,
        FetchKind.ACCOUNT,
    }


@settings(max_examples=60)
@given(
    ads=st.integers(0, 12_000),
    frequency=st.sampled_from(list(Frequency)),
    steps=st.lists(st.integers(0, 4000), min_size=5, max_size=60),
    on_demand=st.booleans(),
)
def test_no_sequence_of_plans_exceeds_the_hour(ads, frequency, steps, on_demand):
    simulation = Simulation(connection(ads=ads, frequency=frequency))
    now = NOW
    for seconds in steps:
        now += timedelta(seconds=seconds)
        simulation.tick(now, on_demand=on_demand)

    assert simulation.most_in_an_hour() <= 180


RESTING = frozenset({FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED})


def asked_kinds(made):
    return {fetch.kind for fetch in made.fetches}


def test_a_walk_in_its_pause_is_not_planned_and_numbers_are():
    made = plan(NOW, replace(account(connection()), resting=RESTING), PartitionAges(), ())

    assert not asked_kinds(made) & RESTING
    assert FetchKind.ADS in asked_kinds(made)


@pytest.mark.parametrize("by", [{"on_demand": True}, {"parts": Parts.ENTITIES}])
def test_who_asks_does_not_wait_for_the_pause_of_a_walk(by):
    made = plan(NOW, replace(account(connection(), **by), resting=RESTING), PartitionAges(), ())

    assert {FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL} <= asked_kinds(made)


def test_changes_are_read_while_only_the_full_walk_is_in_its_pause():
    walked = dict.fromkeys((FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL), NOW - timedelta(days=2))
    resting = frozenset({FetchKind.ENTITIES_FULL})

    made = plan(NOW, replace(account(connection()), resting=resting), PartitionAges(dateless=walked), ())

    assert FetchKind.ENTITIES_CHANGED in asked_kinds(made)
    assert FetchKind.ENTITIES_FULL not in asked_kinds(made)


def test_before_any_walk_older_days_are_read_by_the_size_that_the_numbers_show():
    estimated = connection(ads=None, delivering_ads=1000, delivering_campaigns=50)

    made = plan(NOW, replace(account(estimated), resting=RESTING), PartitionAges(), ())

    backfill = [fetch for fetch in made.fetches if fetch.heat is Heat.BACKFILL]
    assert backfill
    assert max(len(fetch.days) for fetch in backfill) == ESTIMATED_DAYS
    assert all(fetch.cost >= len(fetch.days) * 1000 // 500 for fetch in backfill if fetch.kind is FetchKind.ADS)


@settings(max_examples=30)
@given(ads=st.integers(min_value=0, max_value=3000), frequency=st.sampled_from(list(Frequency)))
def test_without_any_walk_the_first_sync_ends_whatever_the_estimate(ads, frequency):
    estimated = connection(ads=None, delivering_ads=ads, delivering_campaigns=max(1, ads // 20), frequency=frequency)
    simulation = Simulation(estimated)
    simulation.resting = RESTING
    now = NOW
    for _ in range(600):
        made = simulation.tick(now)
        assert not asked_kinds(made) & RESTING
        if made.until is None and not missing_days(now, estimated, simulation.ages()):
            return
        now = max(made.until or now, now + timedelta(minutes=1))
    raise AssertionError("days are missing")


def read_all(simulation, at, kinds=(FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)):
    today = simulation.connection.today(NOW)
    simulation.dateless = {FetchKind.ACCOUNT_FACTS: NOW, FetchKind.ENTITIES_FULL: NOW}
    simulation.days = {(kind, today - timedelta(days=n)): at for kind in kinds for n in range(90)}
    return simulation


def test_the_accounts_totals_follow_the_campaigns_totals_of_the_same_days_in_one_piece():
    made = Simulation(connection(ads=2000)).tick(NOW)
    fetches = list(made.fetches)
    totals = [place for place, fetch in enumerate(fetches) if fetch.kind is FetchKind.CAMPAIGNS]

    assert len(totals) > 1
    for place in totals:
        campaigns, whole = fetches[place : place + 2]
        assert (whole.kind, whole.heat, whole.days) == (FetchKind.ACCOUNT, campaigns.heat, campaigns.days)


def test_the_accounts_totals_are_left_out_of_a_piece_that_they_would_make_too_big_for_the_hour():
    simulation = Simulation(connection(ads=2000, frequency=Frequency.MANUAL), limit=24)
    simulation.dateless = {FetchKind.ACCOUNT_FACTS: NOW, FetchKind.ENTITIES_FULL: NOW}
    made = simulation.tick(NOW)
    older = [fetch.kind for fetch in made.fetches if fetch.heat is Heat.BACKFILL]

    assert older
    assert FetchKind.ACCOUNT not in older


def test_final_days_without_the_accounts_totals_are_read_once_more_and_then_never_again():
    """As after an update from a version that did not read them."""
    simulation = Simulation(connection(frequency=Frequency.MANUAL))
    read_all(simulation, NOW - timedelta(days=1), kinds=(FetchKind.ADS, FetchKind.CAMPAIGNS))
    final = {simulation.connection.today(NOW) - timedelta(days=n) for n in range(30, 90)}
    read = [fetch for fetch in simulation.tick(NOW).fetches if final & set(fetch.days)]

    assert {fetch.kind for fetch in read} == {FetchKind.CAMPAIGNS, FetchKind.ACCOUNT}
    assert {day for fetch in read for day in fetch.days} >= final
    assert days_without_account(NOW + timedelta(days=2), simulation.connection, simulation.ages()) == []


def test_final_days_whose_account_cannot_be_read_cost_their_campaigns_once_a_day():
    subject, day = connection(), date(2026, 1, 10)
    read = {(kind, day): NOW - timedelta(days=30) for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS)}
    failed = PartitionAges(days=read | {(FetchKind.CAMPAIGNS, day): NOW})

    assert days_without_account(NOW, subject, PartitionAges(days=read)) == [day]
    assert [days_without_account(NOW + timedelta(hours=hours), subject, failed) for hours in (1, 12, 24)] == [[], [], [day]]


def test_the_accounts_totals_rest_after_they_failed_and_nothing_else_does():
    simulation = Simulation(connection())
    simulation.resting = frozenset({FetchKind.ACCOUNT})
    made = simulation.tick(NOW)

    assert FetchKind.ACCOUNT not in {fetch.kind for fetch in made.fetches}
    assert {FetchKind.ADS, FetchKind.CAMPAIGNS} <= {fetch.kind for fetch in made.fetches}


BURST = CallLimit(calls=50, window=timedelta(seconds=300))


@pytest.mark.parametrize("ads", first_quick([150, 3_000]))
def test_reads_of_a_first_day_never_exceed_the_burst_limit_and_today_keeps_its_pace(ads):
    held, free = Simulation(connection(ads=ads)), Simulation(connection(ads=ads))
    held.burst = BURST
    reads, unlimited = held.run(3), free.run(3)

    assert held.most_within(BURST.window) <= BURST.calls
    assert held.most_in_an_hour() <= 180
    assert len(reads) >= 0.9 * len(unlimited)
    assert len([day for kind, day in held.days if kind is FetchKind.CAMPAIGNS]) >= 0.8 * len(
        [day for kind, day in free.days if kind is FetchKind.CAMPAIGNS]
    )


def test_what_does_not_fit_the_burst_limit_waits_until_it_does_and_says_so():
    burst = replace(account(connection(ads=4_000)), burst=BURST)
    calls = tuple((NOW - timedelta(seconds=100), Heat.HOT) for _ in range(49))
    made = plan(NOW, burst, PartitionAges(), calls)

    assert [fetch.kind for fetch in made.fetches] == [FetchKind.ACCOUNT_FACTS]
    assert made.until == NOW + timedelta(seconds=200, milliseconds=1)
    assert "the account's call budget of 50 in 5 min" in made.reason


def test_a_walk_larger_than_the_burst_limit_begins_beside_reads_of_today():
    """It goes on when the window has room again: an account that is read all the time never leaves the window empty."""
    large = replace(account(connection(ads=20_000)), burst=BURST)
    calls = tuple((NOW - timedelta(seconds=10 * n), Heat.HOT) for n in range(5))

    assert large.costs.full_walk > BURST.calls
    ages = PartitionAges(dateless={FetchKind.ACCOUNT_FACTS: NOW})
    assert FetchKind.ENTITIES_FULL in [fetch.kind for fetch in plan(NOW, large, ages, calls).fetches]
