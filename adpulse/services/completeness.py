"""How complete a connection's days are, from everything that is known: reads, gaps, and the published totals."""

import logging

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.model import Connection
from adpulse.planner.completeness import Completeness, completeness
from adpulse.remainder import Remainder
from adpulse.services.reconciling import remainders

log = logging.getLogger(__name__)


def completeness_of(app: App, connection: Connection) -> list[Completeness]:
    """Each level of which something was read, with gaps and remainders; without these where nothing can be read of the published copy."""
    now, gaps = app.clock.now(), app.gaps(connection.id)
    return completeness(now, connection, app.partitions.ages(connection.id), gaps, _remainders(app, connection))


def _remainders(app: App, connection: Connection) -> list[Remainder]:
    published = app.published(connection.workspace_id)
    if not published.exists():
        return []
    try:
        return remainders(published, connection, app.clock.now())
    except AdpulseError as error:  # the days are known without the copy
        log.warning("connection %s is shown without its remainders: %s", connection.name, error)
        return []
