"""The core date segments: their values for a day, and the finite range of days that the filters on them leave."""

from collections.abc import Iterable, Iterator
from datetime import date, timedelta

from adpulse_sandbox.google.conditions import Predicate
from adpulse_sandbox.google.errors import query_error

ONE_DAY = timedelta(days=1)


def segment_of(name: str, day: date) -> str | int:
    """The value of a date segment for a day: the first day of its week (Monday), month or quarter, or the year."""
    if name == "segments.year":
        return day.year
    if name == "segments.day_of_week":
        return day.strftime("%A").upper()
    if name == "segments.month_of_year":
        return day.strftime("%B").upper()
    return _first(name, day).isoformat()


def finite_range(predicates: Iterable[Predicate]) -> tuple[date, date]:
    """The first and last day that the filters leave.

    Raises:
        AdsError: the range is open at an end or empty, or a value is not the first day of its period.
    """
    lowest, highest = [], []
    for predicate in predicates:
        lower, upper = _bounds(predicate)
        lowest += [lower] if lower else []
        highest += [upper] if upper else []
    if not lowest or not highest:
        raise query_error(
            "EXPECTED_FILTERS_ON_DATE_RANGE", "Expects filters on the following field to limit a finite date range: 'segments.date'"
        )
    if max(lowest) > min(highest):
        raise query_error("DATE_RANGE_TOO_NARROW", "The filters on the date have a start after the end.")
    return max(lowest), min(highest)


def months_before(day: date, months: int) -> date:
    """The same day so many months earlier, or the last of its month."""
    count = day.year * 12 + day.month - 1 - months
    last = date(count // 12 + (count % 12 + 1) // 12, (count + 1) % 12 + 1, 1) - ONE_DAY
    return last.replace(day=min(day.day, last.day))


def days(first: date, last: date) -> Iterator[date]:
    """The days from the first to the last, both included."""
    for number in range((last - first).days + 1):
        yield first + number * ONE_DAY


def _first(name: str, day: date) -> date:
    if name == "segments.week":
        return day - timedelta(days=day.weekday())
    if name == "segments.month":
        return day.replace(day=1)
    if name == "segments.quarter":
        return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
    return day.replace(month=1, day=1) if name == "segments.year" else day


def _last(name: str, day: date) -> date:
    longest = {"segments.week": 7, "segments.month": 31, "segments.quarter": 92, "segments.year": 366}.get(name, 1)
    first = _first(name, day)
    return max(first + number * ONE_DAY for number in range(longest) if _first(name, first + number * ONE_DAY) == first)


def _bounds(predicate: Predicate) -> tuple[date | None, date | None]:
    name = predicate.field.name
    operands = sorted(_day(name, operand) for operand in predicate.operands)
    for day in operands:
        if _first(name, day) != day and name != "segments.year":
            raise query_error("MISALIGNED_DATE_FOR_FILTER", f"{day} is not the first day of a period of '{name}'.")
    if predicate.operator in ("=", "IN"):
        return operands[0], _last(name, operands[-1])
    if predicate.operator == "BETWEEN":
        return _day(name, predicate.operands[0]), _last(name, _day(name, predicate.operands[1]))
    lower = {">=": operands[0], ">": _last(name, operands[0]) + ONE_DAY}.get(predicate.operator)
    upper = {"<=": _last(name, operands[0]), "<": operands[0] - ONE_DAY}.get(predicate.operator)
    return lower, upper


def _day(name: str, operand: str | int) -> date:
    if name != "segments.year":
        return date.fromisoformat(str(operand))
    if not date.min.year < int(operand) < date.max.year:
        raise query_error("BAD_VALUE", f"{operand} is not a year.")
    return date(int(operand), 1, 1)
