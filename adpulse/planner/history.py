"""Which days of an account's history are still to be read, and what reading them takes. Pure; days are the account's. Step: plan.

History is what a person asked for beyond the first sync. Campaigns' totals come first where they are reports of their own, so that sums
are there in little time; then everything about the days. Both are read newest first, so that what was read has no gaps.
"""

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from adpulse.model import Connection, Fetch, FetchKind
from adpulse.planner.account import Account
from adpulse.planner.budget import WINDOW
from adpulse.planner.costs import cost_of_account
from adpulse.planner.demand import Rhythm
from adpulse.planner.lookback import lookback_since
from adpulse.planner.room import HISTORY_CALLS
from adpulse.planner.windows import DAY, FIRST_SYNC_DAYS, PartitionAges
from adpulse.platforms.registry import platform_of

MONTHS = 37
"""How many months back platforms report single days.

Meta refuses a range that begins earlier (error 3018; airbyte issue 15243), counted from the day and not from the first of the month
(singer-io/tap-facebook pull request 146), and of accounts east of UTC one day less (estuary connectors 3034). Google: "daily, hourly, or
weekly segmentation are only available for the last 37 months" (reference of DateRangeError, read 2026-11-30).
"""

HISTORY_LEG = 12
"""Most calls in one leg: a tick that comes meanwhile waits for the lease for some seconds at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """Days that are still to be read, newest first: of ``totals`` first only the campaigns' totals, then everything of ``days``."""

    totals: tuple[date, ...] = ()
    days: tuple[date, ...] = ()


def first_day(today: date) -> date:
    """The oldest day that the platforms report: a day less than 37 months, as their days may have begun before the account's."""
    months = today.year * 12 + today.month - 1 - MONTHS
    year, month = months // 12, months % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - DAY).day
    return date(year, month, min(today.day, last)) + DAY


def clamped(now: datetime, connection: Connection, since: date) -> date:
    """The day from which on history can be read."""
    return max(since, first_day(connection.today(now)))


def newest_day(now: datetime, connection: Connection) -> date:
    """The newest day that a history may have: the platform does not restate it any more, or the first sync leaves it out."""
    return max(lookback_since(now, connection) - DAY, connection.today(now) - FIRST_SYNC_DAYS * DAY)


def wanted_days(now: datetime, connection: Connection, since: date) -> list[date]:
    """The days of the history since then, newest first."""
    newest, oldest = newest_day(now, connection), clamped(now, connection, since)
    return [newest - timedelta(days=n) for n in range((newest - oldest).days + 1)]


def unread(now: datetime, connection: Connection, ages: PartitionAges, since: date, otherwise: Collection[date] = ()) -> Unread:
    """What of the history since then is to be read, without the days that are read ``otherwise``.

    A day that was read before its mapping was chosen is read again. A hole is not: it has tries of its own.
    """
    kinds = platform_of(connection.provider).metric_kinds
    days = [day for day in wanted_days(now, connection, since) if day not in otherwise]
    lacking = [day for day in days if any(is_unread(connection, ages, kind, day) for kind in kinds)]
    if platform_of(connection.provider).reads_days_whole:
        return Unread(days=tuple(lacking))
    totals = FetchKind.CAMPAIGNS
    without_totals = (day for day in lacking if (totals, day) not in ages.days and (totals, day) not in ages.holes)
    return Unread(totals=tuple(without_totals), days=tuple(lacking))


def is_unread(connection: Connection, ages: PartitionAges, kind: FetchKind, day: date) -> bool:
    """Whether a kind of read of a day was not made, or before the mapping of now was chosen, and is no hole."""
    at, border = ages.days.get((kind, day)), connection.mapping_since
    return (at is None or (border is not None and at <= border)) and (kind, day) not in ages.holes


def later_start(refused: Fetch) -> date:
    """Where a history begins whose read was refused as too old: in the middle of the refused days, or after the only one."""
    days = refused.days
    return days[len(days) // 2] if len(days) > 1 else days[0] + DAY


def longest(account: Account, kinds: Iterable[FetchKind], calls: int) -> int:
    """How many consecutive days of these reads, with the account's totals, take so many calls at most; always one."""
    days, kinds = 1, tuple(kinds)
    while days < FIRST_SYNC_DAYS and _cost(account, kinds, days + 1) <= calls:
        days += 1
    return days


def _cost(account: Account, kinds: Iterable[FetchKind], days: int) -> int:
    return sum(account.costs.read(kind, days) for kind in kinds) + cost_of_account(account.costs, days)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What reading a history takes: calls, and how long they take at the pace that today and the lookback leave."""

    since: date
    days: int
    calls: int
    duration: timedelta


def estimate(now: datetime, account: Account, ages: PartitionAges, since: date) -> Estimate:
    """What the history since then takes. The calls are those of an account all of whose ads deliver every day."""
    connection, left = account.connection, unread(now, account.connection, ages, since)
    totals = _calls(account, (FetchKind.CAMPAIGNS,), len(left.totals))
    kinds = [kind for kind in platform_of(connection.provider).metric_kinds if not (left.totals and kind is FetchKind.CAMPAIGNS)]
    calls = totals + _calls(account, kinds, len(left.days))
    hours = calls / calls_per_hour(account)
    return Estimate(since=clamped(now, connection, since), days=len(left.days), calls=calls, duration=timedelta(hours=math.ceil(hours)))


def _calls(account: Account, kinds: Iterable[FetchKind], days: int) -> int:
    if not days:
        return 0
    at_once = longest(account, kinds, HISTORY_LEG)
    return -(-days // at_once) * _cost(account, kinds, at_once)


def calls_per_hour(account: Account) -> int:
    """How many calls an hour are left for history in the long run, one at least."""
    demand = account.demand
    rhythm = account.rhythm or Rhythm(interval=demand.interval)
    left = account.part - demand.per_day(rhythm) / (DAY / WINDOW)
    return max(1, min(HISTORY_CALLS, int(left)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a backfill is: of so many ``days`` so many have their campaigns' totals, and everything.

    ``next_at`` is when it goes on and ``reason`` what it waits for, ``refusal`` what the platform refused last. ``calls`` and ``duration``
    are what is left.
    """

    since: date
    requested_at: datetime
    finished_at: datetime | None
    days: int
    totals_read: int
    days_read: int
    next_at: datetime | None
    reason: str | None
    refusal: str | None
    calls: int
    duration: timedelta

    @property
    def percent(self) -> int:
        """How much of it is read, in per cent of the days."""
        return 100 * self.days_read // self.days if self.days else 100
