"""The health page: how fresh every connection is, what delays it, and how the platforms' calls are used."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from adpulse.api.access import Caller, Editor, Viewer
from adpulse.api.background import dispatch_later
from adpulse.api.pages.attention import needs
from adpulse.api.pages.connections import rows_of
from adpulse.api.pages.row import Row
from adpulse.api.pages.site import back, page
from adpulse.api.problems import Refused
from adpulse.bootstrap import App
from adpulse.events import ATTENTION
from adpulse.model import Provider
from adpulse.planner.scopes import ScopeLimit
from adpulse.platforms.registry import platform_of
from adpulse.platforms.versions import PinnedVersion
from adpulse.services import syncing
from storage.control.overview import Overview, Written
from storage.control.runs import RunView

router = APIRouter()

MOODS = ("failing", "stale", "late", "first sync", "fresh", "unscheduled")
"""Worst first; the style sheet has a colour for each."""

_SHOWN = 100
_ATTENTION_SHOWN = 10
_ORDERS = {
    "freshness": lambda row: (MOODS.index(row.freshness), -(row.lateness or 0)),
    "name": lambda row: row.view.connection.name.casefold(),
    "calls": lambda row: -row.glance.calls,
    "change": lambda row: -(row.view.last_metrics_changed_at.timestamp() if row.view.last_metrics_changed_at else 0),
}
_CACHE_SECONDS = 60
_AGES = (("1 min", 60), ("5 min", 300), ("15 min", 900), ("1 h", 3600), ("6 h", 21_600), ("1 day", 86_400), ("longer", None))
"""Columns of the chart of delays, with their upper bounds in seconds; a column begins where the one before ends."""


@router.get("/health")
def health(
    request: Request,
    caller: Viewer,
    workspace: Annotated[str, Query(max_length=255)] = "",
    q: Annotated[str, Query(max_length=255)] = "",
    mood: Annotated[str, Query(max_length=32)] = "",
    sort: Annotated[str, Query(max_length=32)] = "freshness",
) -> Response:
    """The overview; the table has the connections that match the search, the worst first unless ``sort`` says otherwise."""
    app, scope = caller.app, caller.workspace_id or workspace or None
    rows = rows_of(caller, app.connections.all(scope))
    order = sort if sort in _ORDERS else "freshness"
    matches = sorted((row for row in rows if _matches(row, q, mood)), key=_ORDERS[order])
    return page(
        "health.html",
        caller,
        rows=sorted(rows, key=_ORDERS["freshness"]),
        counts=Counter(row.freshness for row in rows),
        moods=MOODS,
        matches=matches[:_SHOWN],
        hidden=max(len(matches) - _SHOWN, 0),
        chosen={"workspace": workspace, "q": q, "mood": mood, "sort": order},
        orders=list(_ORDERS),
        ages=[label for label, _ in _AGES],
        workspaces={owner.id: owner.name for owner in caller.workspaces()},
        is_chosen=bool(q or mood or order != "freshness"),
        first_syncs=_first_syncs(rows),
        needs=needs(rows),
        letters=_letters(caller, rows, scope),
        shown=_ATTENTION_SHOWN,
        delays=_delays(rows),
        budgets=_budgets(app, rows),
        calls_limit=app.settings.calls_per_hour,
        minutes=app.overview.calls_by_minute(scope),
        written=_written(app.overview, scope, int(time.monotonic() // _CACHE_SECONDS)),
        query=request.url.query,
        ending=_ending_versions(app.api_versions(), rows),
        schedules=app.schedule_changes.sentences(),
    )


@router.post("/dead-letters/{run_id}/replay")
def replay(request: Request, caller: Editor, run_id: str) -> Response:
    """Request the sync of a dead letter again."""
    letter = caller.app.runs.letter(run_id, caller.workspace_id)
    if letter is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no dead letter '{run_id}'.")
    syncing.replay(caller.app, letter, dispatcher=dispatch_later)
    return back(request, "/health")


def _matches(row: Row, text: str, mood: str) -> bool:
    connection = row.view.connection
    searched = f"{connection.name} {connection.external_id} {platform_of(connection.provider).label}".casefold()
    return mood in ("", row.freshness) and text.casefold() in searched


def _first_syncs(rows: Sequence[Row]) -> tuple[int, int] | None:
    """How many connections have all days of their first sync, of all that are synced; None when all have."""
    synced = [row for row in rows if row.is_synced]
    missing = sum(row.first_sync is not None for row in synced)
    return (len(synced) - missing, len(synced)) if missing else None


def _letters(caller: Caller, rows: Sequence[Row], scope: str | None) -> list[tuple[Row, RunView]]:
    """Dead letters with their connections, newest first, but for connections that wait for a person anyway."""
    by_id = {row.id: row for row in rows if row.glance.letters and row.view.connection.status not in ATTENTION}
    letters = caller.app.runs.dead_letters(workspace_id=scope) if by_id else []
    return [(by_id[run.connection_id], run) for run in letters if run.connection_id in by_id]


def _budgets(app: App, rows: Sequence[Row]) -> list[tuple[ScopeLimit, int]]:
    """The limits that these connections share with others, and the calls that count against each."""
    limits = {scope: app.scopes.of(scope) for scope in sorted({row.view.connection.scope for row in rows})}
    calls = app.gauges.shared_calls() if any(limits.values()) else {}
    return [(limit, calls.get(scope, 0)) for scope, limit in limits.items() if limit]


def _ending_versions(versions: Mapping[Provider, PinnedVersion], rows: Sequence[Row]) -> list[PinnedVersion]:
    """The API versions of these connections' platforms that end soon, or that this adpulse does not know."""
    used = {row.view.connection.provider for row in rows}
    return [versions[name] for name in versions if name in used and (versions[name].is_ending or not versions[name].is_known)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long ago scheduled connections were synced, and how long ago the platform changed their numbers.

    Counts of connections by the columns of ``_AGES``, and the medians.
    """

    synced: list[int]
    moved: list[int]
    synced_median: datetime
    moved_median: datetime | None


def _delays(rows: Sequence[Row]) -> Delays | None:
    """None while there is nothing to show."""
    scheduled = [row.view for row in rows if row.lateness is not None and row.view.last_sync_completed_at]
    synced = sorted(view.last_sync_completed_at for view in scheduled if view.last_sync_completed_at)
    moved = sorted(view.last_metrics_changed_at for view in scheduled if view.last_metrics_changed_at)
    if not synced:
        return None
    now = rows[0].now
    return Delays(
        synced=_columns(synced, now),
        moved=_columns(moved, now),
        synced_median=synced[len(synced) // 2],
        moved_median=moved[len(moved) // 2] if moved else None,
    )


def _columns(moments: Sequence[datetime], now: datetime) -> list[int]:
    within = [sum((now - moment).total_seconds() <= seconds for moment in moments) if seconds else len(moments) for _, seconds in _AGES]
    return [count - before for count, before in zip(within, [0, *within], strict=False)]


@lru_cache(maxsize=64)
def _written(overview: Overview, workspace_id: str | None, _minute: int) -> Written:
    """Cached for a minute, because it reads all syncs of a day."""
    return overview.written(workspace_id)
