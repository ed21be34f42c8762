"""The types of an account, how a mapping counts them, and what another one would change: as rows for people, and as JSON."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from adpulse.conversion_types import CountedType, KeptTypes, MetricChange, counted_types
from adpulse.model import Connection
from adpulse.platforms.registry import mapping_of, platform_of

COLUMNS = ("Type", "Count", "Value", "Counts as")
CHANGE_COLUMNS = ("Metric", "Now", "Then")
WITHHELD = "The platform reports no types for this account as a whole."
_MICROS = 1_000_000
_UNSCALED = frozenset({"clicks"})


def counted(connection: Connection, kept: KeptTypes) -> list[CountedType]:
    """The types that happened, as the connection's mapping counts them."""
    return counted_types(kept.types, mapping_of(connection), platform_of(connection.provider).mapping)


def rows(types: Iterable[CountedType]) -> list[tuple[str, str, str, str]]:
    """A row per type, below ``COLUMNS``."""
    return [
        (_name(counted_type), _amount(counted_type.type.count, 0), _amount(counted_type.type.value, 2), describe_use(counted_type))
        for counted_type in types
    ]


def describe_use(counted_type: CountedType) -> str:
    """What a type counts as, or why it does not."""
    if counted_type.metrics:
        return ", ".join(counted_type.metrics)
    if counted_type.same_as:
        return f"the same event as {counted_type.same_as}"
    return f"cannot be counted: {counted_type.refusal}" if counted_type.refusal else "not counted"


def fields(types: Iterable[CountedType]) -> list[dict[str, Any]]:
    """The types, ready for JSON; amounts are exact texts."""
    return [
        {
            "names": list(counted_type.type.names),
            "title": counted_type.type.title or None,
            "count": _exact(counted_type.type.count),
            "value": _exact(counted_type.type.value),
            "metrics": list(counted_type.metrics),
            "same_event_as": counted_type.same_as,
            "cannot_be_counted": counted_type.refusal,
        }
        for counted_type in types
    ]


def change_rows(changes: Iterable[MetricChange]) -> list[tuple[str, str, str]]:
    """A row per metric, below ``CHANGE_COLUMNS``."""
    return [(change.metric, _of_metric(change, change.before), _of_metric(change, change.after)) for change in changes]


def change_fields(changes: Iterable[MetricChange]) -> list[dict[str, str | None]]:
    """The metrics by both mappings, ready for JSON; amounts are exact texts."""
    return [{"metric": change.metric, "now": _scaled(change, change.before), "then": _scaled(change, change.after)} for change in changes]


def describe_days(kept: KeptTypes) -> str:
    """Of which days the numbers are, and when they were read."""
    return f"{kept.since} to {kept.until}, read {kept.read_at:%Y-%m-%d %H:%M} UTC"


def _name(counted_type: CountedType) -> str:
    names = " ".join(counted_type.type.names)
    return f"{names} ({counted_type.type.title})" if counted_type.type.title else names


def _of_metric(change: MetricChange, value: int | None) -> str:
    if value is None:
        return "not known before it is read"
    return f"{value:,}" if change.metric in _UNSCALED else _amount(value, 2 if change.metric == "revenue" else 0)


def _amount(value: int | None, digits: int) -> str:
    """Thousands apart, with at least so many digits after the point, and only as many more as it has, three at most."""
    if value is None:
        return ""
    exact = Decimal(value) / _MICROS
    has = max(0, -int(exact.normalize().as_tuple().exponent))
    return f"{exact:,.{max(digits, min(has, 3))}f}"


def _exact(value: int | None) -> str | None:
    return None if value is None else f"{Decimal(value) / _MICROS:f}"


def _scaled(change: MetricChange, value: int | None) -> str | None:
    return str(value) if value is not None and change.metric in _UNSCALED else _exact(value)
