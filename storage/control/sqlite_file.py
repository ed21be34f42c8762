"""The control plane in a SQLite file: opening it, and queueing its writers."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from sqlalchemy import Connection as Session
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from adpulse.errors import AdpulseError, ControlPlaneBusy, ControlPlaneDamaged, DiskFull

LOCK_SECONDS = 30

_CONNECTIONS = 40
"""Connections in the pool, as many as the HTTP API has threads: they are cheap to keep and expensive to open."""


_DAMAGE = ("file is not a database", "disk image is malformed", "malformed database schema")


def connect(url: str, database: str | None) -> Engine:
    """An engine on the file. Transactions that write are BEGIN IMMEDIATE, so that none fails half-way because of a lock.

    The writers of this process wait in a queue. SQLite has none: its writers sleep, longer each time, so that the last one to come
    is often the first to get the lock. Between processes that remains so.
    """
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}, pool_size=_CONNECTIONS)
    turn = Lock()

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver begins no transaction; _begin does
        with _translated(database):  # SQLAlchemy does not report errors of this event to _translate
            # WAL: readers do not wait for a writer. NORMAL: a power failure may lose the latest commits, but damages nothing.
            for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
                connection.cursor().execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> None:
        _raise_own_error(context.original_exception, database)

    @event.listens_for(engine, "begin")
    def _begin(session: Session) -> None:
        if session.get_execution_options().get("reads"):
            session.exec_driver_sql("BEGIN")
            return
        if not session.info.get("turn"):  # after the time-out it goes on without a turn, and SQLite waits or refuses
            session.info["turn"] = turn.acquire(timeout=LOCK_SECONDS)
        session.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def _end(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        # Here the transaction has ended in any case, also when its thread failed.
        if record.info.pop("turn", False):
            turn.release()

    return engine


@contextmanager
def _translated(database: str | None) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        _raise_own_error(error, database)
        raise


def _raise_own_error(error: BaseException, database: str | None) -> None:
    """Raise adpulse's error instead of SQLite's, where there is one; for others SQLAlchemy's is raised."""
    if translation := _translation(str(error), database):
        raise translation from error


def _translation(message: str, database: str | None) -> AdpulseError | None:
    """Adpulse's error for a message of SQLite about a locked or damaged file, or a full disk; None for others."""
    if "database is locked" in message:
        return ControlPlaneBusy(
            f"The control plane's database {database} was locked for {LOCK_SECONDS:g} s. Nothing was changed. "
            "Try again; if it stays so, end the program that has it open for writing."
        )
    if "disk is full" in message:
        return DiskFull(f"The disk is full: nothing was changed in the control plane's database {database}. Free some space.")
    if any(sign in message for sign in _DAMAGE):
        return damaged(Path(database or ""), message)
    return None


def damaged(database: Path, problem: str) -> ControlPlaneDamaged:
    """The error for a file that is not as SQLite wrote it; ``problem`` is SQLite's own message."""
    return ControlPlaneDamaged(
        f"The control plane's database {database} is damaged ({problem}). Nothing was changed. "
        "Stop adpulse and put the newest backup in its place: adpulse restore FOLDER"
    )
