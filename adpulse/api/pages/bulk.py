"""All connections with a label at once, from the settings page."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from adpulse.api.access import Editor
from adpulse.api.bulk import Action, act
from adpulse.api.fields import Line
from adpulse.api.pages.site import page
from adpulse.errors import NotFound
from storage.control.bulk import Choice

router = APIRouter()

ACTIONS = {Action.SYNC_NOW: "Sync now", Action.PAUSE: "Pause", Action.RESUME: "Resume"}
"""What may be done to them besides choosing a frequency, which a form names by itself."""


@router.post("/workspaces/{workspace_id}/bulk")
def change(
    caller: Editor,
    workspace_id: str,
    label: Annotated[Line, Form()],
    action: Annotated[str, Form(max_length=64)],
) -> Response:
    """Do it to every connection of the workspace that has the label; the page that answers tells what became of each."""
    owner = caller.workspace(workspace_id)
    named = next((each for each in ACTIONS if each == action), Action.SET_FREQUENCY)
    done = act(caller.app, Choice(workspace_id=owner.id, label=label), named, action)
    if not done:
        raise NotFound(f"No connection of {owner.name} has this label.")
    return page("bulk.html", caller, label=label, done=done, counts=Counter(each.outcome for each in done))
