"""The alerts page: data alerts, which are queries that run after each publication, and the webhooks that are notified."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response

from adpulse.api import places
from adpulse.api.access import PRINTABLE, Editor, Viewer
from adpulse.api.pages.site import Name, back, page, workspace_of
from adpulse.events import SUBSCRIBABLE, TROUBLE
from adpulse.mail_server import NOT_SET
from adpulse.services import alerting
from storage.control.formats import MAIL, Format

router = APIRouter()


@router.get("/alerts")
def overview(caller: Viewer, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """A workspace's data alerts and webhooks, by name."""
    owner, app = workspace_of(caller, workspace), caller.app
    return page(
        "alerts.html",
        caller,
        owner=owner,
        workspaces=caller.workspaces(),
        alerts=app.alerts.all(owner.id) if owner else [],
        webhooks=app.webhooks.all(owner.id) if owner else [],
        events=SUBSCRIBABLE,
        formats=[form for form in Format if not form.is_mail],
        mail_formats=MAIL,
        no_mail=None if app.mail_server else NOT_SET,
        trouble=TROUBLE,
    )


@router.post("/workspaces/{workspace_id}/alerts")
@places.ALERTS
def create(
    request: Request,
    caller: Editor,
    workspace_id: str,
    name: Name,
    query: Annotated[str, Form(min_length=1, max_length=10_000, pattern=PRINTABLE)],
) -> Response:
    """Create an alert; its query runs within seconds."""
    owner = caller.workspace(workspace_id)
    alerting.create_alert(caller.app.alerts, caller.app.published(owner.id), owner.id, name, query)
    return back(request, f"/alerts?workspace={owner.id}")


@router.post("/workspaces/{workspace_id}/alerts/{alert_id}/run")
@places.ALERTS
def run(caller: Editor, workspace_id: str, alert_id: str) -> Response:
    """Run its query and show the rows; webhooks are not notified."""
    alert = caller.alert(workspace_id, alert_id)
    return page("alert.html", caller, alert=alert, answer=caller.app.run_query(alert))


@router.post("/workspaces/{workspace_id}/alerts/{alert_id}/enabled")
def enable(request: Request, caller: Editor, workspace_id: str, alert_id: str, enabled: Annotated[bool, Form()]) -> Response:
    """Enable or disable an alert."""
    alert = caller.alert(workspace_id, alert_id)
    caller.app.alerts.change(alert.id, enabled=enabled)
    return back(request, f"/alerts?workspace={alert.workspace_id}")


@router.post("/workspaces/{workspace_id}/alerts/{alert_id}/remove")
def remove(request: Request, caller: Editor, workspace_id: str, alert_id: str) -> Response:
    """Remove an alert."""
    alert = caller.alert(workspace_id, alert_id)
    caller.app.alerts.remove(alert.id)
    return back(request, f"/alerts?workspace={alert.workspace_id}")
