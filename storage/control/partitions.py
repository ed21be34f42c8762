"""Partitions: when each part of a connection (its entities, a day's metrics) was last read completely. Step: plan."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, delete, false, or_, select, update

from adpulse.model import CompleteRead, FetchKind
from adpulse.planner.day_parts import PART_KINDS, ReadParts, read_until
from adpulse.planner.windows import CLOCK_SLACK, PartitionAges
from storage.control.change_checks import checked_at, forget_check
from storage.control.database import Engine, Session, insert_or_update, lock, reading
from storage.control.day_parts import delete_parts, forget_parts, note_read, parts_of
from storage.control.holes import HoleRow, forget_holes, holes_of
from storage.control.refused_rows import forget_refused_rows, refused_rows_of
from storage.control.tables import ConnectionRow, PartitionRow


class Partitions:
    """The times at which the stored parts were read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ages(self, connection_id: str) -> PartitionAges:
        """The ages of a connection's stored parts, including those that were requested to be read again."""
        return self._ages(connection_id)

    def ages_to_plan_by(self, connection_id: str) -> PartitionAges:
        """The ages for planning: parts that were requested to be read again count as never read."""
        return self._ages(connection_id, ~PartitionRow.due)

    def _ages(self, connection_id: str, *conditions: ColumnElement[bool]) -> PartitionAges:
        query = select(PartitionRow.kind, PartitionRow.day, PartitionRow.fetched_at)
        query = query.where(PartitionRow.connection_id == connection_id, *conditions)
        with reading(self._engine).connect() as session:
            rows = session.execute(query).all()
            holes = holes_of(session, HoleRow.connection_id == connection_id)
            refused = refused_rows_of(session, connection_id)
            parts = parts_of(session, connection_id)
            checked = checked_at(session, connection_id)
        return PartitionAges(
            dateless={FetchKind(row.kind): row.fetched_at for row in rows if not row.day},
            days={(FetchKind(row.kind), date.fromisoformat(row.day)): row.fetched_at for row in rows if row.day},
            holes={key: hole.retry_at for key, hole in holes.items()},
            refused=frozenset(row.key for row in refused),
            parts=parts,
            checked=checked,
        )

    def record(self, connection_id: str, reads: Iterable[CompleteRead], now: datetime) -> None:
        """Record complete reads. An age only moves forward, unless the stored one is later than ``now`` because the clock was set back."""
        newest: dict[tuple[str, str], datetime] = {}
        for kind, days, at in reads:
            for day in [day.isoformat() for day in days] if kind.has_dates else [""]:
                key = (kind.value, day)
                newest[key] = max(at, newest.get(key, at))
        rows = [{"connection_id": connection_id, "kind": kind, "day": day, "fetched_at": at} for (kind, day), at in newest.items()]
        if not rows:
            return
        with self._engine.begin() as session:
            if lock(session, ConnectionRow.id == connection_id):  # else the connection was deleted meanwhile
                _insert(session, rows, now)

    def record_parts(self, connection_id: str, read: ReadParts, now: datetime) -> list[date]:
        """Record parts of days that were read and stored; returns the days whose last part is among them, which are read by that."""
        if not read:
            return []
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                return []
            parts = note_read(session, connection_id, read)
            complete = {day: at for day, of_day in parts.items() if (at := read_until(of_day)) is not None}
            rows = [
                {"connection_id": connection_id, "kind": kind.value, "day": day.isoformat(), "fetched_at": at}
                for day, at in complete.items()
                for kind in PART_KINDS
            ]
            if rows:
                _insert(session, rows, now)
                delete_parts(session, connection_id, complete)
        return list(complete)

    def forget(self, connection_id: str, since: date | None = None, read_since: datetime | None = None) -> None:
        """Forget the days from ``since`` on, everything read from ``read_since`` on, and the parts without dates.

        Without both, all parts are forgotten, so everything is due.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            session.execute(delete(PartitionRow).where(_parts(connection_id, since)))
            forget_parts(session, connection_id, None if read_since else since)
            forget_check(session, connection_id)
            forget_holes(session, connection_id, since)
            if since is None and read_since is None:
                forget_refused_rows(session, connection_id)
            if read_since is not None:
                read = (PartitionRow.connection_id == connection_id) & (PartitionRow.fetched_at >= read_since)
                session.execute(delete(PartitionRow).where(read))


def _insert(session: Session, rows: list[dict[str, Any]], now: datetime) -> None:
    insert = insert_or_update(session, PartitionRow)
    latest = now + CLOCK_SLACK
    # A part that was requested again is read even by a fetch of the same instant, which is not newer.
    again = PartitionRow.due & (insert.excluded.fetched_at >= PartitionRow.fetched_at)
    newer = or_(insert.excluded.fetched_at > PartitionRow.fetched_at, PartitionRow.fetched_at > latest, again)
    read = {"fetched_at": insert.excluded.fetched_at, "due": false()}
    session.execute(insert.on_conflict_do_update(index_elements=["connection_id", "kind", "day"], set_=read, where=newer), rows)


def read_again(session: Session, connection_id: str, since: date) -> None:
    """Make the connection's days from ``since`` on and its parts without dates due; their ages stay."""
    session.execute(update(PartitionRow).where(_parts(connection_id, since)).values(due=True))
    forget_parts(session, connection_id, since)
    forget_check(session, connection_id)
    forget_holes(session, connection_id, since)


def _parts(connection_id: str, since: date | None) -> ColumnElement[bool]:
    """The connection's days from ``since`` on and its parts without dates; all of them without ``since``."""
    of_connection = PartitionRow.connection_id == connection_id
    return of_connection if since is None else of_connection & ((PartitionRow.day == "") | (PartitionRow.day >= since.isoformat()))
