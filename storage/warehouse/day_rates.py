"""The exchange rates that count on the last days, read from a published copy: the view ``fx``. For the total in a reporting currency."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from pathlib import Path

from storage.warehouse.analytics import read_together, version_of

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
    version = version_of(published)
    return _read(published, version, since) if version else {}


@lru_cache(maxsize=64)
def _read(published: Path, _version: tuple[int, int], since: date) -> DayRates:
    """An open page asks again and again, so the answer is kept for each copy."""
    (rates,) = read_together(published, [(_RATES, [since])])
    return {
        (row["date"], row["currency"]): DayRate(per_euro=Decimal(row["per_euro"]), rate_date=row["rate_date"]) for row in rates.to_pylist()
    }
