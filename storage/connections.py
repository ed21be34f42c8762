"""Connections: what is synced, how often, and what its syncs told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from sqlalchemy import ColumnElement, Row, and_, case, func, insert, or_, select, true, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import InstrumentedAttribute

from adpulse import frequency as frequencies
from adpulse.clock import Clock, utc_now
from adpulse.errors import Conflict, Scope, UnknownConnection, Usage
from adpulse.events import ATTENTION, needs_attention
from adpulse.frequency import Frequency
from adpulse.model import AccountFacts, Connection, ConnectionStatus, Provider, RunState, SyncStatus
from adpulse.planner.costs import Size
from adpulse.planner.windows import CLOCK_SLACK
from adpulse.retry import LONGEST_BACKOFF
from storage.control import ConnectionRow, CredentialRow, Engine, RunRow, Session, WorkspaceRow, is_letter, is_open, lock, reading
from storage.outbox import publish

CONNECTION_COLUMNS = tuple(column for column in ConnectionRow.__table__.columns)


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
    consecutive_throttles: int
    slow: bool
    stale_since: datetime | None
    credential_expires_at: datetime | None
    """When its credential ends by itself (business time); None if it does not, or nobody says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which connections; None is any."""

    workspace_id: str | None = None
    provider: Provider | None = None
    status: ConnectionStatus | None = None
    frequency: Frequency | None = None

    def conditions(self) -> list[tuple[InstrumentedAttribute[str], str | None]]:
        """Column and value pairs."""
        return [
            (ConnectionRow.workspace_id, self.workspace_id),
            (ConnectionRow.provider, self.provider),
            (ConnectionRow.status, self.status),
            (ConnectionRow.sync_frequency, self.frequency),
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Connections of one frequency whose reads cost the same."""

    frequency: Frequency
    size: Size
    count: int


class Connections:
    """The connections of this installation."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def create(  # noqa: PLR0913 - what makes a connection
        self,
        workspace_id: str,
        provider: Provider,
        facts: AccountFacts,
        *,
        credential_id: str,
        scope: str,
        frequency: str,
        gross_margin: Decimal,
    ) -> ConnectionView:
        """Connect an account. ``scope`` is what the platform counts it together with.

        Raises:
            FrequencyRefused: unknown, or realtime without the grant.
            Conflict: the account is connected in this workspace already.
        """
        connection_id, now = str(uuid4()), self._clock.now()
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
                        scope=scope,
                        login_customer_id=facts.login_customer_id,
                        name=facts.name,
                        currency=facts.currency,
                        timezone=facts.timezone,
                        gross_margin=gross_margin,
                        status=ConnectionStatus.ACTIVE.value,
                        sync_frequency=chosen.value,
                        next_due_at=_first_due(chosen, now),
                        expected_since=now,
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

    def find(self, connection_id: str, workspace_id: str | None = None) -> ConnectionView | None:
        """The connection with this id, if there is one and, where one is given, it is the workspace's."""
        mine = (ConnectionRow.workspace_id == workspace_id) if workspace_id else true()
        found = self._select((ConnectionRow.id == connection_id) & mine)
        return found[0] if found else None

    def page(self, wanted: Wanted, limit: int, after: tuple[str, str] | None = None) -> list[ConnectionView]:
        """At most ``limit`` connections by name, those after this name and id."""
        conditions = [column == value for column, value in wanted.conditions() if value is not None]
        if after:
            conditions.append(tuple_(ConnectionRow.name, ConnectionRow.id) > after)
        return self._select(and_(true(), *conditions), limit)

    def every(self, workspace_id: str | None = None) -> list[ConnectionView]:
        """Every connection, of one workspace if given, by name."""
        return self._select(ConnectionRow.workspace_id == workspace_id if workspace_id else ConnectionRow.id.is_not(None))

    def _select(self, condition: ColumnElement[bool], limit: int | None = None) -> list[ConnectionView]:
        ends = CredentialRow.expires_at.label("credential_expires_at")
        both = select(*CONNECTION_COLUMNS, ends).join(CredentialRow, CredentialRow.id == ConnectionRow.credential_id)
        found = both.where(condition).order_by(ConnectionRow.name, ConnectionRow.id).limit(limit)
        with reading(self._engine).connect() as session:
            rows = session.execute(found)
            return [_view(row) for row in rows]

    def set_frequency(self, reference: str, value: str) -> ConnectionView:
        """Change how often it is synced; the first sync of the new frequency is due at once.

        Raises:
            UnknownConnection, FrequencyRefused: nothing was changed.
        """
        connection = self.get(reference).connection
        with self._engine.begin() as session:
            chosen = frequencies.parse(value, realtime_granted=_granted(session, connection.workspace_id))
            now = self._clock.now()
            self._update(session, connection.id, sync_frequency=chosen.value, next_due_at=_first_due(chosen, now), expected_since=now)
        return self.get(connection.id)

    def set_margin(self, reference: str, gross_margin: Decimal) -> ConnectionView:
        """Change the gross margin; what is stored follows with the next sync.

        Raises:
            UnknownConnection: nothing was changed.
        """
        connection = self.get(reference).connection
        with self._engine.begin() as session:
            self._update(session, connection.id, gross_margin=gross_margin)
        return self.get(connection.id)

    def set_status(self, connection_id: str, status: ConnectionStatus, reason: str | None) -> None:
        """Sync it (active, due at once) or stop syncing it, and say why. A sync under way ends by itself."""
        values: dict[str, Any] = {"status": status.value, "status_reason": reason}
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            before = connection_of(session.execute(select(*CONNECTION_COLUMNS).where(ConnectionRow.id == connection_id)).one())
            if status is ConnectionStatus.ACTIVE:
                now = self._clock.now()
                values |= {"next_due_at": _first_due(before.frequency, now), "consecutive_failures": 0, "consecutive_throttles": 0}
                values["expected_since"] = now
            self._update(session, connection_id, **values)
            if status in ATTENTION and before.status is not status:
                publish(session, needs_attention(before, status, reason))

    def disconnect(self, connection_id: str, reason: str) -> None:
        """Stop syncing it for good: whoever works on it has lost its lease, and what was queued is closed. Its data stay."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            freed = {"lease_owner": None, "lease_until": None, "lease_generation": ConnectionRow.lease_generation + 1}
            status = {"status": ConnectionStatus.DISCONNECTED.value, "status_reason": reason, "sync_status": SyncStatus.IDLE.value}
            self._update(session, connection_id, **freed, **status, next_due_at=None)
            mine = RunRow.connection_id == connection_id
            closed = {"state": RunState.DEAD.value, "finished_at": utc_now(), "error": reason}
            session.execute(update(RunRow).where(mine, is_open()).values(**closed))
            resolve(session, mine, "disconnected")

    def use_credential(self, reached: Mapping[str, AccountFacts], credential_id: str, scope: str) -> None:
        """Give connections another credential, which reaches them as told by id, and sync them again, whatever had stopped them."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id.in_(reached))
            for connection_id, facts in reached.items():
                self._update(session, connection_id, credential_id=credential_id, scope=scope, login_customer_id=facts.login_customer_id)
        for connection_id in reached:
            self.set_status(connection_id, ConnectionStatus.ACTIVE, None)

    def renew_credential(self, old: str, new: str) -> None:
        """Let whoever uses one credential use another, of the same reach, from their next sync on."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.credential_id == old)
            session.execute(update(ConnectionRow).where(ConnectionRow.credential_id == old).values(credential_id=new))

    def set_facts(self, connection_id: str, facts: AccountFacts) -> None:
        """Take over the account's time zone. The name is ours: people refer to it."""
        with self._engine.begin() as session:
            self._update(session, connection_id, timezone=facts.timezone)

    def set_size(self, connection_id: str, *, ad_count: int, campaign_count: int) -> None:
        """Remember the account's size: later reads' costs depend on it."""
        with self._engine.begin() as session:
            self._update(session, connection_id, ad_count=ad_count, campaign_count=campaign_count)

    def set_asset_groups(self, connection_id: str, count: int) -> None:
        """Remember how many asset groups there are; their numbers are asked for unless it is none."""
        with self._engine.begin() as session:
            self._update(session, connection_id, asset_group_count=count)

    def cool_down(self, connection: Connection, scope: Scope, until: datetime, reason: str) -> None:
        """Make no call before ``until`` (business time) for the account, whoever connected it, or for all that is counted together."""
        condition = ConnectionRow.scope == connection.scope
        if scope == "account":
            condition = (ConnectionRow.provider == connection.provider.value) & (ConnectionRow.external_id == connection.external_id)
        longer = or_(ConnectionRow.cooldown_until.is_(None), ConnectionRow.cooldown_until < until)
        with self._engine.begin() as session:
            lock(session, condition)
            session.execute(update(ConnectionRow).where(condition, longer).values(cooldown_until=until, cooldown_reason=reason))
            self._update(session, connection.id, consecutive_throttles=ConnectionRow.consecutive_throttles + 1)

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

    def groups_of(self, scope: str, step: int) -> list[Group]:
        """The active connections that the platform counts together, by what their reads cost; ads and campaigns rounded up to ``step``."""
        each = (
            select(
                ConnectionRow.sync_frequency,
                _rounded(ConnectionRow.ad_count, step).label("ads"),
                _rounded(ConnectionRow.campaign_count, step).label("campaigns"),
                case((ConnectionRow.asset_group_count == 0, 0), else_=1).label("asset_groups"),
            )
            .where(ConnectionRow.scope == scope, ConnectionRow.status == ConnectionStatus.ACTIVE.value)
            .subquery()
        )
        with reading(self._engine).connect() as session:
            return [
                Group(frequency=Frequency(frequency), size=Size(ads=ads, campaigns=campaigns, asset_groups=groups), count=count)
                for frequency, ads, campaigns, groups, count in session.execute(select(*each.c, func.count()).group_by(*each.c))
            ]

    def heal_clock(self) -> int:
        """Make due at once what is due later than any interval or backoff allows for; returns how many connections.

        Of a connection that was last synced in the future, no wait counts any more: the clock was set back since.
        """
        now = self._clock.now()
        backoff = timedelta(seconds=LONGEST_BACKOFF)
        latest = {frequency: now + max(frequency.interval or backoff, backoff) + CLOCK_SLACK for frequency in frequencies.SCHEDULED}
        late = or_(*((ConnectionRow.sync_frequency == each.value) & (ConnectionRow.next_due_at > at) for each, at in latest.items()))
        with self._engine.begin() as session:
            self._end_waits(session, now)
            lock(session, late)
            return session.execute(update(ConnectionRow).where(late).values(next_due_at=now)).rowcount

    @staticmethod
    def _end_waits(session: Session, now: datetime) -> None:
        ahead = ConnectionRow.last_sync_attempted_at > now + CLOCK_SLACK
        lock(session, ahead)
        waits = RunRow.connection_id.in_(select(ConnectionRow.id).where(ahead)) & is_open() & (RunRow.until > now)
        session.execute(update(RunRow).where(waits).values(until=now))
        over = {"cooldown_until": None, "cooldown_reason": None, "postponed_until": None, "postponed_reason": None}
        session.execute(update(ConnectionRow).where(ahead).values(last_sync_attempted_at=now, **over))


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
        scope=row.scope,
        ad_count=row.ad_count,
        campaign_count=row.campaign_count,
        asset_group_count=row.asset_group_count,
        login_customer_id=row.login_customer_id,
    )


def resolve(session: Session, condition: ColumnElement[bool], resolution: str) -> int:
    """Mark dead letters as dealt with; returns how many."""
    return session.execute(update(RunRow).where(condition, is_letter()).values(resolved_at=utc_now(), resolution=resolution)).rowcount


def _view(row: Row[Any]) -> ConnectionView:
    same = {name: getattr(row, name) for name in ConnectionView.__dataclass_fields__ if name not in ("connection", "sync_status")}
    return ConnectionView(connection=connection_of(row), sync_status=SyncStatus(row.sync_status), **same)


def _rounded(count: InstrumentedAttribute[int | None], step: int) -> ColumnElement[int | None]:
    return (count + (step - 1)) // step * step


def _granted(session: Session, workspace_id: str) -> bool:
    granted = session.scalar(select(WorkspaceRow.realtime_granted).where(WorkspaceRow.id == workspace_id))
    if granted is None:
        raise Usage("The workspace does not exist.")
    return granted


def _first_due(frequency: Frequency, now: datetime) -> datetime | None:
    return None if frequency is Frequency.MANUAL else now
