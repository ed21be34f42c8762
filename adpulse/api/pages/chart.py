"""Charts as the pages draw them on the server: shapes in the units of an SVG, and the table behind each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from adpulse.services.today import CurrencyDay

WIDTH, HEIGHT = 576, 160
_QUARTERS = 96
_QUARTER = timedelta(minutes=15)
NAMES = {0: "Today", 1: "Yesterday", 7: "A week ago"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One day's course: its class in the style sheet, the points of a polyline, and the last of them."""

    name: str
    style: str
    points: str
    end: tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A shaded part of the time axis."""

    style: str
    x: float
    width: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayChart:
    """The course of a day beside the days before, and its table: the hour, and the spend of each day up to its end in micros."""

    lines: Sequence[Line]
    bands: Sequence[Band]
    rows: Sequence[tuple[str, Sequence[int | None]]]


def day_chart(day: CurrencyDay, now: datetime) -> DayChart | None:
    """The chart of a currency's day; None while no course was noted.

    Hours are those of each account's own day. With accounts of several time zones, now is the earliest of their local times.
    """
    courses = {course.days_ago: dict(course.points) for course in day.courses}
    if not courses:
        return None
    until = _quarters(day, now)
    steps = {ago: _filled(points, until if ago == 0 else max(points)) for ago, points in courses.items()}
    highest = max((spend or 0 for line in steps.values() for spend in line), default=0) or 1
    lines = [_line(ago, steps[ago], highest) for ago in sorted(steps, reverse=True) if any(spend is not None for spend in steps[ago])]
    hours = range(4, _QUARTERS + 1, 4)
    rows = [(f"{end // 4:02}:00", [_at(steps.get(ago), end) for ago in NAMES]) for end in hours]
    return DayChart(lines=lines, bands=_bands(day, now, until), rows=rows)


def _quarters(day: CurrencyDay, now: datetime) -> int:
    """Quarters of an hour that have begun in the local day of every account."""
    local = [now.astimezone(ZoneInfo(zone)) for zone in {account.timezone for account in day.accounts}]
    return min(moment.hour * 4 + moment.minute // 15 + 1 for moment in local)


def _filled(points: dict[int, int], until: int) -> list[int | None]:
    """The spend at the end of each quarter up to ``until``; None before the first point, where it is not known.

    An earlier day's line ends with its last point: what was spent after it is only in the day's total.
    """
    line: list[int | None] = []
    for quarter in range(1, until + 1):
        line.append(points.get(quarter, line[-1] if line else None))
    return line


def _line(ago: int, line: Sequence[int | None], highest: int) -> Line:
    known = [
        (f"{WIDTH * quarter / _QUARTERS:g}", f"{HEIGHT - (HEIGHT - 8) * spend / highest:.1f}")
        for quarter, spend in enumerate(line, start=1)
        if spend is not None
    ]
    return Line(name=NAMES[ago], style=f"ago{ago}", points=" ".join(f"{x},{y}" for x, y in known), end=known[-1])


def _at(line: Sequence[int | None] | None, quarter: int) -> int | None:
    return line[quarter - 1] if line is not None and quarter <= len(line) else None


def _bands(day: CurrencyDay, now: datetime, until: int) -> list[Band]:
    """Our delay ends now, and the platform's own where ours begins."""
    fresh_until = day.freshness.fresh_until
    if fresh_until is None:
        return []
    ours = min(max((now - fresh_until) / _QUARTER, 0.0), until)
    platforms = min((day.freshness.platform_delay or timedelta(0)) / _QUARTER, until - ours)
    unit = WIDTH / _QUARTERS
    return [
        Band(style="theirs", x=(until - ours - platforms) * unit, width=platforms * unit, title="The platform reported no newer numbers"),
        Band(style="ours", x=(until - ours) * unit, width=ours * unit, title="adpulse has not read since"),
    ]
