"""Leases: which worker may sync which connection, the most important connections first. Step: claim."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, case, exists, func, insert, literal, or_, select, update

from adpulse import frequency as frequencies
from adpulse.clock import Clock
from adpulse.errors import AdpulseError
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Lane, Lease, Parts, Provider, RunState, SyncStatus
from adpulse.planner.windows import CLOCK_SLACK
from storage.control.backfills import goes_on
from storage.control.connection_rows import CONNECTION_COLUMNS, connection_of
from storage.control.database import INFRASTRUCTURE, Engine, Session, insert_or_update, lock, reading
from storage.control.schedule_changes import ScheduleChangeRow
from storage.control.tables import WORKING, ConnectionRow, DispatchRow, RunRow, WorkspaceRow, has_cooled_down, is_leased_by, is_open
from storage.control.unsettled import Ending, note, refuse, unusable

log = logging.getLogger(__name__)

NO_FLOW_RUN = "local"
"""The owner of leases claimed outside Prefect."""

LEASE = timedelta(minutes=3)
"""How long a lease lasts; renewed by the flow run that holds it (every minute) and with every platform call."""

CANCELLED = "Cancelled. Ask for another with: adpulse sync"
"""The error of a run that somebody cancelled."""

_REVOKED: dict[str, Any] = {"lease_owner": None, "lease_until": None, "lease_generation": ConnectionRow.lease_generation + 1}
"""Columns of a connection whose lease is revoked: the higher generation makes the next step of its worker fail."""

_GOES_ON = exists().where(RunRow.connection_id == ConnectionRow.id, is_open(), RunRow.generation > 0, RunRow.state != RunState.FAILED.value)
"""Whether the connection's open run was claimed before and goes on: postponed, given back or adopted. One that failed is attempted anew."""

_Claim = Callable[[Session, ColumnElement[bool]], list[Lease]]


class Leases:
    """Gives workers the right to sync a connection, and takes it back."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock, own_home: Callable[[], str] | None = None) -> None:
        """``own_home`` returns the id of the home of this process: workspaces of other homes are left to their workers."""
        self._engine = engine
        self._clock = clock
        self._wall = wall
        self._own_home = own_home

    def waiting(self, provider: Provider, lane: Lane) -> int:
        """How many connections an on-demand flow run of this lane would claim now."""
        now = self._clock.now()
        query = select(func.count()).select_from(ConnectionRow).where(waits(provider, lane, now), *self._free(now))
        with reading(self._engine).connect() as session:
            return session.scalar(query) or 0

    def claim_due(self, provider: Provider, frequency: Frequency, owner: str) -> list[Lease]:
        """Lease all due connections of a group, the most important first, in one statement, so that two workers never get the same one.

        Slow accounts are left to the background lane.
        """
        now = self._clock.now()
        lane = Lane.REALTIME if frequency is Frequency.REALTIME else Lane.SCHEDULED
        slot = frequencies.next_slot(frequency, now)

        def claim(session: Session, wanted: ColumnElement[bool]) -> list[Lease]:
            return self._open_runs(session, self._claim(session, wanted, owner, now, next_due_at=slot), owner, lane)

        return self._claim_together(claim, _due(provider, frequency, now) & ConnectionRow.slow.is_(False), now)

    def claim_waiting(self, provider: Provider, lane: Lane, owner: str) -> list[Lease]:
        """Lease what waits in a lane: requested, postponed and failed runs that are due, and connections that their tick missed.

        The dispatch generation is raised, so a later request gets a new flow run.
        """
        now = self._clock.now()

        def claim(session: Session, wanted: ColumnElement[bool]) -> list[Lease]:
            bump(session, provider, lane)
            claimed = self._claim(session, wanted, owner, now)
            self._move_on(session, claimed, now)
            return self._open_runs(session, claimed, owner, lane)

        return self._claim_together(claim, waits(provider, lane, now), now)

    def _claim_together(self, claim: _Claim, wanted: ColumnElement[bool], now: datetime) -> list[Lease]:
        """Claim everything in one transaction; if a row makes it fail, claim each connection in its own, so that only that one fails."""
        try:
            with self._engine.begin() as session:
                return claim(session, wanted)
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception:
            log.warning("a claim failed; looking for the connection at fault", exc_info=True)
        with reading(self._engine).connect() as session:
            ids = session.scalars(select(ConnectionRow.id).where(wanted, *self._free(now))).all()
        leases = list[Lease]()
        try:
            for connection_id in ids:
                leases += self._claim_alone(claim, connection_id, wanted, now)
        # Leases that nobody works on would block their connections until they run out.
        except BaseException:
            self.release(leases)
            raise
        return leases

    def _claim_alone(self, claim: _Claim, connection_id: str, wanted: ColumnElement[bool], now: datetime) -> list[Lease]:
        """Claim one connection; if its row cannot be used, record a failed sync."""
        try:
            with self._engine.begin() as session:
                return claim(session, wanted & (ConnectionRow.id == connection_id))
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception as error:
            log.exception("connection %s cannot be claimed", connection_id)
            self._refuse(connection_id, error, now)
            return []

    def _free(self, now: datetime) -> tuple[ColumnElement[bool], ...]:
        """Conditions of a connection that this process may lease."""
        if self._own_home is None:
            return free(now, self._wall.now())
        elsewhere = select(WorkspaceRow.id).where(WorkspaceRow.home_id != self._own_home())
        return (*free(now, self._wall.now()), ConnectionRow.workspace_id.not_in(elsewhere))

    def _refuse(self, connection_id: str, error: Exception, now: datetime) -> None:
        real = self._wall.now()
        try:
            with self._engine.begin() as session:
                if lock(session, ConnectionRow.id == connection_id, *self._free(now)):
                    refuse(session, connection_id, unusable(connection_id, error), now=now, real=real)
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception:
            log.exception("the failed claim of connection %s could not be stored", connection_id)

    @staticmethod
    def _move_on(session: Session, claimed: Sequence[Row[*tuple[Any, ...]]], now: datetime) -> None:
        """Move connections that were due to the next slot of their grid."""
        for row in claimed:
            if row.next_due_at is not None and row.next_due_at <= now:
                slot = frequencies.next_slot(Frequency(row.sync_frequency), now)
                session.execute(update(ConnectionRow).where(ConnectionRow.id == row.id).values(next_due_at=slot))

    def _claim(self, session: Session, condition: ColumnElement[bool], owner: str, now: datetime, **values: Any) -> Sequence[Any]:
        """Lease the connections that meet the condition and are free; returns their rows in the order in which they are to be synced."""
        real = self._wall.now()
        chosen = select(ConnectionRow.id).where(condition, *self._free(now))
        if session.dialect.name == "postgresql":
            # Rows that another claim holds are skipped, not waited for: they are about to be leased.
            chosen = chosen.with_for_update(skip_locked=True, key_share=True)
        claim = (
            update(ConnectionRow)
            .where(ConnectionRow.id.in_(chosen.scalar_subquery()))
            .values(
                lease_owner=owner,
                lease_generation=ConnectionRow.lease_generation + 1,
                lease_until=real + LEASE,
                sync_status=SyncStatus.SYNCING.value,
                last_sync_attempted_at=now,
                total_syncs_attempted=ConnectionRow.total_syncs_attempted + case((_GOES_ON, 0), else_=1),
                # A lease that ran out belonged to a worker that died; one that was given back has no end.
                worker_deaths=case((ConnectionRow.lease_until < real, ConnectionRow.worker_deaths + 1), else_=ConnectionRow.worker_deaths),
                **values,
            )
            .returning(*CONNECTION_COLUMNS)
            .execution_options(synchronize_session=False)
        )
        rows = session.execute(claim).all()
        return _most_important_first(rows)  # RETURNING has no order

    def _open_runs(self, session: Session, rows: Sequence[Row[*tuple[Any, ...]]], owner: str, lane: Lane) -> list[Lease]:
        """Lease each connection's open run, or begin one.

        A requested run stays on demand until one of its legs has read today's numbers; until then its ``started_at`` is empty.
        """
        columns = (RunRow.id, RunRow.connection_id, RunRow.parts, RunRow.force_refresh, RunRow.started_at, RunRow.calls)
        wrote = (RunRow.inserted + RunRow.updated > 0).label("wrote")
        open_run = RunRow.connection_id.in_([row.id for row in rows]) & is_open()
        stored = session.execute(select(*columns, wrote, RunRow.generation, RunRow.settled_generation).where(open_run)) if rows else ()
        runs = {run.connection_id: run for run in stored}
        now, fresh, leases = self._wall.now(), [], []
        for row in rows:
            run = runs.get(row.id)
            # A run that was never leased has no unfinished leg to adopt.
            settled = run.settled_generation if run and run.generation else row.lease_generation - 1
            values = {
                "state": RunState.LEASED.value,
                "generation": row.lease_generation,
                "settled_generation": settled,
                "flow_run_id": owner,
            }
            if run:
                leased = update(RunRow).where(RunRow.id == run.id)
                session.execute(leased.values(**values, until=None, reason=None, started_at=run.started_at or now))
            lease = Lease(
                run_id=run.id if run else str(uuid4()),
                generation=row.lease_generation,
                connection=connection_of(row),
                parts=Parts(run.parts) if run else Parts.BOTH,
                force_refresh=bool(run and run.force_refresh),
                on_demand=run is not None and run.started_at is None,
                lane=lane,
                settled_generation=settled,
                worker_deaths=row.worker_deaths,
                calls_before=run.calls if run else 0,
                wrote_before=bool(run and run.wrote),
            )
            leases.append(lease)
            if not run:
                times = {"lane": lease.next_lane.value, "requested_at": now, "started_at": now, "force_refresh": False}
                origin = {"workspace_id": row.workspace_id, "provider": row.provider, "parts": lease.parts.value}
                fresh.append({"id": lease.run_id, "connection_id": row.id, **origin, **values, **times})
        if fresh:
            session.execute(insert(RunRow), fresh)
        return leases

    def owners(self) -> set[str]:
        """The ids of the flow runs that hold leases."""
        with reading(self._engine).connect() as session:
            query = select(ConnectionRow.lease_owner).where(
                ConnectionRow.lease_owner.is_not(None), ConnectionRow.lease_owner != NO_FLOW_RUN
            )
            return set(session.scalars(query.distinct()))

    def renew(self, leases: Sequence[Lease]) -> None:
        """Extend these leases; one that was lost stays lost."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id.in_([lease.connection.id for lease in leases]))
            for lease in leases:
                session.execute(update(ConnectionRow).where(_still_leased(lease)).values(lease_until=self._wall.now() + LEASE))

    def release(self, leases: Sequence[Lease], ending: Ending = Ending.RELEASED) -> None:
        """Give leases back unfinished: their runs are queued again, and a worker that still holds one has lost it.

        ``ending`` is the reason; too many of one kind make a dead letter. If it cannot be counted, the lease is given back all the same.
        """
        try:
            self._release(leases, ending)
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception:
            log.exception("how the claims of %s connections ended could not be counted", len(leases))
            self._release(leases, Ending.RELEASED)

    def cancel(self, connection_id: str) -> str | None:
        """Close the connection's open run, whether it waits or is under way; returns its id, None if there is none.

        What it has stored stays. A worker that holds the lease has lost it. The connection is synced again when it is due next.
        """
        return self._cancel(ConnectionRow.id == connection_id)

    def cancel_all(self, owner: str) -> list[str]:
        """Close the runs that a flow run has leased, as :meth:`cancel` does; returns their ids."""
        leased = ConnectionRow.lease_owner == owner
        with reading(self._engine).connect() as session:
            ids = session.scalars(select(ConnectionRow.id).where(leased)).all()
        return [run_id for connection_id in ids if (run_id := self._cancel((ConnectionRow.id == connection_id) & leased))]

    def cancel_waiting(self, provider: Provider, lane: Lane, before: datetime) -> list[str]:
        """Close the runs that wait for a flow run of the lane and were requested before an instant (real time); returns their ids."""
        requested = select(RunRow.connection_id).where(
            RunRow.provider == provider, RunRow.lane == lane.value, is_open(), RunRow.requested_at <= before
        )
        of_lane = ConnectionRow.id.in_(requested) & waits(provider, lane, self._clock.now())
        with reading(self._engine).connect() as session:
            ids = session.scalars(select(ConnectionRow.id).where(of_lane, *self._free(self._clock.now()))).all()
        return [run_id for connection_id in ids if (run_id := self._cancel((ConnectionRow.id == connection_id) & of_lane))]

    def _cancel(self, of_one: ColumnElement[bool]) -> str | None:
        now = self._wall.now()
        closed = {"state": RunState.DEAD.value, "finished_at": now, "error": CANCELLED, "resolved_at": now, "resolution": "cancelled"}
        idle = {"sync_status": SyncStatus.IDLE.value, "postponed_until": None, "postponed_reason": None}
        with self._engine.begin() as session:
            locked = lock(session, of_one)
            of_connection = RunRow.connection_id.in_(locked) & is_open()
            run_id = session.scalars(update(RunRow).where(of_connection).values(**closed).returning(RunRow.id)).one_or_none()
            if run_id is not None:
                session.execute(update(ConnectionRow).where(ConnectionRow.id.in_(locked)).values(**_REVOKED, **idle))
        return run_id

    def _release(self, leases: Sequence[Lease], ending: Ending) -> None:
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id.in_([lease.connection.id for lease in leases]))
            for lease in leases:
                if not session.execute(
                    update(ConnectionRow).where(_still_leased(lease)).values(**_REVOKED, sync_status=SyncStatus.QUEUED.value)
                ).rowcount:
                    continue
                run = (RunRow.id == lease.run_id) & (RunRow.generation == lease.generation) & RunRow.state.in_(WORKING)
                session.execute(update(RunRow).where(run).values(state=RunState.QUEUED.value, started_at=None))
                note(session, lease, ending, now=self._clock.now(), real=self._wall.now())


def _still_leased(lease: Lease) -> ColumnElement[bool]:
    return is_leased_by(lease) & ConnectionRow.lease_owner.is_not(None)


def free(now: datetime, real: datetime) -> tuple[ColumnElement[bool], ...]:
    """Conditions of a connection that may be leased: active, not leased (real time), not cooling down (business time)."""
    # A lease that ends later than any lease can was given before the machine's clock was set back.
    unleased = or_(
        ConnectionRow.lease_until.is_(None), ConnectionRow.lease_until < real, ConnectionRow.lease_until > real + LEASE + CLOCK_SLACK
    )
    return (
        ConnectionRow.status == ConnectionStatus.ACTIVE.value,
        unleased,
        has_cooled_down(now),
    )


def next_due(lease: Lease, at: datetime) -> ColumnElement[datetime | None]:
    """The instant from which the connection is due; if its frequency was changed during the lease, it stays due as the change made it."""
    unchanged = ConnectionRow.sync_frequency == lease.connection.frequency.value
    return case((unchanged, literal(at, ConnectionRow.next_due_at.type)), else_=ConnectionRow.next_due_at)


def waits(provider: Provider, lane: Lane, now: datetime) -> ColumnElement[bool]:
    """Connections that wait only for a flow run of this lane; :func:`free` excludes those that are leased."""
    over = RunRow.state.in_((RunState.POSTPONED.value, RunState.FAILED.value)) & (RunRow.until <= now)
    abandoned = RunRow.state.in_(WORKING)  # its lease ran out, or free() excludes it
    ready = or_(RunRow.state == RunState.QUEUED.value, over, abandoned)
    runs = select(RunRow.connection_id).where(RunRow.provider == provider, RunRow.lane == lane.value, is_open(), ready)
    if lane is Lane.BACKGROUND:
        missed = or_(*(_missed(provider, frequency, now) for frequency in frequencies.SCHEDULED)) & ConnectionRow.slow.is_(True)
        # An open run reads on by itself, and waits for its own reasons.
        is_busy = select(RunRow.connection_id).where(RunRow.provider == provider, is_open())
        missed |= goes_on(provider, now) & ConnectionRow.id.not_in(is_busy)
    else:
        overdue = or_(*(_missed(provider, frequency, now - frequency.overdue_after) for frequency in frequencies.SCHEDULED))
        missed = overdue & ConnectionRow.slow.is_(False)
    return or_(ConnectionRow.id.in_(runs), missed)


def _missed(provider: Provider, frequency: Frequency, at: datetime) -> ColumnElement[bool]:
    """Due, of a group whose schedule nobody changed: what an operator's pause leaves out is not made up for."""
    changed = select(ScheduleChangeRow.deployment)
    return _due(provider, frequency, at) & literal(f"{provider}-{frequency}").not_in(changed)


def _due(provider: Provider, frequency: Frequency, at: datetime) -> ColumnElement[bool]:
    return (
        (ConnectionRow.provider == provider)
        & (ConnectionRow.sync_frequency == frequency.value)
        & (ConnectionRow.status == ConnectionStatus.ACTIVE.value)  # names all columns of the index, so that the query planner uses it
        & (ConnectionRow.next_due_at <= at)
    )


def dispatch_key(provider: Provider, lane: Lane) -> str:
    """The name of the deployment whose flow runs claim what waits in the lane."""
    return f"{provider}-{lane}"


def bump(session: Session, provider: Provider, lane: Lane) -> None:
    """Raise the lane's dispatch generation."""
    first = insert_or_update(session, DispatchRow).values(deployment=dispatch_key(provider, lane), generation=1)
    session.execute(first.on_conflict_do_update(index_elements=["deployment"], set_={"generation": DispatchRow.generation + 1}))


def _most_important_first(rows: Sequence[Row[*tuple[Any, ...]]]) -> list[Row[*tuple[Any, ...]]]:
    """Realtime, then the accounts with the highest spend; of one account what was never synced, and what was synced longest ago.

    Connections of one account have one hour of calls, and whoever comes last finds least of it. Each has the spend of its own last sync,
    which is higher the later that was: here the account has one.
    """
    spend = dict[tuple[str, str], int]()
    for row in rows:
        account = row.provider, row.external_id
        spend[account] = max(row.trailing_spend, spend.get(account, 0))

    def urgency(row: Row[*tuple[Any, ...]]) -> tuple[object, ...]:
        synced_at = row.last_sync_completed_at
        return row.sync_frequency != Frequency.REALTIME.value, -spend[row.provider, row.external_id], synced_at is not None, synced_at

    return sorted(rows, key=urgency)
