"""What the checks of today's changes have shown, one row per connection. Steps: plan, fetch, telemetry.

It stands beside the partitions and is forgotten with them: once a day is to be read again, no comparison with an earlier check counts.
"""

import json
from datetime import date, datetime

from sqlalchemy import ForeignKey, Text, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.model import Lease
from adpulse.planner.change_check import ChangeCheck
from storage.control.database import Engine, Session, lock, put, reading
from storage.control.tables import Base, is_leased_by


class ChangeCheckRow(Base):
    """The last check of a connection; columns as in :class:`adpulse.planner.change_check.ChangeCheck`, ``day`` is ISO text."""

    __tablename__ = "change_check"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    day: Mapped[str]
    calls: Mapped[int]
    checked_at: Mapped[datetime | None]
    fingerprints: Mapped[str] = mapped_column(Text)
    """Of each campaign, as JSON."""
    left_calls: Mapped[int] = mapped_column(server_default="0")
    changes: Mapped[str] = mapped_column(Text, server_default="[]")
    """Times in ISO text, as JSON."""
    in_a_row: Mapped[int] = mapped_column(server_default="0")


class ChangeChecks:
    """The last checks of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, connection_id: str) -> ChangeCheck | None:
        """What a connection's checks have shown; None before the first one."""
        query = select(ChangeCheckRow.__table__).where(ChangeCheckRow.connection_id == connection_id)
        with reading(self._engine).connect() as session:
            row = session.execute(query).one_or_none()
        if row is None:
            return None
        return ChangeCheck(
            day=date.fromisoformat(row.day),
            fingerprints=json.loads(row.fingerprints),
            calls=row.calls,
            checked_at=row.checked_at,
            left=row.left_calls,
            in_a_row=row.in_a_row,
            changes=tuple(datetime.fromisoformat(at) for at in json.loads(row.changes)),
        )

    def record(self, lease: Lease, check: ChangeCheck) -> None:
        """Store what a leg's check has shown; the leaves that it asked for are stored by now. A lost lease changes nothing."""
        values = {
            "day": check.day.isoformat(),
            "calls": check.calls,
            "checked_at": check.checked_at,
            "fingerprints": json.dumps(check.fingerprints, sort_keys=True, separators=(",", ":")),
            "left_calls": check.left,
            "in_a_row": check.in_a_row,
            "changes": json.dumps([at.isoformat() for at in check.changes]),
        }
        with self._engine.begin() as session:
            if lock(session, is_leased_by(lease)):
                put(session, ChangeCheckRow, {"connection_id": lease.connection.id}, values)


def checked_at(session: Session, connection_id: str) -> dict[date, datetime]:
    """The day that was checked last, with the check after which nothing was left to read; empty where there was none."""
    query = select(ChangeCheckRow.day, ChangeCheckRow.checked_at).where(ChangeCheckRow.connection_id == connection_id)
    return {date.fromisoformat(row.day): row.checked_at for row in session.execute(query) if row.checked_at}


def forget_check(session: Session, connection_id: str) -> None:
    """The connection's days are to be read again."""
    session.execute(delete(ChangeCheckRow).where(ChangeCheckRow.connection_id == connection_id))
