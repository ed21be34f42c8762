"""The schema of a warehouse file: numbered migrations, a column for every metric, and the views. Brings a file up to date."""

from hashlib import sha256

import duckdb

from adpulse.metrics import METRICS
from storage.warehouse.sql import migrations, query

_OF_METRICS = ("metric_facts", "platform_totals", "unreported", "metric_changes")
"""Tables with a column for every metric."""

_KEYS = frozenset({"changed", "generation"})
"""Their other columns that hold whole numbers."""


def latest() -> int:
    """The version this adpulse knows."""
    return migrations()[-1][0]


def version(warehouse: duckdb.DuckDBPyConnection) -> int:
    """The version of an open file.

    Raises:
        duckdb.CatalogException: it is none of ours.
    """
    ((found,),) = warehouse.sql("SELECT max(version) FROM schema_version").fetchall()
    return int(found)


def unknown(warehouse: duckdb.DuckDBPyConnection) -> str:
    """What an open file has that only a newer adpulse can have made, for a sentence; empty if there is nothing."""
    found = version(warehouse)
    if found > latest():
        return f"schema {found}, this adpulse knows {latest()}"
    more = sorted(set().union(*_columns(warehouse).values()) - METRICS.keys())
    return f"a metric that this adpulse does not know: {', '.join(more)}" if more else ""


def is_current(warehouse: duckdb.DuckDBPyConnection) -> bool:
    """Whether nothing is left to do for :func:`migrate`."""
    return version(warehouse) == latest() and not _missing(warehouse) and _made_of(warehouse) == _views_hash()


def migrate(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Bring an open file up to date, in one transaction.

    Its tables step by step; a column for every metric that it lacks, null where nothing was read yet; and its views from the one
    text of them, which is no migration: they are made anew whenever it changed.
    """
    warehouse.execute("BEGIN")
    warehouse.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    ((current,),) = warehouse.sql("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()
    for number, statements in migrations():
        if number > current:
            warehouse.execute(statements)
            warehouse.execute("INSERT INTO schema_version VALUES (?, now())", [number])
    for table, name in _missing(warehouse):
        warehouse.execute(f"ALTER TABLE {table} ADD COLUMN {name} BIGINT")
    warehouse.execute(query("views"))
    warehouse.execute("CREATE OR REPLACE TABLE schema_views AS SELECT ? AS text_sha256", [_views_hash()])
    warehouse.execute("COMMIT")


def _missing(warehouse: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Each table and metric that it has no column for, in the order of columns."""
    columns = _columns(warehouse)
    return [(table, name) for table in _OF_METRICS for name in METRICS if name not in columns.get(table, set())]


def _columns(warehouse: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The metrics that each table has a column for."""
    found: dict[str, set[str]] = {}
    select = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database() AND data_type = 'BIGINT'"
    for table, column in warehouse.sql(select).fetchall():
        if table in _OF_METRICS and column not in _KEYS:
            found.setdefault(table, set()).add(column)
    return found


def _made_of(warehouse: duckdb.DuckDBPyConnection) -> str | None:
    """What the text was that the file's views were made of; None when they are older than this note."""
    try:
        rows = warehouse.sql("SELECT text_sha256 FROM schema_views").fetchall()
    except duckdb.CatalogException:
        return None
    return str(rows[0][0]) if rows else None


def _views_hash() -> str:
    return sha256(query("views").encode()).hexdigest()
