"""Sync runs: the requests for syncs, their states, and their telemetry. Steps: claim, telemetry."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, or_, select, true, update

from adpulse.clock import Clock
from adpulse.errors import AdpulseError, LeaseLost, UnknownConnection, Usage
from adpulse.events import needs_attention
from adpulse.model import ConnectionStatus, Lane, Lease, Parts, Provider, Restated, RunCounts, RunState, SyncStatus
from adpulse.run_states import LEGAL_MOVES
from storage.control import sync_requests
from storage.control.connection_rows import connection_of
from storage.control.connections import resolve
from storage.control.database import Engine, Session, columns, lock, reading
from storage.control.leases import LEASE, bump, dispatch_key, next_due
from storage.control.outbox import events_of_leg, publish
from storage.control.refusals import is_news
from storage.control.sync_requests import Ticket
from storage.control.tables import WORKING, ConnectionRow, DispatchRow, RunRow, is_leased_by, is_letter, is_open
from storage.control.unsettled import error_columns

_COUNTS = tuple(RunCounts.__dataclass_fields__)
_MAX_LETTERS = 1000
_PORTION = 1000

SHOWN = 50
"""How many runs of a connection are shown; so many are kept, however old."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """The result of one lease of a run: its counts, how often it wrote metrics and when last, and whether the platform was slow.

    ``idle``: nothing was read, because nothing was due or no calls were left, so no data are fresher than before. ``today``: today's
    numbers were read. ``next_due_at``: when a tick could read something next; None is the next slot.

    If it wrote metrics, ``trailing_spend`` is the connection's spend of the last seven days in micros, and ``restated`` the change of
    days before today. ``slow``: None is unknown.
    """

    counts: RunCounts = field(default_factory=RunCounts)
    changes: int = 0
    changed_at: datetime | None = None
    trailing_spend: int = 0
    restated: Restated | None = None
    slow: bool | None = None
    idle: bool = False
    today: bool = True
    next_due_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """One run as people see it; its counts are the sums over its legs."""

    id: str
    connection_id: str
    state: RunState
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    until: datetime | None
    reason: str | None
    flow_run_id: str | None
    lane: Lane
    parts: Parts
    force_refresh: bool
    attempts: int
    calls: int
    counts: RunCounts
    error_code: str | None
    error: str | None
    error_during: str | None
    resolved_at: datetime | None
    resolution: str | None


_SAME = tuple(name for name in RunView.__dataclass_fields__ if name not in ("state", "lane", "parts", "counts"))


class Runs:
    """The runs of this installation."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def request(self, connection_id: str, parts: Parts = Parts.BOTH, *, force: bool = False) -> Ticket:
        """Request a sync; an open run is returned again, extended to what is requested now.

        ``force`` makes all days of the lookback window due, so that the next plan reads them again.

        Raises:
            UnknownConnection, Usage: there is no such connection, or it is not synced at present.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            row = session.execute(select(ConnectionRow.__table__).where(ConnectionRow.id == connection_id)).one_or_none()
            if row is None:
                raise UnknownConnection(f"There is no connection '{connection_id}'.")
            if row.status != ConnectionStatus.ACTIVE.value:
                raise Usage(f"{row.name} is not synced at present ({row.status}). {row.status_reason or ''}".strip())
            now, real = self._clock.now(), self._wall.now()
            return sync_requests.request(session, [row], parts, force=force, now=now, real=real)[connection_id]

    def get(self, run_id: str) -> RunView:
        """The run with this id.

        Raises:
            Usage: there is no such run.
        """
        run = self.find(run_id)
        if run is None:
            raise Usage(f"There is no sync run '{run_id}'.")
        return run

    def find(self, run_id: str, workspace_id: str | None = None) -> RunView | None:
        """The run with this id, if there is one and, with ``workspace_id``, it is that workspace's."""
        return self._first(RunRow.id == run_id, workspace_id)

    def letter(self, run_id: str, workspace_id: str | None = None) -> RunView | None:
        """The run with this id, if it is an open dead letter and, with ``workspace_id``, it is that workspace's."""
        return self._first((RunRow.id == run_id) & is_letter(), workspace_id)

    def history(self, connection_id: str, limit: int = SHOWN) -> list[RunView]:
        """The connection's runs, newest first."""
        return self._select(RunRow.connection_id == connection_id, limit)

    def dead_letters(self, connection_id: str | None = None, workspace_id: str | None = None) -> list[RunView]:
        """Open dead letters, newest first, of all connections or of one connection or workspace."""
        of_connection = (RunRow.connection_id == connection_id) if connection_id else true()
        of_workspace = (RunRow.workspace_id == workspace_id) if workspace_id else true()
        return self._select(is_letter() & of_connection & of_workspace, _MAX_LETTERS)

    def resolve(self, run_id: str, resolution: str) -> bool:
        """Mark a dead letter as dealt with; False if the run is no open dead letter."""
        with self._engine.begin() as session:
            return bool(resolve(session, RunRow.id == run_id, resolution, self._wall.now()))

    def open_runs(self) -> set[str]:
        """The ids of all runs that are not closed."""
        with reading(self._engine).connect() as session:
            return set(session.scalars(select(RunRow.id).where(is_open())))

    def prune(self, older_than: timedelta) -> int:
        """Delete runs that ended longer ago than this (real time); returns how many.

        Each connection's newest runs stay, and open dead letters. One call deletes a limited number per connection, so that no
        transaction takes long; the next call deletes more.
        """
        before = self._wall.now() - older_than
        with reading(self._engine).connect() as session:
            connections = session.scalars(select(ConnectionRow.id)).all()
        return sum(self._prune(connection_id, before) for connection_id in connections)

    def _prune(self, connection_id: str, before: datetime) -> int:
        of_connection = RunRow.connection_id == connection_id
        over = or_(RunRow.state == RunState.DONE.value, (RunRow.state == RunState.DEAD.value) & RunRow.resolved_at.is_not(None))
        with reading(self._engine).connect() as session:
            # Most connections have nothing to delete, so they are read without the writer's lock.
            newest = select(RunRow.requested_at).where(of_connection).order_by(RunRow.requested_at.desc())
            shown_since = session.scalar(newest.offset(SHOWN - 1).limit(1))
            if shown_since is None:
                return 0
            old = select(RunRow.id).where(of_connection, RunRow.requested_at < min(shown_since, before), RunRow.finished_at < before, over)
            ids = session.scalars(old.limit(_PORTION)).all()
        if not ids:
            return 0
        with self._engine.begin() as session:
            return session.execute(delete(RunRow).where(RunRow.id.in_(ids))).rowcount

    def _first(self, condition: ColumnElement[bool], workspace_id: str | None) -> RunView | None:
        of_workspace = (RunRow.workspace_id == workspace_id) if workspace_id else true()
        return next(iter(self._select(condition & of_workspace, 1)), None)

    def _select(self, condition: ColumnElement[bool], limit: int) -> list[RunView]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(RunRow.__table__).where(condition).order_by(RunRow.requested_at.desc()).limit(limit)).all()
        return [run_view(row) for row in rows]

    def lease(self, run_id: str, generation: int) -> Lease:
        """The lease of a run that a worker has claimed.

        Raises:
            LeaseLost: the connection was claimed again since, or the run is closed.
        """
        leases = self._leases(RunRow.id == run_id, RunRow.generation == generation)
        if not leases:
            raise _lost(run_id)
        return leases[0]

    def leases_of_owner(self, owner: str) -> list[Lease]:
        """The leases of a flow run."""
        return self._leases(RunRow.flow_run_id == owner, ConnectionRow.lease_owner == owner)

    def leases_of_connection(self, connection_id: str) -> list[Lease]:
        """The connection's lease, or an empty list."""
        return self._leases(ConnectionRow.id == connection_id, ConnectionRow.lease_owner.is_not(None))

    def leases_of_workspace(self, workspace_id: str) -> list[Lease]:
        """The leases of a workspace's connections."""
        return self._leases(ConnectionRow.workspace_id == workspace_id, ConnectionRow.lease_owner.is_not(None))

    def _leases(self, *conditions: ColumnElement[bool]) -> list[Lease]:
        query = (
            select(
                ConnectionRow.__table__,
                RunRow.id.label("run_id"),
                RunRow.generation,
                RunRow.parts,
                RunRow.force_refresh,
                RunRow.settled_generation,
            )
            .join(RunRow, RunRow.connection_id == ConnectionRow.id)
            .where(RunRow.generation == ConnectionRow.lease_generation, is_open(), RunRow.state.in_(WORKING), *conditions)
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
                settled_generation=row.settled_generation,
            )
            for row in rows
        ]

    def is_leased(self, run_id: str, generation: int) -> bool:
        """Whether the lease of this generation is still valid."""
        try:
            self.lease(run_id, generation)
        except LeaseLost:
            return False
        return True

    def calling(self, lease: Lease) -> None:
        """Count a platform call that is about to be made; this renews the lease.

        Raises:
            LeaseLost: the call must not be made, because another worker may have the connection.
        """
        with self._engine.begin() as session:
            leased = is_leased_by(lease)
            if not session.execute(update(ConnectionRow).where(leased).values(lease_until=self._wall.now() + LEASE)).rowcount:
                raise _lost(lease.run_id)
            session.execute(update(RunRow).where(RunRow.id == lease.run_id).values(calls=RunRow.calls + 1))

    def fetched(self, lease: Lease) -> None:
        """Record that everything planned is staged."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.FETCHED)

    def applied(self, lease: Lease) -> None:
        """Record that the warehouse contains everything that was staged."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.APPLIED)

    def done(self, lease: Lease, leg: Leg) -> None:
        """Close the run: everything planned was read and stored. The connection's open dead letters are resolved by it."""
        now = self._wall.now()
        with self._engine.begin() as session:
            self._move(session, lease, RunState.DONE, leg, finished_at=now, error=None, error_code=None, error_during=None)
            resolve(session, RunRow.connection_id == lease.connection.id, "a later sync succeeded", now)
            self._settle(session, lease, leg, sync_status=SyncStatus.IDLE.value, postponed_until=None, postponed_reason=None)

    def postponed(self, lease: Lease, leg: Leg, *, until: datetime, reason: str, lane: Lane = Lane.ON_DEMAND) -> None:
        """Keep the run open until the rest of its plan fits the limits; what was read is stored."""
        owed = _owed(lease) if not leg.today else {}
        with self._engine.begin() as session:
            self._move(session, lease, RunState.POSTPONED, leg, until=until, reason=reason, lane=lane.value, **owed)
            self._settle(session, lease, leg, sync_status=SyncStatus.IDLE.value, postponed_until=until, postponed_reason=reason)

    def throttled(self, lease: Lease, leg: Leg, *, until: datetime, reason: str) -> None:
        """Keep the run open until the platform accepts calls again. The connection's count of throttles is not reset."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.POSTPONED, leg, until=until, reason=reason)
            waits = {"sync_status": SyncStatus.IDLE.value, "postponed_until": until, "postponed_reason": reason}
            self._free(session, lease, **waits, **_measured(lease, leg))

    def failed(self, lease: Lease, leg: Leg, error: AdpulseError, *, until: datetime) -> None:
        """Keep the run open and retry it at ``until``."""
        with self._engine.begin() as session:
            self._move(session, lease, RunState.FAILED, leg, until=until, **error_columns(error), **_owed(lease))
            self._fail(session, lease, leg, error, until)

    def dead(self, lease: Lease, leg: Leg, error: AdpulseError, *, next_due_at: datetime, status: ConnectionStatus | None = None) -> None:
        """Close the run as a dead letter, which supersedes the connection's older ones. ``status`` also stops the polling."""
        now = self._wall.now()
        with self._engine.begin() as session:
            self._move(session, lease, RunState.DEAD, leg, finished_at=now, **error_columns(error))
            others = (RunRow.connection_id == lease.connection.id) & (RunRow.id != lease.run_id)
            resolve(session, others, f"superseded by {lease.run_id}", now)
            stopped = {"status": status.value, "status_reason": str(error)} if status else {}
            if status and is_news(session, lease.connection.id, status):
                publish(session, needs_attention(lease.connection, status, str(error)), now=now)
            self._fail(session, lease, leg, error, next_due_at, **stopped)

    def unfulfilled(self, lease: Lease, leg: Leg, error: AdpulseError) -> None:
        """Close a run that requested only entities and could not read them, as a dead letter; the connection is synced as before.

        The run is not kept open for a retry, because ticks would adopt it and read no numbers.
        """
        now = self._wall.now()
        with self._engine.begin() as session:
            self._move(session, lease, RunState.DEAD, leg, finished_at=now, **error_columns(error))
            others = (RunRow.connection_id == lease.connection.id) & (RunRow.id != lease.run_id)
            resolve(session, others, f"superseded by {lease.run_id}", now)
            waits = {"postponed_until": None, "postponed_reason": None}
            self._free(session, lease, sync_status=SyncStatus.IDLE.value, **waits, **_measured(lease, leg))

    def _fail(self, session: Session, lease: Lease, leg: Leg, error: AdpulseError, next_due_at: datetime, **values: Any) -> None:
        # A manual connection is never due by itself.
        if lease.connection.frequency.interval is not None:
            values["next_due_at"] = next_due_at
        failed = {"sync_status": SyncStatus.ERROR.value, "last_sync_error": str(error), "postponed_until": None, "postponed_reason": None}
        self._free(session, lease, consecutive_failures=ConnectionRow.consecutive_failures + 1, **failed, **values, **_measured(lease, leg))

    def _settle(self, session: Session, lease: Lease, leg: Leg, **values: Any) -> None:
        # A leg that read nothing is no completed sync, and clears no error.
        if not leg.idle:
            values |= {"last_sync_completed_at": self._clock.now(), "last_sync_error": None}
            values |= {"consecutive_failures": 0, "consecutive_throttles": 0, "rechecks": 0, "recheck_at": None}
        self._free(session, lease, **values, **_measured(lease, leg))

    @staticmethod
    def _free(session: Session, lease: Lease, **values: Any) -> None:
        leased = is_leased_by(lease)
        # A settled sync also clears the suspicion that the connection kills workers.
        session.execute(update(ConnectionRow).where(leased).values(lease_owner=None, lease_until=None, worker_deaths=0, **values))

    def _move(self, session: Session, lease: Lease, state: RunState, leg: Leg | None = None, **values: Any) -> None:
        """Change the state in one guarded UPDATE: the lease must be valid, the move legal. A leg is settled, and its events published."""
        if leg is not None:
            values |= {name: getattr(RunRow, name) + getattr(leg.counts, name) for name in _COUNTS}
            values |= {"settled_generation": lease.generation, "attempts": RunRow.attempts + 1}
        lock(session, ConnectionRow.id == lease.connection.id)
        sources = [source.value for source, targets in LEGAL_MOVES.items() if state in targets]
        run = (RunRow.id == lease.run_id) & (RunRow.generation == lease.generation) & RunRow.state.in_(sources)
        moved = update(RunRow).where(run).values(state=state.value, **values).returning(*RunRow.__table__.columns)
        row = session.execute(moved.execution_options(synchronize_session=False)).one_or_none()
        if row is None:
            raise _lost(lease.run_id)
        if leg is not None:
            publish(session, *events_of_leg(lease.connection, row, leg.restated), now=self._wall.now())

    def dispatch_generation(self, provider: Provider, lane: Lane) -> int:
        """The lane's number of claims. Requests between two claims have the same number, and share a flow run."""
        query = select(DispatchRow.generation).where(DispatchRow.deployment == dispatch_key(provider, lane))
        with reading(self._engine).connect() as session:
            return session.scalar(query) or 0

    def bump_dispatch(self, provider: Provider, lane: Lane) -> int:
        """Raise the generation of a lane whose flow run ended without a claim; returns the new one."""
        with self._engine.begin() as session:
            bump(session, provider, lane)
        return self.dispatch_generation(provider, lane)


def _measured(lease: Lease, leg: Leg) -> dict[str, Any]:
    values: dict[str, Any] = {} if leg.slow is None else {"slow": leg.slow}
    if leg.next_due_at is not None:
        values["next_due_at"] = next_due(lease, leg.next_due_at)
    if leg.changes:
        changes = ConnectionRow.total_syncs_with_changes + (0 if lease.wrote_before else 1)
        wrote = {"last_metrics_changed_at": leg.changed_at, "trailing_spend": leg.trailing_spend}
        values |= {"total_syncs_with_changes": changes, **wrote}
    return values


def _owed(lease: Lease) -> dict[str, Any]:
    """Columns that keep a requested run on demand: until today's numbers were read, its next leg counts as requested too."""
    return {"started_at": None} if lease.on_demand else {}


def _lost(run_id: str) -> LeaseLost:
    return LeaseLost(f"The lease of run {run_id} was lost: its connection was claimed again, or the lease was given back.")


def run_view(row: Row[*tuple[Any, ...]]) -> RunView:
    """The run of a row."""
    values = columns(row)
    enums: dict[str, Any] = {"state": RunState(values["state"]), "lane": Lane(values["lane"]), "parts": Parts(values["parts"])}
    counts = RunCounts(**{name: values[name] for name in _COUNTS})
    same = {name: values[name] for name in _SAME}
    return RunView(counts=counts, **enums, **same)
