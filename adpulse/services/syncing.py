"""Requests syncs, and dispatches them to Prefect."""

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from adpulse import orchestrator
from adpulse.bootstrap import App
from adpulse.errors import Unavailable, Usage
from adpulse.model import Connection, Lane, Parts, Provider
from adpulse.platforms.registry import platform_of
from storage.control.connections import ConnectionView
from storage.control.runs import Runs, RunView
from storage.control.sync_requests import Ticket

log = logging.getLogger(__name__)


def dispatch(app: App, provider: Provider) -> None:
    """Create the Prefect run that serves a platform's queued requests; when Prefect is down, the worker's sweep tries again."""
    _dispatch(app, provider, Lane.ON_DEMAND)


def dispatch_background(app: App, provider: Provider) -> None:
    """The same of what waits in the background."""
    _dispatch(app, provider, Lane.BACKGROUND)


def _dispatch(app: App, provider: Provider, lane: Lane) -> None:
    orchestrator.use_running_server(app.settings)
    try:
        orchestrator.request_run(provider, lane, app.runs, app.wall.now())
        with suppress(OSError):  # then the worker's next poll finds it
            app.bell.touch()
    except Unavailable as error:
        log.warning("%s Queued syncs of %s start when the worker runs", error, platform_of(provider).label)


def request_waiting(app: App, provider: Provider, lane: Lane) -> None:
    """Request a flow run for what waits in a lane. What was requested through one that was cancelled in Prefect is withdrawn instead.

    Raises:
        Unavailable: Prefect does not answer.
    """
    if not app.leases.waiting(provider, lane):
        return
    cancelled = orchestrator.cancelled_at(provider, lane, app.runs)
    if cancelled and (withdrawn := app.leases.cancel_waiting(provider, lane, cancelled)):
        log.info("%s syncs were withdrawn, because the flow run that they waited for was cancelled", len(withdrawn))
        if not app.leases.waiting(provider, lane):
            return
    orchestrator.request_run(provider, lane, app.runs, app.wall.now())


Dispatch = Callable[[App, Provider], None]
"""How a queued request reaches Prefect: :func:`dispatch` does it at once, the HTTP API in the background."""


def request_all(app: App, provider: Provider, connections: Iterable[Connection], dispatcher: Dispatch) -> list[ConnectionView]:
    """Queue a sync of each connection, and dispatch once."""
    ids = [connection.id for connection in connections]
    for connection_id in ids:
        app.runs.request(connection_id)
    dispatcher(app, provider)
    return [app.connections.get(connection_id) for connection_id in ids]


def request_sync(app: App, reference: str, parts: Parts = Parts.BOTH, *, force: bool = False, dispatcher: Dispatch = dispatch) -> Ticket:
    """Queue a sync and dispatch it; returns at once, with the open run if there is one.

    The request is stored first: when Prefect is down it waits, and the worker's sweep dispatches it later.

    Raises:
        UnknownConnection: no such connection.
        Usage: the connection is not synced at present; the message says why.
    """
    connection = app.connections.get(reference).connection
    ticket = app.runs.request(connection.id, parts, force=force)
    dispatcher(app, connection.provider)
    return ticket


def cancel(app: App, reference: str) -> str:
    """Cancel the sync of a connection that waits or is under way; returns its run's id. What it has stored stays.

    Raises:
        UnknownConnection, Usage: there is no such connection, or it has no such sync.
    """
    connection = app.connections.get(reference).connection
    run_id = app.leases.cancel(connection.id)
    if run_id is None:
        raise Usage(f"{connection.name} has no sync that waits or is under way.")
    return run_id


def replay(app: App, letter: RunView, *, dispatcher: Dispatch = dispatch) -> Ticket:
    """Request the sync of a dead letter again, and mark the letter as resolved.

    Raises:
        Usage: its connection is not synced at present; the message says why.
    """
    ticket = request_sync(app, letter.connection_id, letter.parts, force=letter.force_refresh, dispatcher=dispatcher)
    app.runs.resolve(letter.id, f"replayed as {ticket.run_id}")
    return ticket


def dead_letter(runs: Runs, run_id: str) -> RunView:
    """An open dead letter, by its run id or a prefix of it.

    Raises:
        Usage: no letter or several letters match.
    """
    letters = [letter for letter in runs.dead_letters() if letter.id.startswith(run_id)]
    if len(letters) != 1:
        problem = "Several dead letters begin" if letters else "There is no open dead letter that begins"
        raise Usage(f"{problem} with '{run_id}'. See them with: adpulse dead-letters list")
    return letters[0]
