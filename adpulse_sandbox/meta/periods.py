"""The periods of a report: ``time_range``, ``time_ranges``, ``date_preset`` and ``time_increment``.

Source: the parameters of the reference page "Ad Account, Insights". ``date_preset`` is ignored beside a range, and ranges (``time_ranges``)
overrule the range, the preset and the increment. Days are the account's.
"""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta

from adpulse_sandbox.meta.errors import bad_param, too_old
from adpulse_sandbox.meta.parameters import parse_json
from adpulse_sandbox.meta.world import Account

Period = tuple[date, date]

_MONTHS = 37
_LONGEST_INCREMENT = 90
_DAY = timedelta(days=1)


def periods(account: Account, params: Mapping[str, str], now: datetime) -> tuple[Period, ...]:
    """The first and last day of each period, in the order of the answer.

    Raises:
        GraphError: a parameter is invalid; code and message are Meta's.
    """
    today = now.astimezone(account.zone).date()
    increment = _increment(params.get("time_increment"))
    ranges = parse_json("time_ranges", params.get("time_ranges") or None, list)
    if ranges:
        return tuple(_range("time_ranges", value, today) for value in ranges)
    requested = parse_json("time_range", params.get("time_range") or None, dict)
    since, until = _range("time_range", requested, today) if requested is not None else _preset(params.get("date_preset"), today)
    return tuple(_parts(since, until, increment))


def _range(name: str, value: object, today: date) -> Period:
    if not isinstance(value, dict) or set(value) != {"since", "until"}:
        raise bad_param(f"param {name} must have since and until")
    since, until = _day(value["since"]), _day(value["until"])
    if since > until:
        raise bad_param("The start date of the time range must be before or equal to the end date", 1487755)
    if until > today + _DAY:
        raise bad_param("The end date of the time range cannot be in the future", 1487569)
    if since < _months_before(today, _MONTHS):
        raise too_old()
    return since, until


def _months_before(day: date, months: int) -> date:
    count = day.year * 12 + day.month - 1 - months
    return date(count // 12, count % 12 + 1, min(day.day, 28))


def _day(text: object) -> date:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise bad_param("Must be a date representation in the format YYYY-MM-DD", 1487568)
    return day


def _preset(name: str | None, today: date) -> Period:
    presets = _presets(today)
    if (name or "last_30d") not in presets:
        raise bad_param(f"param date_preset must be one of the following values: {', '.join(presets)}")
    return presets[name or "last_30d"]


def _presets(today: date) -> dict[str, Period]:
    """The presets of the SDK's table. Weeks and quarters of the calendar; what is called last ends before today."""
    yesterday = today - _DAY
    month, year = today.replace(day=1), today.replace(month=1, day=1)
    quarter = today.replace(month=(today.month - 1) // 3 * 3 + 1, day=1)
    monday, sunday = today - today.weekday() * _DAY, today - today.isoweekday() % 7 * _DAY
    everything = (_months_before(today, _MONTHS), today)
    return {
        "today": (today, today),
        "yesterday": (yesterday, yesterday),
        "this_month": (month, today),
        "last_month": (_months_before(month, 1), month - _DAY),
        "this_quarter": (quarter, today),
        "last_quarter": (_months_before(quarter, 3), quarter - _DAY),
        "this_year": (year, today),
        "last_year": (_months_before(year, 12), year - _DAY),
        "this_week_mon_today": (monday, today),
        "this_week_sun_today": (sunday, today),
        "last_week_mon_sun": (monday - 7 * _DAY, monday - _DAY),
        "last_week_sun_sat": (sunday - 7 * _DAY, sunday - _DAY),
        **{f"last_{days}d": (today - days * _DAY, yesterday) for days in (3, 7, 14, 28, 30, 90)},
        "maximum": everything,
        "data_maximum": everything,
    }


def _increment(text: str | None) -> int | str | None:
    """The days of a period; ``monthly``; None for the whole range."""
    if text in (None, "", "all_days"):
        return None
    if text == "monthly":
        return text
    if not str(text).isdigit() or not 1 <= int(str(text)) <= _LONGEST_INCREMENT:
        raise bad_param("param time_increment must be an integer between 1 and 90, monthly or all_days")
    return int(str(text))


def _parts(since: date, until: date, increment: int | str | None) -> Iterator[Period]:
    """The periods of a range; the first and the last month of a range may be parts of one."""
    day = since
    while day <= until:
        if isinstance(increment, int):
            last = day + (increment - 1) * _DAY
        elif increment == "monthly":
            last = _months_before(day.replace(day=1), -1) - _DAY
        else:
            last = until
        yield day, min(last, until)
        day = last + _DAY
