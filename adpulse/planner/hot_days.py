"""Which of today and yesterday are due to be read. Pure; days are the account's local dates. Step: plan."""

from datetime import date, datetime, time, timedelta
from enum import Enum

from adpulse.model import Connection, FetchKind
from adpulse.planner.windows import CATEGORIES_AGE, DAY, HOUR, SLACK, YESTERDAY_AGE, PartitionAges
from adpulse.platforms.registry import platform_of

_AFTER_MIDNIGHT = timedelta(hours=3)
"""So long the platform completes yesterday."""


class Yesterday(Enum):
    """How yesterday's leaves are read."""

    WITH_TODAY = "with today's, for no more calls"
    BESIDE_TODAY = "with today's, for more calls"
    ALONE = "by themselves, as one read of both days takes no fewer calls than two"


def hot_days(now: datetime, connection: Connection, ages: PartitionAges, hot_age: timedelta, yesterdays: Yesterday) -> list[date]:
    """Which of today and yesterday are due at ad level.

    ``hot_age`` is how old today's numbers may be. Until three hours after local midnight the platform is still completing yesterday: it is
    as hot as today then, and read hourly later. Where it takes calls of its own, it is read hourly, and every three hours later; alone,
    also while today is not due.
    """
    today = connection.today(now)
    yesterday, known_at = today - DAY, ages.known_at(FetchKind.ADS, today)
    at_night, later = (min(hot_age, HOUR), HOUR) if yesterdays is Yesterday.WITH_TODAY else (HOUR, YESTERDAY_AGE)
    is_stale = ages.stale(FetchKind.ADS, now, at_night if _is_night(now, connection) else later, yesterday)
    if known_at is not None and now - known_at < hot_age * SLACK:
        # Never read at all, though today was: the account's time zone changed.
        is_unread = (FetchKind.ADS, yesterday) not in ages.days
        return [yesterday] if is_unread or (is_stale and yesterdays is Yesterday.ALONE) else []
    return [today, yesterday] if is_stale else [today]


def is_yesterday_due(now: datetime, connection: Connection, ages: PartitionAges) -> bool:
    """Whether yesterday's leaves are due where they take calls beside today's."""
    age = HOUR if _is_night(now, connection) else YESTERDAY_AGE
    return ages.stale(FetchKind.ADS, now, age, connection.today(now) - DAY)


def _is_night(now: datetime, connection: Connection) -> bool:
    return now - datetime.combine(connection.today(now), time(), connection.zone) < _AFTER_MIDNIGHT


def hot_total_days(now: datetime, connection: Connection, ages: PartitionAges, max_age: timedelta) -> list[date]:
    """Which of today and yesterday are due for campaign totals."""
    today = connection.today(now)
    return [day for day in (today, today - DAY) if ages.stale(FetchKind.CAMPAIGNS, now, max_age, day)]


def _requestable(due: dict[FetchKind, list[date]], now: datetime, ages: PartitionAges) -> dict[FetchKind, list[date]]:
    """The days that are due, without holes that wait for their next try.

    Nor are totals requested of a day whose leaves wait: the remainder would count the leaves that come later.
    """

    def waits(kind: FetchKind, day: date) -> bool:
        of_leaves = kind is FetchKind.CAMPAIGNS and ages.holes.get((FetchKind.ADS, day), now) > now
        return of_leaves or ages.holes.get((kind, day), now) > now

    return {kind: [day for day in days if not waits(kind, day)] for kind, days in due.items()}


def hot_reads(
    now: datetime,
    connection: Connection,
    ages: PartitionAges,
    hot_age: timedelta,
    yesterdays: Yesterday,
    *,
    on_demand: bool,
) -> dict[FetchKind, list[date]]:
    """Which days of today and yesterday are due, by what is to be read of them. ``on_demand``: nothing may be old.

    Where days are read whole, totals come only with the leaves and the split of conversions of the same days, so that the
    remainder is of one time; and both days together, as one costs no less. There a day that has just begun is no reason to read
    oftener.
    """
    leaves = hot_days(now, connection, ages, hot_age, yesterdays)
    totals = hot_total_days(now, connection, ages, timedelta(0) if on_demand else HOUR)
    if not platform_of(connection.provider).reads_days_whole:
        return _requestable({FetchKind.ADS: leaves, FetchKind.CAMPAIGNS: totals}, now, ages)
    today = connection.today(now)
    if (FetchKind.ADS, today) not in ages.days and not ages.stale(FetchKind.ADS, now, hot_age, today - DAY):
        return {}
    leaves = [today, today - DAY] if leaves and totals else leaves
    totals = leaves if totals else []
    oldest = timedelta(0) if on_demand else CATEGORIES_AGE
    split = [day for day in leaves if day in totals or ages.stale(FetchKind.CATEGORIES, now, oldest, day)]
    due = {FetchKind.ADS: leaves, FetchKind.CATEGORIES: split, FetchKind.CAMPAIGNS: totals}
    return _requestable({kind: due[kind] for kind in platform_of(connection.provider).metric_kinds}, now, ages)
