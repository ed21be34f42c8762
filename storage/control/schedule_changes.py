"""Schedules that somebody paused or changed in Prefect, as the leading sweep found them last.

Ticks that they leave out are not made up for.
"""

from collections.abc import Mapping

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Mapped, mapped_column

from storage.control.database import Engine, reading
from storage.control.tables import Base


class ScheduleChangeRow(Base):
    """A deployment, as ``meta-5min``, and a sentence about what somebody made of its schedule."""

    __tablename__ = "schedule_change"
    deployment: Mapped[str] = mapped_column(primary_key=True)
    sentence: Mapped[str]


class ScheduleChanges:
    """What operators made of schedules, for pages and commands, which do not ask Prefect themselves."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def store(self, sentences: Mapping[str, str]) -> None:
        """Replace what was known; ``sentences`` are by deployment."""
        if self._all() == sentences:
            return
        with self._engine.begin() as session:
            session.execute(delete(ScheduleChangeRow))
            if sentences:
                rows = [{"deployment": name, "sentence": sentence} for name, sentence in sentences.items()]
                session.execute(insert(ScheduleChangeRow), rows)

    def sentences(self) -> list[str]:
        """A sentence for each schedule that somebody changed."""
        return [sentence for _, sentence in sorted(self._all().items())]

    def _all(self) -> dict[str, str]:
        with reading(self._engine).connect() as session:
            return {row.deployment: row.sentence for row in session.execute(select(ScheduleChangeRow.__table__))}
