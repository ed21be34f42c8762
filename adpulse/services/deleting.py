"""Deleting a connection with its data: told first, confirmed, and finished even by another process.

The intent is the connection's status ``deleting``, from which nothing leads back. What is left to do is done in an order in which
each step can be repeated: the warehouse and its copy, what was staged, and last the rows of the control plane, which hold the intent.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from adpulse.bootstrap import App
from adpulse.clock import utc_now
from adpulse.errors import Usage
from adpulse.model import Connection, ConnectionStatus
from adpulse.services.changing import erase_unused
from storage.control.listing import Wanted
from storage.warehouse.erasure import Contents

CONFIRMED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What would go, and the text that confirms it until ``ends_at`` (real time)."""

    connection: Connection
    contents: Contents
    confirmation: str
    ends_at: datetime


def propose(app: App, reference: str) -> Proposal:
    """What deleting a connection means; nothing is changed.

    Raises:
        UnknownConnection: there is none.
    """
    connection = app.connections.get(reference).connection
    contents = app.warehouse(connection.workspace_id).contents(connection.id)
    made = app.cipher.confirmation(_what(connection))
    return Proposal(connection=connection, contents=contents, confirmation=made, ends_at=utc_now() + CONFIRMED_WITHIN)


def confirm(app: App, connection: Connection, confirmation: str) -> None:
    """Begin the deletion: from now on the connection is not synced, and who works on it has lost its lease.

    Raises:
        Usage: the confirmation is another connection's, none of ours, or too old.
    """
    if not app.cipher.confirms(confirmation, _what(connection), round(CONFIRMED_WITHIN.total_seconds())):
        minutes = round(CONFIRMED_WITHIN.total_seconds() / 60)
        raise Usage(
            f"This confirmation is not for {connection.name}, or older than {minutes} minutes. Nothing was deleted; ask for another."
        )
    app.connections.disconnect(connection.id, "It is being deleted with its data.", ConnectionStatus.DELETING)
    erase_unused(app, connection)


def pending(app: App) -> list[Connection]:
    """Connections whose deletion was confirmed and is not finished."""
    return [view.connection for view in app.connections.page(Wanted(status=ConnectionStatus.DELETING), None)]


def finish(app: App, connection: Connection) -> None:
    """Delete all there is of a connection whose deletion was confirmed; again is harmless, also after a kill in the middle.

    Raises:
        AdpulseError, OSError: its warehouse or the copy cannot be written; nothing else was deleted, and it is still pending.
    """
    app.warehouse(connection.workspace_id).erase(connection.id)
    app.staging.sweep(app.runs.open_runs)
    app.connections.delete(connection.id)


def _what(connection: Connection) -> str:
    return f"delete {connection.id}"


def delete_workspace(app: App, workspace_id: str) -> None:
    """Delete a workspace without connections, and then its files, in which nothing is left.

    Raises:
        Conflict, WarehouseBusy: it has connections, or its file is in use; nothing was deleted.
    """
    app.warehouse(workspace_id).remove(forget=lambda: app.workspaces.delete(workspace_id))
    app.keys.forget()
