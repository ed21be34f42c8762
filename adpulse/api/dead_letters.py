"""Dead letters: syncs that ended without success and wait for a person."""

from http import HTTPStatus

from fastapi import Response
from pydantic import Field

from adpulse.api import routing
from adpulse.api.access import Caller, Editor, Viewer
from adpulse.api.fields import Body, Count, Line, Name, RunId, WorkspaceId
from adpulse.api.jobs import Accepted, Job, accepted, job_of
from adpulse.api.problems import CHANGES, CLOSED, READS, Refused
from adpulse.api.soon import ask_prefect
from adpulse.services import syncing
from storage.control.runs import RunView

router = routing.router("dead letters", responses=CLOSED)


class DeadLetter(Job):
    """A sync that failed for good, what was being read then, and how often it was tried. ``error`` says what to do."""

    connection_name: Name
    error_code: str | None = Field(examples=["190/463"], description="The platform's own code, where there is one.")
    error_during: str | None = Field(examples=["ads-2026-11-01-2026-11-07"])
    attempts: Count


class Resolution(Body):
    """What was done about it."""

    note: Line = Field("resolved by hand", examples=["the client left"])


@router.get("/workspaces/{workspace_id}/dead-letters", summary="List dead letters, newest first", responses=READS)
def list_dead_letters(caller: Viewer, workspace_id: WorkspaceId) -> list[DeadLetter]:
    """Those that nobody has dealt with; one a connection, the newest; 1,000 at most."""
    found = caller.workspace(workspace_id)
    names = {view.connection.id: view.connection.name for view in caller.app.connections.every(found.id)}
    return [_told(letter, names[letter.connection_id]) for letter in caller.app.runs.dead_letters(workspace_id=found.id)]


@router.post(
    "/workspaces/{workspace_id}/dead-letters/{run_id}/replay",
    status_code=HTTPStatus.ACCEPTED,
    summary="Ask for its sync again",
    responses=CHANGES,
)
def replay_dead_letter(caller: Editor, workspace_id: WorkspaceId, run_id: RunId) -> Accepted:
    """The letter is dealt with; the answer is the new job."""
    ticket = syncing.replay(caller.app, _letter(caller, workspace_id, run_id), ask=ask_prefect)
    return accepted(ticket)


@router.post(
    "/workspaces/{workspace_id}/dead-letters/{run_id}/resolve",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    summary="Put it aside without another sync",
    responses=CHANGES,
)
def resolve_dead_letter(caller: Editor, workspace_id: WorkspaceId, run_id: RunId, body: Resolution | None = None) -> None:
    """It is dealt with; the note is kept with the run."""
    letter = _letter(caller, workspace_id, run_id)
    caller.app.runs.resolve(letter.id, (body or Resolution()).note)


def _letter(caller: Caller, workspace_id: str, run_id: str) -> RunView:
    found = caller.app.runs.letter(run_id, caller.workspace(workspace_id).id)
    if found is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no dead letter '{run_id}' that nobody has dealt with.")
    return found


def _told(letter: RunView, name: str) -> DeadLetter:
    return DeadLetter(
        **job_of(letter).model_dump(),
        connection_name=name,
        error_code=letter.error_code,
        error_during=letter.error_during,
        attempts=letter.attempts,
    )
