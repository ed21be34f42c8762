"""Copies the tables of one warehouse file into another, new one, table by table."""

from pathlib import Path

import duckdb
import pyarrow as pa

from storage.warehouse.instance import within
from storage.warehouse.schema import RAW
from storage.warehouse.sql import literal

_MEMORY = "96MB"
_ROWS = 50_000
"""With twice as much of both an erasure from a file of 1.5 GB takes 580 MB instead of 390 (``python -m bench rewriting``)."""

_ID_COLUMNS = {"connections": "id"}
_OF_NOBODY = frozenset({"fx_rates"})
"""Tables whose rows are of no connection."""

_TABLES = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? ORDER BY ALL"


def owners(warehouse: duckdb.DuckDBPyConnection) -> dict[str, str | None]:
    """Every table of an open file with the column that has the connection's id; None where rows are of no connection."""
    ((current,),) = warehouse.sql("SELECT current_database()").fetchall()
    tables = (table for (table,) in warehouse.sql(_TABLES, params=[current, RAW]).fetchall())
    return {table: None if table in _OF_NOBODY else _ID_COLUMNS.get(table, "connection_id") for table in tables}


def copy_tables(fresh: duckdb.DuckDBPyConnection, source: Path, schema: str = RAW, *, without: str | None = None) -> None:
    """Fill the tables of a new file from those in a schema of another one, without the rows of a connection.

    Raises:
        duckdb.Error: the source cannot be read, or the new file not be written.
        ValueError: what was written is not what was read, of a copy with all rows.
    """
    fresh.execute(f"ATTACH {literal(source)} AS source (READ_ONLY)")
    with within(fresh, _MEMORY):
        in_source = {table for (table,) in fresh.sql(_TABLES, params=["source", schema]).fetchall()}
        for table, owner in owners(fresh).items():
            if table not in in_source:
                continue  # the source is of a version before it
            rows, target = f'source."{schema}"."{table}"', f'{RAW}."{table}"'
            condition = f'WHERE "{owner}" IS DISTINCT FROM {literal(without)}' if owner and without is not None else ""
            _copy(fresh, f"FROM {rows} {condition}", target)
            if without is None and _digest(fresh, rows, rows) != _digest(fresh, target, rows):
                raise ValueError(f"{table} was not copied as it is.")
    fresh.execute("DETACH source")


def _copy(warehouse: duckdb.DuckDBPyConnection, query: str, target: str) -> None:
    """Add the rows of a query to a table, so many in each transaction: DuckDB keeps those of one in memory."""
    with warehouse.cursor() as reading:
        reading.execute("SET TimeZone = 'UTC'")
        for batch in reading.sql(query).to_arrow_reader(_ROWS):
            warehouse.register("copied", pa.Table.from_batches([batch]))
            warehouse.execute(f"INSERT INTO {target} BY NAME FROM copied")
    warehouse.unregister("copied")


def _digest(warehouse: duckdb.DuckDBPyConnection, table: str, columns_of: str) -> tuple[object, ...]:
    """How many rows a table has, and a hash of them in the columns of another one."""
    columns = ", ".join(f'"{name}"' for (name, *_) in warehouse.sql(f"DESCRIBE {columns_of}").fetchall())
    (row,) = warehouse.sql(f"SELECT count(*), bit_xor(hash({columns})) FROM {table}").fetchall()  # noqa: S608 - the file's own names
    return tuple(row)
