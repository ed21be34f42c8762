"""How complete a connection's days are: the one contract that the planner, the warehouse, the pages and the API share. Pure.

A day has two levels: its leaves (ads and asset groups) and its campaigns' totals. A level of a day is read when every kind of
read that it consists of was complete, and fresh until the earliest of them. It is settled once it was read after the platform's
lookback window for that day had ended: its numbers do not change any more. Between the first day that was read and the last one a
day that was not is a hole. No row for an entity on a day that was read means zero; on any other day it means nothing.

What a day lacks is named with its reason (:class:`adpulse.gaps.Gap`): a read that the platform could not answer, all of it or for one
campaign, and the row of an entity that was refused. A day with a refused row was read, but is not complete, and not settled.

What the platform's total above a level holds beyond the level's rows is the day's remainder (:class:`adpulse.remainder.Remainder`): leaves
are compared with their campaigns' totals, campaigns with the account's. A remainder leaves a day complete, as no read of ours lacks it.
So does an ad whose conversions are unknown: it was read, and the platform does not say them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import takewhile

from adpulse.gaps import Gap
from adpulse.model import Connection, FetchKind, Level
from adpulse.planner.lookback import settles_at
from adpulse.planner.windows import DAY, PartitionAges, Span, spans
from adpulse.platforms.registry import platform_of
from adpulse.remainder import Remainder


class DayLevel(StrEnum):
    """What of a day is read together."""

    LEAF = "leaf"
    CAMPAIGN = "campaign"


_ABOVE = {DayLevel.LEAF: Level.CAMPAIGN, DayLevel.CAMPAIGN: Level.ACCOUNT}
"""The totals that each level is compared with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDay:
    """A level of a day that was read: the numbers are those of ``fresh_until`` (business time), or later ones.

    ``whole_at`` is when all of it was read last, if since then only the leaves of campaigns that changed were: of a campaign whose totals
    are the same, ``fresh_until`` is the last check of them.
    """

    level: DayLevel
    day: date
    fresh_until: datetime
    settled: bool
    whole_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownConversions:
    """A day on which conversions of so many ads are unknown, so that no sum of the day's conversions is known."""

    day: date
    ads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """A level of a connection; ``read`` are its days that were read, oldest first, and never none.

    ``gaps`` are what its days lack, oldest first, also days before the first and after the last one that was read. ``remainders`` are the
    days whose spend is not the platform's total above the level, newest first. ``unknown`` are days of leaves, oldest first.
    """

    level: DayLevel
    read: tuple[ReadDay, ...]
    gaps: tuple[Gap, ...] = ()
    remainders: tuple[Remainder, ...] = ()
    unknown: tuple[UnknownConversions, ...] = ()

    @property
    def span(self) -> Span:
        """From the first day that was read to the last one."""
        return Span(since=self.read[0].day, until=self.read[-1].day)

    @property
    def fresh_until(self) -> datetime:
        """Up to when the last day's numbers are known."""
        return self.read[-1].fresh_until

    @property
    def whole_at(self) -> datetime | None:
        """When all of the last day was read, if only changes were read since."""
        return self.read[-1].whole_at

    @property
    def holes(self) -> tuple[Span, ...]:
        """The days between that were not read, oldest first."""
        missing = set(self.span.dates) - {day.day for day in self.read}
        return tuple(reversed(spans(missing, len(missing))))

    @property
    def complete_through(self) -> date:
        """Every day up to here was read, and no row of it was refused."""
        incomplete = [gap.day for gap in self.gaps if gap.is_refused_row and self.span.since <= gap.day <= self.span.until]
        incomplete += [hole.since for hole in self.holes]
        return min(incomplete) - DAY if incomplete else self.span.until

    @property
    def settled_through(self) -> date | None:
        """Every day up to here is settled; None while the first one is not."""
        settled = {day.day for day in self.read if day.settled}
        through = list(takewhile(settled.__contains__, self.span.dates))
        return through[-1] if through else None


def gaps_of_parts(ages: PartitionAges) -> list[Gap]:
    """The days that are read in parts for the first time: of those parts that were read the numbers are stored."""
    gaps = list[Gap]()
    for day, parts in ages.parts.items():
        instants = sorted(part.read_at for part in parts if part.read_at is not None)
        if instants and (FetchKind.ADS, day) not in ages.days:
            reason = f"It is read in {len(parts)} parts, of which {len(instants)} are stored; the others follow."
            gaps.append(Gap(kind=FetchKind.ADS, day=day, reason=reason, first_at=instants[0], last_at=instants[-1]))
    return gaps


def level_of_read(kind: FetchKind) -> DayLevel:
    """The level that a kind of read is a part of."""
    return DayLevel.CAMPAIGN if kind is FetchKind.CAMPAIGNS else DayLevel.LEAF


def read_days(now: datetime, connection: Connection, ages: PartitionAges, gaps: Sequence[Gap] = ()) -> list[ReadDay]:
    """Every day that was read, at each level, oldest first."""
    return [day for level in completeness(now, connection, ages, gaps) for day in level.read]


def completeness(
    now: datetime,
    connection: Connection,
    ages: PartitionAges,
    gaps: Sequence[Gap] = (),
    remainders: Sequence[Remainder] = (),
    unknown: Sequence[UnknownConversions] = (),
) -> list[Completeness]:
    """Each level of which something was read, with what its days lack, what the platform's totals hold beyond them, and what is unknown."""
    plausible = ages.as_of(now)
    of_level = {level: sorted((gap for gap in gaps if level_of_read(gap.kind) is level), key=lambda gap: gap.day) for level in DayLevel}
    levels = ((level, _read(level, connection, plausible, of_level[level])) for level in DayLevel)
    beyond = {level: tuple(remainder for remainder in remainders if remainder.level is _ABOVE[level]) for level in DayLevel}
    of_leaves = {DayLevel.LEAF: tuple(unknown)}
    return [
        Completeness(level=level, read=read, gaps=tuple(of_level[level]), remainders=beyond[level], unknown=of_leaves.get(level, ()))
        for level, read in levels
        if read
    ]


def _read(level: DayLevel, connection: Connection, ages: PartitionAges, gaps: Sequence[Gap]) -> tuple[ReadDay, ...]:
    kinds = [kind for kind in platform_of(connection.provider).metric_kinds if level_of_read(kind) is level]
    refused = {gap.day for gap in gaps if gap.is_refused_row}
    checked = {**ages.restatements_checked, **(ages.checked if level is DayLevel.LEAF else {})}
    return tuple(
        ReadDay(
            level=level,
            day=day,
            fresh_until=max(at, checked.get(day, at)),
            settled=at >= settles_at(connection, day) and day not in refused,
            whole_at=at if day in checked and checked[day] >= at else None,
        )
        for day, at in sorted(ages.complete_days(kinds).items())
    )
