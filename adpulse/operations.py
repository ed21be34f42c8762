"""What a person can ask of an installation, by command line or by HTTP: connect, sync, pause, mend, disconnect."""

import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal

from pydantic import SecretStr

from adpulse import frequency, orchestrator
from adpulse.bootstrap import App
from adpulse.discovery import discover
from adpulse.errors import Conflict, Unavailable, Usage
from adpulse.metrics import parse_margin
from adpulse.model import RESUMABLE, WITHOUT_CREDENTIAL, AccountFacts, Connection, ConnectionStatus, Lane, Parts, Provider
from adpulse.planner.windows import lookback_since
from adpulse.platforms.registry import platform_of
from adpulse.reached import Reached
from storage.control.alerts import Alert
from storage.control.connections import PAUSED, ConnectionView
from storage.control.labels import check
from storage.control.runs import RunView
from storage.control.sync_requests import Ticket
from storage.warehouse import alert_query
from storage.warehouse.damage import Holdings, Restored

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


def connect(  # noqa: PLR0913 - what makes connections
    app: App,
    workspace: str,
    provider: Provider,
    secret: SecretStr,
    chosen: Reached,
    sync_frequency: str,
    *,
    ask: Ask = dispatch,
) -> list[ConnectionView]:
    """Store the credential once, connect the accounts chosen of those it reaches, and ask for their first sync.

    Everything is checked before anything is written. An account that is connected with another currency is not synced there any
    more; its history stays as it is.

    Raises:
        FrequencyRefused, Conflict, Usage: and nothing was stored.
    """
    owner = app.workspaces.get(workspace)
    accounts, margin = chosen.accounts, app.settings.gross_margin
    connected = require_connectable(app, owner.id, provider, accounts, sync_frequency)
    credential = app.credentials.store(owner.id, provider, secret, chosen.expires_at)
    made = [
        app.connections.create(
            owner.id, provider, account, credential_id=credential, scope=chosen.scope, frequency=sync_frequency, gross_margin=margin
        )
        for account in accounts
    ]
    currencies = {account.external_id: account.currency for account in accounts}
    for old in connected:
        if old.external_id in currencies and old.status is not ConnectionStatus.DISCONNECTED:
            app.connections.set_status(old.id, ConnectionStatus.CURRENCY_CHANGED, old.now_in(currencies[old.external_id]))
    return _synced(app, provider, [view.connection for view in made], ask)


def require_connectable(
    app: App, workspace: str, provider: Provider, accounts: Sequence[AccountFacts], sync_frequency: str
) -> list[Connection]:
    """Make sure that all of these accounts can be connected; the platform's connections that the workspace has.

    Raises:
        FrequencyRefused, Conflict, Usage: says which cannot, and why.
    """
    owner = app.workspaces.get(workspace)
    frequency.parse(sync_frequency, realtime_granted=owner.realtime_granted)
    connected = [view.connection for view in app.connections.every(owner.id) if view.connection.provider == provider]
    taken = {(each.external_id, each.currency): each for each in connected}
    for account in accounts:
        if old := taken.get((account.external_id, account.currency)):
            state = "still being deleted" if old.status is ConnectionStatus.DELETING else "connected already"
            raise Conflict(f"Account {account.external_id} is {state} as '{old.name}' in {owner.name}.")
        if account.manager:
            message = f"{account.name} ({account.external_id}) is a manager account, which has no numbers of its own. Connect its clients."
            raise Usage(message)
        if not account.enabled:
            raise Usage(
                f"{account.name} ({account.external_id}) is {account.status} at {platform_of(provider).label}. It cannot be synced."
            )
    return connected


def _synced(app: App, provider: Provider, connections: Iterable[Connection], ask: Ask) -> list[ConnectionView]:
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


def set_margin(app: App, reference: str, gross_margin: Decimal, *, ask: Ask = dispatch) -> Ticket | None:
    """Change a connection's gross margin and ask for the sync that brings all of its stored profits to it.

    Whoever syncs it now begins again, with the new margin. None while the connection is not synced at all: its next sync does it.

    Raises:
        UnknownConnection: no such connection.
    """
    connection = app.connections.set_margin(reference, gross_margin).connection
    app.leases.release(app.runs.worked_on(connection.id))
    return request_sync(app, connection.id, ask=ask) if connection.status is ConnectionStatus.ACTIVE else None


def change_connection(
    app: App,
    connection: Connection,
    *,
    name: str | None = None,
    labels: Iterable[str] | None = None,
    gross_margin: str | None = None,
    ask: Ask = dispatch,
) -> None:
    """Change what is given, once all of it was checked; a new margin asks for the sync that brings stored profits to it.

    Raises:
        Usage: a label or the margin is none; nothing was changed.
    """
    wanted = check(labels) if labels is not None else None
    margin = parse_margin(gross_margin) if gross_margin is not None else None
    if name is not None:
        app.connections.rename(connection.id, name)
    if wanted is not None:
        app.labels.change(connection.id, lambda _: wanted)
    if margin is not None and margin != connection.gross_margin:
        set_margin(app, connection.id, margin, ask=ask)


def pause(app: App, reference: str) -> ConnectionView:
    """Stop syncing a connection until it is resumed; a sync under way ends by itself, queued ones wait.

    Raises:
        UnknownConnection, Usage: there is none, or it is not synced at present anyway; the message says why.
    """
    connection = app.connections.get(reference).connection
    if connection.status not in (ConnectionStatus.ACTIVE, ConnectionStatus.PAUSED):
        raise Usage(f"{connection.name} is not synced at present ({connection.status}); there is nothing to pause.")
    app.connections.set_status(connection.id, ConnectionStatus.PAUSED, PAUSED)
    return app.connections.get(connection.id)


def resume(app: App, reference: str, ask: Ask = dispatch) -> Ticket:
    """Sync a connection again that was paused, or whose cause at the platform was mended, and ask for a sync at once.

    Raises:
        UnknownConnection, Usage: there is none, or resuming cannot help; the message says what does.
    """
    view = app.connections.get(reference)
    connection = view.connection
    if connection.status in WITHOUT_CREDENTIAL:
        raise Usage(f"{connection.name} needs a fresh token. Run: adpulse reconnect {connection.id}")
    if connection.status is ConnectionStatus.CURRENCY_CHANGED:
        raise Usage(view.status_reason or f"{connection.name} reports in another currency now. Connect it as a new connection.")
    if connection.status in RESUMABLE:
        app.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
    return request_sync(app, connection.id, ask=ask)


def reconnect(
    app: App,
    reference: str,
    secret: SecretStr,
    reached: Reached | None = None,
    *,
    ask: Ask = dispatch,
) -> list[ConnectionView]:
    """Give a connection, and every other that shared its credential and that the new one reaches, a fresh one; sync them at once.

    ``reached`` is what the credential reaches, if that was asked already.

    Raises:
        AuthExpired, AccountRefused, RateLimited, Unavailable: the credential was not accepted, nothing was changed.
        UnknownConnection, Usage: there is none, or the credential does not reach its account.
    """
    named = app.connections.get(reference).connection
    if reached is None:
        require_reached(named, None)  # before the platform is asked
        reached = discover(app, named.provider, secret)
    require_reached(named, reached.accounts)
    accounts = {account.external_id: account for account in reached.accounts}
    stopped = (ConnectionStatus.ACTIVE, ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.NEEDS_PERMISSION)
    together = [
        view.connection for view in app.connections.every(named.workspace_id) if view.connection.credential_id == named.credential_id
    ]
    mended = [each for each in together if each.id == named.id or (each.status in stopped and each.external_id in accounts)]
    credential = app.credentials.store(named.workspace_id, named.provider, secret, reached.expires_at)
    app.connections.use_credential({each.id: accounts[each.external_id] for each in mended}, credential, reached.scope)
    erase_unused(app, named)
    return _synced(app, named.provider, mended, ask)


def require_reached(connection: Connection, accounts: Sequence[AccountFacts] | None) -> None:
    """Make sure that a credential which reaches these accounts can serve the connection; None: it is not known yet what it reaches.

    Raises:
        Usage: it cannot; says why.
    """
    if connection.status is ConnectionStatus.CURRENCY_CHANGED:
        raise Usage(f"{connection.name} reports in another currency now. Connect it as a new connection; its history stays here.")
    if connection.status is ConnectionStatus.DELETING:
        raise _is_being_deleted(connection)
    if accounts is not None and connection.external_id not in {each.external_id for each in accounts}:
        raise Usage(f"This token does not reach {connection.name} ({connection.external_id}). Nothing was changed.")


def disconnect(app: App, reference: str) -> ConnectionView:
    """Stop syncing a connection for good; its data stay, its token is erased unless another connection uses it.

    Raises:
        UnknownConnection, Usage: there is none, or it is being deleted.
    """
    connection = app.connections.get(reference).connection
    if connection.status is ConnectionStatus.DELETING:
        raise _is_being_deleted(connection)
    app.connections.disconnect(connection.id, "Disconnected; its data stay. Connect it again with: adpulse reconnect")
    erase_unused(app, connection)
    return app.connections.get(connection.id)


def _is_being_deleted(connection: Connection) -> Usage:
    return Usage(f"{connection.name} is being deleted. Once it is gone, its account can be connected anew.")


def erase_unused(app: App, connection: Connection) -> None:
    """Forget the secret of a connection's credential unless a connection that may be synced again has it, too."""
    over = (ConnectionStatus.DISCONNECTED, ConnectionStatus.DELETING)
    used = {view.connection.credential_id for view in app.connections.every(connection.workspace_id) if view.connection.status not in over}
    if connection.credential_id not in used:
        app.credentials.erase(connection.credential_id)


def delete_workspace(app: App, workspace_id: str) -> None:
    """Delete a workspace without connections, and then its files, in which nothing is left.

    Raises:
        Conflict, WarehouseBusy: it has connections, or its file is in use; nothing was deleted.
    """
    app.warehouse(workspace_id).remove(forget=lambda: app.workspaces.delete(workspace_id))
    app.keys.forget()


def restore(app: App, reference: str | None, *, force: bool = False) -> Restored:
    """Put the published copy in the place of a workspace's damaged warehouse, and sync again what the copy does not hold.

    The damaged file is kept under another name. Syncs under way lose their leases first, so that none of them notes as read
    what went with the file. ``reference`` is the workspace's id or name, None for the only one; ``force`` does it also when the
    file is sound, and when the copy is damaged, too: then everything is read again.

    Raises:
        Usage: no such workspace, the file is not damaged, or the copy is; nothing was changed.
        WarehouseBusy: somebody has the file open.
    """
    workspace = app.workspaces.named(reference)
    connections = [view.connection for view in app.connections.every(workspace.id)]

    def forget(holdings: Holdings | None) -> None:
        app.leases.release(app.runs.held_in(workspace.id))
        for each in connections:
            held_until = holdings.get(each.id) if holdings else None
            since = lookback_since(app.clock.now(), each) if held_until else None
            app.partitions.forget(each.id, since, held_until)

    restored = app.warehouse(workspace.id).restore(forget, force=force)
    for each in connections:
        if each.status is ConnectionStatus.ACTIVE:
            request_sync(app, each.id)
    return restored


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


def make_alert(app: App, workspace_id: str, name: str, query: str) -> Alert:
    """A new data alert, after its query was looked at; the worker asks it soon.

    Raises:
        Usage: the query is not one SELECT, or calls a function that an alert may not call; or the workspace has too many alerts.
        Conflict: the workspace has an alert of this name.
        Unavailable: the query could not be looked at.
    """
    alert_query.check(query)
    return app.alerts.create(workspace_id, name, query)


def change_alert(app: App, alert_id: str, *, name: str | None = None, query: str | None = None, enabled: bool | None = None) -> Alert:
    """Change what is given; a new query is looked at first.

    Raises:
        Usage: the query is not one SELECT, or calls a function that an alert may not call.
        NotFound, Conflict: there is no such alert, or the name is taken.
        Unavailable: the query could not be looked at.
    """
    if query is not None:
        alert_query.check(query)
    return app.alerts.change(alert_id, name=name, query=query, enabled=enabled)
