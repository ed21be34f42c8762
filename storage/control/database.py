"""The control plane's database: connecting, reading and locking. SQLite by default, PostgreSQL by URL."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, create_engine, delete, make_url, select
from sqlalchemy import Connection as Session
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError

from adpulse.errors import ControlPlaneBusy, Usage, WarehouseBusy
from storage.control import sqlite_file
from storage.control.tables import Base, ConnectionRow

__all__ = [
    "INFRASTRUCTURE",
    "Engine",
    "Session",
    "columns",
    "connect",
    "delete_whole",
    "file_of",
    "insert_or_update",
    "lock",
    "put",
    "reading",
]

INFRASTRUCTURE = (OperationalError, ControlPlaneBusy, WarehouseBusy)
"""Errors for which a task is retried: a locked or unreachable database, a deadlock, a locked warehouse."""


def connect(url: str) -> Engine:
    """An engine for the control plane; :mod:`storage.control.sqlite_file` configures SQLite.

    Raises:
        Usage: the URL is not one of SQLite or PostgreSQL. The message does not repeat it, because it may contain a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise Usage("ADPULSE_DATABASE_URL is not a URL. Example: postgresql://adpulse:PASSWORD@localhost:5432/adpulse") from None
    if parsed.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        # A restarted server has closed the pooled connections, so each is tested before use.
        return create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    if parsed.get_backend_name() != "sqlite":
        raise Usage(f"ADPULSE_DATABASE_URL may begin with sqlite:// or postgresql://, not with {parsed.drivername}://.")
    return sqlite_file.connect(url, parsed.database)


def file_of(url: str) -> Path | None:
    """The file of a control plane in SQLite; None for PostgreSQL."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def reading(engine: Engine) -> Engine:
    """The same engine for transactions that only read; they do not wait for writers."""
    return engine.execution_options(reads=True)


def columns(row: Row[*tuple[Any, ...]]) -> dict[str, Any]:
    """A row's values by column name. Reading them one by one from the row takes ten times as long."""
    return dict(zip(row._fields, row, strict=True))


def lock(session: Session, *conditions: ColumnElement[bool]) -> Sequence[str]:
    """Lock these connections until the transaction ends, and return their ids. SQLite locks the whole database anyway.

    A transaction that changes a connection together with its runs or partitions locks the connection first, and several connections
    in the order of their ids, so that two transactions never wait for each other.
    """
    rows = select(ConnectionRow.id).where(*conditions).order_by(ConnectionRow.id)
    return session.scalars(rows.with_for_update(key_share=True)).all()  # key_share: rows that refer to it may still be added


def delete_whole(session: Session, kind: type[Base], condition: ColumnElement[bool]) -> None:
    """Delete rows, and before them the rows that refer to them, in all tables."""
    for other in Base.registry.mappers:
        for key in other.local_table.foreign_keys:
            if key.column.table is kind.__table__:
                delete_whole(session, other.class_, key.parent.in_(select(key.column).where(condition)))
    session.execute(delete(kind).where(condition))


def insert_or_update(session: Session, table: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT in the dialect of the session's database, which takes an ON CONFLICT clause."""
    return sqlite.insert(table) if session.dialect.name == "sqlite" else postgresql.insert(table)


def put(session: Session, table: type[Base], key: Mapping[str, Any], values: Mapping[str, Any]) -> None:
    """Store the row of a key: a new one, or these values in the one that is there."""
    new = insert_or_update(session, table).values(**key, **values)
    session.execute(new.on_conflict_do_update(index_elements=list(key), set_=dict(values)))
