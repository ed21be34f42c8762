"""Which connections are stale: no sync completed for three of their intervals. Found for all of them at once. After telemetry.

An interval is the chosen one, or the longer one that the platform's limits allow.
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
from storage.control.connections import CONNECTION_COLUMNS, connection_of
from storage.control.database import Engine, Session, lock, reading
from storage.control.outbox import publish
from storage.control.tables import ConnectionRow

INTERVALS = 3
"""A connection that completed no sync for so many of its intervals is stale."""

_HOUR, _MINUTE, _QUARTER = 3600, 60, 900

_NOT_SYNCED = (
    ConnectionStatus.PAUSED.value,
    ConnectionStatus.DISCONNECTED.value,
    ConnectionStatus.CURRENCY_CHANGED.value,
    ConnectionStatus.DELETING.value,
)
"""Nobody expects fresh data of these. Of one that a person must mend people do, so it is stale like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Connections that became stale just now, and how many no longer are."""

    stale: list[Connection]
    fresh: int


class Staleness:
    """Keeps ``stale_since`` of every connection true."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def pace(self, intervals: Mapping[str, timedelta | None]) -> None:
        """Note how often connections are really read, by their ids, where that is less often than chosen; None: as chosen.

        Rounded up to minutes, from an hour on to quarters of one, so that a few values stand for thousands of connections.
        """
        wanted = {connection_id: _rounded(every) for connection_id, every in intervals.items()}
        with reading(self._engine).connect() as session:
            known = dict(session.execute(select(ConnectionRow.id, ConnectionRow.paced_seconds)).tuples().all())
        changes = [{"of": each, "seconds": wanted[each]} for each in sorted(wanted.keys() & known.keys()) if wanted[each] != known[each]]
        if changes:
            paced = update(ConnectionRow).where(ConnectionRow.id == bindparam("of")).values(paced_seconds=bindparam("seconds"))
            with self._engine.begin() as session:
                session.execute(paced, changes)

    def renew(self) -> Changed:
        """Mark who became stale, and tell the webhooks; unmark who no longer is. A connection is told of again only after that."""
        now = self._clock.now()
        watched = ConnectionRow.status.not_in(_NOT_SYNCED)
        with self._engine.begin() as session:
            paces = _paces(session)
            behind = watched & _each_interval(paces, now, _late) & ConnectionRow.stale_since.is_(None)
            # Not the mere opposite: a connection that was resumed is given time, but is stale until a sync completed.
            caught_up = ConnectionRow.stale_since.is_not(None) & or_(~watched, ~_each_interval(paces, now, _old))
            mark = update(ConnectionRow).where(behind).values(stale_since=now).returning(*CONNECTION_COLUMNS)
            unmark = update(ConnectionRow).where(caught_up).values(stale_since=None)
            lock(session, or_(behind, caught_up))
            fresh = session.execute(unmark).rowcount
            rows = session.execute(mark.execution_options(synchronize_session=False)).all()
            told = [events.stale(connection_of(row), row.last_sync_completed_at) for row in rows]
            publish(session, *told, now=self._wall.now())
        return Changed(stale=[connection_of(row) for row in rows], fresh=fresh)


def overdue(session: Session, now: datetime) -> ColumnElement[bool]:
    """True of connections that completed a sync once, but none for three of their intervals, whatever their status."""
    return _each_interval(_paces(session), now, lambda oldest: ConnectionRow.last_sync_completed_at < oldest)


def _rounded(every: timedelta | None) -> int | None:
    if every is None:
        return None
    seconds = every.total_seconds()
    step = _MINUTE if seconds <= _HOUR else _QUARTER
    return math.ceil(seconds / step) * step


def _paces(session: Session) -> list[int]:
    """Every interval that is longer than chosen, in seconds."""
    return [each for each in session.scalars(select(ConnectionRow.paced_seconds).distinct()) if each is not None]


def _each_interval(paces: list[int], now: datetime, holds: Callable[[datetime], ColumnElement[bool]]) -> ColumnElement[bool]:
    """The condition, with the oldest instant that each connection's interval allows for; never true for manual."""
    as_chosen = {each: now - INTERVALS * each.interval for each in SCHEDULED if each.interval}
    kept, scheduled = ConnectionRow.paced_seconds.is_(None), ConnectionRow.sync_frequency.in_([each.value for each in as_chosen])
    return or_(
        *(and_(kept, ConnectionRow.sync_frequency == each.value, holds(at)) for each, at in as_chosen.items()),
        *(and_(scheduled, ConnectionRow.paced_seconds == each, holds(now - INTERVALS * timedelta(seconds=each))) for each in paces),
    )


def _old(oldest: datetime) -> ColumnElement[bool]:
    """No sync completed since then."""
    return or_(ConnectionRow.last_sync_completed_at.is_(None), ConnectionRow.last_sync_completed_at < oldest)


def _late(oldest: datetime) -> ColumnElement[bool]:
    """The same, and one was to be expected."""
    return _old(oldest) & or_(ConnectionRow.expected_since.is_(None), ConnectionRow.expected_since < oldest)
