"""Data alerts: named queries over a workspace's published copy. Editors manage them, viewers look."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Path, Response
from pydantic import BaseModel, Field

from adpulse.api import places, routing
from adpulse.api.access import PRINTABLE, Editor, Viewer
from adpulse.api.fields import ID, At, Body, Ref, WorkspaceId, WorkspaceRef
from adpulse.api.problems import CLOSED, answers
from adpulse.services import alerting
from storage.control.alerts import Alert

router = routing.router(
    "alerts",
    prefix="/workspaces/{workspace_id}/alerts",
    responses=CLOSED | answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)

_RUNS_QUERY = answers(HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
"""Errors of routes that run a query in a child process; a workspace may run one at a time."""

AlertId = Annotated[str, Path(**ID)]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=PRINTABLE, examples=["spend over 500"])]
Query = Annotated[
    str,
    Field(
        min_length=1,
        max_length=10_000,
        pattern=PRINTABLE,
        examples=["SELECT connection, sum(spend) AS spend FROM daily WHERE date = current_date GROUP BY ALL HAVING sum(spend) > 500"],
        description="One SELECT over the published copy's views. The alert fires while the query returns rows.",
    ),
]


class AlertOut(BaseModel):
    """An alert and its state. ``last_error``: why its query could not be run."""

    id: Ref
    workspace_id: WorkspaceRef
    name: str = Field(examples=["spend over 500"])
    query: str = Field(examples=["SELECT 1"])
    enabled: bool
    created_at: At
    checked_at: At | None
    firing_since: At | None = Field(description="Since when its query returns rows; null when it returns none.")
    last_error: str | None = Field(examples=["There is no column of this name."])


class AlertIn(Body):
    """A new alert."""

    name: Name
    query: Query


class AlertChange(Body):
    """The fields to change; fields that are left out stay."""

    name: Name | None = None
    query: Query | None = None
    enabled: bool | None = None


class AlertRows(BaseModel):
    """The rows that the query returns now, the first hundred; exact decimals are text."""

    columns: list[str] = Field(examples=[["connection", "spend"]])
    rows: list[list[Any]] = Field(examples=[[["Harbor Outdoor", "512.40"]]])
    truncated: bool


@router.get("", summary="List alerts")
def list_alerts(caller: Viewer, workspace_id: WorkspaceId) -> list[AlertOut]:
    """The alerts of the workspace, by name."""
    return [_out(alert) for alert in caller.app.alerts.all(caller.workspace(workspace_id).id)]


@router.post("", status_code=HTTPStatus.CREATED, summary="Create an alert", responses=_RUNS_QUERY | answers(HTTPStatus.CONFLICT))
@places.ALERTS
def make_alert(caller: Editor, workspace_id: WorkspaceId, body: AlertIn) -> AlertOut:
    """Its query runs within seconds, and then after each publication."""
    owner, app = caller.workspace(workspace_id).id, caller.app
    return _out(alerting.create_alert(app.alerts, app.published(owner), owner, body.name, body.query))


@router.patch("/{alert_id}", summary="Change an alert", responses=_RUNS_QUERY | answers(HTTPStatus.CONFLICT))
@places.ALERTS
def change_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId, body: AlertChange) -> AlertOut:
    """Change its name or query, or whether it is enabled."""
    alert = caller.alert(workspace_id, alert_id)
    return _out(
        alerting.change_alert(
            caller.app.alerts, caller.app.published(alert.workspace_id), alert.id, name=body.name, query=body.query, enabled=body.enabled
        )
    )


@router.delete("/{alert_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response, summary="Remove an alert")
def remove_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId) -> None:
    """Webhooks are not notified of it any more."""
    caller.app.alerts.remove(caller.alert(workspace_id, alert_id).id)


@router.post("/{alert_id}/run", summary="Run an alert's query now", responses=_RUNS_QUERY)
@places.ALERTS
def run_alert(caller: Editor, workspace_id: WorkspaceId, alert_id: AlertId) -> AlertRows:
    """The rows that it returns, or why it cannot run; webhooks are not notified."""
    answer = caller.app.run_query(caller.alert(workspace_id, alert_id))
    return AlertRows(columns=list(answer.columns), rows=[list(row) for row in answer.rows], truncated=answer.truncated)


def _out(alert: Alert) -> AlertOut:
    return AlertOut(**{name: getattr(alert, name) for name in AlertOut.model_fields})
