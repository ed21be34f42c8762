"""Data alerts: named queries over a workspace's published copy. Editors manage them, viewers look."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import BaseModel, Field

from adpulse.api import places, routing
from adpulse.api.access import PRINTABLE, Caller, Editor, Viewer
from adpulse.api.fields import ID, At, Body, Ref, WorkspaceId, WorkspaceRef
from adpulse.api.problems import CLOSED, answers
from adpulse.services import alerting
from storage.control.alerts import Alert

router = routing.router(
    "alerts",
    prefix="/workspaces/{workspace_id}/alerts",
    responses=CLOSED | answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)

_ASKED = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Those that start the child process that asks, of which a workspace may have one at a time."""

AlertId = Annotated[str, Path(**ID)]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=PRINTABLE, examples=["spend over 500"])]
Query = Annotated[
    str,
    Field(
        min_length=1,
        max_length=10_000,
        pattern=PRINTABLE,
        examples=["SELECT connection, sum(spend) AS spend FROM daily WHERE date = current_date GROUP BY ALL HAVING sum(spend) > 500"],
        description="One SELECT over the published copy's views. Rows are what the alert is about; none is good.",
    ),
]


class AlertOut(BaseModel):
    """An alert, and how it is. ``last_error``: why it could not be asked."""

    id: Ref
    workspace_id: WorkspaceRef
    name: str = Field(examples=["spend over 500"])
    query: str = Field(examples=["SELECT 1"])
    enabled: bool
    created_at: At
    checked_at: At | None
    firing_since: At | None = Field(description="Since when it finds rows; null when it finds none.")
    last_error: str | None = Field(examples=["There is no column of this name."])


class AlertIn(Body):
    """What is to be watched."""

    name: Name
    query: Query


class AlertChange(Body):
    """What is not given stays."""

    name: Name | None = None
    query: Query | None = None
    enabled: bool | None = None


class Found(BaseModel):
    """The rows that it finds now, the first hundred; exact decimals are text."""

    columns: list[str] = Field(examples=[["connection", "spend"]])
    rows: list[list[Any]] = Field(examples=[[["Harbor Outdoor", "512.40"]]])
    truncated: bool


@router.get("", summary="List alerts")
def list_alerts(caller: Viewer, workspace_id: WorkspaceId) -> list[AlertOut]:
    """Those of the workspace, by name."""
    return [_out(each) for each in caller.app.alerts.every(caller.workspace(workspace_id).id)]


@router.post("", status_code=HTTPStatus.CREATED, summary="Make an alert", responses=_ASKED | answers(HTTPStatus.CONFLICT))
@places.ALERTS
def make_alert(caller: Editor, workspace_id: WorkspaceId, body: AlertIn) -> AlertOut:
    """It is asked soon, and then after each publish."""
    return _out(alerting.make_alert(caller.app, caller.workspace(workspace_id).id, body.name, body.query))


@router.patch("/{alert_id}", summary="Change an alert", responses=_ASKED | answers(HTTPStatus.CONFLICT))
@places.ALERTS
def change_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId, body: AlertChange) -> AlertOut:
    """Its name or query, or whether it is enabled."""
    found = _alert(caller, workspace_id, alert_id)
    return _out(alerting.change_alert(caller.app, found.id, name=body.name, query=body.query, enabled=body.enabled))


@router.delete("/{alert_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response, summary="Remove an alert")
def remove_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId) -> None:
    """Nobody is told of it any more."""
    caller.app.alerts.remove(_alert(caller, workspace_id, alert_id).id)


@router.post("/{alert_id}/run", summary="Ask an alert now", responses=_ASKED)
@places.ALERTS
def run_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId) -> Found:
    """The rows that it finds, or why it cannot be asked; nobody is told."""
    answer = caller.app.run_query(_alert(caller, workspace_id, alert_id))
    return Found(columns=list(answer.columns), rows=[list(row) for row in answer.rows], truncated=answer.truncated)


def _alert(caller: Caller, workspace_id: str, alert_id: str) -> Alert:
    return caller.app.alerts.get(alert_id, caller.workspace(workspace_id).id)


def _out(alert: Alert) -> AlertOut:
    return AlertOut(**{name: getattr(alert, name) for name in AlertOut.model_fields})
