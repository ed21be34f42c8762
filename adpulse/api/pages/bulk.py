"""All connections with a label at once, from the settings page."""

from collections import Counter
from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from adpulse.api.access import Editor
from adpulse.api.fields import Line
from adpulse.api.pages.site import page
from adpulse.api.soon import ask_prefect
from adpulse.errors import NotFound
from storage.bulk import Bulk, Choice, Done

router = APIRouter()

ACTIONS: dict[str, tuple[str, Callable[[Bulk, Choice], list[Done]]]] = {
    "sync_now": ("Sync now", Bulk.sync_now),
    "pause": ("Pause", Bulk.pause),
    "resume": ("Resume", Bulk.resume),
}
"""What may be done to them besides choosing a frequency, which is an action by its own name."""


@router.post("/workspaces/{workspace_id}/bulk")
def change(
    caller: Editor,
    workspace_id: str,
    label: Annotated[Line, Form()],
    action: Annotated[str, Form(max_length=64)],
) -> Response:
    """Do it to every connection of the workspace that has the label; the page that answers tells what became of each."""
    owner = caller.workspace(workspace_id)
    choice, bulk = Choice(workspace_id=owner.id, label=label), caller.app.bulk
    done = ACTIONS[action][1](bulk, choice) if action in ACTIONS else bulk.set_frequency(choice, action)
    if not done:
        raise NotFound(f"No connection of {owner.name} has this label.")
    for provider in {each.provider for each in done if each.run_id}:
        ask_prefect(caller.app, provider)
    return page("bulk.html", caller, label=label, done=done, counts=Counter(each.outcome for each in done))
