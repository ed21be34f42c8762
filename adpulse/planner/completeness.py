"""How complete a connection's days are: the one contract that the planner, the warehouse, the pages and the API share. Pure.

A day has two levels: its leaves (ads and asset groups) and its campaigns' totals. A level of a day is read when every kind of
read that it consists of was complete, and fresh until the earliest of them. It is settled once it was read after the platform's
lookback window for that day had ended: its numbers do not change any more. Between the first day that was read and the last one a
day that was not is a hole. No row for an entity on a day that was read means zero; on any other day it means nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from adpulse.model import Connection, FetchKind
from adpulse.planner.windows import DAY, PartitionAges, Span, settles_at, spans
from adpulse.platforms.registry import platform_of


class DayLevel(StrEnum):
    """What of a day is read together."""

    LEAF = "leaf"
    CAMPAIGN = "campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDay:
    """A level of a day that was read: the numbers are those of ``fresh_until`` (business time), or later ones."""

    level: DayLevel
    day: date
    fresh_until: datetime
    settled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """A level of a connection.

    Every day from ``since`` to ``complete_through`` was read, and each of them up to ``settled_through`` is settled. ``holes`` lie
    between ``since`` and the last day that was read, oldest first. ``fresh_until`` is that last day's.
    """

    level: DayLevel
    since: date
    complete_through: date
    settled_through: date | None
    holes: tuple[Span, ...]
    last_day: date
    fresh_until: datetime


def read_days(connection: Connection, ages: PartitionAges) -> list[ReadDay]:
    """Every day that was read, at each level, oldest first."""
    return [
        ReadDay(level=level, day=day, fresh_until=at, settled=at >= settles_at(connection, day))
        for level in DayLevel
        for day, at in sorted(ages.whole(_kinds(connection, level)).items())
    ]


def completeness(connection: Connection, ages: PartitionAges) -> list[Completeness]:
    """Each level of which something was read."""
    days = read_days(connection, ages)
    return [_of_level(level, [day for day in days if day.level is level]) for level in DayLevel if any(day.level is level for day in days)]


def _of_level(level: DayLevel, days: list[ReadDay]) -> Completeness:
    since, last, read = days[0].day, days[-1], {day.day for day in days}
    missing = [day for day in _days(since, last.day) if day not in read]
    settled = {day.day for day in days if day.settled}
    open_days = [day for day in _days(since, last.day) if day not in settled]
    first_open = min(open_days, default=last.day + DAY)
    return Completeness(
        level=level,
        since=since,
        complete_through=min(missing, default=last.day + DAY) - DAY,
        settled_through=first_open - DAY if first_open > since else None,
        holes=tuple(reversed(spans(missing, len(missing)))),
        last_day=last.day,
        fresh_until=last.fresh_until,
    )


def _kinds(connection: Connection, level: DayLevel) -> list[FetchKind]:
    of_campaigns = level is DayLevel.CAMPAIGN
    return [kind for kind in platform_of(connection.provider).metric_kinds if (kind is FetchKind.CAMPAIGNS) is of_campaigns]


def _days(since: date, until: date) -> Iterator[date]:
    day = since
    while day <= until:
        yield day
        day += DAY
