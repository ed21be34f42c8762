"""Budgets of a workspace and the pace against them. Editors set them, viewers look."""

from http import HTTPStatus
from typing import Annotated

from fastapi import Path, Response
from pydantic import BaseModel, Field

from adpulse.api import routing
from adpulse.api.access import PRINTABLE, Editor, Viewer
from adpulse.api.fields import EXAMPLE_ID, ID, Amount, At, Body, Ref, Text, WorkspaceId, amount
from adpulse.api.problems import CLOSED, READS, answers
from adpulse.budgets import Pace, Period
from adpulse.services.budgeting import WrittenBudget, paces, set_budget

router = routing.router("budgets", prefix="/workspaces/{workspace_id}/budgets", responses=CLOSED | READS)

BudgetId = Annotated[str, Path(**ID, examples=[EXAMPLE_ID])]


class BudgetIn(Body):
    """A budget of a connection, of a campaign of it, or of all accounts with a label."""

    connection: Text = Field("", description="Id or name of a connection; of a campaign the one that has it.", examples=[""])
    campaign: Text = Field("", description="The platform's id of a campaign.", examples=[""])
    label: Text = Field("", examples=["retail"])
    currency: Text = Field("", description="Needed for a label whose accounts have several.", examples=["USD"])
    period: Period
    amount: Annotated[str, Field(max_length=32, pattern=PRINTABLE, description="In units of the currency.", examples=["1500.00"])]


class PaceOut(BaseModel):
    """A budget and what of it is spent; money in units of the currency."""

    id: Ref
    scope: str = Field(examples=["label"])
    connection_id: str | None = Field(examples=[None])
    campaign_id: str = Field(examples=[""])
    label: str = Field(examples=["retail"])
    name: str = Field(examples=["retail"])
    currency: str = Field(examples=["USD"])
    period: Period
    amount: Amount
    spent: Amount
    share: float = Field(description="Spent by amount.", examples=[0.62])
    elapsed: float = Field(description="The part of the period that had passed by then.", examples=[0.5])
    expected: Amount | None = Field(description="What the period ends at if it goes on evenly; null at its beginning.")
    fresh_until: At | None = Field(description="Of the account that was read first; null while nothing of today was read.")
    complete: bool = Field(description="Whether nothing that was requested of today is missing. The platform may still restate it.")


@router.get("", summary="List budgets and the pace against them")
def list_budgets(caller: Viewer, workspace_id: WorkspaceId) -> list[PaceOut]:
    """The workspace's budgets: of labels, connections and campaigns, and what of them is spent as of what was published last."""
    return [_out(pace) for pace in paces(caller.app, caller.workspace(workspace_id).id)]


@router.put("", summary="Set a budget", responses=answers(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN))
def put_budget(caller: Editor, workspace_id: WorkspaceId, body: BudgetIn) -> PaceOut:
    """One of the same target, currency and period takes the place of the one before."""
    owner = caller.workspace(workspace_id)
    stored = set_budget(caller.app, owner.id, WrittenBudget(**body.model_dump()))
    return next(_out(pace) for pace in paces(caller.app, owner.id) if pace.budget.id == stored.id)


@router.delete(
    "/{budget_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    summary="Remove a budget",
    responses=answers(HTTPStatus.FORBIDDEN),
)
def remove_budget(caller: Editor, workspace_id: WorkspaceId, budget_id: BudgetId) -> None:
    """Nothing is compared with it any more."""
    caller.app.budgets.remove(budget_id, caller.workspace(workspace_id).id)


def _out(pace: Pace) -> PaceOut:
    budget = pace.budget
    return PaceOut(
        id=budget.id,
        scope=budget.scope,
        connection_id=budget.connection_id,
        campaign_id=budget.campaign_id,
        label=budget.label,
        name=pace.name,
        currency=budget.currency,
        period=budget.period,
        amount=amount(budget.amount),
        spent=amount(pace.spent),
        share=float(pace.share),
        elapsed=float(pace.elapsed),
        expected=None if pace.expected is None else amount(pace.expected),
        fresh_until=pace.fresh_until,
        complete=pace.complete,
    )
