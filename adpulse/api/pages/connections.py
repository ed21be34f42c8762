"""The settings page: every connection with its telemetry, and what may be changed about it."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from adpulse import mapping_table, presentation
from adpulse.api.access import Caller, Editor, Viewer
from adpulse.api.background import dispatch_later
from adpulse.api.pages.bulk import ACTIONS
from adpulse.api.pages.connection_list import ORDERS, Filters, read_page
from adpulse.api.pages.days import strips
from adpulse.api.pages.row import Row, choices
from adpulse.api.pages.site import HOME, back, page
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.role import Role
from adpulse.services import backfilling, changing, syncing
from adpulse.services.completeness import completeness_of
from adpulse.services.frequency_choices import cadences_of_choices
from storage.control.connections import ConnectionView
from storage.control.listing import Criteria
from storage.control.workspaces import Workspace

_REMAINDERS = 20
_BUSY = "Adpulse-Busy"
"""Answer header that makes the script refresh sooner, because a sync is running."""

router = APIRouter()


@router.get("/")
def redirect_home(_: Viewer) -> Response:
    """Redirect to the first page."""
    return RedirectResponse(HOME)


@router.get("/connections")
def settings(caller: Viewer, chosen: Annotated[Filters, Query()]) -> Response:
    """A page of the connections that match, in the chosen order."""
    criteria, app = chosen.criteria(caller), caller.app
    listed = read_page(app, criteria, chosen)
    rows, workspaces = rows_of(caller, listed.views, frequencies=tuple(Frequency)), caller.workspaces()
    answer = page(
        "connections.html",
        caller,
        rows=rows,
        listed=listed,
        granted=_granted(workspaces),
        place=_bulk_workspace(criteria, workspaces),
        workspaces={workspace.id: workspace.name for workspace in workspaces},
        chosen=chosen,
        orders=ORDERS,
        labels=app.labels.all(criteria.workspace_id),
        actions=ACTIONS,
        now=app.clock.now(),
        providers=list(PLATFORMS),
        statuses=list(ConnectionStatus),
        frequencies=list(Frequency),
        choices=choices,
    )
    return _with_busy_header(answer, rows)


@router.get("/connections/{connection_id}")
def show_connection(caller: Viewer, connection_id: str) -> Response:
    """One connection with its syncs."""
    view = caller.connection(connection_id)
    rows, owner = rows_of(caller, [view], frequencies=tuple(Frequency)), caller.workspace(view.connection.workspace_id)
    levels, progress = completeness_of(caller.app, view.connection), backfilling.progress(caller.app, view.connection)
    of_levels = (remainder for level in levels for remainder in level.remainders)
    kept = caller.app.conversion_types.of(view.connection.id)
    beyond = sorted(of_levels, key=lambda remainder: (remainder.unexplained, remainder.day), reverse=True)
    answer = page(
        "connection.html",
        caller,
        row=rows[0],
        granted=_granted([owner]),
        choices=choices,
        runs=caller.app.runs.history(view.connection.id),
        strips=strips(levels),
        backfill=progress,
        backfill_words=presentation.describe_backfill(progress) if progress else "",
        remainder_columns=presentation.REMAINDER_COLUMNS,
        remainders=[presentation.remainder_cells(remainder) for remainder in beyond[:_REMAINDERS]],
        more_remainders=max(len(beyond) - _REMAINDERS, 0),
        workspace=owner.name,
        margin=presentation.format_percent(view.connection.gross_margin),
        mapping=presentation.describe_mapping(view.connection),
        mapping_fields=presentation.mapping_fields(view.connection),
        mapping_lines=presentation.mapping_lines(view.connection),
        type_columns=mapping_table.COLUMNS,
        type_rows=mapping_table.rows(mapping_table.counted(view.connection, kept)) if kept else [],
        type_days=mapping_table.describe_days(kept) if kept else "",
        types_withheld=mapping_table.WITHHELD if kept and kept.types.withheld else "",
        presets=list(platform_of(view.connection.provider).mapping.presets),
        attributions=platform_of(view.connection.provider).mapping.attribution.words,
        clicks=[clicks.value for clicks in platform_of(view.connection.provider).mapping.clicks],
    )
    return _with_busy_header(answer, rows)


@router.post("/connections/{connection_id}/sync-now")
def sync_now(request: Request, caller: Editor, connection_id: str) -> Response:
    """Queue a sync and dispatch it in the background."""
    connection = caller.connection(connection_id).connection
    syncing.request_sync(caller.app, connection.id, dispatcher=dispatch_later)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/frequency")
def change_frequency(request: Request, caller: Editor, connection_id: str, sync_frequency: Annotated[str, Form()]) -> Response:
    """Set the frequency; the next sync follows it."""
    connection = caller.connection(connection_id).connection
    caller.app.connections.set_frequency(connection.id, sync_frequency)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/pause")
def pause(request: Request, caller: Editor, connection_id: str) -> Response:
    """Stop syncing until it is resumed."""
    connection = caller.connection(connection_id).connection
    changing.pause(caller.app.connections, connection.id)
    return back(request, f"/connections/{connection.id}")


@router.post("/connections/{connection_id}/resume")
def resume(request: Request, caller: Editor, connection_id: str) -> Response:
    """Sync it again."""
    connection = caller.connection(connection_id).connection
    changing.resume(caller.app, connection.id, dispatcher=dispatch_later)
    return back(request, f"/connections/{connection.id}")


def rows_of(caller: Caller, views: Sequence[ConnectionView], frequencies: Sequence[Frequency] = ()) -> list[Row]:
    """The rows of these connections; ``frequencies`` are those that a person may choose from."""
    app, connections = caller.app, [view.connection for view in views]
    glances, cadences = app.overview.glances(connections), app.cadences(connections)
    offered = cadences_of_choices(app, connections, frequencies) if frequencies and caller.may(Role.EDITOR) else {}
    now, real_now, limits = app.clock.now(), app.wall.now(), app.ledger.limits()
    return [
        Row(
            view=view,
            glance=glances[view.connection.id],
            cadence=cadences[view.connection.id],
            now=now,
            real_now=real_now,
            offered=offered.get(view.connection.id, {}),
            calls_limit=limits[key].per_hour if (key := view.connection.ledger_key) in limits else app.settings.calls_per_hour,
        )
        for view in views
    ]


def _granted(workspaces: Sequence[Workspace]) -> set[str]:
    return {workspace.id for workspace in workspaces if workspace.realtime_granted}


def _bulk_workspace(criteria: Criteria, workspaces: Sequence[Workspace]) -> str:
    """The id of the list's only workspace; empty if it has several. It comes from the caller's workspaces, never from the address."""
    listed = [workspace.id for workspace in workspaces if criteria.workspace_id in (None, workspace.id)]
    return listed[0] if len(listed) == 1 else ""


def _with_busy_header(answer: Response, rows: list[Row]) -> Response:
    answer.headers[_BUSY] = "1" if any(row.busy or row.first_sync for row in rows) else "0"
    return answer
