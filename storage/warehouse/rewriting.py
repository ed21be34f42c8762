"""Writes a file of before the schema ``raw`` anew, with its tables there. Before any step that opens a warehouse."""

import shutil
from pathlib import Path

import duckdb

from storage.files import disk_full
from storage.warehouse import schema
from storage.warehouse.copying import copy_tables
from storage.warehouse.instance import within

_MEMORY = "256MB"


def prepare(old: duckdb.DuckDBPyConnection) -> None:
    """Bring an open file up to the last version that it can have."""
    old.execute("BEGIN")
    schema.create_tables(old)
    old.execute("COMMIT")


def require_space(path: Path) -> None:
    """Raise DiskFull unless there is space for a second file of this size beside it."""
    if shutil.disk_usage(path.parent).free < path.stat().st_size:
        raise disk_full(path)


def fill(fresh: duckdb.DuckDBPyConnection, old: Path) -> None:
    """Fill a new file from an old one that is prepared and not open.

    Raises:
        ValueError: a table was not copied as it is.
    """
    copy_tables(fresh, old, "main")
    try:
        with within(fresh, _MEMORY):
            _note_restatements(fresh)
    except duckdb.OutOfMemoryException:  # what it orders does not fit beside what it has spilled
        _note_restatements(fresh)


def _note_restatements(fresh: duckdb.DuckDBPyConnection) -> None:
    fresh.execute("BEGIN")
    try:
        schema.note_restatements(fresh)
    except duckdb.Error:
        fresh.execute("ROLLBACK")
        raise
    fresh.execute("COMMIT")
