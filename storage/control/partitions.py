"""Partitions: when each part of a connection (entities, a day's metrics) was last read completely. Step: plan."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import ColumnElement, delete, false, or_, select, update

from adpulse.model import CompleteRead, FetchKind
from adpulse.planner.windows import CLOCK_SLACK, PartitionAges
from storage.control.database import Engine, Session, insert_or_update, lock, reading
from storage.control.holes import HoleRow, forget_holes, holes_of
from storage.control.tables import ConnectionRow, PartitionRow


class Partitions:
    """Ages of what is stored."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ages(self, connection_id: str) -> PartitionAges:
        """What is known of one connection. A part that somebody wants read again is: its numbers are stored."""
        return self._ages(connection_id)

    def ages_to_plan_by(self, connection_id: str) -> PartitionAges:
        """The same, as if what somebody wants read again had never been read."""
        return self._ages(connection_id, ~PartitionRow.due)

    def _ages(self, connection_id: str, *conditions: ColumnElement[bool]) -> PartitionAges:
        query = select(PartitionRow.kind, PartitionRow.day, PartitionRow.fetched_at)
        query = query.where(PartitionRow.connection_id == connection_id, *conditions)
        with reading(self._engine).connect() as session:
            rows = session.execute(query).all()
            holes = holes_of(session, HoleRow.connection_id == connection_id)
        return PartitionAges(
            dateless={FetchKind(row.kind): row.fetched_at for row in rows if not row.day},
            days={(FetchKind(row.kind), date.fromisoformat(row.day)): row.fetched_at for row in rows if row.day},
            holes={key: hole.retry_at for key, hole in holes.items()},
        )

    def record(self, connection_id: str, reads: Iterable[CompleteRead], now: datetime) -> None:
        """Note complete reads; an age only ever moves forward, unless what is stored is later than ``now``: the clock was set back."""
        newest: dict[tuple[str, str], datetime] = {}
        for kind, days, at in reads:
            for day in [day.isoformat() for day in days] if kind.has_dates else [""]:
                key = (kind.value, day)
                newest[key] = max(at, newest.get(key, at))
        rows = [{"connection_id": connection_id, "kind": kind, "day": day, "fetched_at": at} for (kind, day), at in newest.items()]
        if not rows:
            return
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                return  # it was deleted meanwhile
            insert = insert_or_update(session, PartitionRow)
            latest = now + CLOCK_SLACK
            again = PartitionRow.due & (insert.excluded.fetched_at >= PartitionRow.fetched_at)
            newer = or_(insert.excluded.fetched_at > PartitionRow.fetched_at, PartitionRow.fetched_at > latest, again)
            read = {"fetched_at": insert.excluded.fetched_at, "due": false()}
            session.execute(insert.on_conflict_do_update(index_elements=["connection_id", "kind", "day"], set_=read, where=newer), rows)

    def forget(self, connection_id: str, since: date | None = None, read_since: datetime | None = None) -> None:
        """Nothing is known any more of the days from ``since`` on, of what was read from ``read_since`` on, and of parts without dates.

        Without both, everything is due.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            session.execute(delete(PartitionRow).where(_parts(connection_id, since)))
            forget_holes(session, connection_id, since)
            if read_since is not None:
                read = (PartitionRow.connection_id == connection_id) & (PartitionRow.fetched_at >= read_since)
                session.execute(delete(PartitionRow).where(read))


def read_again(session: Session, connection_id: str, since: date) -> None:
    """The connection's days from ``since`` on and its parts without dates are due, though their numbers stay known."""
    session.execute(update(PartitionRow).where(_parts(connection_id, since)).values(due=True))
    forget_holes(session, connection_id, since)


def _parts(connection_id: str, since: date | None) -> ColumnElement[bool]:
    """The connection's days from ``since`` on and its parts without dates; all of them without ``since``."""
    mine = PartitionRow.connection_id == connection_id
    return mine if since is None else mine & ((PartitionRow.day == "") | (PartitionRow.day >= since.isoformat()))
