"""Of which days workspaces were notified that the stored spend does not add up to the platform's totals. After telemetry."""

from collections.abc import Sequence

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from adpulse import events
from adpulse.clock import Clock
from adpulse.model import Connection, ConnectionStatus
from adpulse.remainder import Remainder
from storage.control.database import Engine, insert_or_update, lock
from storage.control.outbox import publish
from storage.control.tables import Base, ConnectionRow


class RemainderNoticeRow(Base):
    """A day of a connection that was notified of; ``day`` is ISO text."""

    __tablename__ = "remainder_notice"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)


class RemainderNotices:
    """Publishes an event for a connection's days with unexplained remainders, once for each day."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def publish(self, connection: Connection, unexplained: Sequence[Remainder]) -> int:
        """Notify of the days that were not notified of before, in one event; returns how many they are."""
        if not unexplained:
            return 0
        rows = [{"connection_id": connection.id, "day": day} for day in sorted({_text(remainder) for remainder in unexplained})]
        with self._engine.begin() as session:
            if not lock(session, (ConnectionRow.id == connection.id) & (ConnectionRow.status != ConnectionStatus.DELETING.value)):
                return 0  # it was deleted meanwhile
            # The primary key makes a notice unique: of several processes one gets the row back.
            new = insert_or_update(session, RemainderNoticeRow).values(rows).on_conflict_do_nothing().returning(RemainderNoticeRow.day)
            days = set(session.scalars(new))
            if days:
                event = events.remainders(connection, [remainder for remainder in unexplained if _text(remainder) in days])
                publish(session, event, now=self._wall.now())
        return len(days)


def _text(remainder: Remainder) -> str:
    return remainder.day.isoformat()
