"""Days as exports write them: ``2026-01-31``, ``31.01.2026``, and ``1/31/2026`` or ``31/1/2026`` once a spreadsheet program saved the file.

Whether the month or the day comes first depends on the language of the program that saved the file, so it is decided by all days of the
file together, and never by one: ``1/2/2026`` alone may be either day. Pure.
"""

import re
from collections.abc import Callable, Iterable
from datetime import date
from enum import Enum

from adpulse.errors import Usage

_GERMAN = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
_SLASHES = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_SHOWN = 40

Place = tuple[str, int]
"""A day as text, and the number of its line."""


class DateOrder(Enum):
    """What comes first in a day with slashes; the values are those of ``--dates``."""

    MONTH_FIRST = "mdy"
    DAY_FIRST = "dmy"

    def parse(self, text: str) -> date | None:
        """The day in this order; None if it is none."""
        parts = _SLASHES.fullmatch(text)
        if parts is None:
            return None
        first, second, year = (int(part) for part in parts.groups())
        month, day = (first, second) if self is DateOrder.MONTH_FIRST else (second, first)
        return _date(lambda: date(year, month, day))


def order_of(places: Iterable[Place], chosen: DateOrder | None = None) -> DateOrder:
    """The order in which all days with slashes are days.

    Args:
        places: every cell that should hold a day.
        chosen: the order that a person named; then nothing is ambiguous.

    Raises:
        Usage: days contradict each other, or the file has only days that may be two.
    """
    decisive: dict[DateOrder, Place] = {}
    ambiguous: Place | None = None
    for place in places if chosen is None else ():
        days = {order: day for order in DateOrder if (day := order.parse(place[0])) is not None}
        if len(days) == 1:
            decisive.setdefault(next(iter(days)), place)
        elif len(set(days.values())) > 1:
            ambiguous = ambiguous or place
    if len(decisive) > 1:
        (first, first_line), (second, second_line) = decisive.values()
        raise Usage(
            f"The days are written in two ways: '{first}' in line {first_line}, and '{second}' in line {second_line}. "
            "Use the file as it was exported."
        )
    if ambiguous and not decisive:
        raise Usage(
            f"'{ambiguous[0]}' in line {ambiguous[1]} may be two days, and no other day of the file says which. "
            "Give --dates mdy where the month comes first, or --dates dmy where the day does."
        )
    return chosen or next(iter(decisive), DateOrder.MONTH_FIRST)


def parse_day(place: Place, order: DateOrder) -> date:
    """A day of the file.

    Raises:
        Usage: it is none.
    """
    text, line = place
    german = _GERMAN.fullmatch(text)
    if german:
        day = _date(lambda: date(int(german[3]), int(german[2]), int(german[1])))
    else:
        day = order.parse(text) or _date(lambda: date.fromisoformat(text))
    other = next(one for one in DateOrder if one is not order)
    if day is None and other.parse(text):  # the file alone would have decided for the other one
        raise Usage(
            f"--dates {order.value} does not fit the file: '{text}' in line {line} is a day only where the "
            f"{'day' if other is DateOrder.DAY_FIRST else 'month'} comes first. Give --dates {other.value}, or leave it out."
        )
    if day is None:
        raise Usage(
            f"'{text[:_SHOWN]}' in line {line} is not a day as 2026-01-31, 31.01.2026 or 1/31/2026. Use the file as it was exported."
        )
    return day


def _date(make: Callable[[], date]) -> date | None:
    try:
        return make()
    except ValueError:
        return None
