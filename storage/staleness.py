"""Which connections are stale: no sync completed for three intervals of their frequency. Found for all of them at once. After telemetry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, or_, update

from adpulse import events
from adpulse.clock import Clock
from adpulse.frequency import SCHEDULED
from adpulse.model import Connection, ConnectionStatus
from storage.connections import CONNECTION_COLUMNS, connection_of
from storage.control import ConnectionRow, Engine, lock
from storage.outbox import publish

INTERVALS = 3
"""A connection that completed no sync for so many intervals of its frequency is stale."""

_NOT_SYNCED = (ConnectionStatus.PAUSED.value, ConnectionStatus.DISCONNECTED.value, ConnectionStatus.CURRENCY_CHANGED.value)
"""Nobody expects fresh data of these. Of one that a person must mend people do, so it is stale like any other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Connections that became stale just now, and how many no longer are."""

    stale: list[Connection]
    fresh: int


class Staleness:
    """Keeps ``stale_since`` of every connection true."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def renew(self) -> Changed:
        """Mark who became stale, and tell the webhooks; unmark who no longer is. A connection is told of again only after that."""
        now = self._clock.now()
        watched = ConnectionRow.status.not_in(_NOT_SYNCED)
        behind = watched & _each_frequency(now, _late) & ConnectionRow.stale_since.is_(None)
        # Not the mere opposite: a connection that was resumed is given time, but is stale until a sync completed.
        caught_up = ConnectionRow.stale_since.is_not(None) & or_(~watched, ~_each_frequency(now, _old))
        mark = update(ConnectionRow).where(behind).values(stale_since=now).returning(*CONNECTION_COLUMNS)
        unmark = update(ConnectionRow).where(caught_up).values(stale_since=None)
        with self._engine.begin() as session:
            lock(session, or_(behind, caught_up))
            fresh = session.execute(unmark).rowcount
            rows = session.execute(mark.execution_options(synchronize_session=False)).all()
            publish(session, *(events.stale(connection_of(row), row.last_sync_completed_at) for row in rows))
        return Changed(stale=[connection_of(row) for row in rows], fresh=fresh)


def _each_frequency(now: datetime, holds: Callable[[datetime], ColumnElement[bool]]) -> ColumnElement[bool]:
    """The condition, with the oldest instant that each frequency allows for; never true for manual."""
    oldest = {each: now - INTERVALS * each.interval for each in SCHEDULED if each.interval}
    return or_(*(and_(ConnectionRow.sync_frequency == each.value, holds(at)) for each, at in oldest.items()))


def _old(oldest: datetime) -> ColumnElement[bool]:
    """No sync completed since then."""
    return or_(ConnectionRow.last_sync_completed_at.is_(None), ConnectionRow.last_sync_completed_at < oldest)


def _late(oldest: datetime) -> ColumnElement[bool]:
    """The same, and one was to be expected."""
    return _old(oldest) & or_(ConnectionRow.expected_since.is_(None), ConnectionRow.expected_since < oldest)
