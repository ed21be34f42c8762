"""Changes of a connection that are rare: its name, labels, margin and limit, disconnecting it, and deleting it with its data."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from adpulse.api.access import Editor, Operator
from adpulse.api.background import dispatch_later
from adpulse.api.pages.site import ROOT, Name, back, page
from adpulse.model import ConnectionStatus
from adpulse.services import changing, deleting
from storage.control.labels import SEPARATOR

router = APIRouter()


@router.post("/connections/{connection_id}/edit")
def edit(
    request: Request,
    caller: Editor,
    connection_id: str,
    name: Name,
    labels: Annotated[str, Form(max_length=4096)] = "",
    gross_margin: Annotated[str | None, Form(max_length=32)] = None,
) -> Response:
    """Change its name, its labels (comma-separated) and its gross margin."""
    connection = caller.connection(connection_id).connection
    new_labels = [label for label in labels.split(SEPARATOR) if label.strip()]
    changing.change_connection(
        caller.app, connection, name=name, labels=new_labels, gross_margin=gross_margin or None, dispatcher=dispatch_later
    )
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/limit")
def limit(request: Request, caller: Operator, connection_id: str, calls_per_hour: Annotated[str, Form(max_length=32)] = "") -> Response:
    """Change how often its account may be called in any hour; empty is the installation's limit."""
    connection = caller.connection(connection_id).connection
    caller.app.account_limits.set_calls_per_hour(connection, changing.parse_calls_per_hour(calls_per_hour))
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/disconnect")
def disconnect(request: Request, caller: Editor, connection_id: str) -> Response:
    """Stop syncing it for good; its data stay."""
    connection = caller.connection(connection_id).connection
    changing.disconnect(caller.app, connection.id)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/delete")
def delete(caller: Editor, connection_id: str, confirmation: Annotated[str, Form(max_length=1024)] = "") -> Response:
    """Show what would be deleted; with the text that confirms it, delete the connection with its data."""
    connection = caller.connection(connection_id).connection
    if connection.status is not ConnectionStatus.DELETING:
        if not confirmation:
            return page("delete.html", caller, proposal=deleting.propose(caller.app, connection.id))
        deleting.confirm(caller.app, connection, confirmation)
    return RedirectResponse(f"{ROOT}/connections", HTTPStatus.SEE_OTHER)
