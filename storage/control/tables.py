"""The control plane's tables."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    bindparam,
    or_,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from adpulse.model import Lease, RunState

WORKING = (RunState.LEASED.value, RunState.FETCHED.value, RunState.APPLIED.value)
"""States of a run that somebody works on."""

OPEN = (RunState.QUEUED.value, *WORKING, RunState.POSTPONED.value, RunState.FAILED.value)
"""States of a run that is not closed, in the order of the index on them."""

_OPEN_STATES = f"state IN {OPEN}"
_LETTERS = f"state = '{RunState.DEAD.value}' AND resolved_at IS NULL"


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime; naive ones are refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; SQLite stores it without zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime reached the control plane")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Back to aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """A Decimal kept as text, because SQLite has no exact numbers."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """As text."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002 - SQLAlchemy's signature
        """As Decimal."""
        return None if value is None else Decimal(value)


class Base(DeclarativeBase):
    """Declares the tables below."""

    type_annotation_map = {datetime: Instant, Decimal: Exact, str: String(255)}  # noqa: RUF012 - SQLAlchemy reads it from the class


class WorkspaceRow(Base):
    """Who shares a warehouse file."""

    __tablename__ = "workspace"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    realtime_granted: Mapped[bool] = mapped_column(default=False)
    home_id: Mapped[str | None]
    reporting_currency: Mapped[str | None]


class CredentialRow(Base):
    """An encrypted token."""

    __tablename__ = "credential"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    kind: Mapped[str]
    ciphertext: Mapped[bytes]
    expires_at: Mapped[datetime | None]
    renewal_tried_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class AuthorizationRow(Base):
    """A person was sent to a platform to consent; of what brings the browser back only digests are kept."""

    __tablename__ = "pending_authorization"
    state: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    provider: Mapped[str]
    connection_id: Mapped[str | None] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    ciphertext: Mapped[bytes]
    redirect_uri: Mapped[str] = mapped_column(Text)
    begun_by: Mapped[str]
    browser: Mapped[str]
    expires_at: Mapped[datetime]


class GrantRow(Base):
    """A credential that was given but not connected yet, and what it reaches. Without ciphertext it was taken, or never came."""

    __tablename__ = "credential_grant"
    __table_args__ = (Index("ix_credential_grant_workspace", "workspace_id", "created_at"),)
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    provider: Mapped[str]
    connection_id: Mapped[str | None] = mapped_column(ForeignKey("connection.id", ondelete="CASCADE"))
    ciphertext: Mapped[bytes]
    accounts: Mapped[str] = mapped_column(Text)
    scope: Mapped[str | None]
    credential_expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ConnectionRow(Base):
    """One ad account as a workspace connected it, with its telemetry and its lease."""

    __tablename__ = "connection"
    __table_args__ = (
        UniqueConstraint("workspace_id", "provider", "external_id", "currency", name="uq_connection_account"),
        Index("ix_connection_due", "provider", "sync_frequency", "status", "next_due_at"),
        Index("ix_connection_scope", "scope"),
        Index("ix_connection_account", "provider", "external_id"),
        Index("ix_connection_name", "workspace_id", "name", "id"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    credential_id: Mapped[str] = mapped_column(ForeignKey("credential.id"))
    provider: Mapped[str]
    external_id: Mapped[str]
    scope: Mapped[str]
    login_customer_id: Mapped[str | None]
    name: Mapped[str]
    currency: Mapped[str]
    timezone: Mapped[str]
    gross_margin: Mapped[Decimal]
    status: Mapped[str]
    status_reason: Mapped[str | None] = mapped_column(Text)
    ad_count: Mapped[int | None]
    campaign_count: Mapped[int | None]
    asset_group_count: Mapped[int | None]
    delivering_ads: Mapped[int | None]
    delivering_campaigns: Mapped[int | None]
    report_page: Mapped[int | None]
    walk_page: Mapped[int | None]
    """Rows a page that its reads have reached."""
    trailing_spend: Mapped[int] = mapped_column(BigInteger, default=0)
    """Micros of its own currency, of the seven days until its metrics changed last: who spends more is synced first."""
    sync_frequency: Mapped[str]
    last_sync_attempted_at: Mapped[datetime | None]
    last_sync_completed_at: Mapped[datetime | None]
    last_metrics_changed_at: Mapped[datetime | None]
    total_syncs_attempted: Mapped[int] = mapped_column(default=0)
    total_syncs_with_changes: Mapped[int] = mapped_column(default=0)
    sync_status: Mapped[str] = mapped_column(default="idle")
    last_sync_error: Mapped[str | None] = mapped_column(Text)
    next_due_at: Mapped[datetime | None]
    lease_owner: Mapped[str | None]
    lease_generation: Mapped[int] = mapped_column(default=0)
    lease_until: Mapped[datetime | None]
    cooldown_until: Mapped[datetime | None]
    cooldown_reason: Mapped[str | None] = mapped_column(Text)
    consecutive_failures: Mapped[int] = mapped_column(default=0)
    consecutive_throttles: Mapped[int] = mapped_column(default=0)
    slow: Mapped[bool] = mapped_column(default=False)
    postponed_until: Mapped[datetime | None]
    postponed_reason: Mapped[str | None] = mapped_column(Text)
    expected_since: Mapped[datetime | None]
    """Since when it is to be synced as often as now: before that nobody could expect fresh data."""
    stale_since: Mapped[datetime | None]
    paced_seconds: Mapped[int | None]
    ad_filter: Mapped[str | None]
    campaign_filter: Mapped[str | None]
    refused_fields: Mapped[str | None]
    """The platform's names of fields that the account's reports are requested without, between commas."""
    filters_noted_at: Mapped[datetime | None]
    mapping: Mapped[str | None] = mapped_column(Text)
    """What counts as its conversions, as JSON; the platform's default without one."""
    mapping_since: Mapped[datetime | None]
    unsettled_at: Mapped[str | None] = mapped_column(Text)
    """When claims ended unsettled although their worker lived, the last few (real time, as JSON)."""
    worker_deaths: Mapped[int] = mapped_column(default=0, server_default="0")
    full_access: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    calls_per_hour: Mapped[int | None]
    """Most calls of its account in any hour, if it is another number than the installation's."""
    recheck_at: Mapped[datetime | None]
    rechecks: Mapped[int] = mapped_column(default=0, server_default="0")
    """How often the platform, which refused it, was asked for it again since its last completed sync."""


class ConnectionLabelRow(Base):
    """A word that people sort their connections by."""

    __tablename__ = "connection_label"
    __table_args__ = (Index("ix_connection_label", "label", "connection_id"),)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    label: Mapped[str] = mapped_column(primary_key=True)


class RunRow(Base):
    """One sync that was asked for or came due: state machine and outbox."""

    __tablename__ = "sync_run"
    __table_args__ = (
        Index("ix_sync_run_open", "connection_id", unique=True, sqlite_where=text(_OPEN_STATES), postgresql_where=text(_OPEN_STATES)),
        Index("ix_sync_run_letters", "connection_id", sqlite_where=text(_LETTERS), postgresql_where=text(_LETTERS)),
        Index("ix_sync_run_waiting", "provider", "state"),
        Index("ix_sync_run_connection", "connection_id", "requested_at"),
        Index("ix_sync_run_finished", "finished_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"))
    workspace_id: Mapped[str]
    provider: Mapped[str]
    state: Mapped[str]
    parts: Mapped[str]
    force_refresh: Mapped[bool] = mapped_column(default=False)
    lane: Mapped[str] = mapped_column(default="on-demand")
    generation: Mapped[int] = mapped_column(default=0)
    settled_generation: Mapped[int] = mapped_column(default=0)
    requested_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    until: Mapped[datetime | None]
    reason: Mapped[str | None] = mapped_column(Text)
    flow_run_id: Mapped[str | None]
    calls: Mapped[int] = mapped_column(default=0)
    fetched: Mapped[int] = mapped_column(default=0)
    inserted: Mapped[int] = mapped_column(default=0)
    updated: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    entities_changed: Mapped[int] = mapped_column(default=0)
    attempts: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(Text)
    error_during: Mapped[str | None]
    resolved_at: Mapped[datetime | None]
    resolution: Mapped[str | None]


Serial = BigInteger().with_variant(Integer, "sqlite")
"""A row number that is never used up: 32 bits are, by 5,000 busy accounts in 100 days. SQLite counts only an INTEGER, which has 64."""


class CallRow(Base):
    """One platform call: a slot of its account's sliding hour and of its scope's window."""

    __tablename__ = "call_ledger"
    __table_args__ = (Index("ix_call_ledger_key_at", "key", "at"), Index("ix_call_ledger_scope_at", "scope", "at"))
    id: Mapped[int] = mapped_column(Serial, primary_key=True, autoincrement=True)
    key: Mapped[str]
    scope: Mapped[str]
    at: Mapped[datetime]
    heat: Mapped[str]


class PartitionRow(Base):
    """When a part of a connection was last read completely: so many ``days`` from ``day`` on, which is empty for parts without dates.

    ``last_read_at``: the latest of their reads, where ``fetched_at`` is only the earliest one. ``due``: somebody wants them read again.
    """

    __tablename__ = "partition_state"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    days: Mapped[int] = mapped_column(default=1, server_default="1")
    fetched_at: Mapped[datetime]
    last_read_at: Mapped[datetime | None]
    due: Mapped[bool] = mapped_column(default=False, server_default=text("false"))


class ApiKeyRow(Base):
    """What a program shows to be let in; ``digest`` is all that is kept of it."""

    __tablename__ = "api_key"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspace.id"))
    name: Mapped[str]
    prefix: Mapped[str] = mapped_column(unique=True)
    digest: Mapped[str]
    role: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


class SessionRow(Base):
    """A browser that is logged in, or a link that logs one in (``is_link``); of its text only ``digest`` is kept."""

    __tablename__ = "browser_session"
    id: Mapped[str] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    is_link: Mapped[bool]
    role: Mapped[str]
    workspace_id: Mapped[str | None] = mapped_column(ForeignKey("workspace.id"))
    api_key_id: Mapped[str | None] = mapped_column(ForeignKey("api_key.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class DispatchRow(Base):
    """Counts the claims that an on-demand deployment's flow runs made: requests between two claims share one flow run."""

    __tablename__ = "dispatch"
    deployment: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(default=0)


class LeaderRow(Base):
    """Which worker may do a job that only one may do (``sweep``), and until when (real time)."""

    __tablename__ = "leader"
    job: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str]
    until: Mapped[datetime]


def is_open() -> ColumnElement[bool]:
    """The run is not closed. Spelled with literals in the index's order: only then SQLite uses the index."""
    return RunRow.state.in_(bindparam("open_states", OPEN, expanding=True, literal_execute=True))


def has_cooled_down(now: datetime) -> ColumnElement[bool]:
    """The platform does not pause the connection's calls (business time)."""
    return or_(ConnectionRow.cooldown_until.is_(None), ConnectionRow.cooldown_until <= now)


def is_letter() -> ColumnElement[bool]:
    """The run is a dead letter that nobody has dealt with. Spelled as the index is."""
    return (RunRow.state == bindparam("dead", RunState.DEAD.value, literal_execute=True)) & RunRow.resolved_at.is_(None)


def is_leased_by(lease: Lease) -> ColumnElement[bool]:
    """The lease's connection has not been leased again since."""
    return (ConnectionRow.id == lease.connection.id) & (ConnectionRow.lease_generation == lease.generation)
