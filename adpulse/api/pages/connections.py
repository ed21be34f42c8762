"""The settings page: every connection with its telemetry, and what may be changed about it."""

from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, Field

from adpulse import presentation
from adpulse.api import cursors
from adpulse.api.access import PRINTABLE, Caller, Editor, Viewer
from adpulse.api.fields import ProviderName
from adpulse.api.pages.bulk import ACTIONS
from adpulse.api.pages.days import strips
from adpulse.api.pages.row import Row, choices
from adpulse.api.pages.site import ROOT, back, page
from adpulse.api.soon import ask_prefect
from adpulse.clock import utc_now
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus
from adpulse.platforms.registry import PLATFORMS
from adpulse.services import changing, syncing
from storage.control.connections import ConnectionView
from storage.control.listing import Order, Wanted
from storage.control.workspaces import Workspace

_AT_ONCE = 50
_BUSY = "Adpulse-Busy"
"""Answer header: something runs, so look again soon."""

router = APIRouter()


@router.get("/")
def first(_: Viewer) -> Response:
    """Where everybody begins."""
    return RedirectResponse(f"{ROOT}/connections")


class Filters(BaseModel):
    """What the page's address asks for; empty is any."""

    workspace: str = Field("", max_length=255)
    provider: ProviderName | Literal[""] = ""
    status: ConnectionStatus | Literal[""] = ""
    frequency: Frequency | Literal[""] = ""
    label: str = Field("", max_length=255, pattern=PRINTABLE)
    q: str = Field("", max_length=255, pattern=PRINTABLE)
    cursor: str = Field("", max_length=2048)

    def wanted(self, caller: Caller) -> Wanted:
        """The connections that the caller sees of these."""
        return Wanted(
            workspace_id=caller.workspace_id or self.workspace or None,
            provider=self.provider or None,
            status=self.status or None,
            frequency=self.frequency or None,
            label=self.label or None,
            search=self.q.strip() or None,
        )


@router.get("/connections")
def settings(request: Request, caller: Viewer, chosen: Annotated[Filters, Query()]) -> Response:
    """Every connection, by name."""
    wanted = chosen.wanted(caller)
    after = cursors.decode(chosen.cursor, Order.NAME) if chosen.cursor else None
    found = caller.app.connections.page(wanted, _AT_ONCE + 1, Order.NAME, after)
    rows, workspaces = rows_of(caller, found[:_AT_ONCE]), caller.workspaces()
    more = cursors.encode(found[_AT_ONCE - 1], Order.NAME) if len(found) > _AT_ONCE else ""
    answer = page(
        "connections.html",
        caller,
        rows=rows,
        granted=_granted(workspaces),
        place=_bulk_place(wanted, workspaces),
        workspaces={each.id: each.name for each in workspaces},
        chosen=chosen,
        filtered=chosen != Filters(),
        labels=caller.app.labels.every(wanted.workspace_id),
        actions=ACTIONS,
        more=str(request.url.include_query_params(cursor=more).query) if more else "",
        query=request.url.query,
        providers=list(PLATFORMS),
        statuses=list(ConnectionStatus),
        frequencies=list(Frequency),
        choices=choices,
    )
    return _told_if_busy(answer, rows)


@router.get("/connections/{connection_id}")
def one(caller: Viewer, connection_id: str) -> Response:
    """One connection with its syncs."""
    view = caller.connection(connection_id)
    rows, owner = rows_of(caller, [view]), caller.workspace(view.connection.workspace_id)
    answer = page(
        "connection.html",
        caller,
        row=rows[0],
        granted=_granted([owner]),
        choices=choices,
        runs=caller.app.runs.history(view.connection.id),
        strips=strips(caller.app.clock.now(), view.connection, caller.app.partitions.ages(view.connection.id)),
        workspace=owner.name,
        margin=presentation.format_percent(view.connection.gross_margin),
    )
    return _told_if_busy(answer, rows)


@router.post("/connections/{connection_id}/sync-now")
def sync_now(request: Request, caller: Editor, connection_id: str) -> Response:
    """Queue a sync; Prefect is asked meanwhile."""
    found = caller.connection(connection_id).connection
    syncing.request_sync(caller.app, found.id, ask=ask_prefect)
    return back(request, f"/connections/{found.id}")


@router.post("/connections/{connection_id}/frequency")
def change_frequency(request: Request, caller: Editor, connection_id: str, sync_frequency: Annotated[str, Form()]) -> Response:
    """The next sync follows it."""
    found = caller.connection(connection_id).connection
    caller.app.connections.set_frequency(found.id, sync_frequency)
    return back(request, f"/connections/{found.id}")


@router.post("/connections/{connection_id}/pause")
def pause(request: Request, caller: Editor, connection_id: str) -> Response:
    """Stop syncing until it is resumed."""
    found = caller.connection(connection_id).connection
    changing.pause(caller.app, found.id)
    return back(request, f"/connections/{found.id}")


@router.post("/connections/{connection_id}/resume")
def resume(request: Request, caller: Editor, connection_id: str) -> Response:
    """Sync it again."""
    found = caller.connection(connection_id).connection
    changing.resume(caller.app, found.id, ask=ask_prefect)
    return back(request, f"/connections/{found.id}")


def rows_of(caller: Caller, views: Sequence[ConnectionView]) -> list[Row]:
    """The rows of these connections."""
    app, connections = caller.app, [view.connection for view in views]
    glances, cadences = app.overview.glances(connections), app.cadences(connections)
    now, real_now = app.clock.now(), utc_now()
    return [
        Row(
            view=view,
            glance=glances[view.connection.id],
            cadence=cadences[view.connection.id],
            now=now,
            real_now=real_now,
            calls_limit=app.settings.calls_per_hour,
        )
        for view in views
    ]


def _granted(workspaces: Sequence[Workspace]) -> set[str]:
    return {each.id for each in workspaces if each.realtime_granted}


def _bulk_place(wanted: Wanted, workspaces: Sequence[Workspace]) -> str:
    """The id of the one workspace that the list is of; empty if it is of several. Never what an address says, which anybody wrote."""
    listed = [each.id for each in workspaces if wanted.workspace_id in (None, each.id)]
    return listed[0] if len(listed) == 1 else ""


def _told_if_busy(answer: Response, rows: list[Row]) -> Response:
    answer.headers[_BUSY] = "1" if any(row.busy or row.first_sync for row in rows) else "0"
    return answer
