"""Marks stale connections: those without a completed sync for three intervals, with a few statements for all. After telemetry.

A connection's interval is the chosen one, or the longer one that the platform's limits allow, its pace.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, update

from adpulse import events
from adpulse.clock import Clock
from adpulse.frequency import SCHEDULED
from adpulse.model import Connection, ConnectionStatus
from storage.control.connection_rows import CONNECTION_COLUMNS, connection_of
from storage.control.database import Engine, Session, lock, reading
from storage.control.outbox import publish
from storage.control.tables import ConnectionRow

INTERVALS = 3
"""A connection without a completed sync for so many of its intervals is stale."""

_HOUR, _HALF_MINUTE, _QUARTER = 3600, 30, 900

_NOT_SYNCED = (
    ConnectionStatus.PAUSED.value,
    ConnectionStatus.DISCONNECTED.value,
    ConnectionStatus.CURRENCY_CHANGED.value,
    ConnectionStatus.DELETING.value,
)
"""Statuses in which nobody expects fresh data. A connection that waits for a person is not among them: its stale data are reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """The connections that became stale, and the number of those that no longer are."""

    stale: list[Connection]
    fresh: int


class Staleness:
    """Keeps ``stale_since`` of all connections up to date."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def pace(self, intervals: Mapping[str, timedelta | None]) -> None:
        """Store the intervals at which connections are really read, by id, where they are longer than chosen; None: as chosen.

        They are rounded up to half minutes, from an hour on to quarters of an hour, so that thousands of connections have few values.
        """
        wanted = {connection_id: _rounded(interval) for connection_id, interval in intervals.items()}
        with reading(self._engine).connect() as session:
            stored = dict(session.execute(select(ConnectionRow.id, ConnectionRow.paced_seconds)).all())
        # Most passes change nothing, and cost no write transaction.
        changed = sorted(name for name in wanted.keys() & stored.keys() if wanted[name] != stored[name])
        if changed:
            paced = update(ConnectionRow).where(ConnectionRow.id == bindparam("of")).values(paced_seconds=bindparam("seconds"))
            with self._engine.begin() as session:
                session.execute(paced, [{"of": connection_id, "seconds": wanted[connection_id]} for connection_id in changed])

    def renew(self) -> Changed:
        """Mark connections that became stale and publish an event for each; unmark those that no longer are, without an event."""
        now = self._clock.now()
        watched = ConnectionRow.status.not_in(_NOT_SYNCED)
        with self._engine.begin() as session:
            paces = _paces(session)
            behind = watched & _beyond_intervals(paces, now, _late) & ConnectionRow.stale_since.is_(None)
            # Not the opposite of behind: a resumed connection gets time before it is marked, but stays marked until a sync completes.
            caught_up = ConnectionRow.stale_since.is_not(None) & or_(~watched, ~_beyond_intervals(paces, now, _old))
            mark = update(ConnectionRow).where(behind).values(stale_since=now).returning(*CONNECTION_COLUMNS)
            unmark = update(ConnectionRow).where(caught_up).values(stale_since=None)
            lock(session, or_(behind, caught_up))
            fresh = session.execute(unmark).rowcount
            rows = session.execute(mark.execution_options(synchronize_session=False)).all()
            notices = [events.stale(connection_of(row), row.last_sync_completed_at) for row in rows]
            publish(session, *notices, now=self._wall.now())
        return Changed(stale=[connection_of(row) for row in rows], fresh=fresh)


def overdue(session: Session, now: datetime) -> ColumnElement[bool]:
    """The condition for connections whose last completed sync is older than three intervals, whatever their status."""
    return _beyond_intervals(_paces(session), now, lambda oldest: ConnectionRow.last_sync_completed_at < oldest)


def _rounded(interval: timedelta | None) -> int | None:
    if interval is None:
        return None
    seconds = interval.total_seconds()
    step = _HALF_MINUTE if seconds <= _HOUR else _QUARTER
    return math.ceil(seconds / step) * step


def _paces(session: Session) -> list[int]:
    """The distinct paces of all connections, in seconds."""
    return [pace for pace in session.scalars(select(ConnectionRow.paced_seconds).distinct()) if pace is not None]


def _beyond_intervals(paces: list[int], now: datetime, older_than: Callable[[datetime], ColumnElement[bool]]) -> ColumnElement[bool]:
    """The condition ``older_than``, with the oldest instant that the connection's interval allows; never true for manual.

    It is one comparison per frequency and per pace, not arithmetic on columns, which SQLite and PostgreSQL spell differently.
    """
    as_chosen = {frequency: now - INTERVALS * frequency.interval for frequency in SCHEDULED if frequency.interval}
    unpaced = ConnectionRow.paced_seconds.is_(None)
    scheduled = ConnectionRow.sync_frequency.in_([frequency.value for frequency in as_chosen])
    return or_(
        *(and_(unpaced, ConnectionRow.sync_frequency == frequency.value, older_than(at)) for frequency, at in as_chosen.items()),
        *(and_(scheduled, ConnectionRow.paced_seconds == pace, older_than(now - INTERVALS * timedelta(seconds=pace))) for pace in paces),
    )


def _old(oldest: datetime) -> ColumnElement[bool]:
    """No sync has completed since then."""
    return or_(ConnectionRow.last_sync_completed_at.is_(None), ConnectionRow.last_sync_completed_at < oldest)


def _late(oldest: datetime) -> ColumnElement[bool]:
    """No sync has completed since then, though the connection was to be synced."""
    return _old(oldest) & or_(ConnectionRow.expected_since.is_(None), ConnectionRow.expected_since < oldest)
