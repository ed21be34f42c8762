"""Connections: how they are, how often they are synced, and asking for a sync. No request waits for a platform or for Prefect."""

import base64
import binascii
import json
from datetime import datetime
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from adpulse import operations, telling
from adpulse.api.access import Caller, Editor, Viewer, WorkspaceId
from adpulse.api.jobs import STATUS, Job, JobStatus, job_of
from adpulse.api.problems import answers
from adpulse.api.soon import Soon
from adpulse.bootstrap import App
from adpulse.errors import Usage
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Parts, Provider, SyncStatus
from storage.connections import ConnectionView, Wanted
from storage.runs import SHOWN, Ticket

_REFUSED = answers(HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
_MOST = 200
_soon = Soon[tuple[App, Provider]](lambda asked: operations.dispatch(*asked))

router = APIRouter(tags=["connections"], responses=_REFUSED)

ConnectionId = Annotated[str, Path(max_length=255, examples=["7a3f2c1e-0f9d-4b6a-8c5e-2d1b0a9f8e7d"])]


class SyncTelemetry(BaseModel):
    """How a connection is synced. Instants are UTC of business time."""

    sync_frequency: Frequency
    last_sync_attempted_at: datetime | None
    last_sync_completed_at: datetime | None
    last_metrics_changed_at: datetime | None = Field(description="When a stored metric changed last: how fresh the platform's numbers are.")
    total_syncs_attempted: int
    total_syncs_with_changes: int
    sync_status: SyncStatus
    last_sync_error: str | None


class ConnectionOut(SyncTelemetry):
    """A connection with its telemetry, how often it is really read, and what holds it up."""

    id: str
    workspace_id: str
    name: str
    provider: Provider
    external_id: str
    currency: str
    timezone: str
    gross_margin: str = Field(examples=["0.35"], description="A share, exact.")
    status: ConnectionStatus
    status_reason: str | None
    effective_interval_seconds: float | None
    effective_interval_reason: str | None
    postponed_until: datetime | None
    postponed_reason: str | None
    cooldown_until: datetime | None
    cooldown_reason: str | None
    stale_since: datetime | None = Field(description="Since when no sync completed for three intervals of its frequency; null is fresh.")
    credential_expires_at: datetime | None = Field(
        description="When its token ends by itself, if that is known. Reconnect it before, unless it is renewed by then."
    )


class ConnectionPage(BaseModel):
    """Connections by name. ``next_cursor`` asks for those that follow; null at the end."""

    connections: list[ConnectionOut]
    next_cursor: str | None


class FrequencyIn(BaseModel):
    """``realtime`` only where the workspace was granted it."""

    sync_frequency: str = Field(examples=["hourly"], max_length=64)


class SyncIn(BaseModel):
    """``force_refresh`` reads the whole lookback again at once; written is still only what changed."""

    force_refresh: bool = False


class Accepted(BaseModel):
    """The job that serves the request: a new one, or the one that is open already."""

    job_id: str
    status: JobStatus


@router.get("/connections/", summary="List connections")
def list_connections(
    caller: Viewer,
    provider: Provider | None = None,
    status: ConnectionStatus | None = None,
    frequency: Frequency | None = None,
    limit: Annotated[int, Query(ge=1, le=_MOST)] = 50,
    cursor: Annotated[str | None, Query(max_length=1024)] = None,
) -> ConnectionPage:
    """Those that the key sees, by name."""
    wanted = Wanted(workspace_id=caller.workspace_id, provider=provider, status=status, frequency=frequency)
    found = caller.app.connections.page(wanted, limit + 1, place_of(cursor) if cursor else None)
    shown = found[:limit]
    return ConnectionPage(connections=told(caller, shown), next_cursor=cursor_of(shown[-1]) if len(found) > limit else None)


@router.get("/connections/{connection_id}", summary="Read a connection")
def read_connection(caller: Viewer, connection_id: ConnectionId) -> ConnectionOut:
    """The connection with its telemetry."""
    return told(caller, [caller.connection(connection_id)])[0]


@router.get("/connections/{connection_id}/sync-status", summary="How a connection is synced")
def read_sync_status(caller: Viewer, connection_id: ConnectionId) -> SyncTelemetry:
    """The eight telemetry fields."""
    return _telemetry(caller.connection(connection_id))


@router.get("/connections/{connection_id}/runs", summary="A connection's syncs, newest first")
def list_runs(caller: Viewer, connection_id: ConnectionId, limit: Annotated[int, Query(ge=1, le=SHOWN)] = SHOWN) -> list[Job]:
    """What came of each."""
    found = caller.connection(connection_id)
    return [job_of(run) for run in caller.app.runs.history(found.connection.id, limit)]


@router.patch(
    "/connections/{connection_id}/sync-frequency", summary="Change how often it is synced", responses=answers(HTTPStatus.BAD_REQUEST)
)
def change_frequency(caller: Editor, connection_id: ConnectionId, body: FrequencyIn) -> SyncTelemetry:
    """The next sync follows the new frequency."""
    found = caller.connection(connection_id)
    return _telemetry(caller.app.connections.set_frequency(found.connection.id, body.sync_frequency))


@router.post("/connections/{connection_id}/pause", summary="Stop syncing", responses=answers(HTTPStatus.BAD_REQUEST))
def pause(caller: Editor, connection_id: ConnectionId) -> ConnectionOut:
    """A sync under way ends by itself; what is queued waits."""
    found = caller.connection(connection_id)
    return told(caller, [operations.pause(caller.app, found.connection.id)])[0]


@router.post(
    "/connections/{connection_id}/sync-now",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync now",
    responses=answers(HTTPStatus.BAD_REQUEST),
)
def sync_now(caller: Editor, connection_id: ConnectionId, body: SyncIn | None = None) -> Accepted:
    """Queued at once, also while Prefect is down. While a sync is open, its job is the answer."""
    return _request(caller, caller.connection(connection_id), Parts.BOTH, force=body is not None and body.force_refresh)


@router.post(
    "/workspaces/{workspace_id}/connections/{connection_id}/sync-entities",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync campaigns, ad sets, ad groups, ads and asset groups now",
    responses=answers(HTTPStatus.BAD_REQUEST),
)
def sync_entities(caller: Editor, workspace_id: WorkspaceId, connection_id: ConnectionId) -> Accepted:
    """One half of a sync."""
    return _request(caller, caller.connection(connection_id, workspace_id), Parts.ENTITIES)


@router.post(
    "/workspaces/{workspace_id}/connections/{connection_id}/sync-metrics",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync the metrics now",
    responses=answers(HTTPStatus.BAD_REQUEST),
)
def sync_metrics(caller: Editor, workspace_id: WorkspaceId, connection_id: ConnectionId) -> Accepted:
    """The other half."""
    return _request(caller, caller.connection(connection_id, workspace_id), Parts.METRICS)


def dispatch_soon(app: App, provider: Provider) -> None:
    """Have Prefect asked for what is queued, while the caller is answered."""
    _soon.ask((app, provider))


def accepted(ticket: Ticket) -> Accepted:
    """The answer to a request for a sync."""
    return Accepted(job_id=ticket.run_id, status=STATUS[ticket.state])


def _request(caller: Caller, found: ConnectionView, parts: Parts, *, force: bool = False) -> Accepted:
    return accepted(operations.request_sync(caller.app, found.connection.id, parts, force=force, ask=dispatch_soon))


def _telemetry(view: ConnectionView) -> SyncTelemetry:
    fields = {name: getattr(view, name) for name in SyncTelemetry.model_fields if name != "sync_frequency"}
    return SyncTelemetry(sync_frequency=view.connection.frequency, **fields)


def told(caller: Caller, views: list[ConnectionView]) -> list[ConnectionOut]:
    """What the caller is told of connections."""
    cadences = caller.app.cadences([view.connection for view in views])
    return [ConnectionOut.model_validate(telling.fields(view, cadences[view.connection.id])) for view in views]


def cursor_of(view: ConnectionView) -> str:
    """The cursor that asks for what follows this connection."""
    return base64.urlsafe_b64encode(json.dumps([view.connection.name, view.connection.id]).encode()).decode()


def place_of(cursor: str) -> tuple[str, str]:
    """What a cursor says.

    Raises:
        Usage: it is none of ours.
    """
    try:
        name, connection_id = json.loads(base64.urlsafe_b64decode(cursor))
    except (binascii.Error, ValueError, TypeError):
        raise Usage("The cursor is none that this API gave out. Begin without one.") from None
    return str(name), str(connection_id)
