"""Rows of numbers that a platform sent and that were refused, until their day is read again without them. Steps: plan, diff, telemetry."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import ForeignKey, Text, delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.gaps import REFUSED_ROWS, Gap
from adpulse.model import FetchKind, Lease
from storage.control.database import Engine, Session, lock, reading
from storage.control.tables import Base, is_leased_by


class RefusedRowRow(Base):
    """A refused row; columns as in :class:`adpulse.gaps.Gap`, ``day`` is ISO text, an unknown ``external_id`` is empty."""

    __tablename__ = "refused_row"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    level: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str | None]
    reason: Mapped[str] = mapped_column(Text)
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]


class RefusedRows:
    """The refused rows of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, connection_id: str) -> list[Gap]:
        """A connection's refused rows, the oldest day first."""
        with reading(self._engine).connect() as session:
            return refused_rows_of(session, connection_id)

    def replace(self, lease: Lease, rows: Sequence[Gap]) -> None:
        """Keep these and no others. A lost lease changes nothing."""
        connection_id = lease.connection.id
        values = [
            {
                "connection_id": connection_id,
                "kind": row.kind.value,
                "day": row.day.isoformat(),
                "level": row.entity_level,
                "external_id": row.external_id or "",
                "campaign_id": row.campaign_id,
                "reason": row.reason,
                "first_at": row.first_at,
                "last_at": row.last_at,
            }
            for row in rows
        ]
        with self._engine.begin() as session:
            if not lock(session, is_leased_by(lease)):
                return
            session.execute(delete(RefusedRowRow).where(RefusedRowRow.connection_id == connection_id))
            if values:
                session.execute(insert(RefusedRowRow), values)


def refused_rows_of(session: Session, connection_id: str) -> list[Gap]:
    """A connection's refused rows, the oldest day first."""
    order = (RefusedRowRow.day, RefusedRowRow.kind, RefusedRowRow.level, RefusedRowRow.external_id)
    rows = session.execute(select(RefusedRowRow.__table__).where(RefusedRowRow.connection_id == connection_id).order_by(*order)).all()
    return [
        Gap(
            kind=FetchKind(row.kind),
            day=date.fromisoformat(row.day),
            reason=row.reason,
            first_at=row.first_at,
            last_at=row.last_at,
            code=REFUSED_ROWS,
            entity_level=row.level,
            external_id=row.external_id or None,
            campaign_id=row.campaign_id,
        )
        for row in rows
    ]


def forget_refused_rows(session: Session, connection_id: str) -> None:
    """The connection's days have other borders now, or none of them counts as read any more."""
    session.execute(delete(RefusedRowRow).where(RefusedRowRow.connection_id == connection_id))
