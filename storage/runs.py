"""Sync runs: a state machine that is also the outbox of requests, and the telemetry it leaves. Steps: claim, telemetry."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, func, insert, select, update

from adpulse.clock import Clock, utc_now
from adpulse.errors import AdpulseError, LeaseLost, UnknownConnection, Usage
from adpulse.model import ConnectionStatus, Lease, Parts, Provider, RunCounts, RunState, SyncStatus
from adpulse.planner.windows import LOOKBACK_DAYS
from storage.connections import LEASE, OPEN, WORKING, bump, claimable, connection_of, free
from storage.control import ConnectionRow, DispatchRow, Engine, RunRow, Session, reading
from storage.partitions import forget

_ENDS = (RunState.DONE, RunState.POSTPONED, RunState.FAILED, RunState.QUEUED, RunState.LEASED)
LEGAL_MOVES: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset({RunState.LEASED}),
    RunState.LEASED: frozenset({RunState.FETCHED, RunState.APPLIED, *_ENDS}),
    RunState.FETCHED: frozenset({RunState.FETCHED, RunState.APPLIED, *_ENDS}),
    RunState.APPLIED: frozenset({RunState.APPLIED, *_ENDS}),
    RunState.POSTPONED: frozenset({RunState.LEASED, RunState.QUEUED}),
    RunState.DONE: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.DEAD: frozenset(),
}
"""Which state may follow which.

Back to queued: the lease was given back. Leased again: it ran out and was adopted. The same again: a step was tried again.
From leased to applied: a part of the plan was read before an error, and is stored.
"""

_COUNTS = tuple(RunCounts.__dataclass_fields__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The answer to a request: the run that will serve it, and whether it is a new one."""

    run_id: str
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run as people see it; counts add up over the legs of a postponed run."""

    id: str
    connection_id: str
    state: RunState
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    until: datetime | None
    reason: str | None
    flow_run_id: str | None
    calls: int
    counts: RunCounts
    error_code: str | None
    error: str | None


class Runs:
    """The runs of this installation."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def request(self, connection_id: str, parts: Parts = Parts.BOTH, *, force: bool = False) -> Ticket:
        """Ask for a sync; while one is open the same run is returned, widened to what is asked now.

        ``force`` forgets when the lookback was read, so that the next plan reads all of it again.

        Raises:
            UnknownConnection, Usage: no such connection, or it is not synced at present.
        """
        with self._engine.begin() as session:
            row = session.execute(select(ConnectionRow.__table__).where(ConnectionRow.id == connection_id)).one_or_none()
            if row is None:
                raise UnknownConnection(f"There is no connection '{connection_id}'.")
            if row.status != ConnectionStatus.ACTIVE.value:
                raise Usage(f"{row.name} is not synced at present ({row.status}). {row.status_reason or ''}".strip())
            if force:
                forget(session, connection_id, connection_of(row).today(self._clock.now()) - timedelta(days=LOOKBACK_DAYS))
            ticket = self._open(session, row, parts, force=force)
            if row.sync_status != SyncStatus.SYNCING.value:
                session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(sync_status=SyncStatus.QUEUED.value))
            return ticket

    @staticmethod
    def _open(session: Session, row: Row[Any], parts: Parts, *, force: bool) -> Ticket:
        run = session.execute(
            select(RunRow.id, RunRow.state, RunRow.parts, RunRow.force_refresh).where(
                RunRow.connection_id == row.id, RunRow.state.in_(OPEN)
            )
        ).one_or_none()
        if run is None:
            run_id = str(uuid4())
            session.execute(
                insert(RunRow).values(
                    id=run_id,
                    connection_id=row.id,
                    workspace_id=row.workspace_id,
                    provider=row.provider,
                    state=RunState.QUEUED.value,
                    parts=parts.value,
                    force_refresh=force,
                    requested_at=utc_now(),
                )
            )
            return Ticket(run_id=run_id, created=True)
        wider = {"parts": parts.value if run.parts == parts.value else Parts.BOTH.value, "force_refresh": run.force_refresh or force}
        if run.state == RunState.POSTPONED.value:
            wider |= {"state": RunState.QUEUED.value, "started_at": None}
        session.execute(update(RunRow).where(RunRow.id == run.id).values(**wider))
        return Ticket(run_id=run.id, created=False)

    def get(self, run_id: str) -> RunView:
        """One run.

        Raises:
            Usage: there is none with this id.
        """
        found = self._select(RunRow.id == run_id, 1)
        if not found:
            raise Usage(f"There is no sync run '{run_id}'.")
        return found[0]

    def history(self, connection_id: str, limit: int = 50) -> list[RunView]:
        """The connection's runs, newest first."""
        return self._select(RunRow.connection_id == connection_id, limit)

    def _select(self, condition: ColumnElement[bool], limit: int) -> list[RunView]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(RunRow.__table__).where(condition).order_by(RunRow.requested_at.desc()).limit(limit))
            return [_view(row) for row in rows]

    def lease(self, run_id: str, generation: int) -> Lease:
        """The lease of a run that is being worked on.

        Raises:
            LeaseLost: the connection was claimed again since, or the run is closed.
        """
        found = self._leases(RunRow.id == run_id, RunRow.generation == generation)
        if not found:
            raise _lost(run_id)
        return found[0]

    def held_by(self, owner: str) -> list[Lease]:
        """The leases that a flow run holds."""
        return self._leases(RunRow.flow_run_id == owner, ConnectionRow.lease_owner == owner)

    def _leases(self, *conditions: ColumnElement[bool]) -> list[Lease]:
        query = (
            select(ConnectionRow.__table__, RunRow.id.label("run_id"), RunRow.generation, RunRow.parts, RunRow.force_refresh)
            .join(RunRow, RunRow.connection_id == ConnectionRow.id)
            .where(RunRow.generation == ConnectionRow.lease_generation, RunRow.state.in_(WORKING), *conditions)
        )
        with reading(self._engine).connect() as session:
            rows = session.execute(query).all()
        return [
            Lease(
                run_id=row.run_id,
                generation=row.generation,
                connection=connection_of(row),
                parts=Parts(row.parts),
                force_refresh=row.force_refresh,
            )
            for row in rows
        ]

    def held(self, run_id: str, generation: int) -> bool:
        """Whether the lease is still ours."""
        try:
            self.lease(run_id, generation)
        except LeaseLost:
            return False
        return True

    def calling(self, lease: Lease) -> None:
        """Note that the run is about to call the platform; this renews its lease.

        Raises:
            LeaseLost: nothing may be called for it any more.
        """
        with self._engine.begin() as session:
            mine = (ConnectionRow.id == lease.connection.id) & (ConnectionRow.lease_generation == lease.generation)
            if not session.execute(update(ConnectionRow).where(mine).values(lease_until=utc_now() + LEASE)).rowcount:
                raise _lost(lease.run_id)
            session.execute(update(RunRow).where(RunRow.id == lease.run_id).values(calls=RunRow.calls + 1))

    def fetched(self, lease: Lease) -> None:
        """Everything planned is staged."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.FETCHED)

    def applied(self, lease: Lease) -> None:
        """The warehouse holds everything that was staged."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.APPLIED)

    def done(self, lease: Lease, counts: RunCounts) -> None:
        """Close the run: everything planned was read and stored."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.DONE, finished_at=utc_now(), **_added(counts))
            self._settle(session, lease, counts, sync_status=SyncStatus.IDLE.value, postponed_until=None, postponed_reason=None)

    def postponed(self, lease: Lease, counts: RunCounts, *, until: datetime, reason: str) -> None:
        """Keep the run open until the rest of its plan fits; what was read is stored."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.POSTPONED, until=until, reason=reason, **_added(counts))
            self._settle(session, lease, counts, sync_status=SyncStatus.IDLE.value, postponed_until=until, postponed_reason=reason)

    def failed(self, lease: Lease, error: AdpulseError, counts: RunCounts, *, next_due_at: datetime | None) -> None:
        """Close the run with its error; a scheduled connection is due again at ``next_due_at``."""
        told = str(error)
        with self._engine.begin() as session:
            self._move(session, lease, RunState.FAILED, finished_at=utc_now(), error=told, error_code=error.code, **_added(counts))
            values: dict[str, Any] = {"sync_status": SyncStatus.ERROR.value, "last_sync_error": told}
            if next_due_at is not None and lease.connection.frequency.interval is not None:
                values["next_due_at"] = next_due_at
            self._free(session, lease, consecutive_failures=ConnectionRow.consecutive_failures + 1, **values, **self._changed(counts))

    def _settle(self, session: Session, lease: Lease, counts: RunCounts, **values: Any) -> None:
        self._free(
            session,
            lease,
            last_sync_completed_at=self._clock.now(),
            last_sync_error=None,
            consecutive_failures=0,
            **values,
            **self._changed(counts),
        )

    def _changed(self, counts: RunCounts) -> dict[str, Any]:
        if not counts.inserted + counts.updated:
            return {}
        return {"last_metrics_changed_at": self._clock.now(), "total_syncs_with_changes": ConnectionRow.total_syncs_with_changes + 1}

    @staticmethod
    def _free(session: Session, lease: Lease, **values: Any) -> None:
        mine = (ConnectionRow.id == lease.connection.id) & (ConnectionRow.lease_generation == lease.generation)
        session.execute(update(ConnectionRow).where(mine).values(lease_owner=None, lease_until=None, **values))

    @staticmethod
    def _move(session: Session, lease: Lease, state: RunState, **values: Any) -> None:
        """One guarded UPDATE: the generation must be ours and the move legal."""
        sources = [source.value for source, targets in LEGAL_MOVES.items() if state in targets]
        current = select(ConnectionRow.lease_generation).where(ConnectionRow.id == RunRow.connection_id).scalar_subquery()
        mine = (
            (RunRow.id == lease.run_id)
            & (RunRow.generation == lease.generation)
            & (current == lease.generation)
            & RunRow.state.in_(sources)
        )
        if not session.execute(update(RunRow).where(mine).values(state=state.value, **values)).rowcount:
            raise _lost(lease.run_id)

    def waiting(self, provider: Provider) -> int:
        """How many runs could be claimed now by an on-demand flow run."""
        now = self._clock.now()
        query = (
            select(func.count())
            .select_from(RunRow)
            .join(ConnectionRow, ConnectionRow.id == RunRow.connection_id)
            .where(claimable(provider, now), *free(now))
        )
        with reading(self._engine).connect() as session:
            return session.scalar(query) or 0

    def dispatch_generation(self, provider: Provider) -> int:
        """How often queued runs were claimed: what requests until the next claim have in common."""
        with reading(self._engine).connect() as session:
            return session.scalar(select(DispatchRow.generation).where(DispatchRow.provider == provider.value)) or 0

    def bump_dispatch(self, provider: Provider) -> int:
        """Begin a new generation, because the flow run of this one ended without claiming."""
        with self._engine.begin() as session:
            bump(session, provider)
        return self.dispatch_generation(provider)


def _added(counts: RunCounts) -> dict[str, Any]:
    return {name: getattr(RunRow, name) + getattr(counts, name) for name in _COUNTS}


def _lost(run_id: str) -> LeaseLost:
    return LeaseLost(f"Run {run_id} is no longer ours: its connection was claimed again or its lease given back.")


def _view(row: Row[Any]) -> RunView:
    same = {name: getattr(row, name) for name in RunView.__dataclass_fields__ if name not in ("state", "counts")}
    return RunView(state=RunState(row.state), counts=RunCounts(**{name: getattr(row, name) for name in _COUNTS}), **same)
