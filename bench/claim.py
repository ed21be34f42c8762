"""How long a claim takes: ``Leases.claim_due`` as the flow calls it, with 5,000 connections in the control plane.

Every round makes 0 to 20 of the realtime connections due, as for a tick, and claims them; an empty claim follows. The claimed runs
are closed between the rounds, outside the measurement, so that history grows as in a real installation.
"""

import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import insert, update

from adpulse.clock import SystemClock
from adpulse.frequency import Frequency
from adpulse.model import Lease, RunState
from storage.control import database, migrations
from storage.control.database import Engine
from storage.control.leases import Leases
from storage.control.tables import ConnectionRow, CredentialRow, RunRow, WorkspaceRow

CONNECTIONS = 5_000
WORKSPACES = 50
HISTORY = 100_000
"""Closed runs that are there already: what 100 realtime connections leave in eight hours."""

MOST_DUE = 20
ROUNDS = 300
_FAR = datetime(2100, 1, 1, tzinfo=UTC)
_WALL = SystemClock()


def measure() -> list[dict[str, object]]:
    """One row for the empty claim and one for claims of up to 20: median, 95th percentile and slowest, in ms."""
    with tempfile.TemporaryDirectory() as folder:
        engine = database.connect(f"sqlite:///{Path(folder) / 'control.db'}")
        migrations.migrate(engine)
        fill(engine, CONNECTIONS, HISTORY)
        leases, dice = Leases(engine, _WALL, wall=_WALL), random.Random(7)  # noqa: S311 - seeded dice
        empty, due = [], []
        for number in range(ROUNDS):
            _make_due(engine, dice.sample(range(CONNECTIONS), number % (MOST_DUE + 1)))
            took, claimed = _timed(leases)
            (due if claimed else empty).append(took)
            _close(engine, claimed)
            empty.append(_timed(leases)[0])
        engine.dispose()
    return [_row("none due", empty), _row(f"1 to {MOST_DUE} due", due)]


def _timed(leases: Leases) -> tuple[float, list[Lease]]:
    start = time.perf_counter()
    claimed = leases.claim_due("meta", Frequency.REALTIME, "bench")
    return (time.perf_counter() - start) * 1000, claimed


def _row(case: str, milliseconds: Sequence[float]) -> dict[str, object]:
    return {
        "case": case,
        "connections": CONNECTIONS,
        "claims": len(milliseconds),
        "p50_ms": round(statistics.median(milliseconds), 2),
        "p95_ms": round(statistics.quantiles(milliseconds, n=20)[-1], 2),
        "max_ms": round(max(milliseconds), 2),
    }


def fill(engine: Engine, connections: int, history: int) -> None:
    """Active connections, spread over the workspaces, and closed runs of the first hundred."""
    workspaces = [{"id": f"w{number}", "name": f"Workspace {number}", "realtime_granted": True} for number in range(WORKSPACES)]
    credentials = [
        {"id": f"k{number}", "workspace_id": f"w{number}", "kind": "meta_token", "ciphertext": b"", "created_at": _WALL.now()}
        for number in range(WORKSPACES)
    ]
    with engine.begin() as session:
        session.execute(insert(WorkspaceRow), workspaces)
        session.execute(insert(CredentialRow), credentials)
        session.execute(insert(ConnectionRow), [_connection(number) for number in range(connections)])
        session.execute(insert(RunRow), [_closed_run(number, history) for number in range(history)])


def _connection(number: int) -> dict[str, Any]:
    """All of them in one group: the worst case for a claim that looks through its group."""
    return {
        "id": f"c{number:05d}",
        "workspace_id": f"w{number % WORKSPACES}",
        "credential_id": f"k{number % WORKSPACES}",
        "provider": "meta",
        "external_id": str(number),
        "name": f"Account {number}",
        "currency": "USD",
        "timezone": "America/New_York",
        "gross_margin": Decimal(1),
        "status": "active",
        "ad_count": 20,
        "campaign_count": 2,
        "sync_frequency": Frequency.REALTIME.value,
        "next_due_at": _FAR,
    }


def _closed_run(number: int, history: int) -> dict[str, Any]:
    at = _WALL.now() - timedelta(seconds=0.3 * (history - number))
    return {
        "id": f"r{number:06d}",
        "connection_id": f"c{number % 100:05d}",
        "workspace_id": f"w{number % 100 % WORKSPACES}",
        "provider": "meta",
        "state": RunState.DONE.value,
        "parts": "both",
        "requested_at": at,
        "started_at": at,
        "finished_at": at,
    }


def _make_due(engine: Engine, numbers: Sequence[int]) -> None:
    ids = [f"c{number:05d}" for number in numbers]
    with engine.begin() as session:
        session.execute(update(ConnectionRow).where(ConnectionRow.id.in_(ids)).values(next_due_at=_WALL.now() - timedelta(seconds=1)))


def _close(engine: Engine, leases: Sequence[Lease]) -> None:
    ids, runs = [lease.connection.id for lease in leases], [lease.run_id for lease in leases]
    with engine.begin() as session:
        session.execute(update(RunRow).where(RunRow.id.in_(runs)).values(state=RunState.DONE.value, finished_at=_WALL.now()))
        session.execute(update(ConnectionRow).where(ConnectionRow.id.in_(ids)).values(lease_owner=None, lease_until=None, next_due_at=_FAR))
