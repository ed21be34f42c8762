"""The completeness of a connection as its page shows it: a sentence and a strip of marks for each level. Pure."""

from dataclasses import dataclass
from datetime import date, datetime

from adpulse import presentation
from adpulse.model import Connection
from adpulse.planner.completeness import Completeness, ReadDay, completeness
from adpulse.planner.windows import PartitionAges

_SHOWN = 120
"""The number of days is limited because an open page fetches the section again and again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A day; ``state`` is a class of the style sheet."""

    day: date
    state: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """A level: its name, how complete it is, and its last days, oldest first."""

    name: str
    words: str
    marks: list[Mark]


def strips(now: datetime, connection: Connection, ages: PartitionAges) -> list[Strip]:
    """Every level of which a day was read."""
    return [
        Strip(name=presentation.LEVELS[level.level], words=presentation.describe_completeness(level), marks=_marks(level))
        for level in completeness(now, connection, ages)
    ]


def _marks(level: Completeness) -> list[Mark]:
    read = {day.day: day for day in level.read}
    return [_mark(day, read.get(day)) for day in level.span.dates[-_SHOWN:]]


def _mark(day: date, read: ReadDay | None) -> Mark:
    if read is None:
        return Mark(day=day, state="hole", words="not read")
    state = "settled" if read.settled else "open"
    return Mark(day=day, state=state, words=f"{state}, fresh until {read.fresh_until:%Y-%m-%d %H:%M} UTC")
