"""The curves of an account's conversions as the page draws them, and the table behind them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from adpulse.restatement import Lag

WIDTH, HEIGHT = 576, 160
_LEAST_AGE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LagChart:
    """A line for each metric: its name, the points of a polyline, and its end. ``rows``: an age in days, and the share of each metric."""

    lines: Sequence[tuple[str, str, tuple[str, str]]]
    ages: int
    rows: Sequence[tuple[int, Sequence[Decimal]]]


def lag_chart(lags: Sequence[Lag]) -> LagChart | None:
    """The chart of an account's curves; None while there is none. What falls later than it rose is drawn up to its highest share."""
    if not lags:
        return None
    ages = max(_LEAST_AGE, *(len(lag.shares) - 1 for lag in lags))
    highest = max(Decimal(1), *(share for lag in lags for share in lag.shares))
    lines = []
    for lag in lags:
        points = [(f"{WIDTH * age / ages:g}", _height(lag.at(age), highest)) for age in range(ages + 1)]
        lines.append((lag.metric, " ".join(f"{x},{y}" for x, y in points), points[-1]))
    rows = [(age, [lag.at(age) for lag in lags]) for age in range(ages + 1)]
    return LagChart(lines=lines, ages=ages, rows=rows)


def _height(share: Decimal, highest: Decimal) -> str:
    return f"{HEIGHT - (HEIGHT - 8) * float(max(share, Decimal(0)) / highest):.1f}"
