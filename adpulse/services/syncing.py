"""Asks for syncs, and sees to it that Prefect hears of them."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from adpulse import orchestrator
from adpulse.bootstrap import App
from adpulse.errors import Unavailable, Usage
from adpulse.model import Connection, Lane, Parts, Provider
from adpulse.platforms.registry import platform_of
from storage.control.connections import ConnectionView
from storage.control.runs import RunView
from storage.control.sync_requests import Ticket

log = logging.getLogger(__name__)


def dispatch(app: App, provider: Provider) -> None:
    """Ask Prefect for the run that serves what is queued for a platform; when it is down, the worker's sweep asks again."""
    orchestrator.use_running_server(app.settings)
    try:
        orchestrator.request_run(provider, Lane.ON_DEMAND, app.runs)
        with suppress(OSError):  # then the worker's next poll finds it
            app.bell.touch()
    except Unavailable as error:
        log.warning("%s What is queued for %s starts when the worker runs", error, platform_of(provider).label)


Ask = Callable[[App, Provider], None]
"""How Prefect is asked for what was queued: at once, or by somebody who need not be waited for."""


def request_all(app: App, provider: Provider, connections: Iterable[Connection], ask: Ask) -> list[ConnectionView]:
    """Queue a sync of each, and ask Prefect once."""
    ids = [each.id for each in connections]
    for each in ids:
        app.runs.request(each)
    ask(app, provider)
    return [app.connections.get(each) for each in ids]


def request_sync(app: App, reference: str, parts: Parts = Parts.BOTH, *, force: bool = False, ask: Ask = dispatch) -> Ticket:
    """Queue a sync and ask Prefect for a run; returns at once, with the open run if there is one.

    The request is stored first: when Prefect is down it waits, and the worker's sweep asks again.

    Raises:
        UnknownConnection: no such connection.
        Usage: the connection is not synced at all at present; the message says why.
    """
    connection = app.connections.get(reference).connection
    ticket = app.runs.request(connection.id, parts, force=force)
    ask(app, connection.provider)
    return ticket


def replay(app: App, letter: RunView, *, ask: Ask = dispatch) -> Ticket:
    """Ask again for the sync of a dead letter, and mark the letter as dealt with.

    Raises:
        Usage: its connection is not synced at present; the message says why.
    """
    ticket = request_sync(app, letter.connection_id, letter.parts, force=letter.force_refresh, ask=ask)
    app.runs.resolve(letter.id, f"replayed as {ticket.run_id}")
    return ticket


def dead_letter(app: App, run_id: str) -> RunView:
    """A dead letter that nobody has dealt with, by its run id or the beginning of it.

    Raises:
        Usage: there is none, or several begin so.
    """
    found = [letter for letter in app.runs.dead_letters() if letter.id.startswith(run_id)]
    if len(found) != 1:
        what = "Several dead letters begin" if found else "There is no open dead letter that begins"
        raise Usage(f"{what} with '{run_id}'. See them with: adpulse dead-letters list")
    return found[0]
