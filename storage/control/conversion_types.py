"""The types of conversions that accounts report, as they were read last, and the warning that a mapping counts none of them."""

from datetime import date, datetime, timedelta

from sqlalchemy import ForeignKey, Text, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse import conversion_types
from adpulse.clock import Clock
from adpulse.conversion_types import KeptTypes
from adpulse.model import Connection, ConnectionStatus
from storage.control.connection_rows import CONNECTION_COLUMNS, connection_of
from storage.control.connection_warnings import UNCOUNTED_RESULTS, note_warning
from storage.control.database import Engine, lock, put, reading
from storage.control.tables import Base, ConnectionRow, has_cooled_down

RENEWED_AFTER = timedelta(days=1)


class ConversionTypesRow(Base):
    """The types of an account. ``content`` and the days (ISO texts) are null until they could be read. Instants are business time."""

    __tablename__ = "conversion_types"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    attempted_at: Mapped[datetime]
    read_at: Mapped[datetime | None]
    since: Mapped[str | None]
    until: Mapped[str | None]
    content: Mapped[str | None] = mapped_column(Text)


class StoredConversionTypes:
    """The types of this installation's accounts."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def of(self, connection_id: str) -> KeptTypes | None:
        """What was read last; None if nothing was."""
        query = select(ConversionTypesRow.__table__).where(ConversionTypesRow.connection_id == connection_id)
        with reading(self._engine).connect() as session:
            row = session.execute(query).one_or_none()
        if row is None or row.content is None:
            return None
        types = conversion_types.from_text(row.content)
        return KeptTypes(since=date.fromisoformat(row.since), until=date.fromisoformat(row.until), read_at=row.read_at, types=types)

    def due(self, limit: int) -> list[Connection]:
        """At most ``limit`` active connections that were synced since their types were requested, which is a day ago or never happened.

        Those that the platform pauses wait until their cooldown is over.
        """
        attempt = ConversionTypesRow.attempted_at
        now = self._clock.now()
        waited = or_(attempt.is_(None), (attempt <= now - RENEWED_AFTER) & (attempt < ConnectionRow.last_sync_completed_at))
        synced = (ConnectionRow.status == ConnectionStatus.ACTIVE.value) & ConnectionRow.last_sync_completed_at.is_not(None)
        with_types = ConnectionRow.__table__.outerjoin(ConversionTypesRow, ConversionTypesRow.connection_id == ConnectionRow.id)
        query = (
            select(*CONNECTION_COLUMNS)
            .select_from(with_types)
            .where(synced, has_cooled_down(now), waited)
            .order_by(attempt.nulls_first(), ConnectionRow.id)
        )
        with reading(self._engine).connect() as session:
            return [connection_of(row) for row in session.execute(query.limit(limit))]

    def begin(self, connection_id: str) -> bool:
        """Note a request before it is made, so that one that never ends is not repeated at once; False if the connection is gone."""
        return self._store(connection_id, attempted_at=self._clock.now())

    def keep(self, connection_id: str, types: KeptTypes) -> None:
        """Store what was read."""
        days = {"since": types.since.isoformat(), "until": types.until.isoformat()}
        content = conversion_types.to_text(types.types)
        self._store(connection_id, attempted_at=types.read_at, read_at=types.read_at, content=content, **days)

    def warn(self, connection_id: str, message: str | None) -> None:
        """Store the warning that results are not counted, or take it back."""
        now = self._clock.now()
        with self._engine.begin() as session:
            if lock(session, ConnectionRow.id == connection_id):
                note_warning(session, connection_id, UNCOUNTED_RESULTS, message, now=now, retry_at=now + RENEWED_AFTER)

    def _store(self, connection_id: str, **values: datetime | str) -> bool:
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                return False
            put(session, ConversionTypesRow, {"connection_id": connection_id}, values)
        return True
