"""Connections: which accounts are synced, how often, and with what result."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Row, case, delete, exists, func, or_, select, true, update
from sqlalchemy.sql.elements import SQLCoreOperations

from adpulse import frequency as frequencies
from adpulse.clock import Clock
from adpulse.errors import Scope, UnknownConnection
from adpulse.events import ATTENTION, needs_attention
from adpulse.frequency import Frequency
from adpulse.model import AccountFacts, Connection, ConnectionStatus, PageSizes, Provider, RunState, SyncStatus
from adpulse.planner.windows import CLOCK_SLACK
from adpulse.platforms.base import Size
from adpulse.retry import LONGEST_BACKOFF
from storage.control import labels
from storage.control.connection_rows import CONNECTION_COLUMNS, connection_from, connection_of
from storage.control.connection_warnings import ACCOUNT_DISABLED, ConnectionWarning, ConnectionWarningRow, select_warnings
from storage.control.database import Engine, Session, columns, delete_whole, lock, reading
from storage.control.listing import Criteria, Order, Place, ordered
from storage.control.new_connections import NewConnection, first_due, granted, insert_connection
from storage.control.outbox import publish
from storage.control.tables import ConnectionRow, CredentialRow, RunRow, is_letter, is_open
from storage.control.working_sizes import forget_account

PAUSED = "Paused. Go on with: adpulse resume"
"""The ``status_reason`` of a paused connection."""

_NOT_DELETING = ConnectionRow.status != ConnectionStatus.DELETING.value

_VIEWS = select(*CONNECTION_COLUMNS, labels.AS_TEXT, CredentialRow.expires_at.label("credential_expires_at")).join(
    CredentialRow, CredentialRow.id == ConnectionRow.credential_id
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionView:
    """A connection with its telemetry: the eight status fields, and what delays its next sync."""

    connection: Connection
    labels: tuple[str, ...]
    status_reason: str | None
    sync_status: SyncStatus
    last_sync_attempted_at: datetime | None
    last_sync_completed_at: datetime | None
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
    """When its credential expires (business time); None if it does not, or the platform does not say."""
    warnings: tuple[ConnectionWarning, ...] = ()
    """What fails without stopping its numbers, the oldest first."""

    @property
    def last_metrics_changed_at(self) -> datetime | None:
        """When a sync found a metric changed last; None before the first one."""
        return self.connection.last_metrics_changed_at


# Fields that equal a column, by name and type; the others are converted below.
_SAME = tuple(name for name in ConnectionView.__dataclass_fields__ if name not in ("connection", "labels", "sync_status", "warnings"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Connections of one frequency whose reads cost the same."""

    frequency: Frequency
    size: Size
    count: int


class Connections:
    """The connections of this installation."""

    def __init__(self, engine: Engine, clock: Clock, *, wall: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._wall = wall

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
        """Connect an account. ``scope`` is what the platform counts its calls together with.

        Raises:
            FrequencyRefused: unknown, or realtime without the grant.
            Conflict: the account is connected in this workspace already.
        """
        new = NewConnection(provider=provider, facts=facts, scope=scope, frequency=frequency, gross_margin=gross_margin)
        with self._engine.begin() as session:
            connection_id = insert_connection(session, workspace_id, new, credential_id, self._clock.now())
        return self.get(connection_id)

    def get(self, reference: str) -> ConnectionView:
        """The connection with this id, or the only one with this name.

        Raises:
            UnknownConnection: there is no such connection, or several have the name; the message lists their ids.
        """
        matches = self._select(ConnectionRow.id == reference) or self._select(ConnectionRow.name == reference)
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = ", ".join(view.connection.id for view in matches)
            raise UnknownConnection(f"Several connections are named '{reference}'. Use one of the ids: {listed}.")
        raise UnknownConnection(f"There is no connection '{reference}'. See them with: adpulse connections")

    def find(self, connection_id: str, workspace_id: str | None = None) -> ConnectionView | None:
        """The connection with this id, if there is one and, with ``workspace_id``, it is that workspace's."""
        of_workspace = (ConnectionRow.workspace_id == workspace_id) if workspace_id else true()
        return next(iter(self._select((ConnectionRow.id == connection_id) & of_workspace)), None)

    def page(self, criteria: Criteria, limit: int | None, order: Order = Order.NAME, after: Place | None = None) -> list[ConnectionView]:
        """At most ``limit`` connections (None: all) that meet the criteria, in this order, starting after this place."""
        return self._select(criteria.condition(), limit, order, after)

    def all(self, workspace_id: str | None = None, label: str | None = None) -> list[ConnectionView]:
        """All connections, or those of one workspace or with one label, ordered by name."""
        return self._select(Criteria(workspace_id=workspace_id, label=label).condition())

    def names(self, workspace_id: str) -> dict[str, str]:
        """The names of the workspace's connections by their ids: a fraction of what :meth:`all` takes."""
        query = select(ConnectionRow.id, ConnectionRow.name).where(ConnectionRow.workspace_id == workspace_id)
        with reading(self._engine).connect() as session:
            return dict(session.execute(query).all())

    def _select(
        self, condition: ColumnElement[bool], limit: int | None = None, order: Order = Order.NAME, after: Place | None = None
    ) -> list[ConnectionView]:
        query = ordered(_VIEWS.where(condition).limit(limit), order, after)
        warned = ConnectionWarningRow.connection_id.in_(select(ConnectionRow.id).where(condition))
        warnings = defaultdict[str, list[ConnectionWarning]](list)
        with reading(self._engine).connect() as session:
            rows = session.execute(query).all()
            for connection_id, warning in select_warnings(session, warned):
                warnings[connection_id].append(warning)
        return [_view(row, warnings[row.id]) for row in rows]

    def rename(self, connection_id: str, name: str) -> None:
        """Rename a connection; people refer to it by its name or its id."""
        with self._engine.begin() as session:
            self._update(session, connection_id, name=name)

    def set_frequency(self, reference: str, value: str) -> ConnectionView:
        """Change the sync frequency; the first sync of the new frequency is due at once.

        Raises:
            UnknownConnection, FrequencyRefused: nothing was changed.
        """
        connection = self.get(reference).connection
        with self._engine.begin() as session:
            chosen = frequencies.parse(value, realtime_granted=granted(session, connection.workspace_id))
            self._update(session, connection.id, **of_frequency(chosen, self._clock.now()))
        return self.get(connection.id)

    def set_margin(self, reference: str, gross_margin: Decimal) -> ConnectionView:
        """Change the gross margin; the stored profits follow with the next sync.

        Raises:
            UnknownConnection: nothing was changed.
        """
        connection = self.get(reference).connection
        with self._engine.begin() as session:
            self._update(session, connection.id, gross_margin=gross_margin)
        return self.get(connection.id)

    def set_status(self, connection_id: str, status: ConnectionStatus, reason: str | None) -> None:
        """Activate a connection, due at once, or stop syncing it with a reason. A sync under way runs to its end.

        A connection that is being deleted stays as it is.
        """
        values: dict[str, Any] = {"status": status.value, "status_reason": reason}
        with self._engine.begin() as session:
            if not lock(session, ConnectionRow.id == connection_id):
                raise UnknownConnection(f"There is no connection '{connection_id}'.")
            before = connection_of(session.execute(select(*CONNECTION_COLUMNS).where(ConnectionRow.id == connection_id)).one())
            if status is ConnectionStatus.ACTIVE:
                now = self._clock.now()
                values |= {"next_due_at": first_due(before.frequency, now), "expected_since": now}
                values |= {"consecutive_failures": 0, "consecutive_throttles": 0, "rechecks": 0, "recheck_at": None}
                of_state = (ConnectionWarningRow.connection_id == connection_id) & (ConnectionWarningRow.kind == ACCOUNT_DISABLED)
                session.execute(delete(ConnectionWarningRow).where(of_state))
            changeable = (ConnectionRow.id == connection_id) & _NOT_DELETING
            changed = session.execute(update(ConnectionRow).where(changeable).values(**values)).rowcount
            if changed and status in ATTENTION and before.status is not status:
                publish(session, needs_attention(before, status, reason), now=self._wall.now())

    def disconnect(self, connection_id: str, reason: str, status: ConnectionStatus = ConnectionStatus.DISCONNECTED) -> None:
        """Stop syncing a connection for good: its lease is revoked and its open run closed. Its data stay.

        A connection that is being deleted stays as it is.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            # The higher generation revokes the lease: the next step of the worker that has it is refused.
            freed = {"lease_owner": None, "lease_until": None, "lease_generation": ConnectionRow.lease_generation + 1}
            stopped = {"status": status.value, "status_reason": reason, "sync_status": SyncStatus.IDLE.value, "next_due_at": None}
            session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id, _NOT_DELETING).values(**freed, **stopped))
            of_connection, now = RunRow.connection_id == connection_id, self._wall.now()
            closed = {"state": RunState.DEAD.value, "finished_at": now, "error": reason}
            session.execute(update(RunRow).where(of_connection, is_open()).values(**closed))
            resolve(session, of_connection, status.value, now)

    def delete(self, connection_id: str) -> None:
        """Delete a connection with everything that refers to it; its credential and its account's sizes, unless another one has them.

        Its calls stay in the ledger: they count against the account's hour, whoever connects it next.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id == connection_id)
            gone = session.execute(select(*CONNECTION_COLUMNS).where(ConnectionRow.id == connection_id)).one_or_none()
            if gone is None:
                return
            delete_whole(session, ConnectionRow, ConnectionRow.id == connection_id)
            others = exists().where(ConnectionRow.credential_id == CredentialRow.id)
            delete_whole(session, CredentialRow, (CredentialRow.id == gone.credential_id) & ~others)
            same_account = (ConnectionRow.provider == gone.provider) & (ConnectionRow.external_id == gone.external_id)
            if not session.scalar(select(exists().where(same_account))):
                forget_account(session, connection_of(gone).ledger_key)

    def use_credential(self, reached: Mapping[str, AccountFacts], credential_id: str, scope: str) -> None:
        """Give connections another credential and activate them all. ``reached``: their accounts' facts by connection id.

        What failed with the old credential is no longer shown: their errors are cleared, and their dead letters resolved.
        """
        with self._engine.begin() as session:
            lock(session, ConnectionRow.id.in_(reached))
            for connection_id, facts in reached.items():
                values = {"credential_id": credential_id, "scope": scope, "login_customer_id": facts.login_customer_id}
                self._update(session, connection_id, **values, last_sync_error=None)
            failed = ConnectionRow.id.in_(reached) & (ConnectionRow.sync_status == SyncStatus.ERROR.value)
            session.execute(update(ConnectionRow).where(failed).values(sync_status=SyncStatus.IDLE.value))
            resolve(session, RunRow.connection_id.in_(reached), "reconnected", self._wall.now())
        for connection_id in reached:
            self.set_status(connection_id, ConnectionStatus.ACTIVE, None)

    def renew_credential(self, old: str, new: str) -> None:
        """Replace a credential by a renewed one of the same reach; connections use it from their next sync on."""
        with self._engine.begin() as session:
            lock(session, ConnectionRow.credential_id == old)
            session.execute(update(ConnectionRow).where(ConnectionRow.credential_id == old).values(credential_id=new))

    def set_facts(self, connection_id: str, facts: AccountFacts) -> None:
        """Store the account's time zone. The name stays as people know it: they may have changed it, and refer to it."""
        with self._engine.begin() as session:
            self._update(session, connection_id, timezone=facts.timezone)

    def cool_down(self, connection: Connection, scope: Scope, until: datetime, reason: str) -> None:
        """Make no call before ``until`` (business time) for the account, in any workspace, or for the whole scope."""
        condition = ConnectionRow.scope == connection.scope
        if scope != "app":
            condition = (ConnectionRow.provider == connection.provider) & (ConnectionRow.external_id == connection.external_id)
        # An earlier throttle may have named a later time, so a cooldown only gets longer.
        longer = or_(ConnectionRow.cooldown_until.is_(None), ConnectionRow.cooldown_until < until)
        with self._engine.begin() as session:
            lock(session, condition)
            session.execute(update(ConnectionRow).where(condition, longer).values(cooldown_until=until, cooldown_reason=reason))
            self._update(session, connection.id, consecutive_throttles=ConnectionRow.consecutive_throttles + 1)

    @staticmethod
    def _update(session: Session, connection_id: str, **values: Any) -> None:
        session.execute(update(ConnectionRow).where(ConnectionRow.id == connection_id).values(**values))

    def groups(self) -> dict[tuple[Provider, Frequency], int]:
        """Active connections per platform and frequency; groups without any are missing."""
        query = (
            select(ConnectionRow.provider, ConnectionRow.sync_frequency, func.count())
            .where(ConnectionRow.status == ConnectionStatus.ACTIVE.value, ConnectionRow.sync_frequency.in_(frequencies.SCHEDULED))
            .group_by(ConnectionRow.provider, ConnectionRow.sync_frequency)
        )
        with reading(self._engine).connect() as session:
            return {(Provider(provider), Frequency(value)): count for provider, value, count in session.execute(query)}

    def groups_of(self, scope: str, step: int) -> list[Group]:
        """The scope's active connections, grouped by the cost of their reads; ads and campaigns are rounded up to ``step``."""
        group = (
            select(
                ConnectionRow.sync_frequency,
                # Until a walk has counted the account, its estimated size is used.
                _rounded(func.coalesce(ConnectionRow.ad_count, ConnectionRow.delivering_ads), step).label("ads"),
                _rounded(func.coalesce(ConnectionRow.campaign_count, ConnectionRow.delivering_campaigns), step).label("campaigns"),
                case((ConnectionRow.asset_group_count == 0, 0), else_=1).label("asset_groups"),
                _rounded(ConnectionRow.delivering_ads, step).label("delivering_ads"),
                _rounded(ConnectionRow.delivering_campaigns, step).label("delivering_campaigns"),
                ConnectionRow.report_page,
                ConnectionRow.walk_page,
            )
            .where(ConnectionRow.scope == scope, ConnectionRow.status == ConnectionStatus.ACTIVE.value)
            .where(ConnectionRow.sync_frequency.in_(tuple(Frequency)))  # a row with an unknown frequency must not stop the others
            .subquery()
        )
        with reading(self._engine).connect() as session:
            rows = session.execute(select(*group.c, func.count().label("connections")).group_by(*group.c)).all()
        return [Group(frequency=Frequency(row.sync_frequency), size=_size_of(row), count=row.connections) for row in rows]

    def heal_clock(self) -> int:
        """Make connections due at once that are due later than any interval or backoff allows; returns how many.

        A last sync in the future means that the clock was set back since: all waits of such a connection end.
        """
        now = self._clock.now()
        backoff = timedelta(seconds=LONGEST_BACKOFF)
        latest = {frequency: now + max(frequency.interval or backoff, backoff) + CLOCK_SLACK for frequency in frequencies.SCHEDULED}
        late = or_(
            *((ConnectionRow.sync_frequency == frequency.value) & (ConnectionRow.next_due_at > at) for frequency, at in latest.items())
        )
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


def resolve(session: Session, condition: ColumnElement[bool], resolution: str, now: datetime) -> int:
    """Mark dead letters as dealt with at ``now`` (real time); returns how many."""
    return session.execute(update(RunRow).where(condition, is_letter()).values(resolved_at=now, resolution=resolution)).rowcount


def _view(row: Row[*tuple[Any, ...]], warnings: Sequence[ConnectionWarning]) -> ConnectionView:
    values = columns(row)
    names = tuple(sorted(values["labels"].split(labels.SEPARATOR))) if values["labels"] else ()
    converted: dict[str, Any] = {"labels": names, "sync_status": SyncStatus(values["sync_status"]), "warnings": tuple(warnings)}
    return ConnectionView(connection=connection_from(values), **converted, **{name: values[name] for name in _SAME})


def _size_of(row: Row[*tuple[Any, ...]]) -> Size:
    pages = PageSizes(report=row.report_page, walk=row.walk_page)
    counts = {name: getattr(row, name) for name in ("ads", "campaigns", "asset_groups", "delivering_ads", "delivering_campaigns")}
    return Size(page_sizes=pages, **counts)


def _rounded(count: SQLCoreOperations[int | None], step: int) -> ColumnElement[int | None]:
    return (count + (step - 1)) // step * step


def of_frequency(frequency: Frequency, now: datetime) -> dict[str, Any]:
    """The columns of a connection that gets this frequency: it is due at once, and its pace is not computed yet."""
    return {"sync_frequency": frequency.value, "next_due_at": first_due(frequency, now), "expected_since": now, "paced_seconds": None}
