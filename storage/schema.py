"""The schema of a warehouse file: its version, and the numbered migrations that bring it up to date."""

import duckdb

from storage.sql import migrations, query


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
    """Bring an open file up to date, in one transaction: its tables step by step, its views made anew from the one text of them.

    So a view that changes comes with the next version, and versions in which only views changed have no file any more.
    """
    warehouse.execute("BEGIN")
    warehouse.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    ((current,),) = warehouse.sql("SELECT coalesce(max(version), 0) FROM schema_version").fetchall()
    for number, statements in migrations():
        if number > current:
            warehouse.execute(statements)
            warehouse.execute("INSERT INTO schema_version VALUES (?, now())", [number])
    warehouse.execute(query("views"))
    warehouse.execute("COMMIT")
