"""Holes: days that a platform could not answer, and the reports that it still computes for some of them. Steps: plan, fetch, telemetry."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ColumnElement, ForeignKey, Text, delete, false, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.clock import Clock
from adpulse.errors import AdpulseError
from adpulse.holes import Hole, HoleKey, Report
from adpulse.ladder import REPORT_HOURS
from adpulse.model import Connection, FetchKind, Lease
from storage.control.database import Engine, Session, insert_or_update, lock, reading
from storage.control.tables import Base, ConnectionRow, is_leased_by


class HoleRow(Base):
    """A day of one kind of read; columns as in :class:`adpulse.holes.Hole`, ``day`` is ISO text."""

    __tablename__ = "hole"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str] = mapped_column(Text)
    code: Mapped[str | None]
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    times: Mapped[int]
    retry_at: Mapped[datetime]
    report_id: Mapped[str | None]
    report_started_at: Mapped[datetime | None]
    report_polls: Mapped[int]
    campaigns: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Ids, with a blank between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """When a hole is requested again, and by which report. ``failed``: nothing is left to try until then.

    ``campaigns`` are those of the day that were not answered; None leaves what was noted before.
    """

    at: datetime
    report: Report | None = None
    failed: bool = True
    campaigns: tuple[str, ...] | None = None


class Holes:
    """The holes of this installation's connections."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def of(self, connection_id: str) -> dict[HoleKey, Hole]:
        """A connection's holes, the oldest day first."""
        with reading(self._engine).connect() as session:
            return holes_of(session, HoleRow.connection_id == connection_id)

    def record(self, lease: Lease, key: HoleKey, error: AdpulseError, retry: Retry) -> None:
        """Note that a day could not be read in this leg, or that its report is still computed. A lost lease changes nothing."""
        this_lease = is_leased_by(lease)
        kind, day = key
        row_key = {"connection_id": lease.connection.id, "kind": kind.value, "day": day.isoformat()}
        now, report = self._clock.now(), retry.report
        failed = {
            "message": str(error),
            "code": error.code,
            "last_at": now,
            "retry_at": retry.at,
            "report_id": report.id if report else None,
            "report_started_at": report.started_at if report else None,
            "report_polls": report.polls if report else 0,
        }
        if retry.campaigns is not None:
            failed["campaigns"] = " ".join(retry.campaigns)
        with self._engine.begin() as session:
            if not lock(session, this_lease):
                return
            times = int(retry.failed)
            insert = insert_or_update(session, HoleRow).values(**row_key, first_at=now, times=times, **failed)
            session.execute(insert.on_conflict_do_update(index_elements=list(row_key), set_={**failed, "times": HoleRow.times + times}))

    def fill(self, connection_id: str, keys: Iterable[HoleKey]) -> None:
        """These days were read and stored."""
        of_days = [(HoleRow.kind == kind.value) & (HoleRow.day == day.isoformat()) for kind, day in keys]
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            session.execute(delete(HoleRow).where((HoleRow.connection_id == connection_id) & or_(false(), *of_days)))

    def reports_under_way(self, connection: Connection) -> int:
        """Reports that the platform computes for the connection's account, for whichever connection: it counts them by account."""
        of_account = (ConnectionRow.provider == connection.provider) & (ConnectionRow.external_id == connection.external_id)
        recent = HoleRow.report_started_at > self._clock.now() - REPORT_HOURS
        query = select(func.count()).select_from(HoleRow).join(ConnectionRow, ConnectionRow.id == HoleRow.connection_id)
        with reading(self._engine).connect() as session:
            return session.scalar(query.where(of_account, recent, HoleRow.report_id.is_not(None))) or 0

    def next_report(self, connection_id: str) -> datetime | None:
        """When the first of the connection's reports is to be asked for, or begun; None if there is none."""
        return min((hole.retry_at for hole in self.of(connection_id).values() if hole.is_pending), default=None)


def holes_of(session: Session, condition: ColumnElement[bool]) -> dict[HoleKey, Hole]:
    """The holes that meet the condition, the oldest day first."""
    rows = session.execute(select(HoleRow.__table__).where(condition).order_by(HoleRow.day, HoleRow.kind)).all()
    holes = (
        Hole(
            kind=FetchKind(row.kind),
            day=date.fromisoformat(row.day),
            message=row.message,
            code=row.code,
            times=row.times,
            first_at=row.first_at,
            last_at=row.last_at,
            retry_at=row.retry_at,
            campaigns=tuple(row.campaigns.split()),
            report=Report(id=row.report_id, started_at=row.report_started_at, polls=row.report_polls) if row.report_id else None,
        )
        for row in rows
    )
    return {hole.key: hole for hole in holes}


def forget_holes(session: Session, connection_id: str, since: date | None) -> None:
    """The days from ``since`` on are to be read again: holes among them do not wait, and reports of them go on.

    Without ``since`` every day has other borders, so that no report is of use.
    """
    of_connection = HoleRow.connection_id == connection_id
    again = of_connection & (HoleRow.times > 0) & (HoleRow.day >= since.isoformat()) if since else of_connection
    session.execute(delete(HoleRow).where(again))
