"""Leader election: which worker does a job that only one worker of the installation may do at a time."""

from datetime import timedelta

from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from adpulse.clock import Clock
from adpulse.planner.windows import CLOCK_SLACK
from storage.control.database import Engine, reading
from storage.control.tables import LeaderRow

TERM = timedelta(seconds=90)
"""How long a leader that stops renewing keeps its role (real time)."""

SWEEP = "sweep"
"""The sweep's job. Its leader renews the term with each pass, so the term also shows that a worker is alive."""


class Leadership:
    """The leaders, one row per job."""

    def __init__(self, engine: Engine, *, wall: Clock) -> None:
        self._engine = engine
        self._wall = wall

    def take(self, job: str, owner: str) -> bool:
        """Become or remain the leader for the next term; False while another worker leads."""
        now = self._wall.now()
        # A term that ends later than any term can was begun before the machine's clock was set back.
        vacant = or_(LeaderRow.owner == owner, LeaderRow.until < now, LeaderRow.until > now + TERM + CLOCK_SLACK)
        with self._engine.begin() as session:
            if session.execute(update(LeaderRow).where(LeaderRow.job == job, vacant).values(owner=owner, until=now + TERM)).rowcount:
                return True
        try:
            with self._engine.begin() as session:
                # No row was updated: another worker leads, or the job has no row yet. The primary key decides which.
                session.execute(insert(LeaderRow).values(job=job, owner=owner, until=now + TERM))
        except IntegrityError:
            return False
        return True

    def leader(self, job: str) -> str | None:
        """The latest leader, whether or not its term is over."""
        with reading(self._engine).connect() as session:
            return session.scalar(select(LeaderRow.owner).where(LeaderRow.job == job))

    def time_since_renewal(self, job: str) -> timedelta | None:
        """Real time since a leader last renewed its term; None if there never was one. A leader that resigned counts as past its term."""
        with reading(self._engine).connect() as session:
            until = session.scalar(select(LeaderRow.until).where(LeaderRow.job == job))
        return None if until is None else max(self._wall.now() - (until - TERM), timedelta(0))

    def resign(self, job: str, owner: str) -> None:
        """End this owner's term, so that another worker can lead at once."""
        with self._engine.begin() as session:
            session.execute(update(LeaderRow).where(LeaderRow.job == job, LeaderRow.owner == owner).values(until=self._wall.now()))
