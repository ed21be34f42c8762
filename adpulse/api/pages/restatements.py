"""The page Restatements of an account: how late its conversions come, and what the platform changed lately of days that were complete."""

from fastapi import APIRouter
from fastapi.responses import Response

from adpulse.api.access import Viewer
from adpulse.api.pages.lag_chart import HEIGHT, WIDTH, lag_chart
from adpulse.api.pages.site import ROOT, page
from storage.warehouse.restated_days import read_restatements

router = APIRouter()

_CAMPAIGNS = 200


@router.get("/accounts/{connection_id}/restatements")
def restatements(caller: Viewer, connection_id: str) -> Response:
    """The account's restatements of the last week, from what was published last."""
    connection = caller.connection(connection_id).connection
    today = connection.today(caller.app.clock.now())
    stored = read_restatements(caller.app.published(connection.workspace_id), connection.id, today)
    return page(
        "restatements.html",
        caller,
        connection=connection,
        stored=stored,
        campaigns=stored.campaigns[:_CAMPAIGNS],
        more=max(len(stored.campaigns) - _CAMPAIGNS, 0),
        chart=lag_chart(stored.lags),
        size=(WIDTH, HEIGHT),
        place=f"{ROOT}/accounts/{connection.id}",
    )
