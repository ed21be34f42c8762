"""Working sizes: how much of an account may be requested at once after the platform found more too big. Step: fetch."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.clock import Clock
from adpulse.ladder import grown
from storage.control.database import Engine, insert_or_update, reading
from storage.control.tables import Base

_FORGOTTEN_AFTER = timedelta(days=1)
"""By then every size has grown to the full one again."""


class WorkingSizeRow(Base):
    """``part`` of an account is an edge, whose size is rows a page, or a kind of read, whose size is days."""

    __tablename__ = "working_size"
    account: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    found_at: Mapped[datetime]


class WorkingSizes:
    """The working sizes of this installation's accounts, kept across restarts and shared by its workers."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def current(self, account: str, part: str, full: int) -> int:
        """The size to request now: the one that was found, doubled for each hour since, up to the full one."""
        row = self._row(account, part)
        now = self._clock.now()
        is_old = row is None or row[1] > now  # found before the clock was set back
        return full if row is None or is_old else grown(row[0], full, now - row[1])

    def noted(self, account: str, part: str) -> int | None:
        """The size as it was noted; None if none is."""
        row = self._row(account, part)
        return row[0] if row else None

    def note(self, account: str, part: str, size: int) -> None:
        """Remember a size that was answered, or that was not."""
        now = self._clock.now()
        with self._engine.begin() as session:
            session.execute(delete(WorkingSizeRow).where(WorkingSizeRow.found_at < now - _FORGOTTEN_AFTER))
            insert = insert_or_update(session, WorkingSizeRow).values(account=account, part=part, size=size, found_at=now)
            session.execute(insert.on_conflict_do_update(index_elements=["account", "part"], set_={"size": size, "found_at": now}))

    def forget(self, account: str, part: str) -> None:
        """Remove a size."""
        with self._engine.begin() as session:
            session.execute(delete(WorkingSizeRow).where((WorkingSizeRow.account == account) & (WorkingSizeRow.part == part)))

    def _row(self, account: str, part: str) -> tuple[int, datetime] | None:
        query = select(WorkingSizeRow.size, WorkingSizeRow.found_at)
        with reading(self._engine).connect() as session:
            row = session.execute(query.where((WorkingSizeRow.account == account) & (WorkingSizeRow.part == part))).one_or_none()
        return (row.size, row.found_at) if row else None
