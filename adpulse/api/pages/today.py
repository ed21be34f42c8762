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
from adpulse.services.reporting_day import ReportingDay, reporting_day
from adpulse.services.today import CurrencyDay, today_of
from storage.control.workspaces import Workspace

router = APIRouter()


@router.get("/today")
def today(request: Request, caller: Viewer, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """Today of one workspace, from what was published last."""
    owner = workspace_of(caller, workspace)
    days, total, problem = _days(caller.app, owner) if owner else ([], None, "")
    now = caller.app.clock.now()
    return page(
        "today.html",
        caller,
        owner=owner,
        workspaces=caller.workspaces(),
        connected=owner is not None and bool(days or caller.app.connections.all(owner.id)),  # an account of today is connected
        problem=problem,
        total=total,
        paces=paces(caller.app, owner.id, days) if owner and days else [],
        days=[(day, day_chart(day, now)) for day in days],
        now=now,
        size=(WIDTH, HEIGHT),
        names=list(NAMES.values()),
        query=request.url.query,
    )


def _days(app: App, owner: Workspace) -> tuple[list[CurrencyDay], ReportingDay | None, str]:
    """Today, and all of it in the reporting currency, or the reason why it is not known: the first page after login is no error page."""
    try:
        days = today_of(app, owner.id)
        return days, reporting_day(app, owner, days), ""
    except AdpulseError as error:
        return [], None, str(error)
