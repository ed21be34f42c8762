"""Requests for syncs: each is stored as a queued run, until a worker claims it. Step: claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, insert, select, update

from adpulse.model import Lane, Parts, RunState, SyncStatus
from adpulse.planner.lookback import lookback_since
from storage.control.connection_rows import connection_of
from storage.control.database import Session
from storage.control.partitions import read_again
from storage.control.tables import ConnectionRow, RunRow, is_open

_WAITS = (RunState.POSTPONED.value, RunState.FAILED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The answer to a request: the run that will serve it, its state, and whether the run is new."""

    run_id: str
    state: RunState
    created: bool


def request(
    session: Session, rows: Sequence[Row[*tuple[Any, ...]]], parts: Parts, *, force: bool, now: datetime, real: datetime
) -> dict[str, Ticket]:
    """Request a sync of each connection; an open run serves the request, extended to what is requested now.

    The connections must be locked and active. ``force`` makes the days of the lookback window due, so that the next plan reads
    them again. The number of statements does not grow with the connections, except with ``force``. ``now`` is business time,
    ``real`` real time.
    """
    if force:
        for row in rows:
            read_again(session, row.id, lookback_since(now, connection_of(row)))
    columns = (RunRow.id, RunRow.connection_id, RunRow.state, RunRow.parts, RunRow.force_refresh)
    runs = session.execute(select(*columns).where(RunRow.connection_id.in_([row.id for row in rows]), is_open())).all()
    _widen(session, runs, parts, force=force)
    tickets = {
        run.connection_id: Ticket(run_id=run.id, state=RunState.QUEUED if run.state in _WAITS else RunState(run.state), created=False)
        for run in runs
    }
    fresh = [row for row in rows if row.id not in tickets]
    tickets |= {row.id: Ticket(run_id=str(uuid4()), state=RunState.QUEUED, created=True) for row in fresh}
    if fresh:
        session.execute(insert(RunRow), [_queued(row, tickets[row.id], parts, force=force, real=real) for row in fresh])
    # A connection that is being synced keeps that status: its open run serves the request.
    idle = [row.id for row in rows if row.sync_status not in (SyncStatus.SYNCING, SyncStatus.QUEUED)]
    if idle:
        session.execute(update(ConnectionRow).where(ConnectionRow.id.in_(idle)).values(sync_status=SyncStatus.QUEUED.value))
    return tickets


def _widen(session: Session, runs: Sequence[Row[*tuple[Any, ...]]], parts: Parts, *, force: bool) -> None:
    """Queue postponed and failed runs again at once, and extend runs that would read only a part of what is requested."""
    changes: tuple[tuple[list[str], dict[str, Any]], ...] = (
        (
            [run.id for run in runs if run.state in _WAITS],
            {"state": RunState.QUEUED.value, "started_at": None, "lane": Lane.ON_DEMAND.value},
        ),
        ([run.id for run in runs if run.parts != parts], {"parts": Parts.BOTH.value}),
        ([run.id for run in runs if force and not run.force_refresh], {"force_refresh": True}),
    )
    for ids, values in changes:
        if ids:
            session.execute(update(RunRow).where(RunRow.id.in_(ids)).values(**values))


def _queued(row: Row[*tuple[Any, ...]], ticket: Ticket, parts: Parts, *, force: bool, real: datetime) -> dict[str, Any]:
    return {
        "id": ticket.run_id,
        "connection_id": row.id,
        "workspace_id": row.workspace_id,
        "provider": row.provider,
        "state": ticket.state.value,
        "parts": parts.value,
        "force_refresh": force,
        "requested_at": real,
    }
