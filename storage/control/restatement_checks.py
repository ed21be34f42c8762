"""What the checks of older days have shown, one row per connection and day. Steps: plan, fetch, telemetry.

As with the checks of today: once days are to be read again, no comparison with an earlier check counts.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime

from sqlalchemy import ForeignKey, Text, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.model import Lease
from adpulse.planner.restatement_check import DayCheck
from storage.control.database import Engine, Session, lock, put, reading
from storage.control.tables import Base, is_leased_by


class DayCheckRow(Base):
    """The last check of a day; columns as in :class:`adpulse.planner.restatement_check.DayCheck`, ``day`` is ISO text."""

    __tablename__ = "restatement_check"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    checked_at: Mapped[datetime]
    fingerprints: Mapped[str] = mapped_column(Text)
    """Of each campaign, as JSON."""


class RestatementChecks:
    """The last checks of older days of this installation's connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, connection_id: str, days: Iterable[date]) -> dict[date, DayCheck]:
        """What the checks of these days have shown; without those of which nothing is known."""
        are_asked = (DayCheckRow.connection_id == connection_id, DayCheckRow.day.in_([day.isoformat() for day in days]))
        query = select(DayCheckRow.day, DayCheckRow.checked_at, DayCheckRow.fingerprints).where(*are_asked)
        with reading(self._engine).connect() as session:
            rows = session.execute(query).all()
        return {date.fromisoformat(row.day): DayCheck(fingerprints=json.loads(row.fingerprints), checked_at=row.checked_at) for row in rows}

    def record(self, lease: Lease, checks: Mapping[date, DayCheck | None], oldest: date) -> None:
        """Store what is known of days, or (None) that nothing is; days before ``oldest`` are forgotten. A lost lease changes nothing."""
        connection_id = lease.connection.id
        with self._engine.begin() as session:
            if not lock(session, is_leased_by(lease)):
                return
            unknown = [day.isoformat() for day, check in checks.items() if check is None]
            is_forgotten = DayCheckRow.day.in_(unknown) | (DayCheckRow.day < oldest.isoformat())
            session.execute(delete(DayCheckRow).where(DayCheckRow.connection_id == connection_id, is_forgotten))
            for day, check in checks.items():
                if check is not None and day >= oldest:
                    fingerprints = json.dumps(check.fingerprints, sort_keys=True, separators=(",", ":"))
                    values = {"checked_at": check.checked_at, "fingerprints": fingerprints}
                    put(session, DayCheckRow, {"connection_id": connection_id, "day": day.isoformat()}, values)


def restatements_checked(session: Session, connection_id: str) -> dict[date, datetime]:
    """The days of which something is known, each with the check after which nothing was left to read."""
    query = select(DayCheckRow.day, DayCheckRow.checked_at).where(DayCheckRow.connection_id == connection_id)
    return {date.fromisoformat(row.day): row.checked_at for row in session.execute(query)}


def forget_day_checks(session: Session, connection_id: str) -> None:
    """The connection's days are to be read again."""
    session.execute(delete(DayCheckRow).where(DayCheckRow.connection_id == connection_id))
