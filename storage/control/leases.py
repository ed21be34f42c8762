"""Leases: who may sync which connection now, in the order of what matters most. Step: claim."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, case, insert, or_, select, update

from adpulse import frequency as frequencies
from adpulse.clock import Clock
from adpulse.errors import AdpulseError
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Lane, Lease, Parts, Provider, RunState, SyncStatus
from adpulse.planner.windows import CLOCK_SLACK
from storage.control.connections import CONNECTION_COLUMNS, connection_of
from storage.control.database import INFRASTRUCTURE, Engine, Session, insert_or_update, lock, reading
from storage.control.tables import WORKING, ConnectionRow, DispatchRow, RunRow, is_open
from storage.control.unsettled import Ending, note, refuse, unusable

log = logging.getLogger(__name__)

NO_FLOW_RUN = "local"
"""The owner of leases claimed outside Prefect."""

LEASE = timedelta(minutes=3)
"""How long a lease lasts; renewed by the flow run that holds it (every minute) and with every platform call."""

_Claim = Callable[[Session, ColumnElement[bool]], list[Lease]]


class Leases:
    """Gives and takes back the right to sync a connection once."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

    def claim_due(self, provider: Provider, frequency: Frequency, owner: str) -> list[Lease]:
        """Lease every due connection of a group, most important first; one statement decides who gets which.

        Slow accounts are left to the background.
        """
        now = self._clock.now()
        lane = Lane.REALTIME if frequency is Frequency.REALTIME else Lane.SCHEDULED
        slot = frequencies.next_slot(frequency, now)

        def claim(session: Session, wanted: ColumnElement[bool]) -> list[Lease]:
            return self._open_runs(session, self._claim(session, wanted, owner, now, next_due_at=slot), owner, lane)

        return self._together(claim, _due(provider, frequency, now) & ConnectionRow.slow.is_(False), now)

    def claim_waiting(self, provider: Provider, lane: Lane, owner: str) -> list[Lease]:
        """Lease what waits in a lane: runs that were asked for, go on or are tried again, and connections their tick has missed.

        Requests from now on need a new flow run.
        """
        now = self._clock.now()

        def claim(session: Session, wanted: ColumnElement[bool]) -> list[Lease]:
            bump(session, provider, lane)
            claimed = self._claim(session, wanted, owner, now)
            self._move_on(session, claimed, now)
            return self._open_runs(session, claimed, owner, lane)

        return self._together(claim, waits(provider, lane, now), now)

    def _together(self, claim: _Claim, wanted: ColumnElement[bool], now: datetime) -> list[Lease]:
        """Claim all that is wanted in one transaction; if a row makes it fail, each connection in its own, so that only that one fails."""
        try:
            with self._engine.begin() as session:
                return claim(session, wanted)
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception:
            log.warning("a claim failed; looking for the connection at fault", exc_info=True)
        with reading(self._engine).connect() as session:
            ids = session.scalars(select(ConnectionRow.id).where(wanted, *free(now, self._wall.now()))).all()
        leases = list[Lease]()
        try:
            for each in ids:
                leases += self._alone(claim, each, wanted, now)
        except BaseException:
            self.release(leases)
            raise
        return leases

    def _alone(self, claim: _Claim, connection_id: str, wanted: ColumnElement[bool], now: datetime) -> list[Lease]:
        """Claim one connection; one whose row cannot be used fails."""
        try:
            with self._engine.begin() as session:
                return claim(session, wanted & (ConnectionRow.id == connection_id))
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception as error:
            log.exception("connection %s cannot be claimed", connection_id)
            self._refuse(connection_id, error, now)
            return []

    def _refuse(self, connection_id: str, error: Exception, now: datetime) -> None:
        real = self._wall.now()
        try:
            with self._engine.begin() as session:
                if lock(session, ConnectionRow.id == connection_id, *free(now, real)):
                    refuse(session, connection_id, unusable(connection_id, error), now=now, real=real)
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception:
            log.exception("that connection %s cannot be claimed could not be noted", connection_id)

    @staticmethod
    def _move_on(session: Session, claimed: Sequence[Row[Any]], now: datetime) -> None:
        """Whoever was due is not due again before its next slot."""
        for row in claimed:
            if row.next_due_at is not None and row.next_due_at <= now:
                slot = frequencies.next_slot(Frequency(row.sync_frequency), now)
                session.execute(update(ConnectionRow).where(ConnectionRow.id == row.id).values(next_due_at=slot))

    def _claim(self, session: Session, condition: ColumnElement[bool], owner: str, now: datetime, **values: Any) -> Sequence[Any]:
        real = self._wall.now()
        chosen = select(ConnectionRow.id).where(condition, *free(now, real))
        if session.dialect.name == "postgresql":
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
                total_syncs_attempted=ConnectionRow.total_syncs_attempted + 1,
                worker_deaths=case((ConnectionRow.lease_until < real, ConnectionRow.worker_deaths + 1), else_=ConnectionRow.worker_deaths),
                **values,
            )
            .returning(*CONNECTION_COLUMNS)
            .execution_options(synchronize_session=False)
        )
        rows = session.execute(claim).all()
        return sorted(
            rows,
            key=lambda row: (row.sync_frequency != Frequency.REALTIME.value, -row.trailing_spend, row.last_sync_completed_at is not None),
        )

    def _open_runs(self, session: Session, rows: Sequence[Row[Any]], owner: str, lane: Lane) -> list[Lease]:
        """Lease each connection's open run, or begin one.

        A run that was asked for counts as asked until a leg of it read today's numbers: ``started_at`` is empty that long.
        """
        columns = (RunRow.id, RunRow.connection_id, RunRow.parts, RunRow.force_refresh, RunRow.started_at)
        mine = RunRow.connection_id.in_([row.id for row in rows]) & is_open()
        found = session.execute(select(*columns, RunRow.generation, RunRow.settled_generation).where(mine)) if rows else ()
        runs = {run.connection_id: run for run in found}
        now, fresh, leases = self._wall.now(), [], []
        for row in rows:
            run = runs.get(row.id)
            # A run that was never leased has no leg that could have been left.
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
            )
            leases.append(lease)
            if not run:
                began = {"lane": lease.next_lane.value, "requested_at": now, "started_at": now, "force_refresh": False}
                asked = {"workspace_id": row.workspace_id, "provider": row.provider, "parts": lease.parts.value}
                fresh.append({"id": lease.run_id, "connection_id": row.id, **asked, **values, **began})
        if fresh:
            session.execute(insert(RunRow), fresh)
        return leases

    def owners(self) -> set[str]:
        """The flow runs that hold leases, by id."""
        with reading(self._engine).connect() as session:
            query = select(ConnectionRow.lease_owner).where(
                ConnectionRow.lease_owner.is_not(None), ConnectionRow.lease_owner != NO_FLOW_RUN
            )
            return set(session.scalars(query.distinct()))

    def renew(self, leases: Sequence[Lease]) -> None:
        """Let these leases last anew; one that was lost stays lost."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id.in_([lease.connection.id for lease in leases]))
            for lease in leases:
                session.execute(update(ConnectionRow).where(_still_leased(lease)).values(lease_until=self._wall.now() + LEASE))

    def release(self, leases: Sequence[Lease], ending: Ending = Ending.GIVEN_BACK) -> None:
        """Give leases back unfinished: their runs are queued again, and whoever still works on them has lost them.

        ``ending`` tells why; what happens too often makes a dead letter. One that cannot be counted is given back all the same.
        """
        try:
            self._release(leases, ending)
        except (AdpulseError, *INFRASTRUCTURE):
            raise
        except Exception:
            log.exception("how the claims of %s connections ended could not be counted", len(leases))
            self._release(leases, Ending.GIVEN_BACK)

    def _release(self, leases: Sequence[Lease], ending: Ending) -> None:
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id.in_([lease.connection.id for lease in leases]))
            for lease in leases:
                freed = {"lease_owner": None, "lease_until": None, "lease_generation": ConnectionRow.lease_generation + 1}
                if not session.execute(
                    update(ConnectionRow).where(_still_leased(lease)).values(**freed, sync_status=SyncStatus.QUEUED.value)
                ).rowcount:
                    continue
                run = (RunRow.id == lease.run_id) & (RunRow.generation == lease.generation) & RunRow.state.in_(WORKING)
                session.execute(update(RunRow).where(run).values(state=RunState.QUEUED.value, started_at=None))
                note(session, lease, ending, now=self._clock.now(), real=self._wall.now())


def _still_leased(lease: Lease) -> ColumnElement[bool]:
    mine = (ConnectionRow.id == lease.connection.id) & (ConnectionRow.lease_generation == lease.generation)
    return mine & ConnectionRow.lease_owner.is_not(None)


def free(now: datetime, real: datetime) -> tuple[ColumnElement[bool], ...]:
    """Active, leased by nobody (real time), not cooling down (business time)."""
    # A lease that lasts longer than leases do was given before the machine's clock was set back.
    unleased = or_(
        ConnectionRow.lease_until.is_(None), ConnectionRow.lease_until < real, ConnectionRow.lease_until > real + LEASE + CLOCK_SLACK
    )
    return (
        ConnectionRow.status == ConnectionStatus.ACTIVE.value,
        unleased,
        or_(ConnectionRow.cooldown_until.is_(None), ConnectionRow.cooldown_until <= now),
    )


def waits(provider: Provider, lane: Lane, now: datetime) -> ColumnElement[bool]:
    """Connections that wait for nothing but a flow run of this lane; ``free`` leaves out those that are worked on."""
    over = RunRow.state.in_((RunState.POSTPONED.value, RunState.FAILED.value)) & (RunRow.until <= now)
    abandoned = RunRow.state.in_(WORKING)  # its lease ran out
    ready = or_(RunRow.state == RunState.QUEUED.value, over, abandoned)
    runs = select(RunRow.connection_id).where(RunRow.provider == provider, RunRow.lane == lane.value, is_open(), ready)
    if lane is Lane.BACKGROUND:
        missed = or_(*(_due(provider, each, now) for each in frequencies.SCHEDULED)) & ConnectionRow.slow.is_(True)
    else:
        overdue = or_(*(_due(provider, each, now - each.overdue_after) for each in frequencies.SCHEDULED))
        missed = overdue & ConnectionRow.slow.is_(False)
    return or_(ConnectionRow.id.in_(runs), missed)


def _due(provider: Provider, frequency: Frequency, at: datetime) -> ColumnElement[bool]:
    return (
        (ConnectionRow.provider == provider)
        & (ConnectionRow.sync_frequency == frequency.value)
        & (ConnectionRow.status == ConnectionStatus.ACTIVE.value)  # all of the index's columns, for the planner
        & (ConnectionRow.next_due_at <= at)
    )


def dispatch_key(provider: Provider, lane: Lane) -> str:
    """The on-demand deployment whose flow runs claim what waits in the lane."""
    return f"{provider}-{lane}"


def bump(session: Session, provider: Provider, lane: Lane) -> None:
    """Begin a new dispatch generation."""
    first = insert_or_update(session, DispatchRow).values(deployment=dispatch_key(provider, lane), generation=1)
    session.execute(first.on_conflict_do_update(index_elements=["deployment"], set_={"generation": DispatchRow.generation + 1}))
