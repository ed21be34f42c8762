"""The parts of days that are read range by range of campaigns, until their last part was read. Steps: plan, telemetry."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import ForeignKey, Text, delete, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.campaign_range import CampaignRange
from adpulse.model import Lease
from adpulse.planner.day_parts import DayPart, DayParts, PartsByDay, ReadParts, after
from storage.control.database import Engine, Session, lock, reading
from storage.control.tables import Base, is_leased_by


class DayPartRow(Base):
    """A part of a day; columns as in :class:`adpulse.planner.day_parts.DayPart`, ``day`` is ISO text."""

    __tablename__ = "day_part"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    campaigns: Mapped[str] = mapped_column(Text)
    """Ids, with a blank between: those of the part, or of the last part those that it does not have."""
    is_others: Mapped[bool]
    leaf_calls: Mapped[int]
    total_calls: Mapped[int]
    read_at: Mapped[datetime | None]


class StoredDayParts:
    """The parts of this installation's days."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def of(self, connection_id: str) -> dict[date, DayParts]:
        """A connection's days whose read has begun, each with its parts in order."""
        with reading(self._engine).connect() as session:
            return parts_of(session, connection_id)

    def begin(self, lease: Lease, drawn: PartsByDay) -> None:
        """Store the parts of days whose read begins. A lost lease changes nothing."""
        rows = [
            {
                "connection_id": lease.connection.id,
                "day": day.isoformat(),
                "place": place,
                "campaigns": " ".join(part.campaigns.without if part.campaigns.only is None else part.campaigns.only),
                "is_others": part.campaigns.only is None,
                "leaf_calls": part.leaf_calls,
                "total_calls": part.total_calls,
                "read_at": None,
            }
            for day, parts in drawn.items()
            for place, part in enumerate(parts)
        ]
        if not rows:
            return
        with self._engine.begin() as session:
            if lock(session, is_leased_by(lease)):
                delete_parts(session, lease.connection.id, drawn)
                session.execute(insert(DayPartRow), rows)


def parts_of(session: Session, connection_id: str) -> dict[date, DayParts]:
    """A connection's days whose read has begun, oldest first, each with its parts in order."""
    query = select(DayPartRow.__table__).where(DayPartRow.connection_id == connection_id).order_by(DayPartRow.day, DayPartRow.place)
    days = defaultdict[date, list[DayPart]](list)
    for row in session.execute(query).all():
        ids = tuple(row.campaigns.split())
        campaigns = CampaignRange(without=ids) if row.is_others else CampaignRange(only=ids)
        part = DayPart(campaigns=campaigns, leaf_calls=row.leaf_calls, total_calls=row.total_calls, read_at=row.read_at)
        days[date.fromisoformat(row.day)].append(part)
    return {day: tuple(parts) for day, parts in days.items()}


def note_read(session: Session, connection_id: str, read: ReadParts) -> dict[date, DayParts]:
    """Note parts that were read and stored; the days whose read has begun, as they are then."""
    of_connection = DayPartRow.connection_id == connection_id
    stored = after(parts_of(session, connection_id), read)
    for day, parts in stored.items():
        for place, part in enumerate(parts):
            if (day, part.campaigns) in read:
                of_part = (DayPartRow.day == day.isoformat()) & (DayPartRow.place == place)
                session.execute(update(DayPartRow).where(of_connection, of_part).values(read_at=part.read_at))
    return stored


def forget_parts(session: Session, connection_id: str, since: date | None) -> None:
    """The days from ``since`` on, or all, are read from their beginning."""
    of_days = [DayPartRow.day >= since.isoformat()] if since else []
    session.execute(delete(DayPartRow).where(DayPartRow.connection_id == connection_id, *of_days))


def delete_parts(session: Session, connection_id: str, days: Iterable[date]) -> None:
    """The read of these days is complete, or begins anew."""
    of_days = DayPartRow.day.in_([day.isoformat() for day in days])
    session.execute(delete(DayPartRow).where(DayPartRow.connection_id == connection_id, of_days))
