"""The schema of a warehouse file: numbered migrations, a column for every metric, the views and all comments. Brings a file up to date.

Tables, in counts and micros, are in DuckDB's schema ``raw``, views, in units, in ``main``, so that no name has two units.
"""

from contextlib import suppress
from datetime import date
from hashlib import sha256

import duckdb

from adpulse.metrics import METRICS
from storage.warehouse import comments
from storage.warehouse.sql import migrations, query

_METRIC_TABLES = (
    "metric_facts",
    "platform_totals",
    "unreported",
    "account_totals",
    "not_by_campaign",
    "metric_changes",
    "total_changes",
    "intraday_points",
)
"""Tables with a column for every metric."""

RAW = "raw"
"""DuckDB's schema of the tables."""

_BEFORE_RAW = 18
"""The last version whose tables are in ``main``. Such a file is brought up to this version, and then written anew."""

_OTHER_INTEGERS = frozenset({"changed", "generation"})
"""The other columns of these tables that hold whole numbers."""

_CHANGES_AT_ONCE = 100_000
"""Changes whose restatements are noted together: each is a row of some 300 bytes, and one more for each metric that changed."""


def latest() -> int:
    """The version this adpulse knows."""
    return migrations()[-1][0]


def version(warehouse: duckdb.DuckDBPyConnection) -> int:
    """The version of an open file.

    Raises:
        duckdb.CatalogException: the file is not a warehouse of adpulse.
    """
    ((number,),) = warehouse.sql("SELECT max(version) FROM main.schema_version").fetchall()
    return int(number)


def find_tables(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Let an open file's tables be named without their schema, after its views. Of a file of before they are in ``main`` anyway."""
    with suppress(duckdb.CatalogException):
        warehouse.execute(f"SET search_path = 'main,{RAW}'")


def is_before_raw(warehouse: duckdb.DuckDBPyConnection) -> bool:
    """Whether an open file's tables are in ``main`` still."""
    raw = "SELECT 1 FROM duckdb_schemas() WHERE database_name = current_database() AND schema_name = ?"
    return not warehouse.sql(raw, params=[RAW]).fetchall()


def newer_parts(warehouse: duckdb.DuckDBPyConnection) -> str:
    """The schema version or the metrics of an open file that this adpulse does not know, for a message; empty if it knows all."""
    number = version(warehouse)
    if number > latest():
        return f"schema {number}, this adpulse knows {latest()}"
    metrics = sorted(set().union(*_columns(warehouse).values()) - METRICS.keys())
    return f"a metric that this adpulse does not know: {', '.join(metrics)}" if metrics else ""


def is_current(warehouse: duckdb.DuckDBPyConnection) -> bool:
    """Whether :func:`migrate` would change nothing."""
    return version(warehouse) == latest() and not _missing(warehouse) and _stored_views_hash(warehouse) == _views_hash()


def migrate(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Bring an open file whose tables are in ``raw``, or a new one, up to date, in one transaction.

    The numbered migrations bring the tables up to date. Missing metrics get a column, which is null where nothing was read yet.
    The views are created again whenever their text has changed; they need no migration.
    """
    warehouse.execute("BEGIN")
    create_tables(warehouse)
    warehouse.execute(query("views"))
    views = "CREATE OR REPLACE TABLE main.schema_views AS SELECT ? AS text_sha256, NULL::VARCHAR AS comments_sha256"
    warehouse.execute(views, [_views_hash()])
    warehouse.execute("COMMIT")


def create_tables(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Create the tables of a new file in ``raw``, or bring those of a file up to date; the views are another half of the time."""
    warehouse.execute("CREATE TABLE IF NOT EXISTS main.schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
    ((current,),) = warehouse.sql("SELECT coalesce(max(version), 0) FROM main.schema_version").fetchall()
    if not current:
        warehouse.execute(f"CREATE SCHEMA {RAW}")
    in_main = is_before_raw(warehouse)
    warehouse.execute(f"SET search_path = '{'main' if in_main else f'{RAW},main'}'")  # the first is where tables are created
    for number, statements in migrations():
        if current < number <= (_BEFORE_RAW if in_main else latest()):
            warehouse.execute(statements)
            warehouse.execute("INSERT INTO main.schema_version VALUES (?, now())", [number])
    for table, name in _missing(warehouse):
        warehouse.execute(f"ALTER TABLE {table} ADD COLUMN {name} BIGINT")
    if not in_main:  # there it is an error, which ends a transaction of DuckDB 2.0
        find_tables(warehouse)


def note_restatements(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Note what an older file knows of restatements, which is only in its history; a file that has noted any stays as it is.

    A few days at a time, because the steps of a whole history take many times the memory that DuckDB may use here, and what it spills
    of them is several times the file.
    """
    if warehouse.sql("SELECT 1 FROM restated_days UNION ALL SELECT 1 FROM followed_days LIMIT 1").fetchall():
        return
    for since, until in _stretches(warehouse):
        between = f"BETWEEN DATE '{since}' AND DATE '{until}'"
        warehouse.execute(query("insert_restated_days", batch="", between=between))
        settled = f"SELECT connection_id, date FROM read_days WHERE level = 'leaf' AND settled AND date {between}"  # noqa: S608 - dates
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE settled_days AS {settled}")
        warehouse.execute(query("insert_followed_days"))
    for table in ("restated_days", "followed_days"):  # by connection first, as if noted at once: pages ask for one connection
        warehouse.execute(f"CREATE OR REPLACE TEMP TABLE noted AS FROM {RAW}.{table}")
        warehouse.execute(f"DELETE FROM {RAW}.{table}")  # noqa: S608 - named above
        warehouse.execute(f"INSERT INTO {RAW}.{table} BY NAME FROM noted ORDER BY connection_id, date")
    warehouse.execute("DROP TABLE noted")


def _stretches(warehouse: duckdb.DuckDBPyConnection) -> list[tuple[date, date]]:
    """Days from one to another that have, together, about so many changes; a single day may have more."""
    history = "SELECT date FROM metric_changes UNION ALL SELECT date FROM total_changes WHERE level IN ('unreported', 'not_by_campaign')"
    counted = f"SELECT date, sum(count(*)) OVER (ORDER BY date) AS so_far FROM ({history}) GROUP BY date"  # noqa: S608 - our own text
    first_and_last = f"SELECT min(date), max(date) FROM ({counted}) GROUP BY so_far // {_CHANGES_AT_ONCE} ORDER BY 1"  # noqa: S608 - as above
    return warehouse.sql(first_and_last).fetchall()


def describe(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Store the comments of all tables, views and columns in an up-to-date file that lacks them, or has older ones."""
    text = comments.fingerprint()
    if warehouse.sql("SELECT comments_sha256 FROM main.schema_views").fetchall() == [(text,)]:
        return
    warehouse.execute("BEGIN")
    warehouse.execute(";\n".join(comments.statements(warehouse)))
    warehouse.execute("UPDATE main.schema_views SET comments_sha256 = ?", [text])
    warehouse.execute("COMMIT")


def _missing(warehouse: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Tables and metrics without a column, in the order of columns."""
    columns = _columns(warehouse)
    return [(table, name) for table in _METRIC_TABLES for name in METRICS if name not in columns.get(table, set())]


def _columns(warehouse: duckdb.DuckDBPyConnection) -> dict[str, set[str]]:
    """The metrics that each table has a column for."""
    columns: dict[str, set[str]] = {}
    select = "SELECT table_name, column_name FROM duckdb_columns() WHERE database_name = current_database() AND data_type = 'BIGINT'"
    for table, column in warehouse.sql(select).fetchall():
        if table in _METRIC_TABLES and column not in _OTHER_INTEGERS:
            columns.setdefault(table, set()).add(column)
    return columns


def _stored_views_hash(warehouse: duckdb.DuckDBPyConnection) -> str | None:
    """The hash of the text that the file's views were created from; None when an older version created them."""
    try:
        rows = warehouse.sql("SELECT text_sha256 FROM main.schema_views").fetchall()
    except duckdb.CatalogException:
        return None
    return str(rows[0][0]) if rows else None


def _views_hash() -> str:
    return sha256(query("views").encode()).hexdigest()
