"""Data alerts: named queries over a workspace's published copy. Editors manage them, viewers look."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field

from adpulse.api.access import PRINTABLE, Caller, Editor, Viewer, WorkspaceId
from adpulse.api.problems import answers
from storage.alerts import Alert

router = APIRouter(
    prefix="/workspaces/{workspace_id}/alerts",
    tags=["alerts"],
    responses=answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)

AlertId = Annotated[str, Path(max_length=255)]
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

    id: str
    workspace_id: str
    name: str
    query: str
    enabled: bool
    created_at: datetime
    checked_at: datetime | None
    firing_since: datetime | None = Field(description="Since when it finds rows; null when it finds none.")
    last_error: str | None


class AlertIn(BaseModel):
    """What is to be watched."""

    name: Name
    query: Query


class AlertChange(BaseModel):
    """What is not given stays."""

    name: Name | None = None
    query: Query | None = None
    enabled: bool | None = None


class Found(BaseModel):
    """The rows that it finds now, the first hundred; exact decimals are text."""

    columns: list[str]
    rows: list[list[Any]]
    truncated: bool


@router.get("", summary="List alerts")
def list_alerts(caller: Viewer, workspace_id: WorkspaceId) -> list[AlertOut]:
    """Those of the workspace, by name."""
    return [_out(each) for each in caller.app.alerts.every(caller.workspace(workspace_id).id)]


@router.post("", status_code=HTTPStatus.CREATED, summary="Make an alert", responses=answers(HTTPStatus.BAD_REQUEST, HTTPStatus.CONFLICT))
def make_alert(caller: Editor, workspace_id: WorkspaceId, body: AlertIn) -> AlertOut:
    """It is asked soon, and then after each publish."""
    return _out(caller.app.alerts.create(caller.workspace(workspace_id).id, body.name, body.query))


@router.patch("/{alert_id}", summary="Change an alert", responses=answers(HTTPStatus.CONFLICT))
def change_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId, body: AlertChange) -> AlertOut:
    """Its name or query, or whether it is enabled."""
    found = _alert(caller, workspace_id, alert_id)
    return _out(caller.app.alerts.change(found.id, name=body.name, query=body.query, enabled=body.enabled))


@router.delete("/{alert_id}", status_code=HTTPStatus.NO_CONTENT, summary="Remove an alert")
def remove_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId) -> None:
    """Nobody is told of it any more."""
    caller.app.alerts.remove(_alert(caller, workspace_id, alert_id).id)


@router.post(
    "/{alert_id}/run",
    summary="Ask an alert now",
    responses=answers(HTTPStatus.BAD_REQUEST, HTTPStatus.SERVICE_UNAVAILABLE),
)
def run_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId) -> Found:
    """The rows that it finds, or why it cannot be asked; nobody is told."""
    answer = caller.app.ask(_alert(caller, workspace_id, alert_id))
    return Found(columns=list(answer.columns), rows=[list(row) for row in answer.rows], truncated=answer.truncated)


def _alert(caller: Caller, workspace_id: str, alert_id: str) -> Alert:
    return caller.app.alerts.get(alert_id, caller.workspace(workspace_id).id)


def _out(alert: Alert) -> AlertOut:
    return AlertOut(**{name: getattr(alert, name) for name in AlertOut.model_fields})
