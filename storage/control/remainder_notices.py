"""Of which days workspaces were notified that the stored spend does not add up to the platform's totals. After telemetry."""

from collections.abc import Sequence

from sqlalchemy import ForeignKey, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse import events
from adpulse.clock import Clock
from adpulse.model import Connection, ConnectionStatus
from adpulse.remainder import Remainder
from storage.control.database import Engine, Session, insert_or_update, lock
from storage.control.outbox import publish
from storage.control.tables import Base, ConnectionRow

_FIRST = ""
"""In the place of a day: the connection was compared before."""


class RemainderNoticeRow(Base):
    """A day of a connection that was notified of, or was there at its first comparison; ``day`` is ISO text, empty for that comparison."""

    __tablename__ = "remainder_notice"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)


class RemainderNotices:
    """Publishes an event for a connection's days with unexplained remainders, once for each day.

    The first comparison of a connection notifies of nothing: up to 80 days of its first sync could be in it, and none of them is news.
    One in the middle of its first sync is none: the days that follow would be news.
    """

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def publish(self, connection: Connection, unexplained: Sequence[Remainder], *, in_first_sync: bool = False) -> int:
        """Notify of the days that are new since the last comparison, in one event; returns how many they are."""
        with self._engine.begin() as session:
            if not lock(session, (ConnectionRow.id == connection.id) & (ConnectionRow.status != ConnectionStatus.DELETING.value)):
                return 0  # it was deleted meanwhile
            if in_first_sync and not _was_compared(session, connection.id):
                return 0
            days = _add(session, connection.id, {_FIRST, *map(_text, unexplained)})
            if not days or _FIRST in days:
                return 0
            event = events.remainders(connection, [remainder for remainder in unexplained if _text(remainder) in days])
            publish(session, event, now=self._wall.now())
        return len(days)


def _was_compared(session: Session, connection_id: str) -> bool:
    first = (RemainderNoticeRow.connection_id == connection_id) & (RemainderNoticeRow.day == _FIRST)
    return session.scalar(select(RemainderNoticeRow.day).where(first)) is not None


def _add(session: Session, connection_id: str, days: set[str]) -> set[str]:
    """Store the days; returns those that were not stored. The primary key makes a notice unique: of several processes one gets it."""
    rows = [{"connection_id": connection_id, "day": day} for day in sorted(days)]
    new = insert_or_update(session, RemainderNoticeRow).values(rows).on_conflict_do_nothing().returning(RemainderNoticeRow.day)
    return set(session.scalars(new))


def _text(remainder: Remainder) -> str:
    return remainder.day.isoformat()
