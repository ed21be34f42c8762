"""How complete a connection's days are, from everything that is known: reads, gaps, and the published totals."""

import logging
from datetime import datetime
from pathlib import Path

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.model import Connection
from adpulse.planner.completeness import Completeness, completeness
from adpulse.remainder import Remainder
from storage.warehouse.remainders import read_remainders

log = logging.getLogger(__name__)


def completeness_of(app: App, connection: Connection) -> list[Completeness]:
    """Each level of which something was read, with gaps and remainders; without these where nothing can be read of the published copy."""
    now, ages, gaps = app.clock.now(), app.partitions.ages(connection.id), app.gaps(connection.id)
    return completeness(now, connection, ages, gaps, _remainders(app.published(connection.workspace_id), connection, now))


def _remainders(published: Path, connection: Connection, now: datetime) -> list[Remainder]:
    if not published.exists():
        return []
    try:
        return read_remainders(published, connection, now)
    except AdpulseError as error:  # the days are known without the copy
        log.warning("connection %s is shown without its remainders: %s", connection.name, error)
        return []
