"""Which days of a connection are known, as its page shows them: a sentence and a strip of marks for each level. Pure."""

from dataclasses import dataclass
from datetime import date

from adpulse import telling
from adpulse.model import Connection
from adpulse.planner.completeness import Completeness, ReadDay, completeness, read_days
from adpulse.planner.windows import DAY, PartitionAges

_SHOWN = 120
"""Days at most: the section is fetched anew while a page is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A day; ``state`` is a word the style sheet knows."""

    day: date
    state: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A level: what it is called, how complete it is, and its last days, oldest first."""

    name: str
    words: str
    marks: list[Mark]


def strips(connection: Connection, ages: PartitionAges) -> list[Strip]:
    """Every level of which something was read."""
    days = {(each.level, each.day): each for each in read_days(connection, ages)}
    return [
        Strip(
            name=telling.LEVELS[level.level],
            words=telling.complete(level),
            marks=[_mark(day, days.get((level.level, day))) for day in _days(level)],
        )
        for level in completeness(connection, ages)
    ]


def _days(level: Completeness) -> list[date]:
    first = max(level.since, level.last_day - DAY * (_SHOWN - 1))
    return [first + DAY * n for n in range((level.last_day - first).days + 1)]


def _mark(day: date, read: ReadDay | None) -> Mark:
    if read is None:
        return Mark(day=day, state="hole", words="not read")
    state = "settled" if read.settled else "open"
    return Mark(day=day, state=state, words=f"{state}, fresh until {read.fresh_until:%Y-%m-%d %H:%M} UTC")
