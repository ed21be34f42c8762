"""What is seldom changed about a connection: its name, labels and margin; and its end, with or without its data."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from adpulse.api.access import Editor
from adpulse.api.pages.site import ROOT, Name, back, page
from adpulse.api.soon import ask_prefect
from adpulse.model import ConnectionStatus
from adpulse.services import changing, deleting
from storage.control.labels import BETWEEN

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
    """Its name, labels between commas, and gross margin."""
    found = caller.connection(connection_id).connection
    wanted = [each for each in labels.split(BETWEEN) if each.strip()]
    changing.change_connection(caller.app, found, name=name, labels=wanted, gross_margin=gross_margin or None, ask=ask_prefect)
    return back(request, f"/connections/{found.id}")


@router.post("/connections/{connection_id}/disconnect")
def disconnect(request: Request, caller: Editor, connection_id: str) -> Response:
    """Stop syncing it for good; its data stay."""
    found = caller.connection(connection_id).connection
    changing.disconnect(caller.app, found.id)
    return back(request, f"/connections/{found.id}")


@router.post("/connections/{connection_id}/delete")
def delete(caller: Editor, connection_id: str, confirmation: Annotated[str, Form(max_length=1024)] = "") -> Response:
    """Tell what would go; with the text that confirms it, delete it with its data."""
    found = caller.connection(connection_id).connection
    if found.status is not ConnectionStatus.DELETING:
        if not confirmation:
            return page("delete.html", caller, proposal=deleting.propose(caller.app, found.id))
        deleting.confirm(caller.app, found, confirmation)
    return RedirectResponse(f"{ROOT}/connections", HTTPStatus.SEE_OTHER)
