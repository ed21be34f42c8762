"""What an account's young days will end at, read from a published copy: the view ``expected_final`` of one account, or of a campaign."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from adpulse.restatement import METRICS

_MICROS = ", ".join(f"({name} * 1000000)::BIGINT AS {name}" for name in ("value", "expected", "low", "high"))
EXPECTED = f"""
    SELECT date, metric, {_MICROS}, days
    FROM expected_final
    WHERE connection_id = ? AND level = if(?::VARCHAR IS NULL, 'account', 'campaign') AND campaign_id IS NOT DISTINCT FROM ?::VARCHAR
"""  # noqa: S608 - our own text
"""The rows of a connection, and of a campaign or, without one, of the account; the campaign is given twice."""

_ROUNDED = 5_000
"""As much, in micros, may an expected value differ by having two decimals."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFinal:
    """A metric of a young day: its value so far, and what it will end at, in micros; four of five days end between ``low`` and ``high``.

    It is worked out from ``days`` days of the account that were followed from the first day on.
    """

    metric: str
    value: int
    expected: int
    low: int
    high: int
    days: int

    @property
    def moves(self) -> bool:
        """Whether something is expected to come; spend of a day that is over rarely changes. The view rounds what it expects."""
        return any(abs(end - self.value) > _ROUNDED for end in (self.low, self.expected, self.high))


def expected_by_day(rows: Iterable[dict[str, Any]]) -> dict[date, tuple[ExpectedFinal, ...]]:
    """Rows of EXPECTED by day, the metrics that pages show in their order."""
    by_day: dict[date, list[ExpectedFinal]] = defaultdict(list)
    shown = sorted((row for row in rows if row["metric"] in METRICS), key=lambda row: METRICS.index(row["metric"]))
    for row in shown:
        by_day[row["date"]].append(ExpectedFinal(**{name: value for name, value in row.items() if name != "date"}))
    return {day: tuple(finals) for day, finals in by_day.items()}
