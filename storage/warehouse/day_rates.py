"""The exchange rates that count on the last days, read from a published copy: the view ``fx``. For the total in a reporting currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

from storage.warehouse.analytics import read_together
from storage.warehouse.kept_answers import kept_for_each_copy

_RATES = "SELECT date, currency, per_euro, rate_date FROM fx WHERE date >= ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DayRate:
    """What a euro costs in a currency, by the rate of ``rate_date``."""

    per_euro: Decimal
    rate_date: date


DayRates = Mapping[tuple[date, str], DayRate]
"""By the day on which the rate counts, and by currency; what has no rate is not in it."""


def read_day_rates(published: Path, since: date) -> DayRates:
    """The rates of the days from ``since`` on that were read; nothing before the first publication.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    return _read(published, since) if published.exists() else {}


@kept_for_each_copy
def _read(published: Path, since: date) -> DayRates:
    (rates,) = read_together(published, [(_RATES, [since])])
    return {
        (row["date"], row["currency"]): DayRate(per_euro=Decimal(row["per_euro"]), rate_date=row["rate_date"]) for row in rates.to_pylist()
    }
