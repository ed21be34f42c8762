"""Copies of the control plane's SQLite file as of one moment, and what can be learned about the file without SQLAlchemy."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

_SHARED_FIRST, _SHARED_BYTES = 0x4000_0002, 510
"""The bytes that every connection in WAL mode keeps locked for as long as it is open (sqlite.org/lockingv3.html, "Locking")."""

_PROBLEMS = 3


@contextmanager
def pinned(database: Path) -> Iterator[Callable[[Path], None]]:
    """Fix a moment of the database. Yields a function that writes the database of that moment to a new file.

    Writers go on meanwhile: in WAL mode a read transaction keeps seeing the state in which it began, and SQLite's online backup
    copies what its source connection sees (sqlite.org/backup.html).
    """
    with closing(_open(database)) as source:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # BEGIN alone fixes nothing yet

        def write(target: Path) -> None:
            with closing(sqlite3.connect(target, isolation_level=None)) as copy:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it

        yield write


def forget_homes(database: Path) -> None:
    """Note in a copy of the database that no home has the warehouses: the one into which they are restored takes them."""
    with closing(sqlite3.connect(database)) as copy, copy:
        columns = {name for _, name, *_ in copy.execute("PRAGMA table_info(workspace)")}
        if "home_id" in columns:  # a backup of an older version has none
            copy.execute("UPDATE workspace SET home_id = NULL")


def problem(database: Path) -> str | None:
    """What SQLite's integrity check finds wrong with a file, in one line; None if it is sound."""
    try:
        with closing(_open(database)) as opened:
            rows = [str(text) for (text,) in opened.execute(f"PRAGMA integrity_check({_PROBLEMS})")]
    except sqlite3.Error as error:
        return str(error)
    return None if rows == ["ok"] else "; ".join(" ".join(row.split()) for row in rows)


def is_open_elsewhere(database: Path) -> bool:
    """Whether another process has the file open. It works for a damaged file as well.

    This process must not have it open: closing a descriptor of the file would drop the locks of its connections.
    """
    try:
        descriptor = os.open(database, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED_FIRST)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _open(database: Path) -> sqlite3.Connection:
    """A connection that only reads. It begins no transaction by itself."""
    return sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
