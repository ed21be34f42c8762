"""The completeness of a connection as its page shows it: a sentence and a strip of marks for each level. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from adpulse import presentation
from adpulse.planner.completeness import Completeness, ReadDay

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


def strips(levels: Iterable[Completeness]) -> list[Strip]:
    """Every level of which a day was read."""
    return [
        Strip(name=presentation.LEVELS[level.level], words=presentation.describe_completeness(level), marks=_marks(level))
        for level in levels
    ]


def _marks(level: Completeness) -> list[Mark]:
    read = {day.day: day for day in level.read}
    lacks = defaultdict[date, list[str]](list)
    for gap in level.gaps:
        lacks[gap.day].append(presentation.describe_gap(gap))
    return [_mark(day, read.get(day), lacks[day]) for day in level.span.dates[-_SHOWN:]]


def _mark(day: date, read: ReadDay | None, lacks: Sequence[str]) -> Mark:
    reasons = f"; not complete: {'; '.join(lacks)}" if lacks else ""
    if read is None:
        return Mark(day=day, state="hole", words=f"not read{reasons}")
    state = "partial" if lacks else "settled" if read.settled else "open"
    words = "settled" if read.settled else "open"
    return Mark(day=day, state=state, words=f"{words}, fresh until {read.fresh_until:%Y-%m-%d %H:%M} UTC{reasons}")
