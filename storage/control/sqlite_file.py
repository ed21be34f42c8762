"""The control plane in a SQLite file: opening it, and queueing its writers."""

from pathlib import Path
from threading import Lock

from sqlalchemy import Connection as Session
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from adpulse.errors import ControlPlaneBusy, DiskFull

LOCK_SECONDS = 30

_CONNECTIONS = 40
"""Connections in the pool, as many as the HTTP API has threads: they are cheap to keep and expensive to open."""


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
        # WAL: readers do not wait for a writer. NORMAL: a power failure may lose the latest commits, but damages nothing.
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.cursor().execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def _translate(context: ExceptionContext) -> None:
        _raise_own_error(str(context.original_exception), database)

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


def _raise_own_error(message: str, database: str | None) -> None:
    """Raise adpulse's error for SQLite's message about a locked file or a full disk; other errors stay SQLAlchemy's."""
    if "database is locked" in message:
        raise ControlPlaneBusy(
            f"The control plane's database {database} was locked for {LOCK_SECONDS:g} s. Nothing was changed. "
            "Try again; if it stays so, end the program that has it open for writing."
        )
    if "disk is full" in message:
        raise DiskFull(f"The disk is full: nothing was changed in the control plane's database {database}. Free some space.")
