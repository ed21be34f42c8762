"""Changes a connection: name, labels, margin, and whether it is synced."""

from collections.abc import Iterable
from decimal import Decimal

from adpulse.bootstrap import App
from adpulse.errors import Usage
from adpulse.metrics import parse_margin
from adpulse.model import RESUMABLE, WITHOUT_CREDENTIAL, Connection, ConnectionStatus
from adpulse.services.syncing import Dispatch, dispatch, request_sync
from adpulse.settings import MOST_CALLS_PER_HOUR
from storage.control.connections import PAUSED, Connections, ConnectionView
from storage.control.labels import check
from storage.control.sync_requests import Ticket


def set_margin(app: App, reference: str, gross_margin: Decimal, *, dispatcher: Dispatch = dispatch) -> Ticket | None:
    """Change a connection's gross margin and request the sync that computes all of its stored profits again.

    A sync under way loses its lease and starts again with the new margin. Returns None while the connection is not synced: its next
    sync applies the margin.

    Raises:
        UnknownConnection: no such connection.
    """
    connection = app.connections.set_margin(reference, gross_margin).connection
    app.leases.release(app.runs.leases_of_connection(connection.id))
    return request_sync(app, connection.id, dispatcher=dispatcher) if connection.status is ConnectionStatus.ACTIVE else None


def change_connection(
    app: App,
    connection: Connection,
    *,
    name: str | None = None,
    labels: Iterable[str] | None = None,
    gross_margin: str | None = None,
    dispatcher: Dispatch = dispatch,
) -> None:
    """Change the given fields, after all of them were checked; a new margin requests the sync that applies it to stored profits.

    Raises:
        Usage: a label or the margin is invalid; nothing was changed.
    """
    new_labels = check(labels) if labels is not None else None
    margin = parse_margin(gross_margin) if gross_margin is not None else None
    if name is not None:
        app.connections.rename(connection.id, name)
    if new_labels is not None:
        app.labels.change(connection.id, lambda _: new_labels)
    if margin is not None and margin != connection.gross_margin:
        set_margin(app, connection.id, margin, dispatcher=dispatcher)


def parse_calls_per_hour(value: str) -> int | None:
    """The limit of an account's calls in any hour that a person wrote; None for ``default`` or nothing, which is the installation's.

    Raises:
        Usage: it is no whole number within the allowed range.
    """
    if value.strip().lower() in ("", "default"):
        return None
    if not value.strip().isdecimal() or not 1 <= int(value.strip()[:9]) <= MOST_CALLS_PER_HOUR:
        raise Usage(
            f"'{value[:60]}' is no number of calls an hour. Use 1 to {MOST_CALLS_PER_HOUR:,}, or default for the installation's limit."
        )
    return int(value)


def pause(connections: Connections, reference: str) -> ConnectionView:
    """Stop syncing a connection until it is resumed; a sync under way ends by itself, queued ones wait.

    Raises:
        UnknownConnection, Usage: there is no such connection, or it is not synced at present; the message says why.
    """
    connection = connections.get(reference).connection
    if connection.status not in (ConnectionStatus.ACTIVE, ConnectionStatus.PAUSED):
        raise Usage(f"{connection.name} is not synced at present ({connection.status}); there is nothing to pause.")
    connections.set_status(connection.id, ConnectionStatus.PAUSED, PAUSED)
    return connections.get(connection.id)


def resume(app: App, reference: str, dispatcher: Dispatch = dispatch) -> Ticket:
    """Sync a connection again after a pause, or after its problem at the platform was solved, and request a sync at once.

    Raises:
        UnknownConnection, Usage: there is no such connection, or resuming cannot help; the message says what does.
    """
    view = app.connections.get(reference)
    connection = view.connection
    if connection.status in WITHOUT_CREDENTIAL:
        raise Usage(f"{connection.name} needs a fresh token. Run: adpulse reconnect {connection.id}")
    if connection.status is ConnectionStatus.CURRENCY_CHANGED:
        raise Usage(view.status_reason or f"{connection.name} reports in another currency now. Connect it as a new connection.")
    if connection.status in RESUMABLE:
        app.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
    return request_sync(app, connection.id, dispatcher=dispatcher)


def disconnect(app: App, reference: str) -> ConnectionView:
    """Stop syncing a connection for good; its data stay, its token is erased unless another connection uses it.

    Raises:
        UnknownConnection, Usage: there is no such connection, or it is being deleted.
    """
    connection = app.connections.get(reference).connection
    if connection.status is ConnectionStatus.DELETING:
        raise being_deleted(connection)
    app.connections.disconnect(connection.id, "Disconnected; its data stay. Connect it again with: adpulse reconnect")
    erase_unused(app, connection)
    return app.connections.get(connection.id)


def being_deleted(connection: Connection) -> Usage:
    """The error for a change to a connection that is being deleted."""
    return Usage(f"{connection.name} is being deleted. Afterwards its account can be connected again.")


def erase_unused(app: App, connection: Connection) -> None:
    """Erase the secret of a connection's credential unless another connection that may be synced again uses it."""
    over = (ConnectionStatus.DISCONNECTED, ConnectionStatus.DELETING)
    used = {view.connection.credential_id for view in app.connections.all(connection.workspace_id) if view.connection.status not in over}
    if connection.credential_id not in used:
        app.credentials.erase(connection.credential_id)
