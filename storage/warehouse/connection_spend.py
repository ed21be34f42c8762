"""What connections spent on their last days, read from a published copy: current numbers, never the history. For their list."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from storage.warehouse.analytics import read_together
from storage.warehouse.kept_answers import kept_for_each_copy

_SPEND = """
    SELECT connection_id, date, sum(spend)::BIGINT AS spend
    FROM (
        SELECT connection_id, date, spend FROM metric_facts
        UNION ALL
        SELECT connection_id, date, spend FROM unreported
        UNION ALL
        SELECT connection_id, date, spend FROM not_by_campaign
    )
    WHERE date >= ?
    GROUP BY ALL
"""
_READ = "SELECT connection_id, date, fresh_until, settled FROM read_days WHERE level = 'leaf' AND date >= ?"
_LACKS = "SELECT DISTINCT connection_id, date FROM day_gaps WHERE level = 'leaf' AND date >= ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaySpend:
    """What a day that was read has spent, in micros of the account's currency, and how fresh, complete and settled that is."""

    spend: int
    fresh_until: datetime
    settled: bool
    complete: bool


SpendByDay = Mapping[tuple[str, date], DaySpend]
"""By connection and local day; a day that was not read is not in it."""


def read_connection_spend(published: Path, since: date) -> SpendByDay:
    """The days from ``since`` on of all connections; nothing before the first publication.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    return _read(published, since) if published.exists() else {}


@kept_for_each_copy
def _read(published: Path, since: date) -> SpendByDay:
    queries = ((_SPEND, [since]), (_READ, [since]), (_LACKS, [since]))
    spend, read, lacks = (table.to_pylist() for table in read_together(published, queries))
    spent = {(row["connection_id"], row["date"]): row["spend"] for row in spend}
    incomplete = {(row["connection_id"], row["date"]) for row in lacks}
    return {
        key: DaySpend(spend=spent.get(key) or 0, fresh_until=row["fresh_until"], settled=row["settled"], complete=key not in incomplete)
        for row in read
        if (key := (row["connection_id"], row["date"]))
    }
