"""Connections that a platform refuses, and when to check whether it still does. After telemetry."""

from sqlalchemy import or_, select, update

from adpulse import stopping
from adpulse.clock import Clock
from adpulse.events import needs_attention
from adpulse.model import RECHECKED, Connection, ConnectionStatus
from storage.control.connection_rows import CONNECTION_COLUMNS, connection_of
from storage.control.database import Engine, Session, lock, reading
from storage.control.outbox import publish
from storage.control.tables import ConnectionRow

_REFUSED = ConnectionRow.status.in_([status.value for status in RECHECKED])


class Refusals:
    """The refused connections of this installation. Instants are business time."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def due(self, limit: int) -> list[Connection]:
        """At most ``limit`` connections to check now, the longest waiting first."""
        now = self._clock.now()
        waited = or_(ConnectionRow.recheck_at.is_(None), ConnectionRow.recheck_at <= now)
        query = select(*CONNECTION_COLUMNS).where(_REFUSED, waited).order_by(ConnectionRow.recheck_at.nulls_first(), ConnectionRow.id)
        with reading(self._engine).connect() as session:
            return [connection_of(row) for row in session.execute(query.limit(limit))]

    def begin(self, connection_id: str) -> bool:
        """Count one more check, and schedule the next one; False if the connection is not refused any more."""
        refused = (ConnectionRow.id == connection_id) & _REFUSED
        with self._engine.begin() as session:
            if not lock(session, refused):
                return False
            rechecks = session.scalars(select(ConnectionRow.rechecks).where(refused)).one()
            # Stored before the platform is called, so that a check that never ends is not repeated at once.
            at = self._clock.now() + stopping.recheck_pause(rechecks)
            session.execute(update(ConnectionRow).where(refused).values(rechecks=rechecks + 1, recheck_at=at))
        return True

    def rechecks(self, connection_id: str) -> int:
        """How often the connection was checked since its last sync of an account that its platform accepted."""
        with reading(self._engine).connect() as session:
            return session.scalar(select(ConnectionRow.rechecks).where(ConnectionRow.id == connection_id)) or 0

    def stop(self, stopped: Connection, status: ConnectionStatus, reason: str, *, rechecks: int) -> None:
        """Stop an active connection whose sync is done all the same; its checks go on where they were before that sync.

        Nobody is notified again of what a check only confirmed.
        """
        active = (ConnectionRow.id == stopped.id) & (ConnectionRow.status == ConnectionStatus.ACTIVE.value)
        at = self._clock.now() + stopping.recheck_pause(rechecks)
        values = {"status": status.value, "status_reason": reason, "rechecks": rechecks, "recheck_at": at}
        with self._engine.begin() as session:
            lock(session, active)
            changed = session.execute(update(ConnectionRow).where(active).values(**values)).rowcount
            if changed and not rechecks:
                publish(session, needs_attention(stopped, status, reason), now=self._wall.now())

    def resume(self, connection_id: str, login_customer_id: str | None) -> None:
        """Activate a refused connection again, through this manager; one that is not refused any more stays as it is."""
        refused = (ConnectionRow.id == connection_id) & _REFUSED
        values = {"status": ConnectionStatus.ACTIVE.value, "status_reason": None, "login_customer_id": login_customer_id}
        with self._engine.begin() as session:
            lock(session, refused)
            session.execute(update(ConnectionRow).where(refused).values(expected_since=self._clock.now(), **values))

    def stop_scope(self, stopped: Connection, status: ConnectionStatus, reason: str) -> None:
        """Stop all active connections that the platform counts together with one that has just been stopped.

        Each other workspace is notified once; the one of ``stopped`` has been.
        """
        others = (ConnectionRow.scope == stopped.scope) & (ConnectionRow.status == ConnectionStatus.ACTIVE.value)
        with self._engine.begin() as session:
            lock(session, others)
            rows = session.execute(select(*CONNECTION_COLUMNS).where(others).order_by(ConnectionRow.name)).all()
            session.execute(update(ConnectionRow).where(others).values(status=status.value, status_reason=reason))
            # Reversed, so that the first connection by name stands for its workspace.
            first = {row.workspace_id: row for row in reversed(rows) if row.workspace_id != stopped.workspace_id}
            notices = [needs_attention(connection_of(row), status, reason) for row in first.values()]
            publish(session, *notices, now=self._wall.now())


def is_news(session: Session, connection_id: str, status: ConnectionStatus) -> bool:
    """Whether nobody has been notified of this status yet.

    It is no news when all connections of an app were stopped together, nor when the platform accepted the account at a check but then
    still refused its numbers.
    """
    row = session.execute(select(ConnectionRow.status, ConnectionRow.rechecks).where(ConnectionRow.id == connection_id)).one()
    return row.status != status.value and not (row.rechecks and status in RECHECKED)
