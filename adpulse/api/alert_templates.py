"""Templates of alerts: a sentence and a query made of one, and on which days it would have begun. Nothing is created."""

from datetime import date
from http import HTTPStatus

from pydantic import BaseModel, Field

from adpulse.api import places, routing
from adpulse.api.access import Editor, Viewer
from adpulse.api.fields import Body, Text, WorkspaceId
from adpulse.api.problems import CLOSED, answers
from adpulse.services.alert_templates import TEMPLATES, back_test, fill

router = routing.router(
    "alerts",
    prefix="/workspaces/{workspace_id}/alert-templates",
    responses=CLOSED | answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND),
)


class TemplateOut(BaseModel):
    """A template. ``unit`` is that of its bound, null where it has none."""

    template: str = Field(examples=["daily-overspend"])
    title: str = Field(examples=["A day's spend is above a budget"])
    unit: str | None = Field(examples=["units of the account's currency"])


class TemplateIn(Body):
    """A template with its bound, of all accounts, those with a label, or one connection."""

    template: Text = Field(examples=["daily-overspend"])
    bound: Text = Field("", examples=["500"])
    label: Text = Field("", examples=["retail"])
    connection: Text = Field("", description="Id or name of a connection.", examples=[""])


class ToldDay(BaseModel):
    """A day on which the alert would have begun."""

    day: date = Field(examples=["2026-11-26"])
    accounts: str = Field(examples=["Harbor Outdoor"])


class PreviewOut(BaseModel):
    """An alert that is not created: ``name`` is the sentence that is sent; create it with its name and query."""

    name: str = Field(examples=["An account labelled retail spends more than 500 in a day"])
    query: str = Field(examples=["SELECT 1"])
    days: list[ToldDay] = Field(description="Days of the last 30, newest first.")


@router.get("", summary="List the templates of alerts")
def list_templates(caller: Viewer, workspace_id: WorkspaceId) -> list[TemplateOut]:
    """What alerts can be made of without SQL."""
    caller.workspace(workspace_id)
    return [TemplateOut(template=name, title=template.title, unit=template.unit) for name, template in TEMPLATES.items()]


@router.post(
    "/preview",
    summary="Try a template on what is stored",
    responses=answers(HTTPStatus.BAD_REQUEST, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE),
)
@places.ALERTS
def preview_template(caller: Editor, workspace_id: WorkspaceId, body: TemplateIn) -> PreviewOut:
    """The sentence, the query, and on which of the last 30 days the alert would have begun; ROAS and CPA are of settled days."""
    owner = caller.workspace(workspace_id).id
    filled = fill(caller.app.connections, owner, body.template, bound=body.bound, label=body.label, connection=body.connection)
    tested = back_test(caller.app.published(owner), filled)
    days = [ToldDay(day=date.fromisoformat(day), accounts=accounts) for day, accounts in tested.days]
    return PreviewOut(name=filled.name, query=filled.query, days=days)
