"""History that a person asked for: which days, in which order, at which pace, and never before today and the lookback."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from connecting import unstored
from repeats import first_quick
from unit.test_plan import NOW, Simulation, account, connection

from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Heat, Lane
from adpulse.planner.history import HISTORY_LEG, clamped, estimate, first_day, unread
from adpulse.planner.plan import plan
from adpulse.planner.room import HISTORY_CALLS
from adpulse.planner.windows import PartitionAges
from adpulse.platforms.base import CallLimit
from adpulse.platforms.registry import platform_of

LONG_AGO = date(2015, 1, 1)


class Ticking(Simulation):
    """A simulation that claims the connection at each slot, and in between when the history goes on; it notes what it reads."""

    def __init__(self, connection, limit=180, history_since=None):
        super().__init__(connection, limit)
        self.history_since = history_since
        self.reads = []

    def go_on(self, until):
        while self.now < until:
            made = self.tick(self.now)
            self.reads += [(self.now, fetch.kind, fetch.heat, fetch.since, fetch.until) for fetch in made.fetches]
            interval = self.connection.frequency.interval
            slot = NOW + ((self.now - NOW) // interval + 1) * interval
            moments = [made.until, made.history.at if made.history else None]
            self.now = min([slot, *(max(at, self.now + timedelta(seconds=20)) for at in moments if at)])

    def of(self, *heats):
        return [read for read in self.reads if read[2] in heats]


def after_first_sync(limit=180, **facts):
    """A connection whose first sync is over: everything is due again within a day."""
    simulation = Ticking(connection(**facts), limit)
    today, platform = simulation.connection.today(NOW), platform_of(simulation.connection.provider)
    walks = (FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED)
    simulation.dateless = dict.fromkeys(walks, NOW - timedelta(hours=20))
    for kind in (*platform.metric_kinds, FetchKind.ACCOUNT):
        simulation.days |= {(kind, today - timedelta(days=back)): NOW - timedelta(hours=20) for back in range(90)}
    return simulation


@pytest.mark.parametrize(
    ("today", "first"),
    [
        (date(2026, 3, 20), date(2023, 2, 21)),
        (date(2026, 1, 31), date(2023, 1, 1)),  # 37 months back is December 2022
        (date(2026, 3, 31), date(2023, 3, 1)),  # there is no 31 February
        (date(2027, 4, 1), date(2024, 3, 2)),
    ],
)
def test_history_begins_a_day_after_37_months_ago_and_not_at_the_first_of_the_month(today, first):
    assert first_day(today) == first


def test_the_clamp_is_the_day_of_the_account():
    east, west = unstored(timezone="Pacific/Auckland"), unstored(timezone="America/Los_Angeles")
    evening = datetime(2026, 3, 20, 15, tzinfo=UTC)

    assert clamped(evening, east, LONG_AGO) == clamped(evening, west, LONG_AGO) + timedelta(days=1)
    assert clamped(evening, west, date(2026, 1, 5)) == date(2026, 1, 5)


def test_a_leg_of_a_tick_reads_no_history_and_neither_does_one_that_nobody_asked_for():
    simulation = after_first_sync(ads=20, frequency=Frequency.HOURLY)
    since, ages = LONG_AGO, simulation.ages()
    own = account(simulation.connection, lane=Lane.SCHEDULED)

    ticked = plan(simulation.now, replace(own, history_since=since), ages, ())
    unasked = plan(simulation.now, replace(own, lane=Lane.BACKGROUND), ages, ())

    assert not [fetch for made in (ticked, unasked) for fetch in made.fetches if fetch.heat is Heat.HISTORY]
    assert ticked.history is unasked.history is None


def test_the_first_sync_reads_90_days_whatever_is_asked_for_later():
    simulation = Ticking(connection(ads=20, frequency=Frequency.HOURLY))
    simulation.go_on(NOW + timedelta(hours=2))

    assert min(day for _, day in simulation.days) == simulation.connection.today(NOW) - timedelta(days=89)


def test_totals_come_first_then_everything_newest_first_without_a_gap_and_each_once():
    simulation = after_first_sync(ads=20, frequency=Frequency.HOURLY)
    today = simulation.connection.today(NOW)
    known = min(day for _, day in simulation.days)
    simulation.history_since = today - timedelta(days=400)

    simulation.go_on(NOW + timedelta(hours=10))
    history = simulation.of(Heat.HISTORY)

    kinds = [kind for _, kind, _, _, _ in history if kind is not FetchKind.ACCOUNT]
    spans = {kind: [(since, until) for _, read, _, since, until in history if read is kind] for kind in set(kinds)}
    assert kinds == sorted(kinds, key=[FetchKind.CAMPAIGNS, FetchKind.ADS].index)
    for of_kind in spans.values():
        assert [until for _, until in of_kind] == [known - timedelta(days=1), *(since - timedelta(days=1) for since, _ in of_kind[:-1])]
        assert of_kind[-1][0] == simulation.history_since
    assert simulation.tick(simulation.now).history is None


def test_where_days_are_read_whole_nothing_is_read_twice():
    google = {"provider": "google", "campaign_count": 5, "asset_group_count": 2}
    simulation = after_first_sync(ads=20, frequency=Frequency.HOURLY, **google)
    simulation.history_since, known = LONG_AGO, min(day for _, day in simulation.days)

    simulation.go_on(NOW + timedelta(hours=6))

    history = simulation.of(Heat.HISTORY)
    read = Counter((kind, since, until) for _, kind, _, since, until in history)
    assert set(read.values()) == {1}
    assert {kind for kind, _, _ in read} >= set(platform_of("google").metric_kinds)
    assert min(since for _, since, _ in read) == first_day(simulation.connection.today(simulation.now))
    assert max(until for _, _, until in read) == known - timedelta(days=1)


def test_a_hole_is_left_to_its_own_tries_and_keeps_no_other_day_from_being_read():
    simulation = after_first_sync(ads=20, frequency=Frequency.HOURLY)
    hole = simulation.connection.today(NOW) - timedelta(days=120)
    simulation.history_since = hole - timedelta(days=30)
    simulation.holes = {(FetchKind.ADS, hole): simulation.now + timedelta(hours=23)}

    simulation.go_on(NOW + timedelta(hours=4))

    days = {day for kind, day in simulation.days if kind is FetchKind.ADS}
    assert hole not in days
    assert {hole - timedelta(days=1), hole + timedelta(days=1), simulation.history_since} <= days
    assert simulation.tick(simulation.now).history is None


def test_holes_of_a_history_are_requested_after_what_keeps_the_lookback_fresh():
    simulation = after_first_sync(ads=20, frequency=Frequency.HOURLY)
    today = simulation.connection.today(NOW)
    old, recent = today - timedelta(days=500), today - timedelta(days=10)
    simulation.holes = {(FetchKind.ADS, old): NOW, (FetchKind.ADS, recent): NOW}
    later = NOW + timedelta(hours=4)

    made = plan(later, account(simulation.connection), simulation.ages(), ())

    cold = [(fetch.since, fetch.until) for fetch in made.fetches if fetch.heat is Heat.COLD and fetch.kind is FetchKind.ADS]
    assert cold[0] == (recent, recent)
    assert cold[-1] == (old, old)
    assert len(cold) > 2


def test_days_counted_by_an_earlier_mapping_are_read_again_once():
    simulation = after_first_sync(ads=20, frequency=Frequency.HOURLY)
    chosen = simulation.now
    simulation.connection = replace(simulation.connection, mapping_since=chosen)
    simulation.now += timedelta(minutes=1)
    simulation.history_since = simulation.connection.today(NOW) - timedelta(days=60)

    simulation.go_on(simulation.now + timedelta(hours=5))

    final = simulation.connection.today(simulation.now) - timedelta(days=40)
    assert simulation.days[FetchKind.ADS, final] > chosen
    assert simulation.days[FetchKind.ADS, simulation.history_since - timedelta(days=1)] < chosen
    assert unread(simulation.now, simulation.connection, simulation.ages(), simulation.history_since).days == ()


@pytest.mark.parametrize(
    ("ads", "frequency", "limit", "burst"),
    first_quick(
        [
            (700, "10min", 180, None),
            (150, "hourly", 60, None),
            (2500, "hourly", 180, CallLimit(calls=50, window=timedelta(seconds=300))),
            (30, "realtime", 180, None),
            (5, "daily", 180, None),
        ],
        2,
    ),
)
def test_history_takes_at_most_its_calls_an_hour_and_changes_no_other_plan(ads, frequency, limit, burst):
    """Whatever is due besides is planned as if the history's calls had not been made."""
    simulation = after_first_sync(ads=ads, frequency=Frequency(frequency), limit=limit)
    simulation.burst, simulation.history_since = burst, simulation.connection.today(NOW) - timedelta(days=300)
    compared = 0
    while simulation.now < NOW + timedelta(hours=5):
        own = replace(account(simulation.connection, limit=limit), burst=burst)
        recent = tuple(call for call in simulation.calls if call[0] >= simulation.now - timedelta(hours=1))
        others = tuple(call for call in recent if call[1] is not Heat.HISTORY)
        made, without = (plan(simulation.now, own, simulation.ages(), calls) for calls in (recent, others))
        # A call of exactly an hour ago counts for a millisecond more: what is due on the hour may wait for that.
        assert made == without or (made.until and made.until - simulation.now <= timedelta(milliseconds=1))
        compared += recent != others
        simulation.go_on(simulation.now + timedelta(seconds=1))

    history = [at for at, heat in simulation.calls if heat is Heat.HISTORY]
    assert compared
    assert all(sum(start <= at <= start + timedelta(hours=1) for at in history) <= HISTORY_CALLS for start in set(history))
    assert simulation.most_in_an_hour() <= limit


def due_in_half_an_hour(simulation):
    """Ages by which nothing is due now, and the daily reads of the lookback within the hour."""
    soon, week = NOW - timedelta(hours=22), simulation.connection.today(NOW) - timedelta(days=7)
    days = {(kind, day): soon if day < week else NOW for kind, day in simulation.days}
    return replace(simulation.ages(), days=days, dateless=dict.fromkeys(simulation.dateless, NOW))


def history_beside(own, ages, calls):
    made = plan(NOW, own, ages, calls)
    return [fetch for fetch in made.fetches if fetch.heat is Heat.HISTORY], made.history


def test_an_account_whose_lookback_needs_every_call_reads_no_history_and_says_so():
    simulation = after_first_sync(ads=8000, frequency=Frequency.EVERY_30_MIN)
    own = replace(account(simulation.connection), history_since=LONG_AGO)

    chosen, left = history_beside(own, due_in_half_an_hour(simulation), ())

    assert chosen == []
    assert "wait until today and the lookback leave calls" in left.reason


def test_history_waits_for_the_room_of_what_comes_due_within_the_hour():
    """Room for a piece is left, but not beside the reads of the lookback."""
    simulation = after_first_sync(ads=700, frequency=Frequency.HOURLY)
    own = replace(account(simulation.connection), history_since=LONG_AGO)
    ages, earlier = due_in_half_an_hour(simulation), NOW - timedelta(minutes=50)
    room = own.limit - own.hour.hot

    chosen, _ = history_beside(own, ages, ())
    waiting, left = history_beside(own, ages, ((earlier, Heat.COLD),) * (room - HISTORY_LEG - 1))

    assert chosen
    assert waiting == []
    assert left.at == earlier + timedelta(hours=1, milliseconds=1)


def test_the_estimate_is_what_the_reads_take():
    simulation = after_first_sync(ads=150, frequency=Frequency.HOURLY)
    since = simulation.connection.today(NOW) - timedelta(days=250)
    expected = estimate(simulation.now, account(simulation.connection), simulation.ages(), since)
    simulation.history_since = since

    simulation.go_on(NOW + timedelta(hours=12))

    calls = sum(heat is Heat.HISTORY for _, heat in simulation.calls)
    last = max(at for at, _, _, _, _ in simulation.of(Heat.HISTORY))
    assert (expected.since, expected.days) == (since, 161)
    assert calls <= expected.calls <= calls * 1.2 + HISTORY_LEG
    assert last - NOW <= expected.duration + timedelta(hours=1)


def test_without_a_size_nothing_of_it_is_read():
    made = plan(NOW, replace(account(connection(ads=None)), history_since=LONG_AGO), PartitionAges(), ())

    assert not [fetch for fetch in made.fetches if fetch.heat is Heat.HISTORY]
