"""Compares what a client read with the sandbox's truth and with what adpulse stored of it, to the micro."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from foreign.rig import Outcome, Rig
from foreign.stored import MICROS, Level, Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Where a client's rows have an id, a day and the numbers. ``micros`` is the factor from the row's spend to micros.

    Which actions of Meta are conversions is not for the platform to say, so only Google's have a column.
    """

    id: str
    day: str
    spend: str
    impressions: str
    clicks: str
    micros: int
    conversions: str | None = None

    @property
    def numbers(self) -> dict[str, tuple[str, int]]:
        """By column of the truth: the column of the rows, and the factor between them."""
        numbers = {"spend": (self.spend, self.micros), "impressions": (self.impressions, 1), "clicks": (self.clicks, 1)}
        return numbers | ({"conversions": (self.conversions, MICROS)} if self.conversions else {})


META = {
    level: Columns(id=f"{level}_id", day="date_start", spend="spend", impressions="impressions", clicks="clicks", micros=MICROS)
    for level in ("account", "campaign", "ad")
}


def compared_numbers(rig: Rig, stream: str, level: Level, rows: Iterable[Mapping[str, Any]], columns: Columns) -> Outcome:
    """Compare the rows of the days that the truth is asked for; rows of other days, which some clients read as well, are left out."""
    days = {rig.since.isoformat(), rig.until.isoformat()}
    in_range = [row for row in rows if str(row[columns.day])[:10] in days]
    account = rig.customer if columns.micros == 1 else rig.account
    stored = rig.stored.totals(level, account, rig.since, rig.until, list(columns.numbers))
    references = {"true": _true_numbers(rig, level, columns), "stored": _without_zeros(stored.items())}
    return _compared(stream, len(in_range), _read(in_range, columns), references)


def compared_ids(rig: Rig, stream: str, level: str, ids: Iterable[str]) -> Outcome:
    """Compare the ids of entities with those that Meta's edges list: neither deleted nor archived."""
    entities = rig.sandbox.truth.entities(rig.account, rig.sandbox.clock.now()).to_pylist()
    true = [row["external_id"] for row in entities if row["level"] == level and row["effective_status"] not in ("DELETED", "ARCHIVED")]
    read = list(ids)
    references = {"true": dict.fromkeys(true), "stored": dict.fromkeys(rig.stored.ids(level, rig.account))}
    return _compared(stream, len(read), dict.fromkeys(read), references)


def _compared(stream: str, rows: int, read: Mapping[Any, Any], references: Mapping[str, Mapping[Any, Any]]) -> Outcome:
    """Compare with the truth and with the warehouse. References without any rows would make everything equal, so they are a difference."""
    differences = [says for name, expected in references.items() if (says := _difference(read, name, expected))]
    return Outcome(stream=stream, result="different" if differences else "equal", rows=rows, says="; ".join(differences))


def _difference(read: Mapping[Any, Any], name: str, expected: Mapping[Any, Any]) -> str:
    if not expected:
        return f"nothing is {name}"
    wrong = [key for key in read.keys() | expected.keys() if read.get(key, "absent") != expected.get(key, "absent")]
    examples = [f"{key}: read {read.get(key)}, {name} {expected.get(key)}" for key in sorted(wrong)[:3]]
    return f"{len(wrong)} of {len(expected)} differ: " + "; ".join(examples) if wrong else ""


def _read(rows: Iterable[Mapping[str, Any]], columns: Columns) -> Totals:
    sums: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * len(columns.numbers))
    for row in rows:
        numbers = [Decimal(str(row.get(name) or 0)) * factor for name, factor in columns.numbers.values()]
        key = str(row[columns.id]), str(row[columns.day])[:10]
        sums[key] = [total + number for total, number in zip(sums[key], numbers, strict=True)]
    assert all(number == int(number) for numbers in sums.values() for number in numbers), "a number has parts of micros"
    return _without_zeros((key, tuple(map(int, numbers))) for key, numbers in sums.items())


def _true_numbers(rig: Rig, level: Level, columns: Columns) -> Totals:
    is_google = columns.micros == 1
    truth, account = (rig.sandbox.google.truth, rig.customer) if is_google else (rig.sandbox.truth, rig.account)
    reading = {"account": truth.account_totals, "campaign": truth.totals, "ad": truth.metrics}[level]
    table = reading(account, rig.since, rig.until, rig.sandbox.clock.now()).to_pylist()
    return _without_zeros(
        ((row["external_id"], row["date"].isoformat()), tuple(row[name] for name in columns.numbers))
        for row in table
        if row["level"] == level
    )


def _without_zeros(numbers: Iterable[tuple[tuple[str, str], tuple[int, ...]]]) -> Totals:
    return {key: values for key, values in numbers if any(values)}
