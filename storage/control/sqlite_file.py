"""The control plane in a SQLite file: how it is opened, and how its writers take turns."""

from pathlib import Path
from threading import Lock

from sqlalchemy import Connection as Session
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection, ExceptionContext
from sqlalchemy.pool import ConnectionPoolEntry

from adpulse.errors import ControlPlaneBusy, DiskFull

LOCK_SECONDS = 30

_CONNECTIONS = 40
"""They are cheap to keep and dear to open; the HTTP API has so many threads."""


def connect(url: str, database: str | None) -> Engine:
    """An engine on the file; every transaction is BEGIN IMMEDIATE, unless it only reads, so that none dies half-way of a lock.

    The writers of this process queue for their turn. SQLite itself makes them sleep, longer each time, so that whoever came last
    often comes first; between processes it is so.
    """
    if database:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": LOCK_SECONDS, "check_same_thread": False}, pool_size=_CONNECTIONS)
    turn = Lock()

    @event.listens_for(engine, "connect")
    def _configure(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.cursor().execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "handle_error")
    def _tell(context: ExceptionContext) -> None:
        _explain(str(context.original_exception), database)

    @event.listens_for(engine, "begin")
    def _begin(session: Session) -> None:
        if session.get_execution_options().get("reads"):
            session.exec_driver_sql("BEGIN")
            return
        if not session.info.get("turn"):  # without one it waits as SQLite does, and is told what SQLite says
            session.info["turn"] = turn.acquire(timeout=LOCK_SECONDS)
        session.exec_driver_sql("BEGIN IMMEDIATE")

    @event.listens_for(engine, "checkin")
    def _end(_connection: DBAPIConnection | None, record: ConnectionPoolEntry) -> None:
        if record.info.pop("turn", False):
            turn.release()

    return engine


def _explain(said: str, database: str | None) -> None:
    """Raise our error for what SQLite says about a locked file or a full disk; others stay as they are."""
    if "database is locked" in said:
        message = (
            f"The control plane's database {database} was locked for {LOCK_SECONDS:g} s. Nothing was changed. "
            "Try again; if it stays so, end the program that has it open for writing."
        )
        raise ControlPlaneBusy(message)
    if "disk is full" in said:
        raise DiskFull(f"The disk is full: nothing was changed in the control plane's database {database}. Free some space.")
