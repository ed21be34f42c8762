"""How many calls a connection needs in a day, and how often it can be read with fewer. Pure. Step: plan."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from adpulse.frequency import Frequency
from adpulse.model import FetchKind
from adpulse.planner.costs import cost_of_account, cost_of_daily_totals, cost_of_days, cost_of_totals
from adpulse.planner.hour import Hour
from adpulse.planner.restatement_check import restatements_can_be_checked
from adpulse.planner.windows import CATEGORIES_AGE, DAILY_DAYS, DAY, HOUR, RECENT_AGE, RECENT_DAYS, SLACK, WEEK
from adpulse.platforms.base import Costs
from adpulse.platforms.registry import platform_of

_WHOLE_DAYS = 6
"""How many of the days that are checked are read whole in a day: one that is 2, 9, 16 and 23 days old, one that is final, and another."""

_RESTATED = 0.25
"""Reckoned part of the leaves of checked days that checks ask for in a day. Assumed: no real account was read."""

_LEAST_CALLS = 0.01
"""A share of nothing still has a rhythm: a call in a hundred days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How often today is read, and by what factor everything that is due daily or weekly comes later than that."""

    interval: timedelta
    stretch: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """The calls of each kind of read, and the calls a day that do not depend on how often today is read."""

    frequency: Frequency
    ads: float
    categories: float
    totals: float
    changes: float
    daily: float

    @property
    def interval(self) -> timedelta:
        """How often today is to be read; a connection that is only read on demand counts as daily."""
        return self.frequency.interval or DAY

    def hot_per_day(self, interval: timedelta) -> float:
        """Calls a day to read today this often: leaves each time, categories each quarter of an hour, totals each hour at most."""
        slow = _per_day(interval, CATEGORIES_AGE) * self.categories + _per_day(interval, HOUR) * self.totals
        return DAY / interval * self.ads + slow

    def other_per_day(self, rhythm: Rhythm) -> float:
        """Calls a day for everything else: entities, account facts, older days."""
        return _per_day(rhythm.interval, HOUR) * self.changes + self.daily / rhythm.stretch

    def per_day(self, rhythm: Rhythm) -> float:
        """Calls a day altogether."""
        return self.hot_per_day(rhythm.interval) + self.other_per_day(rhythm)

    @property
    def needed(self) -> float:
        """Calls a day to keep the frequency."""
        return self.per_day(Rhythm(interval=self.interval))

    def within(self, calls: float) -> Rhythm:
        """The rhythm that ``calls`` a day allow for: today first, but at most half of them when the other reads need the rest."""
        calls = max(calls, _LEAST_CALLS)
        today = self.needed - self.daily
        daily = min(self.daily, max(calls / 2, calls - today))
        return Rhythm(interval=max(self.interval, self._shortest_interval(calls - daily)), stretch=max(1.0, self.daily / daily))

    def _shortest_interval(self, calls: float) -> timedelta:
        """The shortest time between reads of today for which ``calls`` a day are enough."""
        hourly = self.totals + self.changes
        a_day, quarters, hours = DAY / timedelta(seconds=1), _per_day(DAY * 0, CATEGORIES_AGE), _per_day(DAY * 0, HOUR)
        # Splits and totals keep their own interval while today is read more often than that; beyond it each read includes them.
        for per_read, beside, until in (
            (self.ads, quarters * self.categories + hours * hourly, CATEGORIES_AGE * SLACK),
            (self.ads + self.categories, hours * hourly, HOUR * SLACK),
        ):
            if calls > beside and timedelta(seconds=a_day * per_read / (calls - beside)) <= until:
                return timedelta(seconds=a_day * per_read / (calls - beside))
        return timedelta(seconds=a_day * (self.ads + self.categories + hourly) / calls)


@lru_cache(maxsize=4096)
def demand(frequency: Frequency, costs: Costs, limit: int) -> Demand:
    """What a connection of this frequency needs, when its account may make ``limit`` calls an hour."""
    piece = Hour(frequency=frequency, costs=costs, limit=limit).piece
    return Demand(
        frequency=frequency,
        ads=costs.usual(FetchKind.ADS, 1),
        categories=costs.usual(FetchKind.CATEGORIES, 1),
        totals=cost_of_totals(costs, 1),
        changes=costs.usual_changed_walk,
        daily=1 + costs.full_walk + _older(costs, piece) + cost_of_daily_totals(costs),
    )


def _older(costs: Costs, piece: int) -> float:
    """Calls a day to read the days again that may have been restated: at the interval of their age, and once after they are final."""
    if platform_of(costs.provider).reads_days_whole:
        weekly = _pieces(costs, platform_of(costs.provider).lookback_days - DAILY_DAYS + WEEK // DAY, piece)
        return _pieces(costs, DAILY_DAYS - 1, piece) + weekly * (DAY / WEEK)
    if restatements_can_be_checked(costs, piece):
        checks = costs.read(FetchKind.CAMPAIGNS, RECENT_DAYS - 1) * (DAY / RECENT_AGE - 1) + costs.read(FetchKind.CAMPAIGNS, DAILY_DAYS - 1)
        return checks + (_WHOLE_DAYS + _RESTATED * (DAILY_DAYS - 1)) * (cost_of_days(costs, 1) + cost_of_account(costs, 1))
    recent = _pieces(costs, RECENT_DAYS - 1, piece)
    return DAY / RECENT_AGE * recent + _pieces(costs, DAILY_DAYS - RECENT_DAYS, piece) + cost_of_days(costs, 1)


def _pieces(costs: Costs, days: int, piece: int) -> int:
    longest = costs.longest(days, piece)
    return -(-days // longest) * (cost_of_days(costs, longest) + cost_of_account(costs, longest))


def _per_day(interval: timedelta, at_least: timedelta) -> float:
    return DAY / max(interval, at_least * SLACK)
