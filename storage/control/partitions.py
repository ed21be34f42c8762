"""Partitions: when each part of a connection (entities, a day's metrics) was last read completely. Step: plan."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import delete, or_, select

from adpulse.model import Fetch, FetchKind
from adpulse.planner.windows import CLOCK_SLACK, PartitionAges
from storage.control.database import Engine, Session, insert_or_update, lock, reading
from storage.control.tables import ConnectionRow, PartitionRow


class Partitions:
    """Ages of what is stored."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ages(self, connection_id: str) -> PartitionAges:
        """Everything known about one connection."""
        query = select(PartitionRow.kind, PartitionRow.day, PartitionRow.fetched_at).where(PartitionRow.connection_id == connection_id)
        with reading(self._engine).connect() as session:
            rows = session.execute(query).all()
        return PartitionAges(
            dateless={FetchKind(row.kind): row.fetched_at for row in rows if not row.day},
            days={(FetchKind(row.kind), date.fromisoformat(row.day)): row.fetched_at for row in rows if row.day},
        )

    def record(self, connection_id: str, reads: Iterable[tuple[Fetch, datetime]], now: datetime) -> None:
        """Note complete reads; an age only ever moves forward, unless what is stored is later than ``now``: the clock was set back."""
        newest: dict[tuple[str, str], datetime] = {}
        for fetch, at in reads:
            for day in [each.isoformat() for each in fetch.days] or [""]:
                key = (fetch.kind.value, day)
                newest[key] = max(at, newest.get(key, at))
        rows = [{"connection_id": connection_id, "kind": kind, "day": day, "fetched_at": at} for (kind, day), at in newest.items()]
        if not rows:
            return
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                return  # it was deleted meanwhile
            insert = insert_or_update(session, PartitionRow)
            latest = now + CLOCK_SLACK
            newer = or_(insert.excluded.fetched_at > PartitionRow.fetched_at, PartitionRow.fetched_at > latest)
            session.execute(
                insert.on_conflict_do_update(
                    index_elements=["connection_id", "kind", "day"], set_={"fetched_at": insert.excluded.fetched_at}, where=newer
                ),
                rows,
            )

    def forget(self, connection_id: str, since: date | None = None, read_since: datetime | None = None) -> None:
        """Nothing is known any more of the days from ``since`` on, of what was read from ``read_since`` on, and of parts without dates.

        Without both, everything is due.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            forget(session, connection_id, since)
            if read_since is not None:
                read = (PartitionRow.connection_id == connection_id) & (PartitionRow.fetched_at >= read_since)
                session.execute(delete(PartitionRow).where(read))


def forget(session: Session, connection_id: str, since: date | None = None) -> None:
    """Forget the connection's days from ``since`` on and its dateless parts; everything without ``since``."""
    condition = PartitionRow.connection_id == connection_id
    if since is not None:
        condition &= (PartitionRow.day == "") | (PartitionRow.day >= since.isoformat())
    session.execute(delete(PartitionRow).where(condition))
