"""Reading a connection's history: what it takes, the confirmation, and stopping it."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from adpulse import presentation
from adpulse.api.access import Editor
from adpulse.api.background import dispatch_background_later
from adpulse.api.pages.site import back, page
from adpulse.services import backfilling

router = APIRouter()


@router.post("/connections/{connection_id}/backfill")
def begin(
    request: Request, caller: Editor, connection_id: str, since: Annotated[date, Form()], confirmed: Annotated[str, Form(max_length=8)] = ""
) -> Response:
    """Show what reading the history takes; once it is confirmed, begin."""
    connection = caller.connection(connection_id).connection
    if not confirmed:
        estimate = backfilling.propose(caller.app, connection, since)
        return page("backfill.html", caller, connection=connection, estimate=estimate, words=presentation.describe_estimate(estimate))
    backfilling.begin(caller.app, connection, since, dispatcher=dispatch_background_later)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/backfill/stop")
def stop(request: Request, caller: Editor, connection_id: str) -> Response:
    """Read no more of it."""
    connection = caller.connection(connection_id).connection
    backfilling.stop(caller.app.backfills, connection)
    return back(request, f"/connections/{connection.id}")
