"""Claims that end without a settled sync, and when that is given up. Steps: claim, telemetry."""

import json
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, insert, select, update

from adpulse.errors import AdpulseError, Permanent, Unavailable, first_line
from adpulse.model import Lane, Lease, Parts, RunState, SyncStatus
from adpulse.retry import DEAD_AFTER, LONGEST_BACKOFF, backoff
from storage.control.connections import resolve
from storage.control.database import Session
from storage.control.outbox import publish, settled
from storage.control.tables import ConnectionRow, RunRow, is_open

MOST_UNSETTLED, UNSETTLED_WITHIN = 5, timedelta(minutes=10)
"""So many claims of a connection that end unsettled in so short a time (real time) are a dead letter: it must not be tried for ever."""

MOST_DEATHS = 3
"""Workers that died in a row while they had a connection leased: it is suspected of killing them, for example by needing their memory."""

_rng = Random()  # noqa: S311 - jitter


class Ending(StrEnum):
    """How a claim ended whose sync was not settled."""

    GIVEN_BACK = "given back"
    """Not the connection's doing: a worker stops, somebody cancels or disconnects, the database is locked."""

    UNSETTLED = "unsettled"
    """The worker lived, but the sync could not be closed, or the flow run crashed."""

    WORKER_DIED = "worker died"
    """Killed, out of memory, or its machine is gone."""


def note(session: Session, lease: Lease, ending: Ending, *, now: datetime, real: datetime) -> None:
    """Count a claim that ended so; one unsettled claim too many makes a dead letter. The lease must be given back already.

    ``now`` is business time, ``real`` real time, here and below.
    """
    mine = ConnectionRow.id == lease.connection.id
    if ending is Ending.WORKER_DIED:
        session.execute(update(ConnectionRow).where(mine).values(worker_deaths=ConnectionRow.worker_deaths + 1))
    elif ending is Ending.UNSETTLED:
        recent = _since(session.scalar(select(ConnectionRow.unsettled_at).where(mine)), real - UNSETTLED_WITHIN, real)
        if len(recent) + 1 < MOST_UNSETTLED:
            session.execute(update(ConnectionRow).where(mine).values(unsettled_at=json.dumps([*recent, real.isoformat()])))
        else:
            _give_up(session, lease, now=now, real=real)


def _since(noted: str | None, first: datetime, last: datetime) -> list[str]:
    """The instants of a note between these two; a note that cannot be read says nothing, and must not hide what comes after it."""
    try:
        return [each for each in json.loads(noted or "[]") if first <= datetime.fromisoformat(each) <= last]
    except (ValueError, TypeError):
        return []


def _give_up(session: Session, lease: Lease, *, now: datetime, real: datetime) -> None:
    """Close the run as a dead letter and let the connection rest as after any other.

    What its last legs wrote is stored, but not in the run's counts: that it could not be told is what went wrong.
    """
    name, minutes = lease.connection.name, UNSETTLED_WITHIN // timedelta(minutes=1)
    error = Permanent(
        f"The sync of {name} ended {MOST_UNSETTLED} times within {minutes} minutes without a result, while its worker went on. "
        f"Look for run {lease.run_id} in the worker's log and mend the cause, then replay this letter; it is tried again in an hour.",
        "unsettled",
    )
    run, letter = RunRow.id == lease.run_id, {"state": RunState.DEAD.value, "finished_at": real, **_said(error)}
    closed = update(RunRow).where(run).values(**letter, attempts=RunRow.attempts + 1).returning(*RunRow.__table__.columns)
    row = session.execute(closed.execution_options(synchronize_session=False)).one()
    resolve(session, (RunRow.connection_id == lease.connection.id) & ~run, f"superseded by {lease.run_id}", real)
    publish(session, *settled(lease.connection, row, None), now=real)
    next_due_at = now + timedelta(seconds=LONGEST_BACKOFF)
    _fail(session, ConnectionRow.id == lease.connection.id, error, next_due_at, unsettled_at=None)


def suspected(lease: Lease) -> AdpulseError | None:
    """The error of a connection that is suspected of killing workers; None if it is not."""
    if lease.worker_deaths < MOST_DEATHS:
        return None
    name = lease.connection.name
    return Permanent(
        f"{lease.worker_deaths} workers in a row died while they synced {name}: killed, out of memory, or their machines are gone. "
        f"{name} may be the cause, or a connection that was synced beside it. Look at the worker's memory and the kernel's log, "
        "then replay this letter; it is tried again in an hour.",
        "worker_died",
    )


def unusable(connection_id: str, error: Exception) -> AdpulseError:
    """The sentence for a connection whose row makes its claim fail."""
    return Unavailable(
        f"The control plane's row of connection {connection_id} cannot be used ({type(error).__name__}: {first_line(error)}). "
        "It is not synced until the row is mended, for example from a backup; it is tried again by itself."
    )


def refuse(session: Session, connection_id: str, error: AdpulseError, *, now: datetime, real: datetime) -> None:
    """Fail the sync of a connection that cannot be leased, with the usual pauses; the connection must be locked.

    Its row is only touched by columns that need no conversion. No webhook hears of it: what a message tells is in that row.
    """
    mine = ConnectionRow.id == connection_id
    columns = (ConnectionRow.id, ConnectionRow.workspace_id, ConnectionRow.provider, ConnectionRow.consecutive_failures)
    row = session.execute(select(*columns, ConnectionRow.lease_generation).where(mine)).one()
    failures = row.consecutive_failures + 1
    dead = failures >= DEAD_AFTER
    until = now + timedelta(seconds=LONGEST_BACKOFF if dead else backoff(failures, _rng))
    ended = {"state": RunState.DEAD.value, "finished_at": real} if dead else {"state": RunState.FAILED.value, "until": until}
    waiting = session.scalar(select(RunRow.id).where(RunRow.connection_id == connection_id, is_open()))
    run_id = waiting or _begin(session, row, real)
    session.execute(update(RunRow).where(RunRow.id == run_id).values(**ended, **_said(error), attempts=RunRow.attempts + 1))
    if dead:
        resolve(session, (RunRow.connection_id == connection_id) & (RunRow.id != run_id), f"superseded by {run_id}", real)
    _fail(session, mine, error, until, last_sync_attempted_at=now, total_syncs_attempted=ConnectionRow.total_syncs_attempted + 1)


def _begin(session: Session, row: Any, real: datetime) -> str:  # noqa: ANN401 - a row of five columns
    run_id = str(uuid4())
    whose = {"connection_id": row.id, "workspace_id": row.workspace_id, "provider": row.provider}
    generations = {"generation": row.lease_generation, "settled_generation": row.lease_generation}
    asked = {"state": RunState.LEASED.value, "parts": Parts.BOTH.value, "lane": Lane.ON_DEMAND.value, "force_refresh": False}
    session.execute(insert(RunRow).values(id=run_id, **whose, **generations, **asked, requested_at=real, started_at=real))
    return run_id


def _fail(session: Session, mine: ColumnElement[bool], error: AdpulseError, next_due_at: datetime, **values: Any) -> None:
    """Show the error on the connection; one that is polled is due again then."""
    failed = {"sync_status": SyncStatus.ERROR.value, "last_sync_error": str(error), "postponed_until": None, "postponed_reason": None}
    values |= failed | {"consecutive_failures": ConnectionRow.consecutive_failures + 1}
    session.execute(update(ConnectionRow).where(mine).values(**values))
    session.execute(update(ConnectionRow).where(mine, ConnectionRow.next_due_at.is_not(None)).values(next_due_at=next_due_at))


def _said(error: AdpulseError) -> dict[str, Any]:
    return {"error": str(error), "error_code": error.code, "error_during": error.during}
