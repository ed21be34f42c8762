"""How many rows a workspace's file has of one connection."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from adpulse.errors import WarehouseDamaged
from storage.warehouse.copying import owners
from storage.warehouse.schema import RAW, find_tables
from storage.warehouse.sql import query


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """Rows of metrics and the days they are of, the first of these days, entities, and recorded changes."""

    rows: int = 0
    days: int = 0
    since: date | None = None
    entities: int = 0
    changes: int = 0


def contents(published: Path, connection_id: str) -> Contents:
    """How many rows of a connection a published copy has; zeros when there is no copy.

    Raises:
        WarehouseDamaged: the copy cannot be read.
    """
    if not published.exists():
        return Contents()
    try:
        with duckdb.connect(published, read_only=True) as copy:
            find_tables(copy)
            row = copy.execute(query("contents"), [connection_id]).fetchone()
    except duckdb.Error as error:
        raise WarehouseDamaged(f"The published copy {published} cannot be read. Remove it: the next sweep puts a new one there.") from error
    rows, days, since, entities, changes = row or (0, 0, None, 0, 0)
    return Contents(rows=rows, days=days, since=since, entities=entities, changes=changes)


def holds(warehouse: duckdb.DuckDBPyConnection, connection_id: str) -> bool:
    """Whether any table has a row of the connection."""
    return any(
        warehouse.execute(f'SELECT 1 FROM {RAW}."{table}" WHERE "{owner}" = ? LIMIT 1', [connection_id]).fetchone()  # noqa: S608 - the file's own names
        for table, owner in owners(warehouse).items()
        if owner
    )
