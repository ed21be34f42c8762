"""How complete a connection's days are, from everything that is known: reads, gaps, and the published totals."""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.model import Connection
from adpulse.planner.completeness import Completeness, UnknownConversions, completeness
from adpulse.remainder import Remainder
from storage.warehouse.remainders import read_remainders
from storage.warehouse.unknown_conversions import read_unknown_conversions

log = logging.getLogger(__name__)


def completeness_of(app: App, connection: Connection) -> list[Completeness]:
    """Each level of which something was read, with gaps, remainders and what is unknown.

    The last two are in the published copy; without them where it cannot be read.
    """
    now, ages, gaps = app.clock.now(), app.partitions.ages(connection.id), app.gaps(connection.id)
    return completeness(now, connection, ages, gaps, *_published(app.published(connection.workspace_id), connection, now))


def _published(published: Path, connection: Connection, now: datetime) -> tuple[Sequence[Remainder], Sequence[UnknownConversions]]:
    if not published.exists():
        return (), ()
    try:
        # By the platform's default all conversions are known.
        unknown = read_unknown_conversions(published, connection.id) if connection.mapping_since else ()
        return read_remainders(published, connection, now), unknown
    except AdpulseError as error:  # the days are known without the copy
        log.warning("connection %s is shown without its remainders: %s", connection.name, error)
        return (), ()
