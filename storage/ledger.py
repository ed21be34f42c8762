"""The call ledger: an exact sliding hour per account. A slot is taken before each platform call. Steps: plan, fetch."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, insert, literal, select, text, update

from adpulse.clock import Clock
from adpulse.errors import RateLimited
from adpulse.model import Heat
from adpulse.planner.budget import LEAVES_AFTER, WINDOW
from storage.control import CallRow, Engine, Session, reading

_KEPT = timedelta(hours=2)


class Ledger:
    """Counts calls per key (``provider:account``); the window is business time, so it follows a stepped clock.

    A call at t counts until t + 1 h inclusive: no closed interval of 60 minutes ever holds more than the limit.
    """

    def __init__(self, engine: Engine, clock: Clock, limit: int = 180) -> None:
        self._engine = engine
        self._clock = clock
        self._limit = limit

    def take(self, key: str, scope: str, heat: Heat) -> None:
        """Take a slot, or refuse: check and insert are one statement. ``scope`` is what the platform counts the call together with.

        Raises:
            RateLimited: the hour is full; ``retry_after`` is when its oldest call leaves. ``code`` is None: it is our own limit.
        """
        told = self._clock.now()  # before the lock: a sandbox's clock is a call away
        with self._engine.begin() as session:
            now = self._now(session, key, told)
            used = select(func.count()).where(CallRow.key == key, CallRow.at >= now - WINDOW).scalar_subquery()
            values = select(literal(key), literal(scope), literal(now, CallRow.at.type), literal(heat.value)).where(used < self._limit)
            take = insert(CallRow).from_select(["key", "scope", "at", "heat"], values).returning(CallRow.id)
            taken = session.scalar(take) is not None  # not rowcount: on PostgreSQL it is -1 here, whatever was inserted
            oldest = None if taken else session.scalar(select(func.min(CallRow.at)).where(CallRow.key == key, CallRow.at >= now - WINDOW))
        if not taken:
            wait = (oldest + LEAVES_AFTER - now).total_seconds() if oldest else 1.0
            raise RateLimited(
                f"The {self._limit} calls an hour for {key} are used up; the next slot frees in {wait:.0f} s.", retry_after=wait
            )

    @staticmethod
    def _now(session: Session, key: str, now: datetime) -> datetime:
        """Business time, settled while no one else can take a slot of this key; never before the newest call."""
        if session.dialect.name == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key})
        # Calls that the clock, set back since, puts into the future: they were made, so they count for the hour to come.
        session.execute(update(CallRow).where(CallRow.key == key, CallRow.at > now + WINDOW).values(at=now))
        newest = session.scalar(select(func.max(CallRow.at)).where(CallRow.key == key, CallRow.at <= now + WINDOW))
        return max(now, newest) if newest else now

    def calls(self, key: str) -> tuple[tuple[datetime, Heat], ...]:
        """The calls that count now, oldest first."""
        query = select(CallRow.at, CallRow.heat).where(CallRow.key == key, CallRow.at >= self._clock.now() - WINDOW).order_by(CallRow.at)
        with reading(self._engine).connect() as session:
            return tuple((row.at, Heat(row.heat)) for row in session.execute(query))

    def prune(self) -> int:
        """Drop calls that no window can reach any more; returns how many."""
        oldest = self._clock.now() - _KEPT
        with self._engine.begin() as session:
            return session.execute(delete(CallRow).where(CallRow.at < oldest)).rowcount
