"""Claims that end without a settled sync, and the dead letters that too many of them make. Steps: claim, telemetry."""

import json
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, insert, select, update

from adpulse.errors import AdpulseError, Permanent, Unavailable, first_line
from adpulse.model import Lane, Lease, Parts, RunState, SyncStatus
from adpulse.retry import DEAD_AFTER, LONGEST_BACKOFF, LONGEST_OUTAGE_BACKOFF, backoff
from storage.control.connections import resolve
from storage.control.database import Session
from storage.control.outbox import events_of_leg, publish
from storage.control.tables import ConnectionRow, RunRow, is_open

MAX_UNSETTLED, UNSETTLED_WITHIN = 5, timedelta(minutes=10)
"""So many unsettled claims of a connection within this time (real time) make a dead letter, so that it is not retried for ever."""

MAX_DEATHS = 3
"""When so many workers in a row died with a connection leased, it is suspected of killing them, for example by its need of memory."""

_rng = Random()  # noqa: S311 - jitter


class Ending(StrEnum):
    """How a claim ended without a settled sync."""

    RELEASED = "released"
    """Not caused by the connection: a worker stops, somebody cancels or disconnects, the database is locked."""

    UNSETTLED = "unsettled"
    """The worker kept running, but the sync could not be closed, or the flow run crashed."""

    WORKER_DIED = "worker died"
    """The worker was killed, ran out of memory, or its machine failed."""


def note(session: Session, lease: Lease, ending: Ending, *, now: datetime, real: datetime) -> None:
    """Count how a claim ended; too many unsettled ones make a dead letter. The lease must have been given back before.

    ``now`` is business time, ``real`` real time, here and below.
    """
    of_connection = ConnectionRow.id == lease.connection.id
    if ending is Ending.WORKER_DIED:
        session.execute(update(ConnectionRow).where(of_connection).values(worker_deaths=ConnectionRow.worker_deaths + 1))
    elif ending is Ending.UNSETTLED:
        recent = _instants_between(session.scalar(select(ConnectionRow.unsettled_at).where(of_connection)), real - UNSETTLED_WITHIN, real)
        if len(recent) + 1 < MAX_UNSETTLED:
            session.execute(update(ConnectionRow).where(of_connection).values(unsettled_at=json.dumps([*recent, real.isoformat()])))
        else:
            _give_up(session, lease, now=now, real=real)


def _instants_between(stored: str | None, first: datetime, last: datetime) -> list[str]:
    """The stored instants between these two. A text that cannot be read counts as empty: it must not stop the count for ever."""
    try:
        return [text for text in json.loads(stored or "[]") if first <= datetime.fromisoformat(text) <= last]
    except (ValueError, TypeError):
        return []


def _give_up(session: Session, lease: Lease, *, now: datetime, real: datetime) -> None:
    """Close the run as a dead letter and pause the connection as after any other.

    The run's counts lack what its last legs wrote to the warehouse, because those legs could not be settled.
    """
    name, minutes = lease.connection.name, UNSETTLED_WITHIN // timedelta(minutes=1)
    error = Permanent(
        f"The sync of {name} ended {MAX_UNSETTLED} times within {minutes} minutes without a result, while its worker went on. "
        f"Look for run {lease.run_id} in the worker's log and mend the cause, then replay this letter; it is tried again in an hour.",
        "unsettled",
    )
    run, letter = RunRow.id == lease.run_id, {"state": RunState.DEAD.value, "finished_at": real, **error_columns(error)}
    closed = update(RunRow).where(run).values(**letter, attempts=RunRow.attempts + 1).returning(*RunRow.__table__.columns)
    row = session.execute(closed.execution_options(synchronize_session=False)).one()
    resolve(session, (RunRow.connection_id == lease.connection.id) & ~run, f"superseded by {lease.run_id}", real)
    publish(session, *events_of_leg(lease.connection, row, None), now=real)
    next_due_at = now + timedelta(seconds=LONGEST_BACKOFF)
    _fail(session, ConnectionRow.id == lease.connection.id, error, next_due_at, unsettled_at=None)


def suspected(lease: Lease) -> AdpulseError | None:
    """The error of a connection that is suspected of killing workers; None if it is not."""
    if lease.worker_deaths < MAX_DEATHS:
        return None
    name = lease.connection.name
    return Permanent(
        f"{lease.worker_deaths} workers in a row died while they synced {name}: killed, out of memory, or their machines are gone. "
        f"{name} may be the cause, or a connection that was synced beside it. Look at the worker's memory and the kernel's log, "
        "then replay this letter; it is tried again in an hour.",
        "worker_died",
    )


def unusable(connection_id: str, error: Exception) -> AdpulseError:
    """The error for a connection whose row makes its claim fail."""
    return Unavailable(
        f"The control plane's row of connection {connection_id} cannot be used ({type(error).__name__}: {first_line(error)}). "
        "It is not synced until the row is mended, for example from a backup; it is tried again by itself."
    )


def refuse(session: Session, connection_id: str, error: AdpulseError, *, now: datetime, real: datetime) -> None:
    """Fail the sync of a connection that cannot be leased, with the usual pauses; the connection must be locked.

    Only columns that need no conversion are read, because another one may be what cannot be used. No event is published, because
    its data would come from that row.
    """
    of_connection = ConnectionRow.id == connection_id
    columns = (ConnectionRow.id, ConnectionRow.workspace_id, ConnectionRow.provider, ConnectionRow.consecutive_failures)
    row = session.execute(select(*columns, ConnectionRow.lease_generation).where(of_connection)).one()
    failures = row.consecutive_failures + 1
    dead = failures >= DEAD_AFTER
    until = now + timedelta(seconds=LONGEST_BACKOFF if dead else backoff(failures, _rng, LONGEST_OUTAGE_BACKOFF))
    ended = {"state": RunState.DEAD.value, "finished_at": real} if dead else {"state": RunState.FAILED.value, "until": until}
    open_run = session.scalar(select(RunRow.id).where(RunRow.connection_id == connection_id, is_open()))
    run_id = open_run or _begin(session, row, real)
    session.execute(update(RunRow).where(RunRow.id == run_id).values(**ended, **error_columns(error), attempts=RunRow.attempts + 1))
    if dead:
        resolve(session, (RunRow.connection_id == connection_id) & (RunRow.id != run_id), f"superseded by {run_id}", real)
    _fail(session, of_connection, error, until, last_sync_attempted_at=now, total_syncs_attempted=ConnectionRow.total_syncs_attempted + 1)


def _begin(session: Session, row: Any, real: datetime) -> str:  # noqa: ANN401 - a row of five columns
    run_id = str(uuid4())
    origin = {"connection_id": row.id, "workspace_id": row.workspace_id, "provider": row.provider}
    generations = {"generation": row.lease_generation, "settled_generation": row.lease_generation}
    state = {"state": RunState.LEASED.value, "parts": Parts.BOTH.value, "lane": Lane.ON_DEMAND.value, "force_refresh": False}
    session.execute(insert(RunRow).values(id=run_id, **origin, **generations, **state, requested_at=real, started_at=real))
    return run_id


def _fail(session: Session, of_connection: ColumnElement[bool], error: AdpulseError, next_due_at: datetime, **values: Any) -> None:
    """Store the error with the connection, and make a scheduled one due at ``next_due_at``."""
    failed = {"sync_status": SyncStatus.ERROR.value, "last_sync_error": str(error), "postponed_until": None, "postponed_reason": None}
    values |= failed | {"consecutive_failures": ConnectionRow.consecutive_failures + 1}
    session.execute(update(ConnectionRow).where(of_connection).values(**values))
    # A manual connection has no next_due_at, and must not get one.
    session.execute(update(ConnectionRow).where(of_connection, ConnectionRow.next_due_at.is_not(None)).values(next_due_at=next_due_at))


def error_columns(error: AdpulseError) -> dict[str, Any]:
    """The columns of a run in which an error is stored."""
    return {"error": str(error), "error_code": error.code, "error_during": error.during}
