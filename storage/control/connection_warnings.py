"""Warnings of connections: reads that failed without stopping the numbers, and when they are retried. Steps: plan, fetch, telemetry."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random

from sqlalchemy import ColumnElement, ForeignKey, Text, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.clock import Clock
from adpulse.errors import AdpulseError
from adpulse.model import FetchKind, Lease
from adpulse.retry import LONGEST_WARNING_BACKOFF, backoff
from storage.control.database import Engine, Session, insert_or_update, lock, put, reading
from storage.control.tables import Base, ConnectionRow, is_leased_by

_READS = frozenset(FetchKind)
ACCOUNT_FLAW = "account_flaw"
"""The kind of a warning that the platform does not report the account's currency, or no time zone that is known."""

ACCOUNT_DISABLED = "account_disabled"
"""The kind of the warning that the platform has disabled or closed the account. Its numbers are read as long as they are answered."""

UNKNOWN_VALUES = "unknown_values"
"""The kind of a warning that entities have statuses or types that this version does not know."""

API_VERSION = "api_version"
"""The kind of the warning that the platform answered with another API version than the one that was called."""

MISSING_DAYS = "missing_days"
"""The kind of a warning that the platform cannot answer for some days."""

UNCOUNTED_RESULTS = "uncounted_results"
"""The kind of the warning that the mapping counts no conversions although the account has results."""


def refused_kind(read: FetchKind, day: date | None) -> str:
    """The kind of a warning that rows of a read were refused, for numbers those of one day."""
    return " ".join(["refused_rows", read.value, *([day.isoformat()] if day else [])])


class ConnectionWarningRow(Base):
    """A warning; columns as in :class:`ConnectionWarning`."""

    __tablename__ = "connection_warning"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    times: Mapped[int]
    retry_at: Mapped[datetime]
    run_id: Mapped[str]
    generation: Mapped[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionWarning:
    """Something that keeps failing; for reads ``kind`` is their FetchKind. Instants are business time.

    ``message`` is redacted. ``run_id`` and ``generation`` identify the leg of the latest failure.
    """

    kind: str
    message: str
    code: str | None
    first_at: datetime
    last_at: datetime
    times: int
    retry_at: datetime
    run_id: str
    generation: int


_COLUMNS = tuple(getattr(ConnectionWarningRow, name) for name in ConnectionWarning.__dataclass_fields__)


class ConnectionWarnings:
    """The warnings of this installation's connections, one per connection and kind."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._rng = Random()  # noqa: S311 - jitter

    def record(self, lease: Lease, kind: str, error: AdpulseError, *, pause: float = 0.0) -> None:
        """Record a failure of this leg; each failure of a read doubles its pause. A lost lease changes nothing.

        ``pause``: the seconds that the platform asks for, if it does; the longest backoff is the longest pause all the same.
        """
        leased = is_leased_by(lease)
        key = (ConnectionWarningRow.connection_id == lease.connection.id) & (ConnectionWarningRow.kind == kind)
        now = self._clock.now()
        with self._engine.begin() as session:
            if not lock(session, leased):
                return
            before = session.execute(select(ConnectionWarningRow.first_at, ConnectionWarningRow.times).where(key)).one_or_none()
            times = before.times + 1 if before else 1
            seconds = max(backoff(times, self._rng, LONGEST_WARNING_BACKOFF), min(pause, LONGEST_WARNING_BACKOFF))
            values = {
                "message": str(error),
                "code": error.code,
                "first_at": before.first_at if before else now,
                "last_at": now,
                "times": times,
                "retry_at": now + timedelta(seconds=seconds),
                "run_id": lease.run_id,
                "generation": lease.generation,
            }
            put(session, ConnectionWarningRow, {"connection_id": lease.connection.id, "kind": kind}, values)

    def clear(self, connection_id: str, kinds: Iterable[str]) -> None:
        """Delete warnings whose cause has passed."""
        passed = set(kinds)
        if passed:  # most syncs read only numbers, of which no failure is a warning
            passed &= {warning.kind for warning in self._select(ConnectionWarningRow.connection_id == connection_id)}
        if passed:  # most connections have no warning: no write transaction for them
            with self._engine.begin() as session:
                lock(session, ConnectionRow.id == connection_id)
                matching = (ConnectionWarningRow.connection_id == connection_id) & ConnectionWarningRow.kind.in_(passed)
                session.execute(delete(ConnectionWarningRow).where(matching))

    def find(self, connection_id: str, kind: str) -> ConnectionWarning | None:
        """The connection's warning of this kind; None if it has none."""
        of_kind = (ConnectionWarningRow.connection_id == connection_id) & (ConnectionWarningRow.kind == kind)
        return next(iter(self._select(of_kind)), None)

    def of_leg(self, lease: Lease) -> Mapping[FetchKind, ConnectionWarning]:
        """The reads that failed in this leg: they are not retried in it, and the leg is complete without them."""
        leg = (ConnectionWarningRow.run_id == lease.run_id) & (ConnectionWarningRow.generation == lease.generation)
        warnings = self._select((ConnectionWarningRow.connection_id == lease.connection.id) & leg)
        return {FetchKind(warning.kind): warning for warning in warnings if warning.kind in _READS}

    def resting(self, connection_id: str) -> frozenset[FetchKind]:
        """The reads whose pause is not over yet."""
        now = self._clock.now()
        # A pause that is longer than any backoff was recorded before the clock was set back; it does not count.
        latest = now + timedelta(seconds=LONGEST_WARNING_BACKOFF)
        warnings = self._select(ConnectionWarningRow.connection_id == connection_id)
        waiting = (warning for warning in warnings if now < warning.retry_at <= latest)
        return frozenset(FetchKind(warning.kind) for warning in waiting if warning.kind in _READS)

    def _select(self, condition: ColumnElement[bool]) -> list[ConnectionWarning]:
        with reading(self._engine).connect() as session:
            return [warning for _, warning in select_warnings(session, condition)]


def note_warning(session: Session, connection_id: str, kind: str, message: str | None, *, now: datetime, retry_at: datetime) -> None:
    """Record a warning that no leg of a sync is about; without a message delete it. The caller has locked the connection."""
    key = (ConnectionWarningRow.connection_id == connection_id) & (ConnectionWarningRow.kind == kind)
    if message is None:
        session.execute(delete(ConnectionWarningRow).where(key))
        return
    later = {"message": message, "last_at": now, "retry_at": retry_at}
    of_no_leg = {"code": kind, "run_id": "", "generation": 0}
    new = insert_or_update(session, ConnectionWarningRow).values(
        connection_id=connection_id, kind=kind, first_at=now, times=1, **of_no_leg, **later
    )
    counted = later | {"times": ConnectionWarningRow.times + 1}
    session.execute(new.on_conflict_do_update(index_elements=["connection_id", "kind"], set_=counted))


def select_warnings(session: Session, condition: ColumnElement[bool]) -> list[tuple[str, ConnectionWarning]]:
    """The warnings that meet the condition, the oldest first, each with its connection's id."""
    query = select(ConnectionWarningRow.connection_id, *_COLUMNS).where(condition)
    rows = session.execute(query.order_by(ConnectionWarningRow.first_at, ConnectionWarningRow.kind)).all()
    names = ConnectionWarning.__dataclass_fields__
    return [(row[0], ConnectionWarning(**dict(zip(names, row[1:], strict=True)))) for row in rows]
