"""Compares what is stored with the platform's totals: reads remainders, stores what was found, and notifies of what nothing explains."""

from collections.abc import Sequence
from dataclasses import dataclass

from adpulse.bootstrap import App
from adpulse.model import Connection
from adpulse.planner.windows import missing_days
from adpulse.remainder import Remainder
from storage.warehouse.remainders import read_remainders


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


def reconcile(app: App, workspace_id: str, connections: Sequence[Connection]) -> list[Reconciled]:
    """Compare connections of one workspace, store what changed since the last comparison, and notify of unexplained days since the first.

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
        Reconciled(connection=connection, remainders=read_remainders(published, connection, now), changed=changed[connection.id])
        for connection in connections
    ]
    for result in results:
        in_first_sync = bool(missing_days(now, result.connection, app.partitions.ages(result.connection.id)))
        app.remainder_notices.publish(result.connection, result.unexplained, in_first_sync=in_first_sync)
    return results
