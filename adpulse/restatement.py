"""What a platform changed of days that were complete, and how much of a day's conversions is in at which age. Pure.

Values are micros, as the numbers that they are of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

METRICS = ("spend", "revenue", "conversions", "purchases")
"""The metrics that pages show, in their order."""

_UNCOUNTABLE = ("spend", "revenue")
_NEARLY_ALL = Decimal("0.9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Restatement:
    """A metric of a day, or of several days, before and after it was restated; the last time on ``restated_on``."""

    metric: str
    before: int
    after: int
    restated_on: date

    @property
    def delta(self) -> int:
        """How much more it is."""
        return self.after - self.before

    @property
    def share(self) -> Decimal | None:
        """The change as a share of what it was; None if that was zero."""
        return Decimal(self.delta) / self.before if self.before else None


def largest(restatements: Sequence[Restatement]) -> Restatement | None:
    """The one that changed most as a share of what it was; one from zero is the largest."""
    return max(restatements, key=lambda restatement: Decimal("inf") if restatement.share is None else abs(restatement.share), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How much of a metric's final value is in at each age of a day, 0 being the day itself, over ``days`` settled days."""

    metric: str
    days: int
    shares: Sequence[Decimal]

    def at(self, age: int) -> Decimal:
        """The share that is in after so many days."""
        return self.shares[min(age, len(self.shares) - 1)]

    @property
    def nearly_all(self) -> int:
        """The age from which on at least nine tenths are in for good."""
        late = [age for age, share in enumerate(self.shares) if share < _NEARLY_ALL]
        return late[-1] + 1 if late else 0


def lag_of(metric: str, days: int, deltas: dict[int, int]) -> Lag | None:
    """The curve of what came in at each age, over all of the days; None if it adds up to nothing."""
    whole = sum(deltas.values())
    if not whole:
        return None
    ages = range(max(*deltas, 0) + 1)
    shares = [Decimal(sum(delta for age, delta in deltas.items() if age <= until)) / whole for until in ages]
    return Lag(metric=metric, days=days, shares=shares)


def sentence(lag: Lag) -> str:
    """``After 3 days 92 % of purchases are in; on the day itself 71 %.``, from the settled days of an account."""
    age = max(lag.nearly_all, 1)
    verb = "is" if lag.metric in _UNCOUNTABLE else "are"
    return f"After {_days(age)} {_percent(lag.at(age))} of {lag.metric} {verb} in; on the day itself {_percent(lag.at(0))}."


def _days(count: int) -> str:
    return f"{count} day{'s' if count != 1 else ''}"


def _percent(share: Decimal) -> str:
    return f"{100 * share:.0f} %"
