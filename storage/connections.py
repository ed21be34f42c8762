"""Connections: what is synced, how often, and who may sync it now. Step: claim."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from adpulse import frequency as frequencies
from adpulse.clock import Clock, utc_now
from adpulse.errors import Conflict, UnknownConnection, Usage
from adpulse.frequency import Frequency
from adpulse.model import AccountFacts, Connection, ConnectionStatus, Lease, Parts, Provider, RunState, SyncStatus
from storage.control import ConnectionRow, DispatchRow, Engine, RunRow, Session, WorkspaceRow, reading

LEASE = timedelta(minutes=15)
"""How long a lease lasts; renewed with every platform call."""

_FIELDS = tuple(column for column in ConnectionRow.__table__.columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView:
    """A connection with its telemetry: the eight fields, and what holds it up."""

    connection: Connection
    status_reason: str | None
    sync_status: SyncStatus
    last_sync_attempted_at: datetime | None
    last_sync_completed_at: datetime | None
    last_metrics_changed_at: datetime | None
    total_syncs_attempted: int
    total_syncs_with_changes: int
    last_sync_error: str | None
    next_due_at: datetime | None
    cooldown_until: datetime | None
    cooldown_reason: str | None
    postponed_until: datetime | None
    postponed_reason: str | None
    consecutive_failures: int


class Connections:
    """The connections of this installation."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def create(
        self, workspace_id: str, provider: Provider, facts: AccountFacts, credential_id: str, frequency: str, gross_margin: Decimal
    ) -> ConnectionView:
        """Connect an account.

        Raises:
            FrequencyRefused: unknown, or realtime without the grant.
            Conflict: the account is connected in this workspace already.
        """
        connection_id = str(uuid4())
        try:
            with self._engine.begin() as session:
                chosen = frequencies.parse(frequency, realtime_granted=_granted(session, workspace_id))
                session.execute(
                    insert(ConnectionRow).values(
                        id=connection_id,
                        workspace_id=workspace_id,
                        credential_id=credential_id,
                        provider=provider.value,
                        external_id=facts.external_id,
                        name=facts.name,
                        currency=facts.currency,
                        timezone=facts.timezone,
                        gross_margin=gross_margin,
                        status=ConnectionStatus.ACTIVE.value,
                        sync_frequency=chosen.value,
                        next_due_at=_first_due(chosen, self._clock.now()),
                    )
                )
        except IntegrityError:
            raise Conflict(f"Account {facts.external_id} is connected in this workspace already.") from None
        return self.get(connection_id)

    def get(self, reference: str) -> ConnectionView:
        """The connection with this id, or the only one with this name.

        Raises:
            UnknownConnection: there is none, or several have the name; says what to use.
        """
        found = self._select(or_(ConnectionRow.id == reference, ConnectionRow.name == reference))
        exact = [view for view in found if view.connection.id == reference] or found
        if len(exact) == 1:
            return exact[0]
        if exact:
            listed = ", ".join(view.connection.id for view in exact)
            raise UnknownConnection(f"Several connections are named '{reference}'. Use one of the ids: {listed}.")
        raise UnknownConnection(f"There is no connection '{reference}'. See them with: adpulse connections")

    def every(self, workspace_id: str | None = None) -> list[ConnectionView]:
        """Every connection, of one workspace if given, by name."""
        return self._select(ConnectionRow.workspace_id == workspace_id if workspace_id else ConnectionRow.id.is_not(None))

    def _select(self, condition: ColumnElement[bool]) -> list[ConnectionView]:
        with reading(self._engine).connect() as session:
            rows = session.execute(select(*_FIELDS).where(condition).order_by(ConnectionRow.name, ConnectionRow.id))
            return [_view(row) for row in rows]

    def set_frequency(self, reference: str, value: str) -> ConnectionView:
        """Change how often it is synced; the first sync of the new frequency is due at once.

        Raises:
            UnknownConnection, FrequencyRefused: nothing was changed.
        """
        connection = self.get(reference).connection
        with self._engine.begin() as session:
            chosen = frequencies.parse(value, realtime_granted=_granted(session, connection.workspace_id))
            self._update(session, connection.id, sync_frequency=chosen.value, next_due_at=_first_due(chosen, self._clock.now()))
        return self.get(connection.id)

    def set_status(self, connection_id: str, status: ConnectionStatus, reason: str | None) -> None:
        """Sync it (active) or stop syncing it, and say why."""
        with self._engine.begin() as session:
            self._update(session, connection_id, status=status.value, status_reason=reason)

    def set_facts(self, connection_id: str, facts: AccountFacts) -> None:
        """Take over the account's time zone. The name is ours: people refer to it."""
        with self._engine.begin() as session:
            self._update(session, connection_id, timezone=facts.timezone)

    def set_size(self, connection_id: str, *, ad_count: int, campaign_count: int) -> None:
        """Remember the account's size: later reads' costs depend on it."""
        with self._engine.begin() as session:
            self._update(session, connection_id, ad_count=ad_count, campaign_count=campaign_count)

    def cool_down(self, connection_id: str, until: datetime, reason: str, *, all_of: Provider | None = None) -> None:
        """Make no platform call before ``until`` (business time), for one connection or for all of a provider."""
        condition = ConnectionRow.provider == all_of.value if all_of else ConnectionRow.id == connection_id
        with self._engine.begin() as session:
            session.execute(update(ConnectionRow).where(condition).values(cooldown_until=until, cooldown_reason=reason))

    @staticmethod
    def _update(session: Session, connection_id: str, **values: Any) -> None:
        session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))

    def groups(self) -> dict[tuple[Provider, Frequency], int]:
        """How many active connections each scheduled group has; groups without any are missing."""
        query = (
            select(ConnectionRow.provider, ConnectionRow.sync_frequency, func.count())
            .where(ConnectionRow.status == ConnectionStatus.ACTIVE.value, ConnectionRow.sync_frequency != Frequency.MANUAL.value)
            .group_by(ConnectionRow.provider, ConnectionRow.sync_frequency)
        )
        with reading(self._engine).connect() as session:
            return {(Provider(provider), Frequency(value)): count for provider, value, count in session.execute(query)}

    def claim_due(self, provider: Provider, frequency: Frequency, owner: str) -> list[Lease]:
        """Lease every due connection of a group, most important first; one statement decides who gets which."""
        now = self._clock.now()
        due = (
            (ConnectionRow.provider == provider.value)
            & (ConnectionRow.sync_frequency == frequency.value)
            & (ConnectionRow.next_due_at <= now)
        )
        with self._engine.begin() as session:
            claimed = self._claim(session, due, owner, now, next_due_at=frequencies.next_slot(frequency, now))
            return [self._open_run(session, row, owner, asked=False) for row in claimed]

    def claim_queued(self, provider: Provider, owner: str) -> list[Lease]:
        """Lease every connection with a queued run, or one whose postponement is over. Requests from now on need a new flow run."""
        now = self._clock.now()
        with self._engine.begin() as session:
            bump(session, provider)
            waiting = select(RunRow.connection_id).where(claimable(provider, now))
            claimed = self._claim(session, ConnectionRow.id.in_(waiting), owner, now)
            return [self._open_run(session, row, owner, asked=True) for row in claimed]

    @staticmethod
    def _claim(session: Session, condition: ColumnElement[bool], owner: str, now: datetime, **values: Any) -> Sequence[Any]:
        real = utc_now()
        chosen = select(ConnectionRow.id).where(condition, *free(now))
        if session.dialect.name == "postgresql":
            chosen = chosen.with_for_update(skip_locked=True)
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
                **values,
            )
            .returning(*_FIELDS)
            .execution_options(synchronize_session=False)
        )
        rows = session.execute(claim).all()
        return sorted(
            rows,
            key=lambda row: (row.sync_frequency != Frequency.REALTIME.value, -row.trailing_spend, row.last_sync_completed_at is not None),
        )

    @staticmethod
    def _open_run(session: Session, row: Row[Any], owner: str, *, asked: bool) -> Lease:
        """Lease the connection's open run, or begin one. Only the first leg of a run that was asked for counts as asked."""
        run = session.execute(
            select(RunRow.id, RunRow.parts, RunRow.force_refresh, RunRow.started_at).where(
                RunRow.connection_id == row.id, RunRow.state.in_(OPEN)
            )
        ).one_or_none()
        values = {"state": RunState.LEASED.value, "generation": row.lease_generation, "flow_run_id": owner, "until": None, "reason": None}
        if run:
            started = run.started_at or utc_now()
            session.execute(update(RunRow).where(RunRow.id == run.id).values(**values, started_at=started))
        else:
            run_id = str(uuid4())
            fresh = {
                "id": run_id,
                "connection_id": row.id,
                "workspace_id": row.workspace_id,
                "provider": row.provider,
                "parts": Parts.BOTH.value,
            }
            session.execute(insert(RunRow).values(**fresh, **values, requested_at=utc_now(), started_at=utc_now()))
        return Lease(
            run_id=run.id if run else run_id,
            generation=row.lease_generation,
            connection=connection_of(row),
            parts=Parts(run.parts) if run else Parts.BOTH,
            force_refresh=bool(run and run.force_refresh),
            asked=asked and run is not None and run.started_at is None,
        )

    def release(self, leases: Sequence[Lease]) -> None:
        """Give leases back unfinished: their runs are queued again, and whoever still works on them has lost them."""
        with self._engine.begin() as session:
            for lease in leases:
                run = (RunRow.id == lease.run_id) & (RunRow.generation == lease.generation) & RunRow.state.in_(WORKING)
                if not session.execute(update(RunRow).where(run).values(state=RunState.QUEUED.value, started_at=None)).rowcount:
                    continue
                mine = (ConnectionRow.id == lease.connection.id) & (ConnectionRow.lease_generation == lease.generation)
                freed = {"lease_owner": None, "lease_until": None, "lease_generation": ConnectionRow.lease_generation + 1}
                session.execute(update(ConnectionRow).where(mine).values(**freed, sync_status=SyncStatus.QUEUED.value))


WORKING = tuple(state.value for state in (RunState.LEASED, RunState.FETCHED, RunState.APPLIED))
OPEN = (RunState.QUEUED.value, RunState.POSTPONED.value, *WORKING)


def free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Active, leased by nobody, not cooling down."""
    return (
        ConnectionRow.status == ConnectionStatus.ACTIVE.value,
        or_(ConnectionRow.lease_until.is_(None), ConnectionRow.lease_until < utc_now()),
        or_(ConnectionRow.cooldown_until.is_(None), ConnectionRow.cooldown_until <= now),
    )


def claimable(provider: Provider, now: datetime) -> ColumnElement[bool]:
    """Runs that wait for nothing but a worker, or whose postponement is over."""
    over = (RunRow.state == RunState.POSTPONED.value) & (RunRow.until <= now)
    abandoned = RunRow.state.in_(WORKING)  # whose lease ran out: `free` leaves out those that are worked on
    return (RunRow.provider == provider.value) & or_(RunRow.state == RunState.QUEUED.value, over, abandoned)


def bump(session: Session, provider: Provider) -> None:
    """Begin a new dispatch generation."""
    if not session.execute(
        update(DispatchRow).where(DispatchRow.provider == provider.value).values(generation=DispatchRow.generation + 1)
    ).rowcount:
        session.execute(insert(DispatchRow).values(provider=provider.value, generation=1))


def connection_of(row: Row[Any]) -> Connection:
    """The frozen connection of a row."""
    return Connection(
        id=row.id,
        workspace_id=row.workspace_id,
        provider=Provider(row.provider),
        external_id=row.external_id,
        name=row.name,
        currency=row.currency,
        timezone=row.timezone,
        frequency=Frequency(row.sync_frequency),
        status=ConnectionStatus(row.status),
        gross_margin=row.gross_margin,
        credential_id=row.credential_id,
        ad_count=row.ad_count,
        campaign_count=row.campaign_count,
    )


def _view(row: Row[Any]) -> ConnectionView:
    same = {name: getattr(row, name) for name in ConnectionView.__dataclass_fields__ if name not in ("connection", "sync_status")}
    return ConnectionView(connection=connection_of(row), sync_status=SyncStatus(row.sync_status), **same)


def _granted(session: Session, workspace_id: str) -> bool:
    granted = session.scalar(select(WorkspaceRow.realtime_granted).where(WorkspaceRow.id == workspace_id))
    if granted is None:
        raise Usage("The workspace does not exist.")
    return granted


def _first_due(frequency: Frequency, now: datetime) -> datetime | None:
    return None if frequency is Frequency.MANUAL else now
