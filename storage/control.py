"""The control plane's database: tables, connection, schema version. SQLite by default, PostgreSQL by URL."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import (
    BigInteger,
    DateTime,
    Dialect,
    Engine,
    ForeignKey,
    Index,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy import Connection as Session
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.pool import ConnectionPoolEntry

from adpulse.errors import Usage, WarehouseBusy

__all__ = ["INFRASTRUCTURE", "Base", "Engine", "Session", "connect", "current", "downgrade", "migrate", "reading", "require_current"]

INFRASTRUCTURE = (OperationalError, WarehouseBusy)
"""What a task is retried for: a locked or unreachable database, a locked warehouse."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_SECONDS = 30
OPEN_STATES = "('queued', 'leased', 'fetched', 'applied', 'postponed')"


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


class CredentialRow(Base):
    """An encrypted token."""

    __tablename__ = "credential"
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    kind: Mapped[str]
    ciphertext: Mapped[bytes]
    expires_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


class ConnectionRow(Base):
    """One ad account as a workspace connected it, with its telemetry and its lease."""

    __tablename__ = "connection"
    __table_args__ = (
        UniqueConstraint("workspace_id", "provider", "external_id"),
        Index("ix_connection_due", "provider", "sync_frequency", "status", "next_due_at"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    credential_id: Mapped[str] = mapped_column(ForeignKey("credential.id"))
    provider: Mapped[str]
    external_id: Mapped[str]
    login_customer_id: Mapped[str | None]
    name: Mapped[str]
    currency: Mapped[str]
    timezone: Mapped[str]
    gross_margin: Mapped[Decimal]
    status: Mapped[str]
    status_reason: Mapped[str | None] = mapped_column(Text)
    ad_count: Mapped[int | None]
    campaign_count: Mapped[int | None]
    trailing_spend: Mapped[int] = mapped_column(BigInteger, default=0)
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
    postponed_until: Mapped[datetime | None]
    postponed_reason: Mapped[str | None] = mapped_column(Text)


class RunRow(Base):
    """One sync that was asked for or came due: state machine and outbox."""

    __tablename__ = "sync_run"
    __table_args__ = (
        Index(
            "ix_sync_run_open",
            "connection_id",
            unique=True,
            sqlite_where=text(f"state IN {OPEN_STATES}"),
            postgresql_where=text(f"state IN {OPEN_STATES}"),
        ),
        Index("ix_sync_run_waiting", "provider", "state"),
    )
    id: Mapped[str] = mapped_column(primary_key=True)
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"))
    workspace_id: Mapped[str]
    provider: Mapped[str]
    state: Mapped[str]
    parts: Mapped[str]
    force_refresh: Mapped[bool] = mapped_column(default=False)
    generation: Mapped[int] = mapped_column(default=0)
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
    error_code: Mapped[str | None]
    error: Mapped[str | None] = mapped_column(Text)


class CallRow(Base):
    """One platform call: a slot of its account's sliding hour."""

    __tablename__ = "call_ledger"
    __table_args__ = (Index("ix_call_ledger_key_at", "key", "at"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    key: Mapped[str]
    at: Mapped[datetime]
    heat: Mapped[str]


class PartitionRow(Base):
    """When a part of a connection was last read completely; ``day`` is empty for parts without dates."""

    __tablename__ = "partition_state"
    connection_id: Mapped[str] = mapped_column(ForeignKey("connection.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    day: Mapped[str] = mapped_column(primary_key=True)
    fetched_at: Mapped[datetime]


class DispatchRow(Base):
    """Counts a provider's claims of queued runs: requests between two claims share one flow run."""

    __tablename__ = "dispatch"
    provider: Mapped[str] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(default=0)


def connect(url: str) -> Engine:
    """An engine on the control plane; on SQLite every transaction is BEGIN IMMEDIATE, so that none dies half-way of a lock."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    if database := make_url(url).database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.cursor().execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(session: Session) -> None:
        session.exec_driver_sql("BEGIN" if session.get_execution_options().get("reads") else "BEGIN IMMEDIATE")

    return engine


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read: they wait for no writer."""
    return engine.execution_options(reads=True)


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the schema up to ``revision``."""
    with engine.begin() as session:
        command.upgrade(_config(session), revision)


def downgrade(engine: Engine, revision: str) -> None:
    """Take the schema back to ``revision`` (``base``: nothing left)."""
    with engine.begin() as session:
        command.downgrade(_config(session), revision)


def current(engine: Engine) -> str | None:
    """The schema's revision; None for an empty database."""
    with engine.connect() as session:
        return MigrationContext.configure(session).get_current_revision()


def require_current(engine: Engine) -> None:
    """Make sure the schema is the one this version works with.

    Raises:
        Usage: it is not; says what to do.
    """
    found, wanted = current(engine), ScriptDirectory(str(_MIGRATIONS)).get_current_head()
    if found != wanted:
        raise Usage(f"The control plane's schema is {found or 'empty'}, this version needs {wanted}. Run: adpulse migrate")


def _config(session: Session) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["session"] = session
    return config
