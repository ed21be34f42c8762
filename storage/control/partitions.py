"""Partitions: when each part of a connection (its entities, a day's metrics) was last read completely. Step: plan."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, delete, false, insert, or_, select

from adpulse.model import CompleteRead, FetchKind
from adpulse.planner.day_parts import PART_KINDS, ReadParts, read_until
from adpulse.planner.lookback import Settling
from adpulse.planner.read_ranges import DayRead, ReadRange, in_ranges
from adpulse.planner.windows import CLOCK_SLACK, PartitionAges
from storage.control.change_checks import checked_at, forget_check
from storage.control.database import Engine, Session, lock, reading
from storage.control.day_parts import delete_parts, forget_parts, note_read, parts_of
from storage.control.holes import HoleRow, forget_holes, holes_of
from storage.control.refused_rows import forget_refused_rows, refused_rows_of
from storage.control.restatement_checks import forget_day_checks, restatements_checked
from storage.control.tables import ConnectionRow, PartitionRow

P = TypeVar("P", date, FetchKind)

_COLUMNS = tuple(column for column in PartitionRow.__table__.columns)


class Partitions:
    """The times at which the stored parts were read."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def ages(self, connection_id: str) -> PartitionAges:
        """The ages of a connection's stored parts, including those that were requested to be read again."""
        return self._ages(connection_id, lambda _: True)

    def ages_to_plan_by(self, connection_id: str) -> PartitionAges:
        """The ages for planning: parts that were requested to be read again count as never read."""
        return self._ages(connection_id, lambda read: not read.due)

    def _ages(self, connection_id: str, counts: Callable[[DayRead], bool]) -> PartitionAges:
        with reading(self._engine).connect() as session:
            stored = _StoredReads.of(session, connection_id)
            holes = holes_of(session, HoleRow.connection_id == connection_id)
            refused = refused_rows_of(session, connection_id)
            parts = parts_of(session, connection_id)
            checked, restatements = checked_at(session, connection_id), restatements_checked(session, connection_id)
        return PartitionAges(
            dateless={kind: read.at for kind, read in stored.dateless.items() if counts(read)},
            days={(kind, day): read.at for kind, days in stored.days.items() for day, read in days.items() if counts(read)},
            holes={key: hole.retry_at for key, hole in holes.items()},
            refused=frozenset(row.key for row in refused),
            parts=parts,
            checked=checked,
            restatements_checked=restatements,
        )

    def record(self, connection_id: str, reads: Iterable[CompleteRead], now: datetime) -> None:
        """Record complete reads. An age only moves forward, unless the stored one is later than ``now`` because the clock was set back."""
        reads = list(reads)
        if not reads:
            return
        with self._engine.begin() as session:
            if lock(session, ConnectionRow.id == connection_id):  # else the connection was deleted meanwhile
                stored = _StoredReads.of(session, connection_id)
                stored.note(reads, now)
                stored.write(session, now)

    def record_parts(self, connection_id: str, read: ReadParts, now: datetime) -> list[date]:
        """Record parts of days that were read and stored; returns the days whose last part is among them, which are read by that."""
        if not read:
            return []
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                return []
            parts = note_read(session, connection_id, read)
            complete = {day: at for day, of_day in parts.items() if (at := read_until(of_day)) is not None}
            if complete:
                stored = _StoredReads.of(session, connection_id)
                stored.note([CompleteRead(kind, (day,), at) for day, at in complete.items() for kind in PART_KINDS], now)
                stored.write(session, now)
                delete_parts(session, connection_id, complete)
        return list(complete)

    def forget(self, connection_id: str, since: date | None = None, read_since: datetime | None = None) -> None:
        """Forget the days from ``since`` on, everything read from ``read_since`` on, and the parts without dates.

        Without both, all parts are forgotten, so everything is due.
        """

        def stays(day: date, read: DayRead) -> bool:
            return since is not None and day < since and (read_since is None or read.last < read_since)

        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            stored = _StoredReads.of(session, connection_id)
            stored.dateless.clear()
            stored.days = {kind: {day: read for day, read in days.items() if stays(day, read)} for kind, days in stored.days.items()}
            stored.write(session)
            forget_parts(session, connection_id, None if read_since else since)
            forget_check(session, connection_id)
            forget_day_checks(session, connection_id)
            forget_holes(session, connection_id, since)
            if since is None and read_since is None:
                forget_refused_rows(session, connection_id)


def read_again(session: Session, connection_id: str, since: date) -> None:
    """Make the connection's days from ``since`` on and its parts without dates due; their ages stay. The connection is locked."""
    stored = _StoredReads.of(session, connection_id)
    stored.dateless = {kind: replace(read, due=True) for kind, read in stored.dateless.items()}
    for days in stored.days.values():
        days.update({day: replace(read, due=True) for day, read in days.items() if day >= since})
    stored.write(session)
    forget_parts(session, connection_id, since)
    forget_check(session, connection_id)
    forget_day_checks(session, connection_id)
    forget_holes(session, connection_id, since)


@dataclass(slots=True, kw_only=True)
class _StoredReads:
    """The rows of one connection, and its reads one by one. A connection that does not exist has none."""

    connection_id: str
    settling: Settling | None
    border: datetime | None
    rows: list[dict[str, Any]] = field(default_factory=list)
    dateless: dict[FetchKind, DayRead] = field(default_factory=dict)
    days: dict[FetchKind, dict[date, DayRead]] = field(default_factory=lambda: defaultdict(dict))

    @classmethod
    def of(cls, session: Session, connection_id: str) -> "_StoredReads":
        facts = select(ConnectionRow.provider, ConnectionRow.timezone, ConnectionRow.mapping_since)
        owner = session.execute(facts.where(ConnectionRow.id == connection_id)).one_or_none()
        if owner is None:
            return cls(connection_id=connection_id, settling=None, border=None)
        settling = Settling.at(owner.provider, ZoneInfo(owner.timezone))
        stored = cls(connection_id=connection_id, settling=settling, border=owner.mapping_since)
        query = select(*_COLUMNS).where(PartitionRow.connection_id == connection_id)
        for row in session.execute(query).mappings():
            stored._take(dict(row), settling)
        return stored

    def _take(self, row: dict[str, Any], settling: Settling) -> None:
        self.rows.append(row)
        kind = FetchKind(row["kind"])
        if not row["day"]:
            self.dateless[kind] = DayRead.once(row["fetched_at"], due=row["due"])
            return
        last, since = row["last_read_at"] or row["fetched_at"], date.fromisoformat(row["day"])
        stored = ReadRange(since=since, days=row["days"], first=row["fetched_at"], last=last, due=row["due"])
        self.days[kind].update(stored.of_days(settling))

    def note(self, reads: Iterable[CompleteRead], now: datetime) -> None:
        """Take these reads in where they are newer than what is stored."""
        for kind, days, at in reads:
            if not kind.has_dates:
                _renew(self.dateless, kind, at, now)
            for day in days:
                _renew(self.days[kind], day, at, now)

    def write(self, session: Session, now: datetime | None = None) -> None:
        """Replace the rows that differ. Without ``now`` final days stay in the ranges that they have."""
        wanted = {_key(row): row for row in self._wanted_rows(now)}
        stored = {_key(row): row for row in self.rows}
        differing = [row for key, row in stored.items() if wanted.get(key) != row]
        if differing:
            session.execute(delete(PartitionRow).where(_is(self.connection_id, differing)))
        if fresh := [row for key, row in wanted.items() if stored.get(key) != row]:
            session.execute(insert(PartitionRow), fresh)

    def _wanted_rows(self, now: datetime | None) -> Iterator[dict[str, Any]]:
        for kind, read in self.dateless.items():
            yield self._row(kind, "", 1, read.at, read.at, due=read.due)
        for kind, days in self.days.items():
            for stretch in in_ranges(days, self.settling, now, self.border) if self.settling else ():
                since = stretch.since.isoformat()
                yield self._row(kind, since, stretch.days, stretch.first, stretch.last, due=stretch.due)

    def _row(self, kind: FetchKind, day: str, days: int, first: datetime, last: datetime, *, due: bool) -> dict[str, Any]:
        key = {"connection_id": self.connection_id, "kind": kind.value, "day": day}
        return {**key, "days": days, "fetched_at": first, "last_read_at": last if last > first else None, "due": due}


def _renew(reads: dict[P, DayRead], part: P, at: datetime, now: datetime) -> None:
    """Take a read in if it is newer than the stored one, or the stored one lies in the future.

    A part that was requested again is read even by a fetch of the same instant, which is not newer.
    """
    stored = reads.get(part)
    if stored is None or at > stored.at or stored.at > now + CLOCK_SLACK or (stored.due and at >= stored.at):
        reads[part] = DayRead.once(at)


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["kind"], row["day"]


def _is(connection_id: str, rows: Iterable[dict[str, Any]]) -> ColumnElement[bool]:
    """These rows of the connection."""
    days = defaultdict[str, list[str]](list)
    for row in rows:
        days[row["kind"]].append(row["day"])
    of_kinds = ((PartitionRow.kind == kind) & PartitionRow.day.in_(of_kind) for kind, of_kind in days.items())
    return (PartitionRow.connection_id == connection_id) & or_(false(), *of_kinds)
