"""The page Budgets: what accounts, labels and campaigns may spend, and the pace against it."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from adpulse.api.access import PRINTABLE, Editor, Viewer
from adpulse.api.pages.site import back, page, target_of, workspace_of
from adpulse.budgets import Period
from adpulse.services.budgeting import WrittenBudget, export_budgets, paces, set_budget

router = APIRouter()


class BudgetForm(BaseModel):
    """A budget as the form sends it; ``target`` is ``label:`` and the label, or ``connection:`` and the id."""

    target: str = Field(max_length=300, pattern=PRINTABLE)
    campaign: str = Field("", max_length=64, pattern=PRINTABLE)
    currency: str = Field("", max_length=8, pattern=PRINTABLE)
    period: str = Field(max_length=16)
    amount: str = Field(max_length=32, pattern=PRINTABLE)

    @property
    def written(self) -> WrittenBudget:
        """As the service takes it."""
        return WrittenBudget(
            **target_of(self.target), campaign=self.campaign, currency=self.currency, period=self.period, amount=self.amount
        )


@router.get("/budgets")
def budgets(caller: Viewer, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """A workspace's budgets with the pace of each."""
    owner, app = workspace_of(caller, workspace), caller.app
    return page(
        "budgets.html",
        caller,
        owner=owner,
        workspaces=caller.workspaces(),
        paces=paces(app, owner.id) if owner else [],
        labels=app.labels.all(owner.id) if owner else [],
        connections=[view.connection for view in app.connections.all(owner.id)] if owner else [],
        periods=list(Period),
        now=app.clock.now(),
    )


@router.get("/workspaces/{workspace_id}/budgets.csv")
def download(caller: Viewer, workspace_id: str) -> Response:
    """The budgets as ``adpulse budgets import`` reads them."""
    owner = caller.workspace(workspace_id)
    headers = {"Content-Disposition": 'attachment; filename="budgets.csv"'}
    return Response(export_budgets(caller.app.budgets.all(owner.id)), headers=headers, media_type="text/csv; charset=utf-8")


@router.post("/workspaces/{workspace_id}/budgets")
def put(request: Request, caller: Editor, workspace_id: str, form: Annotated[BudgetForm, Form()]) -> Response:
    """Set a budget; one of the same target and period is replaced."""
    owner = caller.workspace(workspace_id)
    set_budget(caller.app, owner.id, form.written)
    return back(request, f"/budgets?workspace={owner.id}")


@router.post("/workspaces/{workspace_id}/budgets/{budget_id}/remove")
def remove(request: Request, caller: Editor, workspace_id: str, budget_id: str) -> Response:
    """Remove a budget."""
    owner = caller.workspace(workspace_id)
    caller.app.budgets.remove(budget_id, owner.id)
    return back(request, f"/budgets?workspace={owner.id}")
