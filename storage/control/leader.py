"""Who may do a job of which the installation needs one at a time, however many workers it has."""

from datetime import timedelta

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from adpulse.clock import Clock
from adpulse.planner.windows import CLOCK_SLACK
from storage.control.database import Engine, reading
from storage.control.tables import LeaderRow

TERM = timedelta(seconds=90)
"""How long a leader that does not come back keeps the others out (real time)."""

SWEEP = "sweep"
"""The job of every worker; who leads it says with each pass that it lives."""


class Leadership:
    """One row a job."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def take(self, job: str, owner: str) -> bool:
        """Become the leader, or stay it, for the next term; False while someone else is."""
        now = self._wall.now()
        # A term longer than terms are was begun before the machine's clock was set back.
        vacant = or_(LeaderRow.owner == owner, LeaderRow.until < now, LeaderRow.until > now + TERM + CLOCK_SLACK)
        with self._engine.begin() as session:
            if session.execute(update(LeaderRow).where(LeaderRow.job == job, vacant).values(owner=owner, until=now + TERM)).rowcount:
                return True
        try:
            with self._engine.begin() as session:
                session.execute(insert(LeaderRow).values(job=job, owner=owner, until=now + TERM))
        except IntegrityError:
            return False
        return True

    def leader(self, job: str) -> str | None:
        """Who led last, whether or not the term is over."""
        with reading(self._engine).connect() as session:
            return session.scalar(select(LeaderRow.owner).where(LeaderRow.job == job))

    def seen(self, job: str) -> timedelta | None:
        """How long ago somebody led last, at least (real time): who gave up is past its term. None when nobody ever did."""
        with reading(self._engine).connect() as session:
            until = session.scalar(select(LeaderRow.until).where(LeaderRow.job == job))
        return None if until is None else max(self._wall.now() - (until - TERM), timedelta(0))

    def give_up(self, job: str, owner: str) -> None:
        """End this owner's term: the next one leads at once."""
        with self._engine.begin() as session:
            session.execute(update(LeaderRow).where(LeaderRow.job == job, LeaderRow.owner == owner).values(until=self._wall.now()))
