"""What is stored of the limits of an account's calls: the access of a connection's app, and a limit that an operator sets. Step: plan."""

from typing import Any

from sqlalchemy import update

from adpulse.clock import Clock
from adpulse.frequency import Frequency
from adpulse.model import Connection
from storage.control.database import Engine, lock
from storage.control.tables import ConnectionRow


class AccountLimits:
    """Changes the limits of this installation's connections; the ledger applies the lowest of an account's."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def set_full_access(self, scope: str, *, full_access: bool) -> None:
        """Store whether the app of a scope has full access to its platform."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.scope == scope)
            session.execute(update(ConnectionRow).where(ConnectionRow.scope == scope).values(full_access=full_access))

    def set_calls_per_hour(self, connection: Connection, calls: int | None) -> None:
        """Change the limit of its account's calls in any hour, None to the installation's; what more calls allow for is due at once."""
        changed: dict[str, Any] = {"calls_per_hour": calls, "paced_seconds": None}
        if connection.frequency is not Frequency.MANUAL:
            changed["next_due_at"] = self._clock.now()
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection.id).values(**changed))
