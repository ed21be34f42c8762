"""Jobs: requested and scheduled syncs, as the HTTP API shows them."""

from enum import StrEnum
from http import HTTPStatus

from pydantic import BaseModel, Field

from adpulse.api import routing
from adpulse.api.access import Viewer
from adpulse.api.fields import At, Count, Ref, RunId
from adpulse.api.problems import CLOSED, READS, Refused
from adpulse.model import Parts, RunState
from storage.control.runs import RunView
from storage.control.sync_requests import Ticket

router = routing.router("jobs", responses=CLOSED)


class JobStatus(StrEnum):
    """``waiting``: for the call budget, the platform or its next try; it goes on by itself."""

    QUEUED = "queued"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"


STATUS = {
    RunState.QUEUED: JobStatus.QUEUED,
    RunState.LEASED: JobStatus.RUNNING,
    RunState.FETCHED: JobStatus.RUNNING,
    RunState.APPLIED: JobStatus.RUNNING,
    RunState.POSTPONED: JobStatus.WAITING,
    RunState.FAILED: JobStatus.WAITING,
    RunState.DONE: JobStatus.DONE,
    RunState.DEAD: JobStatus.FAILED,
}
"""The status of a job by the state of its run."""


class Job(BaseModel):
    """A sync. Instants are UTC; counts are rows of metrics, of all tries together."""

    job_id: Ref
    connection_id: Ref
    status: JobStatus
    parts: Parts
    force_refresh: bool
    requested_at: At
    started_at: At | None
    finished_at: At | None
    waits_until: At | None = Field(description="When it goes on, while it waits.")
    reason: str | None = Field(examples=["the call budget of this hour is spent"], description="Why it waits.")
    platform_calls: Count
    rows_fetched: Count
    rows_changed: Count
    entities_changed: Count
    error: str | None = Field(examples=["Meta refuses the token of Harbor Outdoor. Give it a fresh one with: adpulse reconnect"])


class Accepted(BaseModel):
    """The job that serves the request: a new one, or the one that is open already."""

    job_id: Ref
    status: JobStatus


def accepted(ticket: Ticket) -> Accepted:
    """The answer to a request for a sync."""
    return Accepted(job_id=ticket.run_id, status=STATUS[ticket.state])


def job_of(run: RunView) -> Job:
    """The job that a run is."""
    waits = STATUS[run.state] is JobStatus.WAITING
    return Job(
        job_id=run.id,
        connection_id=run.connection_id,
        status=STATUS[run.state],
        parts=run.parts,
        force_refresh=run.force_refresh,
        requested_at=run.requested_at,
        started_at=run.started_at,
        finished_at=run.finished_at,
        waits_until=run.until if waits else None,
        reason=run.reason if waits else None,
        platform_calls=run.calls,
        rows_fetched=run.counts.fetched,
        rows_changed=run.counts.inserted + run.counts.updated,
        entities_changed=run.counts.entities_changed,
        error=run.error,
    )


@router.get("/jobs/{job_id}", summary="Read the progress of a sync", responses=READS)
def read_job(caller: Viewer, job_id: RunId) -> Job:
    """The job that sync-now answered with, or any other run of a connection."""
    run = caller.app.runs.find(job_id, caller.workspace_id)
    if run is None:
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no job '{job_id}'.")
    return job_of(run)
