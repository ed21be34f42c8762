"""Alerts from templates: a form for each, and the sentence and the back-test before one is added."""

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from adpulse.api import places
from adpulse.api.access import PRINTABLE, Editor
from adpulse.api.pages.site import page, target_of, workspace_of
from adpulse.services.alert_templates import TEMPLATES, back_test, fill

router = APIRouter()

_Text = Annotated[str, Form(max_length=255, pattern=PRINTABLE)]


@router.get("/alert-templates")
def templates(caller: Editor, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """A form for each template."""
    owner, app = workspace_of(caller, workspace), caller.app
    return page(
        "alert_templates.html",
        caller,
        owner=owner,
        workspaces=caller.workspaces(),
        templates=TEMPLATES,
        labels=app.labels.all(owner.id) if owner else [],
        connections=[view.connection for view in app.connections.all(owner.id)] if owner else [],
    )


@router.post("/workspaces/{workspace_id}/alert-templates/preview")
@places.ALERTS
def preview(caller: Editor, workspace_id: str, template: _Text, bound: _Text = "", target: _Text = "") -> Response:
    """The sentence that it sends and on which days it would have begun, with the button that adds it."""
    owner = caller.workspace(workspace_id)
    filled = fill(caller.app.connections, owner.id, template, bound=bound, **target_of(target))
    return page("alert_preview.html", caller, owner=owner, filled=filled, tested=back_test(caller.app.published(owner.id), filled))
