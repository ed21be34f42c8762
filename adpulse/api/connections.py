"""Connections: their state, their sync frequency, and requests for a sync. No request waits for a platform or for Prefect."""

from dataclasses import asdict
from http import HTTPStatus
from typing import Annotated

from fastapi import Query, Response

from adpulse import presentation
from adpulse.api import cursors, routing
from adpulse.api.access import Caller, Editor, Viewer
from adpulse.api.background import dispatch_later
from adpulse.api.connection_models import (
    CompletenessOut,
    ConnectionChange,
    ConnectionOut,
    ConnectionPage,
    Deleting,
    DeletionProposal,
    FrequencyIn,
    ListQuery,
    SyncIn,
    SyncTelemetry,
)
from adpulse.api.fields import ConnectionId, WorkspaceId
from adpulse.api.jobs import Accepted, Job, accepted, job_of
from adpulse.api.problems import CHANGES, CLOSED, READS, answers
from adpulse.model import ConnectionStatus, Parts
from adpulse.role import Role
from adpulse.services import changing, deleting
from adpulse.services import mapping as mappings
from adpulse.services.completeness import completeness_of
from storage.control.connections import ConnectionView
from storage.control.runs import SHOWN

router = routing.router("connections", responses=CLOSED)


@router.get("/connections/", summary="List connections", responses=answers(HTTPStatus.BAD_REQUEST))
def list_connections(caller: Viewer, filters: Annotated[ListQuery, Query()]) -> ConnectionPage:
    """The connections that the key may see. A cursor belongs to the order with which its page was requested."""
    after = cursors.decode(filters.cursor, filters.sort) if filters.cursor else None
    views = caller.app.connections.page(filters.criteria(caller.workspace_id), filters.limit + 1, filters.sort, after)
    shown = views[: filters.limit]
    next_cursor = cursors.encode(shown[-1], filters.sort) if len(views) > filters.limit else None
    return ConnectionPage(connections=connection_answers(caller, shown), next_cursor=next_cursor)


@router.get("/connections/{connection_id}", summary="Read a connection", responses=READS)
def read_connection(caller: Viewer, connection_id: ConnectionId) -> ConnectionOut:
    """The connection with its telemetry."""
    return connection_answers(caller, [caller.connection(connection_id)])[0]


@router.patch("/connections/{connection_id}", summary="Rename it, label it, change its margin, mapping or limit", responses=CHANGES)
def change_connection(caller: Editor, connection_id: ConnectionId, body: ConnectionChange) -> ConnectionOut:
    """A new margin queues a sync, which computes the profit of every stored day again without a platform call.

    A new mapping queues a sync that reads the days again that the platform may still restate.
    """
    connection, has_limit = caller.connection(connection_id).connection, "calls_per_hour" in body.model_fields_set
    if has_limit:
        caller.require(Role.OPERATOR, "Changing calls_per_hour")
    wanted = body.mapping
    mapping = mappings.revised(connection, preset=wanted.preset, changes=wanted.changes, name=wanted.name) if wanted else None
    changing.change_connection(
        caller.app, connection, name=body.name, labels=body.labels, gross_margin=body.gross_margin, dispatcher=dispatch_later
    )
    if has_limit:
        caller.app.account_limits.set_calls_per_hour(connection, body.calls_per_hour)
    if mapping:
        mappings.choose(caller.app, connection, mapping, dispatcher=dispatch_later)
    return connection_answers(caller, [caller.connection(connection.id)])[0]


@router.get("/connections/{connection_id}/sync-status", summary="How a connection is synced", responses=READS)
def read_sync_status(caller: Viewer, connection_id: ConnectionId) -> SyncTelemetry:
    """The eight telemetry fields."""
    return _telemetry(caller.connection(connection_id))


@router.get("/connections/{connection_id}/completeness", summary="Which days are known, and how fresh they are", responses=READS)
def read_completeness(caller: Viewer, connection_id: ConnectionId) -> list[CompletenessOut]:
    """One entry for each level that was read. In the published file the view `completeness` has one for every day, `day_gaps` the gaps."""
    levels = completeness_of(caller.app, caller.connection(connection_id).connection)
    return [CompletenessOut.model_validate(presentation.completeness_fields(level)) for level in levels]


@router.get("/connections/{connection_id}/runs", summary="A connection's syncs, newest first", responses=READS)
def list_runs(caller: Viewer, connection_id: ConnectionId, limit: Annotated[int, Query(ge=1, le=SHOWN)] = SHOWN) -> list[Job]:
    """Each with its result."""
    view = caller.connection(connection_id)
    return [job_of(run) for run in caller.app.runs.history(view.connection.id, limit)]


@router.patch("/connections/{connection_id}/sync-frequency", summary="Change how often it is synced", responses=CHANGES)
def change_frequency(caller: Editor, connection_id: ConnectionId, body: FrequencyIn) -> SyncTelemetry:
    """The next sync follows the new frequency."""
    view = caller.connection(connection_id)
    return _telemetry(caller.app.connections.set_frequency(view.connection.id, body.sync_frequency))


@router.post("/connections/{connection_id}/pause", summary="Stop syncing", responses=CHANGES)
def pause_connection(caller: Editor, connection_id: ConnectionId) -> ConnectionOut:
    """A sync under way is finished; queued syncs wait."""
    view = caller.connection(connection_id)
    return connection_answers(caller, [changing.pause(caller.app.connections, view.connection.id)])[0]


@router.post(
    "/connections/{connection_id}/sync-now",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync now",
    responses=CHANGES,
)
def sync_now(caller: Editor, connection_id: ConnectionId, body: SyncIn | None = None) -> Accepted:
    """Queued at once, also while Prefect is down. While a sync is open, its job is the answer."""
    return _request(caller, caller.connection(connection_id), Parts.BOTH, force=body is not None and body.force_refresh)


@router.post(
    "/workspaces/{workspace_id}/connections/{connection_id}/sync-entities",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync campaigns, ad sets, ad groups, ads and asset groups now",
    responses=CHANGES,
)
def sync_entities(caller: Editor, workspace_id: WorkspaceId, connection_id: ConnectionId) -> Accepted:
    """Only the entities part of a sync."""
    return _request(caller, caller.connection(connection_id, workspace_id), Parts.ENTITIES)


@router.post(
    "/workspaces/{workspace_id}/connections/{connection_id}/sync-metrics",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync the metrics now",
    responses=CHANGES,
)
def sync_metrics(caller: Editor, workspace_id: WorkspaceId, connection_id: ConnectionId) -> Accepted:
    """Only the metrics part of a sync."""
    return _request(caller, caller.connection(connection_id, workspace_id), Parts.METRICS)


@router.delete(
    "/connections/{connection_id}",
    summary="Delete a connection with its data, in two steps",
    responses=CHANGES | {202: {"model": Deleting, "description": "Confirmed: it is being deleted."}},
)
def delete_connection(
    caller: Editor,
    connection_id: ConnectionId,
    response: Response,
    confirmation: Annotated[str | None, Query(max_length=1024, description="The text of the first answer.")] = None,
) -> DeletionProposal | Deleting:
    """Without ``confirmation``: what would be deleted, and the text that confirms it. With it: the worker deletes it within moments."""
    connection = caller.connection(connection_id).connection
    is_going = connection.status is ConnectionStatus.DELETING
    if confirmation is None and not is_going:
        return _proposed(deleting.propose(caller.app, connection.id))
    if confirmation is not None and not is_going:
        deleting.confirm(caller.app, connection, confirmation)
    response.status_code = HTTPStatus.ACCEPTED
    return Deleting(connection_id=connection.id)


def _request(caller: Caller, view: ConnectionView, parts: Parts, *, force: bool = False) -> Accepted:
    """Store the request and dispatch it in the background, so that the answer does not wait for Prefect."""
    ticket = caller.app.runs.request(view.connection.id, parts, force=force)
    dispatch_later(caller.app, view.connection.provider)
    return accepted(ticket)


def _proposed(proposal: deleting.Proposal) -> DeletionProposal:
    return DeletionProposal(
        confirmation=proposal.confirmation,
        confirm_until=proposal.ends_at,
        connection_id=proposal.connection.id,
        name=proposal.connection.name,
        **asdict(proposal.contents),
    )


def _telemetry(view: ConnectionView) -> SyncTelemetry:
    fields = {name: getattr(view, name) for name in SyncTelemetry.model_fields if name != "sync_frequency"}
    return SyncTelemetry(sync_frequency=view.connection.frequency, **fields)


def connection_answers(caller: Caller, views: list[ConnectionView]) -> list[ConnectionOut]:
    """Connections as the API shows them."""
    cadences = caller.app.cadences([view.connection for view in views])
    return [ConnectionOut.model_validate(presentation.telemetry_fields(view, cadences[view.connection.id])) for view in views]
