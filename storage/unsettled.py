"""Claims that end without a settled sync: of rows that cannot be used. Steps: claim, telemetry."""

from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, insert, select, update

from adpulse.clock import utc_now
from adpulse.errors import AdpulseError, Unavailable
from adpulse.model import Lane, Parts, RunState, SyncStatus
from adpulse.retry import DEAD_AFTER, LONGEST_BACKOFF, backoff
from storage.connections import resolve
from storage.control import ConnectionRow, RunRow, Session, is_open

_rng = Random()  # noqa: S311 - jitter


def unusable(connection_id: str, error: Exception) -> AdpulseError:
    """The sentence for a connection whose row makes its claim fail."""
    said = str(error).partition("\n")[0]
    return Unavailable(
        f"The control plane's row of connection {connection_id} cannot be used ({type(error).__name__}: {said}). "
        "It is not synced until the row is mended, for example from a backup; it is tried again by itself."
    )


def refuse(session: Session, connection_id: str, error: AdpulseError, now: datetime) -> None:
    """Fail the sync of a connection that cannot be leased, with the usual pauses; the connection must be locked.

    Its row is only touched by columns that need no conversion. No webhook hears of it: what a message tells is in that row.
    """
    mine = ConnectionRow.id == connection_id
    columns = (ConnectionRow.id, ConnectionRow.workspace_id, ConnectionRow.provider, ConnectionRow.consecutive_failures)
    row = session.execute(select(*columns, ConnectionRow.lease_generation).where(mine)).one()
    failures = row.consecutive_failures + 1
    dead = failures >= DEAD_AFTER
    until = now + timedelta(seconds=LONGEST_BACKOFF if dead else backoff(failures, _rng))
    ended = {"state": RunState.DEAD.value, "finished_at": utc_now()} if dead else {"state": RunState.FAILED.value, "until": until}
    run_id = session.scalar(select(RunRow.id).where(RunRow.connection_id == connection_id, is_open())) or _begin(session, row)
    session.execute(update(RunRow).where(RunRow.id == run_id).values(**ended, **_said(error), attempts=RunRow.attempts + 1))
    if dead:
        resolve(session, (RunRow.connection_id == connection_id) & (RunRow.id != run_id), f"superseded by {run_id}")
    _fail(session, mine, error, until, last_sync_attempted_at=now, total_syncs_attempted=ConnectionRow.total_syncs_attempted + 1)


def _begin(session: Session, row: Any) -> str:  # noqa: ANN401 - a row of five columns
    run_id, now = str(uuid4()), utc_now()
    whose = {"connection_id": row.id, "workspace_id": row.workspace_id, "provider": row.provider}
    generations = {"generation": row.lease_generation, "settled_generation": row.lease_generation}
    asked = {"state": RunState.LEASED.value, "parts": Parts.BOTH.value, "lane": Lane.ON_DEMAND.value, "force_refresh": False}
    session.execute(insert(RunRow).values(id=run_id, **whose, **generations, **asked, requested_at=now, started_at=now))
    return run_id


def _fail(session: Session, mine: ColumnElement[bool], error: AdpulseError, next_due_at: datetime, **values: Any) -> None:
    """Show the error on the connection; one that is polled is due again then."""
    failed = {"sync_status": SyncStatus.ERROR.value, "last_sync_error": str(error), "postponed_until": None, "postponed_reason": None}
    values |= failed | {"consecutive_failures": ConnectionRow.consecutive_failures + 1}
    session.execute(update(ConnectionRow).where(mine).values(**values))
    session.execute(update(ConnectionRow).where(mine, ConnectionRow.next_due_at.is_not(None)).values(next_due_at=next_due_at))


def _said(error: AdpulseError) -> dict[str, Any]:
    return {"error": str(error), "error_code": error.code, "error_during": error.during}
