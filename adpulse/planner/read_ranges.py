"""Ranges of days that were read: how the control plane keeps the times of reads, in few rows whatever the history. Pure. Step: plan.

Consecutive days of one kind of read are one range where they were read at one instant, as the days of a piece are. Final days were each
read at another time, but when a day was read that does not change any more decides nothing: such days are one range although their
instants differ, and each counts as read at the earliest instant, or when it became final.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from adpulse.planner.lookback import Settling

KEPT_APART = timedelta(days=2)
"""How long final days are kept by the hour of their read: of a restored warehouse only what was read last is forgotten."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRead:
    """When a day was read: ``at`` is what it counts as, ``first`` and ``last`` the reads of its range. ``due``: it is to be read again."""

    at: datetime
    first: datetime
    last: datetime
    due: bool = False

    @classmethod
    def once(cls, at: datetime, *, due: bool = False) -> "DayRead":
        """A day that was read at this instant."""
        return cls(at=at, first=at, last=at, due=due)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRange:
    """Consecutive days with the earliest and the latest of their reads; all of them are due again, or none."""

    since: date
    days: int
    first: datetime
    last: datetime
    due: bool = False

    def of_days(self, settling: Settling) -> Iterator[tuple[date, DayRead]]:
        """Each day with its read."""
        for offset in range(self.days):
            day = self.since + offset * _DAY
            at = self.first if self.first == self.last else max(self.first, settling.of(day))
            yield day, DayRead(at=at, first=self.first, last=self.last, due=self.due)


def in_ranges(
    reads: Mapping[date, DayRead], settling: Settling, now: datetime | None = None, border: datetime | None = None
) -> list[ReadRange]:
    """The ranges of these days, oldest first. Reads before and after ``border`` are never in one range.

    Without ``now`` no ranges are united.
    """

    def group(numbered: tuple[int, date]) -> tuple[date, bool, bool, object]:
        number, day = numbered
        read = reads[day]
        is_final = read.at >= settling.of(day)
        if not is_final or now is None:
            same: object = (read.first, read.last)
        elif read.last >= now - KEPT_APART:
            same = read.last.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        else:
            same = None
        return day - number * _DAY, read.due, border is not None and read.first > border, (is_final, same)

    ranges = list[ReadRange]()
    for (_, due, _, _), numbered_days in groupby(enumerate(sorted(reads)), key=group):
        days = [day for _, day in numbered_days]
        first, last = min(reads[day].first for day in days), max(reads[day].last for day in days)
        ranges.append(ReadRange(since=days[0], days=len(days), first=first, last=last, due=due))
    return ranges
