"""Backfills: from when on a person wants a connection's history, and when reading it goes on. Steps: claim, plan, telemetry."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, ForeignKey, Text, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.clock import Clock
from adpulse.model import Lease, Provider
from storage.control.database import Engine, columns, lock, put, reading
from storage.control.tables import Base, ConnectionRow, is_leased_by

_LONGEST_WAIT = timedelta(hours=25)


class BackfillRow(Base):
    """A history that was asked for; columns as in :class:`Backfill`, ``since`` is ISO text. Instants are business time."""

    __tablename__ = "backfill"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    since: Mapped[str]
    requested_at: Mapped[datetime]
    next_at: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    rests_until: Mapped[datetime | None]
    refusal: Mapped[str | None] = mapped_column(Text)
    finished_at: Mapped[datetime | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """A history that was asked for.

    ``next_at`` is when reading goes on, ``reason`` what it waits for; both are None once it is finished. ``refusal`` is what the platform
    answered to the last read that it refused, and ``rests_until`` how long nothing is read because of that.
    """

    since: date
    requested_at: datetime
    next_at: datetime | None
    reason: str | None
    rests_until: datetime | None
    refusal: str | None
    finished_at: datetime | None


class Backfills:
    """The histories of this installation's connections."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def of(self, connection_id: str) -> Backfill | None:
        """The connection's backfill; None if nobody asked for one, or it was stopped."""
        fields = [column for column in BackfillRow.__table__.columns if column.name != "connection_id"]
        with reading(self._engine).connect() as session:
            row = session.execute(select(*fields).where(BackfillRow.connection_id == connection_id)).one_or_none()
        return None if row is None else Backfill(**columns(row) | {"since": date.fromisoformat(row.since)})

    def since(self, connection_id: str) -> date | None:
        """From when on the history is wanted; None without a backfill, and while it rests."""
        backfill, now = self.of(connection_id), self._clock.now()
        rests = backfill is not None and backfill.rests_until is not None and now < backfill.rests_until <= now + _LONGEST_WAIT
        return None if backfill is None or rests else backfill.since

    def request(self, connection_id: str, since: date) -> None:
        """Want the history from this day on. It is read by the next leg in the background. A deleted connection is ignored."""
        now = self._clock.now()
        values = {"since": since.isoformat(), "requested_at": now, "next_at": now}
        values |= dict.fromkeys(("reason", "rests_until", "refusal", "finished_at"))
        with self._engine.begin() as session:
            if lock(session, ConnectionRow.id == connection_id):
                put(session, BackfillRow, {"connection_id": connection_id}, values)

    def stop(self, connection_id: str) -> bool:
        """Want no more history than is stored; False if none was being read."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            return bool(session.execute(delete(BackfillRow).where(BackfillRow.connection_id == connection_id)).rowcount)

    def go_on(self, connection_id: str) -> None:
        """Look again at once whether something of the history is to be read: what was known of it was forgotten."""
        changes = {"next_at": self._clock.now(), "finished_at": None}
        with self._engine.begin() as session:
            session.execute(update(BackfillRow).where(BackfillRow.connection_id == connection_id).values(**changes))

    def wait(self, lease: Lease, at: datetime | None, reason: str | None) -> None:
        """Note when reading goes on; ``at`` is None when nothing is left. A lost lease changes nothing, nor does a leg of a stopped one."""
        now = self._clock.now()
        self._change(lease, {"next_at": at, "reason": reason, "finished_at": now if at is None else None})

    def shorten(self, lease: Lease, since: date, refusal: str) -> None:
        """The platform does not report what is older: the history begins later."""
        self._change(lease, {"since": since.isoformat(), "refusal": refusal})

    def rest(self, lease: Lease, until: datetime, refusal: str) -> None:
        """The platform refused a read of the history: read nothing of it until then, and everything else as before."""
        self._change(lease, {"rests_until": until, "refusal": refusal})

    def _change(self, lease: Lease, changes: dict[str, object]) -> None:
        with self._engine.begin() as session:
            if lock(session, is_leased_by(lease)):
                session.execute(update(BackfillRow).where(BackfillRow.connection_id == lease.connection.id).values(**changes))


def goes_on(provider: Provider, now: datetime) -> ColumnElement[bool]:
    """Connections whose history is to be read on now."""
    # One that is later than any wait was noted before the clock was set back.
    is_due = or_(BackfillRow.next_at <= now, BackfillRow.next_at > now + _LONGEST_WAIT)
    due = select(BackfillRow.connection_id).where(is_due)
    return (ConnectionRow.provider == provider) & ConnectionRow.id.in_(due)
