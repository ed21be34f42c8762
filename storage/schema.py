"""The schema of a warehouse file: its version, and the numbered migrations that bring it up to date."""

import duckdb

from storage.sql import migrations


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


def migrate(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Bring an open file up to date, in one transaction."""
    warehouse.execute("BEGIN")
    warehouse.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    ((current,),) = warehouse.sql("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()
    for number, statements in migrations():
        if number > current:
            warehouse.execute(statements)
            warehouse.execute("INSERT INTO schema_version VALUES (?, now())", [number])
    warehouse.execute("COMMIT")
