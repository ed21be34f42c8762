"""Numbers as the pages write them: money and conversions come in micros. Pure.

A number is a ``data`` element, so that the script can write it as the reader's locale does; without the script it is as in English.
"""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from markupsafe import Markup

from adpulse.currencies import decimals_of
from adpulse.metrics import in_units
from adpulse.restatement import Restatement, largest, sentence
from adpulse.running_day import YESTERDAY, AccountDay, Comparison, compare

_NO_RATIO = "n/a"


def plain_money(micros: int, currency: str) -> str:
    """``1,234.50`` with as many decimals as the currency has, where no element can be: in titles of shapes."""
    return f"{in_units(micros):,.{decimals_of(currency)}f}"


def format_money(micros: int, currency: str) -> Markup:
    """``1,234.50``, with as many decimals as the currency has."""
    return _number(in_units(micros), decimals_of(currency))


def format_cost(units: Decimal | None, currency: str) -> Markup | str:
    """A cost in units as money is written; ``n/a`` where nothing can be divided."""
    return _NO_RATIO if units is None else _number(units, decimals_of(currency))


def format_count(micros: int | None) -> Markup | str:
    """Conversions, with the digits after the point that they have: ``12``, ``12.5``; ``unknown`` of None."""
    if micros is None:
        return "unknown"
    units = in_units(micros).normalize()
    exponent = units.as_tuple().exponent
    return _number(units, max(-int(exponent), 0))


def format_ratio(ratio: Decimal | None) -> Markup | str:
    """``2.31``, or ``n/a`` where nothing can be divided."""
    return _NO_RATIO if ratio is None else _number(ratio, 2)


def format_percent(share: Decimal, digits: int = 1) -> Markup:
    """``4.1 %``."""
    return _percent(share, digits, sign="")


def format_change(comparison: Comparison, currency: str) -> Markup:
    """``+12.30 (+4.1 %)``."""
    change = _number(in_units(comparison.change), decimals_of(currency), sign="+")
    return change if comparison.share is None else Markup("{} ({})").format(change, _percent(comparison.share, 1, sign="+"))


def format_share(restatement: Restatement) -> Markup | str:
    """``+3.1 %``, or ``from 0``."""
    return "from 0" if restatement.share is None else _percent(restatement.share, 1, sign="+")


def format_metric(restatement: Restatement, value: str, currency: str) -> Markup | str:
    """The value before or after, as its metric is written."""
    return format_value(restatement.before if value == "before" else restatement.after, restatement.metric, currency)


def format_value(micros: int, metric: str, currency: str) -> Markup | str:
    """A value as its metric is written: money, or a count."""
    return format_money(micros, currency) if metric in ("spend", "revenue") else format_count(micros)


def format_expected(micros: int, metric: str, currency: str) -> Markup:
    """An estimate as its metric is written: of conversions one digit after the point is enough."""
    return format_money(micros, currency) if metric in ("spend", "revenue") else _number(in_units(micros), 1)


def by_spend(accounts: Iterable[AccountDay], limit: int) -> list[tuple[AccountDay, Comparison]]:
    """The accounts that spent most today, the first of them first, each against yesterday."""
    ordered = sorted(accounts, key=lambda account: (-account.numbers.spend, account.name))[:limit]
    return [(account, compare([account], YESTERDAY)) for account in ordered]


def _number(units: Decimal, digits: int, sign: str = "") -> Markup:
    """The element has the rounded number, so that the script rounds no second time."""
    rounded = round(units, digits) + 0  # a zero has no sign
    signed = " data-signed" if sign else ""
    text = f'<data value="{rounded:.{digits}f}" data-digits="{digits}"{signed}>{rounded:{sign},.{digits}f}</data>'
    return Markup(text)  # noqa: S704 - digits alone; Markup.format takes five times as long, and a page has thousands


def _percent(share: Decimal, digits: int, sign: str) -> Markup:
    percent = round(100 * share, digits) + 0
    signed = " data-signed" if sign else ""
    value = f"{percent / 100:.{digits + 2}f}"
    text = f'<data value="{value}" data-digits="{digits}" data-percent{signed}>{percent:{sign}.{digits}f} %</data>'
    return Markup(text)  # noqa: S704 - digits alone, as in _number


FILTERS: dict[str, Callable[..., Any]] = {
    "money": format_money,
    "plain_money": plain_money,
    "cost": format_cost,
    "count": format_count,
    "ratio": format_ratio,
    "percent": format_percent,
    "change": format_change,
    "by_spend": by_spend,
    "restated_share": format_share,
    "restated_value": format_metric,
    "value_of": format_value,
    "expected_value": format_expected,
    "largest": largest,
    "sentence": sentence,
}
"""Filters of the templates."""
