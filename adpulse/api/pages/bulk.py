"""All connections with a label at once, from the settings page."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from adpulse.api.access import Editor
from adpulse.api.bulk import Action, apply_action
from adpulse.api.fields import Line
from adpulse.api.pages.site import page
from adpulse.errors import NotFound
from storage.control.bulk import Choice

router = APIRouter()

ACTIONS = {Action.SYNC_NOW: "Sync now", Action.PAUSE: "Pause", Action.RESUME: "Resume"}
"""The actions besides setting a frequency, for which the form sends the frequency itself."""


@router.post("/workspaces/{workspace_id}/bulk")
def change(
    caller: Editor,
    workspace_id: str,
    label: Annotated[Line, Form()],
    action: Annotated[str, Form(max_length=64)],
) -> Response:
    """Apply the action to every connection of the workspace with the label; the answering page shows the outcome for each."""
    owner = caller.workspace(workspace_id)
    named = next((item for item in ACTIONS if item == action), Action.SET_FREQUENCY)
    results = apply_action(caller.app, Choice(workspace_id=owner.id, label=label), named, action)
    if not results:
        raise NotFound(f"No connection of {owner.name} has this label.")
    return page("bulk.html", caller, label=label, results=results, counts=Counter(item.outcome for item in results))
