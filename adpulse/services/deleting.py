"""Deleting a connection with its data: proposed, confirmed, and finished, if necessary by another process.

The intent is the connection's status ``deleting``, which is never reversed. The steps that follow can each be repeated, in this
order: the warehouse and its copy, staged answers, and last the rows of the control plane, which hold the intent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adpulse.bootstrap import App
from adpulse.errors import Usage
from adpulse.model import Connection, ConnectionStatus
from adpulse.services.changing import erase_unused
from storage.control.connections import Connections
from storage.control.listing import Criteria
from storage.warehouse.erasure import Contents

CONFIRMED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would be deleted, and the text that confirms it until ``ends_at`` (real time)."""

    connection: Connection
    contents: Contents
    confirmation: str
    ends_at: datetime


def propose(app: App, reference: str) -> Proposal:
    """What deleting a connection would delete; nothing is changed.

    Raises:
        UnknownConnection: there is no such connection.
    """
    connection = app.connections.get(reference).connection
    contents = app.warehouse(connection.workspace_id).contents(connection.id)
    now = app.wall.now()
    confirmation = app.cipher.confirmation(_confirmed_text(connection), now)
    return Proposal(connection=connection, contents=contents, confirmation=confirmation, ends_at=now + CONFIRMED_WITHIN)


def confirm(app: App, connection: Connection, confirmation: str) -> None:
    """Begin the deletion: from now on the connection is not synced, and a sync under way has lost its lease.

    Raises:
        Usage: the confirmation is another connection's, forged, or too old.
    """
    if not app.cipher.confirms(confirmation, _confirmed_text(connection), app.wall.now(), CONFIRMED_WITHIN):
        minutes = round(CONFIRMED_WITHIN.total_seconds() / 60)
        raise Usage(
            f"This confirmation is not for {connection.name}, or older than {minutes} minutes. Nothing was deleted; ask for another."
        )
    app.connections.disconnect(connection.id, "It is being deleted with its data.", ConnectionStatus.DELETING)
    erase_unused(app, connection)


def pending(connections: Connections) -> list[Connection]:
    """Connections whose deletion was confirmed but not finished."""
    return [view.connection for view in connections.page(Criteria(status=ConnectionStatus.DELETING), None)]


def finish(app: App, connection: Connection) -> None:
    """Delete all data of a connection whose deletion was confirmed. Repeating it is harmless, also after a kill in the middle.

    Raises:
        AdpulseError, OSError: its warehouse or the copy cannot be written; nothing else was deleted, and it is still pending.
    """
    app.warehouse(connection.workspace_id).erase(connection.id)
    app.staging.sweep(app.runs.open_runs)
    app.connections.delete(connection.id)


def _confirmed_text(connection: Connection) -> str:
    return f"delete {connection.id}"


def delete_workspace(app: App, workspace_id: str) -> None:
    """Delete a workspace without connections, and its files.

    Raises:
        Conflict, WarehouseBusy: it has connections, or its file is in use; nothing was deleted.
    """
    app.warehouse(workspace_id).remove(forget=lambda: app.workspaces.delete(workspace_id))
    app.keys.forget()
