"""What the platform's totals hold beyond what is stored below them, read from a published copy."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from adpulse.model import Connection, Level
from adpulse.platforms.registry import platform_of
from adpulse.remainder import Remainder
from storage.warehouse.analytics import read
from storage.warehouse.kept_answers import kept_for_each_copy

_SETTLES = timedelta(days=2)
"""A day that began two days ago has ended a day ago."""

_QUERY = """
    SELECT date, level, ours, platform, remainder, deleted, leafless
    FROM reconciliation
    WHERE connection_id = ? AND metric = 'spend' AND remainder <> 0
        -- Days of a history of which only the totals were read yet: all of their leaves are missing.
        AND (level <> 'campaign' OR coalesce(
            date >= (SELECT min(date) FROM read_days WHERE connection_id = ? AND level = 'leaf'), true
        ))
    ORDER BY date DESC, level
"""


def read_remainders(published: Path, connection: Connection, now: datetime) -> list[Remainder]:
    """Every remainder of a connection's spend, newest first.

    Raises:
        Usage: nothing was published yet.
        WarehouseDamaged: the copy cannot be read.
    """
    # A platform that goes on to report what is deleted leaves nothing out because of that.
    leaves_out = not platform_of(connection.provider).reports_removed
    return [
        Remainder(
            day=row["date"],
            level=Level(row["level"]),
            ours=row["ours"],
            platform=row["platform"],
            amount=row["remainder"],
            deleted=row["deleted"] if leaves_out else 0,
            leafless=row["leafless"],
            ended=row["date"] <= connection.today(now) - _SETTLES,
        )
        for row in _rows(published, connection.id)
    ]


@kept_for_each_copy
def _rows(published: Path, connection_id: str) -> list[dict[str, Any]]:
    """The stored remainders. The answer takes DuckDB some 35 ms."""
    rows: list[dict[str, Any]] = read(published, _QUERY, [connection_id, connection_id]).to_pylist()
    return rows
