"""What counts as a connection's conversions: stored with it, and what follows when a person chooses another mapping. Step: plan."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from adpulse import mapping as mappings
from adpulse.clock import Clock
from adpulse.mapping import ConversionMapping
from adpulse.model import Connection
from adpulse.planner.lookback import lookback_since
from adpulse.platforms.registry import platform_of
from storage.control.database import Engine, lock
from storage.control.partitions import read_again
from storage.control.tables import ConnectionRow


class Mappings:
    """The mappings of this installation's connections."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def choose(self, connection: Connection, mapping: ConversionMapping) -> None:
        """Store another mapping, and make the days due that the platform may still restate; older ones stay as they were counted.

        A connection that was deleted meanwhile is ignored.
        """
        now = self._clock.now()
        text = mappings.to_text(mapping, platform_of(connection.provider).mapping)
        with self._engine.begin() as session:
            if lock(session, ConnectionRow.id == connection.id):
                chosen = update(ConnectionRow).where(ConnectionRow.id == connection.id)
                session.execute(chosen.values(mapping=text, mapping_since=now))
                read_again(session, connection.id, lookback_since(now, connection))


def mapping_of(values: Mapping[str, Any]) -> ConversionMapping | None:
    """The mapping of a connection's row; None where nobody chose one."""
    return mappings.from_text(values["mapping"], platform_of(values["provider"]).mapping) if values["mapping"] else None
