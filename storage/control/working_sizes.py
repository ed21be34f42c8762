"""Working sizes: how much of an account may be requested at once after the platform found more too big. Step: fetch."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select
from sqlalchemy.orm import Mapped, mapped_column

from adpulse.clock import Clock
from adpulse.ladder import grown
from storage.control.database import Engine, Session, put, reading
from storage.control.tables import Base

_FORGOTTEN_AFTER = timedelta(days=1)
"""By then every size has grown to the full one again."""


class WorkingSizeRow(Base):
    """``account`` is a connection's ``ledger_key``.

    Its ``part`` is an edge, whose size is rows a page, or of a kind of read, whose size is days, campaigns or a step.
    """

    __tablename__ = "working_size"
    account: Mapped[str] = mapped_column(primary_key=True)
    part: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int]
    found_at: Mapped[datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingSize:
    """A size, and how long ago it was noted; never before now, as after the clock was set back."""

    size: int
    age: timedelta


class WorkingSizes:
    """The working sizes of this installation's accounts, kept across restarts and shared by its workers."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def of(self, account: str) -> "AccountSizes":
        """All sizes of an account, in one read."""
        now, query = self._clock.now(), select(WorkingSizeRow.part, WorkingSizeRow.size, WorkingSizeRow.found_at)
        with reading(self._engine).connect() as session:
            rows = session.execute(query.where(WorkingSizeRow.account == account)).all()
        noted = {row.part: WorkingSize(size=row.size, age=now - row.found_at) for row in rows if row.found_at <= now}
        return AccountSizes(self, account, noted)

    def current(self, account: str, part: str, full: int) -> int:
        """The size to request now: the one that was noted, doubled for each hour since, up to the full one."""
        return self.of(account).current(part, full)

    def note(self, account: str, part: str, size: int) -> None:
        """Remember a size that was answered, or that was not."""
        now = self._clock.now()
        with self._engine.begin() as session:
            session.execute(delete(WorkingSizeRow).where(WorkingSizeRow.found_at < now - _FORGOTTEN_AFTER))
            put(session, WorkingSizeRow, {"account": account, "part": part}, {"size": size, "found_at": now})

    def forget(self, account: str, part: str) -> None:
        """Remove a size."""
        with self._engine.begin() as session:
            session.execute(delete(WorkingSizeRow).where((WorkingSizeRow.account == account) & (WorkingSizeRow.part == part)))


def forget_account(session: Session, account: str) -> None:
    """Remove all sizes of an account, which nobody has connected any more."""
    session.execute(delete(WorkingSizeRow).where(WorkingSizeRow.account == account))


class AccountSizes:
    """The working sizes of one account as they were read, and as they are noted from then on."""

    def __init__(self, store: WorkingSizes, account: str, noted: dict[str, WorkingSize]) -> None:
        self._store, self._account, self._noted = store, account, noted

    def current(self, part: str, full: int) -> int:
        """The size to request now, as :meth:`WorkingSizes.current` returns it."""
        noted = self._noted.get(part)
        return grown(noted.size, full, noted.age) if noted else full

    def noted(self, part: str) -> WorkingSize | None:
        """The size as it was noted; None if none is."""
        return self._noted.get(part)

    def note(self, part: str, size: int) -> None:
        """Remember a size."""
        self._store.note(self._account, part, size)
        self._noted[part] = WorkingSize(size=size, age=timedelta(0))

    def forget(self, part: str) -> None:
        """Remove a size; nothing is written where none is noted."""
        if self._noted.pop(part, None):
            self._store.forget(self._account, part)
