"""The metrics and their properties. Pure, and loaded with the platforms: it needs no Arrow.

A metric is declared here and nowhere else. Schemas, the columns of the warehouse, every statement and view, and the table in the
docs follow from it. Each platform's ``metrics.py`` says which fields it is read from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from types import MappingProxyType

from adpulse.errors import Usage

MICROS = 1_000_000
MARGIN_UNIT = Decimal("0.000001")
"""Margins are kept with six digits."""


class Unit(StrEnum):
    """What a stored number counts: whole things, or millionths of a unit."""

    COUNT = "count"
    MICROS = "micros"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric."""

    name: str
    unit: Unit
    description: str
    """For people, without what is particular to a platform."""

    bit: int
    """Its place in ``metric_changes.changed``: a written number, which no other metric ever gets."""

    required: bool = False
    """Whether every leaf was read with it. A metric that came later is null where it was never read."""

    split: bool = False
    """Whether it is a kind of conversions, which a platform may report in a separate answer."""

    mapped: bool = False
    """Whether a connection's mapping decides what it counts."""

    movable: bool = False
    """Whether a mapping may count it from the separate answer instead of the one with the numbers."""

    unknowable: bool = False
    """Whether a mapping may count what a platform does not say of every leaf: then it is null, and so is each sum that it is part of."""

    money: bool = False
    """Whether it is an amount in the connection's currency."""

    exact: bool = False
    """Whether every platform reports it in whole millionths. Counts are exact anyway."""

    additive: bool = True
    """Whether the numbers of ads, or of days, may be added up. Reach may not: it is stored for each level as the platform reports it."""

    @property
    def of_conversions(self) -> bool:
        """Whether it follows from conversions, which platforms attribute later than they count delivery."""
        return self.fractional or self.split

    @property
    def fractional(self) -> bool:
        """Whether a stored number may be rounded, so that the sum of several is not quite their total."""
        return self.unit is Unit.MICROS and not self.exact


def _declared(metrics: Iterable[Metric]) -> Mapping[str, Metric]:
    return MappingProxyType({metric.name: metric for metric in metrics})


def _kind(name: str, *, bit: int, description: str) -> Metric:
    """A kind of conversions."""
    return Metric(name=name, unit=Unit.MICROS, bit=bit, required=True, split=True, mapped=True, description=description)


METRICS = _declared(
    (
        Metric(name="impressions", unit=Unit.COUNT, bit=1, required=True, description="How often ads were shown"),
        Metric(name="clicks", unit=Unit.COUNT, bit=2, required=True, mapped=True, description="Clicks on ads"),
        Metric(name="spend", unit=Unit.MICROS, bit=4, required=True, money=True, exact=True, description="What the ads cost"),
        Metric(
            name="conversions",
            unit=Unit.MICROS,
            bit=8,
            required=True,
            mapped=True,
            movable=True,
            unknowable=True,
            description="What people did that the account counts as a success",
        ),
        Metric(
            name="revenue", unit=Unit.MICROS, bit=16, required=True, mapped=True, money=True, description="What the conversions are worth"
        ),
        _kind("leads", bit=32, description="Conversions by which somebody left an address"),
        _kind("installs", bit=64, description="Conversions that installed an app"),
        _kind("purchases", bit=128, description="Conversions that bought something"),
        _kind("visitors", bit=256, description="Views of the page that an ad leads to"),
        Metric(
            name="profit",
            unit=Unit.MICROS,
            bit=512,
            required=True,
            money=True,
            description="Revenue times the connection's margin, less spend",
        ),
    )
)
"""Every metric by its name, in the order of columns."""

PROFIT = METRICS["profit"]
"""The metric that no platform reports; it is calculated."""

SPLIT_METRICS = tuple(metric.name for metric in METRICS.values() if metric.split)
"""Kinds of conversions, which Google reports in a separate query."""


def in_units(micros: int) -> Decimal:
    """A stored number of micros in units, exactly."""
    return Decimal(micros).scaleb(-6)


def parse_margin(text: str) -> Decimal:
    """A gross margin as people write it: ``0.35`` or ``35%``.

    Raises:
        Usage: it is neither, or beyond 0 to 1, or finer than is kept.
    """
    try:
        number = Decimal(text.strip().removesuffix("%"))
        margin = number.scaleb(-2) if text.strip().endswith("%") else number
        rounded = margin.quantize(MARGIN_UNIT)
    except InvalidOperation:
        margin = rounded = Decimal("NaN")
    if margin.is_nan() or margin != rounded or not 0 <= margin <= 1:
        raise Usage(f"'{text}' is no margin. Give a share from 0 to 1, such as 0.35, or a percentage, such as 35%; six digits at most.")
    return abs(rounded)  # -0 is 0
