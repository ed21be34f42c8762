"""Backfills: a connection's history, further back than its first sync reads."""

from datetime import date
from http import HTTPStatus

from fastapi import Response
from pydantic import BaseModel, Field, StrictBool

from adpulse import presentation
from adpulse.api import routing
from adpulse.api.access import Editor, Viewer
from adpulse.api.background import dispatch_background_later
from adpulse.api.fields import At, Body, ConnectionId, Count
from adpulse.api.problems import CHANGES, CLOSED, READS
from adpulse.errors import NotFound
from adpulse.services import backfilling

router = routing.router("connections", responses=CLOSED)


class BackfillIn(Body):
    """The first day of the history. A day more than 37 months ago is moved to the first one that the platforms report."""

    since: date = Field(examples=["2024-01-01"])
    dry_run: StrictBool = Field(default=False, description="Only say what it takes; nothing is changed.")


class BackfillProposal(BaseModel):
    """What a backfill takes. The calls are those of an account all of whose ads deliver every day."""

    since: date = Field(examples=["2024-01-01"])
    days: Count = Field(description="Days that are not stored yet.")
    calls: Count = Field(description="Most calls, of which at most 60 are made in an hour.")
    seconds: float = Field(examples=[36000.0], description="About how long they take beside everything that syncs read.")


class BackfillOut(BaseModel):
    """How far a backfill is. It is finished when ``next_at`` is null."""

    since: date = Field(examples=["2024-01-01"])
    requested_at: At
    finished_at: At | None
    days: Count
    totals_read: Count = Field(description="Days whose campaigns' totals are stored.")
    days_read: Count = Field(description="Days of which everything is stored.")
    calls: Count = Field(description="Most calls that are left.")
    seconds: float = Field(examples=[36000.0], description="About how long they take.")
    next_at: At | None = Field(description="When it goes on.")
    reason: str | None = Field(examples=["older days of the history wait for their 60 calls an hour"])
    refusal: str | None = Field(examples=[None], description="What the platform answered to the last read that it refused.")


@router.get("/connections/{connection_id}/backfill", summary="How far its backfill is", responses=READS)
def read_backfill(caller: Viewer, connection_id: ConnectionId) -> BackfillOut:
    """404 without a backfill."""
    connection = caller.connection(connection_id).connection
    progress = backfilling.progress(caller.app, connection)
    if progress is None:
        raise NotFound(f"{connection.name} has no backfill.")
    return BackfillOut.model_validate(presentation.backfill_fields(progress))


@router.post(
    "/connections/{connection_id}/backfill",
    summary="Read its history",
    responses=CHANGES | {202: {"model": BackfillProposal, "description": "It is read in the background."}},
)
def begin_backfill(caller: Editor, connection_id: ConnectionId, body: BackfillIn, response: Response) -> BackfillProposal:
    """The answer says what it takes. A backfill under way gets the new first day."""
    connection = caller.connection(connection_id).connection
    if body.dry_run:
        estimate = backfilling.propose(caller.app, connection, body.since)
    else:
        estimate = backfilling.begin(caller.app, connection, body.since, dispatcher=dispatch_background_later)
        response.status_code = HTTPStatus.ACCEPTED
    return BackfillProposal.model_validate(presentation.estimate_fields(estimate))


@router.delete(
    "/connections/{connection_id}/backfill",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    summary="Read no more of its history",
    responses=CHANGES,
)
def stop_backfill(caller: Editor, connection_id: ConnectionId) -> None:
    """What is stored stays."""
    backfilling.stop(caller.app.backfills, caller.connection(connection_id).connection)
