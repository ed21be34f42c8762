"""The page Today: what was spent so far in each currency, against earlier days, and what the day is expected to end at."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from adpulse.api.access import Viewer
from adpulse.api.pages.chart import HEIGHT, NAMES, WIDTH, day_chart
from adpulse.api.pages.site import page, workspace_of
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.services.budgeting import paces
from adpulse.services.today import CurrencyDay, today_of

router = APIRouter()


@router.get("/today")
def today(request: Request, caller: Viewer, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """Today of one workspace, from what was published last."""
    owner = workspace_of(caller, workspace)
    days, problem = _days(caller.app, owner.id) if owner else ([], "")
    now = caller.app.clock.now()
    return page(
        "today.html",
        caller,
        owner=owner,
        workspaces=caller.workspaces(),
        connected=owner is not None and bool(caller.app.connections.all(owner.id)),
        problem=problem,
        paces=paces(caller.app, owner.id, days) if owner and days else [],
        days=[(day, day_chart(day, now)) for day in days],
        now=now,
        size=(WIDTH, HEIGHT),
        names=list(NAMES.values()),
        query=request.url.query,
    )


def _days(app: App, workspace_id: str) -> tuple[list[CurrencyDay], str]:
    """Today, or the reason why it is not known: the first page after login is no error page."""
    try:
        return today_of(app, workspace_id), ""
    except AdpulseError as error:
        return [], str(error)
