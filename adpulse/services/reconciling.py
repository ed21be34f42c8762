"""Compares what is stored with the platform's totals: reads remainders, stores what was found, and notifies of what nothing explains."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adpulse.model import Connection, Level
from adpulse.platforms.registry import platform_of
from adpulse.remainder import Remainder
from storage.warehouse.analytics import read

if TYPE_CHECKING:  # the storage tests read remainders without what an installation needs
    from adpulse.bootstrap import App

_SETTLES = timedelta(days=2)
"""A day that began two days ago has ended a day ago."""

_QUERY = """
    SELECT date, level, ours, platform, remainder, deleted, leafless
    FROM reconciliation
    WHERE connection_id = ? AND metric = 'spend' AND remainder <> 0
    ORDER BY date DESC, level
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """A connection's remainders at one instant; ``changed`` days and levels differ from what was stored of the last comparison."""

    connection: Connection
    remainders: Sequence[Remainder]
    changed: int

    @property
    def unexplained(self) -> list[Remainder]:
        """The remainders that nothing explains."""
        return [remainder for remainder in self.remainders if remainder.unexplained]


def reconcile(app: "App", workspace_id: str, connections: Sequence[Connection]) -> list[Reconciled]:
    """Compare connections of one workspace, store what changed since the last comparison, and notify of new unexplained days.

    It reads what syncs have stored, and calls no platform. A workspace in which nothing was stored yet has no result.

    Raises:
        AdpulseError: the workspace's warehouse cannot be read or written.
    """
    warehouse, now = app.warehouse(workspace_id), app.clock.now()
    changed = {connection.id: warehouse.note_reconciliation(connection.id, now) for connection in connections}
    warehouse.publish(min_interval_seconds=0)
    published = app.published(workspace_id)
    if not published.exists():
        return []
    results = [
        Reconciled(connection=connection, remainders=remainders(published, connection, now), changed=changed[connection.id])
        for connection in connections
    ]
    for result in results:
        app.remainder_notices.publish(result.connection, result.unexplained)
    return results


def remainders(published: Path, connection: Connection, now: datetime) -> list[Remainder]:
    """Every remainder of a connection's spend, newest first.

    Raises:
        Usage: nothing was published yet.
        WarehouseDamaged: the copy cannot be read.
    """
    copy = published.stat() if published.exists() else None
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
        for row in _rows(published, (copy.st_ino, copy.st_mtime_ns) if copy else None, connection.id)
    ]


@lru_cache(maxsize=64)
def _rows(published: Path, _version: tuple[int, int] | None, connection_id: str) -> list[dict[str, Any]]:
    """The stored remainders. An open page asks again and again, and the answer takes DuckDB some 35 ms, so it is kept per copy."""
    rows: list[dict[str, Any]] = read(published, _QUERY, [connection_id]).to_pylist()
    return rows
