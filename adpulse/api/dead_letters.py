"""Dead letters: syncs that ended without success and wait for a person."""

from http import HTTPStatus

from fastapi import Response
from pydantic import Field

from adpulse.api import routing
from adpulse.api.access import Caller, Editor, Viewer
from adpulse.api.background import dispatch_later
from adpulse.api.fields import Body, Count, Line, Name, RunId, WorkspaceId
from adpulse.api.jobs import Accepted, Job, accepted, job_of
from adpulse.api.problems import CHANGES, CLOSED, READS, Refused
from adpulse.services import syncing
from storage.control.runs import RunView

router = routing.router("dead letters", responses=CLOSED)


class DeadLetter(Job):
    """A sync that failed for good, with the read that failed and the number of tries. ``error`` says what to do."""

    connection_name: Name
    error_code: str | None = Field(examples=["190/463"], description="The platform's own code, where there is one.")
    error_during: str | None = Field(examples=["ads-2026-11-01-2026-11-07"])
    attempts: Count


class Resolution(Body):
    """What was done about it."""

    note: Line = Field("resolved by hand", examples=["the client left"])


@router.get("/workspaces/{workspace_id}/dead-letters", summary="List dead letters, newest first", responses=READS)
def list_dead_letters(caller: Viewer, workspace_id: WorkspaceId) -> list[DeadLetter]:
    """Open dead letters: the newest of each connection, 1,000 at most."""
    workspace = caller.workspace(workspace_id)
    names = {view.connection.id: view.connection.name for view in caller.app.connections.all(workspace.id)}
    return [_dead_letter(letter, names[letter.connection_id]) for letter in caller.app.runs.dead_letters(workspace_id=workspace.id)]


@router.post(
    "/workspaces/{workspace_id}/dead-letters/{run_id}/replay",
    status_code=HTTPStatus.ACCEPTED,
    summary="Request its sync again",
    responses=CHANGES,
)
def replay_dead_letter(caller: Editor, workspace_id: WorkspaceId, run_id: RunId) -> Accepted:
    """The letter is resolved; the answer is the new job."""
    ticket = syncing.replay(caller.app, _letter(caller, workspace_id, run_id), dispatcher=dispatch_later)
    return accepted(ticket)


@router.post(
    "/workspaces/{workspace_id}/dead-letters/{run_id}/resolve",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    summary="Resolve it without another sync",
    responses=CHANGES,
)
def resolve_dead_letter(caller: Editor, workspace_id: WorkspaceId, run_id: RunId, body: Resolution | None = None) -> None:
    """The note is stored with the run."""
    letter = _letter(caller, workspace_id, run_id)
    caller.app.runs.resolve(letter.id, (body or Resolution()).note)


def _letter(caller: Caller, workspace_id: str, run_id: str) -> RunView:
    letter = caller.app.runs.letter(run_id, caller.workspace(workspace_id).id)
    if letter is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no open dead letter '{run_id}'.")
    return letter


def _dead_letter(letter: RunView, name: str) -> DeadLetter:
    return DeadLetter(
        **job_of(letter).model_dump(),
        connection_name=name,
        error_code=letter.error_code,
        error_during=letter.error_during,
        attempts=letter.attempts,
    )
