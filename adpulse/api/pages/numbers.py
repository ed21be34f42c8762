"""Numbers and instants as the pages write them: money and conversions come in micros. Pure."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adpulse import presentation
from adpulse.metrics import in_units
from adpulse.restatement import Restatement, largest, sentence
from adpulse.running_day import YESTERDAY, AccountDay, Comparison, compare


def format_money(micros: int) -> str:
    """``1,234.50``."""
    return f"{in_units(micros):,.2f}"


def format_count(micros: int | None) -> str:
    """Conversions, with the digits after the point that they have: ``12``, ``12.5``; ``unknown`` of None."""
    if micros is None:
        return "unknown"
    units = in_units(micros)
    return f"{int(units):,}" if units == int(units) else f"{units.normalize():,f}"


def format_ratio(ratio: Decimal | None) -> str:
    """``2.31``, or ``n/a`` where nothing can be divided."""
    return "n/a" if ratio is None else f"{ratio:,.2f}"


def format_change(comparison: Comparison) -> str:
    """``+12.30 (+4.1 %)``."""
    change = f"{in_units(comparison.change):+,.2f}"
    return change if comparison.share is None else f"{change} ({100 * comparison.share:+.1f} %)"


def format_share(restatement: Restatement) -> str:
    """``+3.1 %``, or ``from 0``."""
    return "from 0" if restatement.share is None else f"{100 * restatement.share:+.1f} %"


def format_metric(restatement: Restatement, value: str) -> str:
    """The value before or after, as its metric is written."""
    micros = restatement.before if value == "before" else restatement.after
    return format_money(micros) if restatement.metric in ("spend", "revenue") else format_count(micros)


def by_spend(accounts: Iterable[AccountDay]) -> list[tuple[AccountDay, Comparison]]:
    """The accounts that spent most today first, each against yesterday."""
    ordered = sorted(accounts, key=lambda account: (-account.numbers.spend, account.name))
    return [(account, compare([account], YESTERDAY)) for account in ordered]


def format_instant(instant: datetime) -> str:
    """An instant for people, in UTC."""
    return f"{instant.astimezone(UTC):%Y-%m-%d %H:%M}"


FILTERS: dict[str, Callable[..., Any]] = {
    "money": format_money,
    "count": format_count,
    "ratio": format_ratio,
    "change": format_change,
    "by_spend": by_spend,
    "restated_share": format_share,
    "restated_value": format_metric,
    "largest": largest,
    "sentence": sentence,
    "ago": presentation.format_age,
    "utc": format_instant,
}
"""Filters of the templates."""
