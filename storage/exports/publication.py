"""One publication of a workspace, attached to a DuckDB of its own: queries see this one copy, whatever replaces it meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from adpulse.errors import Unavailable, Usage, WarehouseDamaged, first_line
from storage.files import disk_full, is_disk_full
from storage.warehouse.attaching import attach

NAME = "published"
"""The publication's name in the connection."""

_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "128MB",
    "preserve_insertion_order": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """An attached copy: the connection, and what identifies the copy."""

    connection: duckdb.DuckDBPyConnection
    tag: str

    def relation(self, name: str) -> str:
        """The quoted name of a view or table, in whichever schema of the file it is.

        Raises:
            Usage: the copy was published by a version that did not have it.
        """
        query = (
            "SELECT schema_name FROM (FROM duckdb_views() SELECT database_name, schema_name, view_name AS name "
            "UNION ALL FROM duckdb_tables() SELECT database_name, schema_name, table_name) "
            "WHERE database_name = ? AND name = ? ORDER BY schema_name <> 'main'"
        )
        schemas = self.connection.execute(query, [NAME, name]).fetchall()
        if not schemas:
            raise Usage(f"The published copy has no view {name}: it is of an older adpulse. Sync a connection of the workspace first.")
        return f'{NAME}."{schemas[0][0]}"."{name}"'

    def schema_version(self) -> int:
        """The version of the copy's schema."""
        ((version,),) = self.connection.sql(f"SELECT max(version) FROM {self.relation('schema_version')}").fetchall()  # noqa: S608 - the file's own name
        return int(version)

    def columns(self, name: str) -> dict[str, str]:
        """The columns of a view or table with their types, in order."""
        described = self.connection.sql(f"DESCRIBE {self.relation(name)}").fetchall()
        return {row[0]: row[1] for row in described}


def tag_of(published: Path) -> str:
    """Identifies a published copy by its size and its warehouse's modification time; only asks the file system.

    Raises:
        FileNotFoundError: nothing was published yet.
    """
    status = published.stat()
    return f"{status.st_size:x}-{status.st_mtime_ns:x}"


@contextmanager
def opened(published: Path, spill: Path) -> Iterator[Publication]:
    """Attach the copy that is published now, in UTC. ``spill``: a folder for what does not fit into 128 MB of memory.

    DuckDB keeps one open database for each path in a process, so a plain connection could show a copy that was replaced.

    Raises:
        Usage: nothing was published yet.
        WarehouseDamaged: the copy cannot be opened.
        Unavailable: it was replaced again and again while it was being opened, or a statement failed.
        DiskFull: there was no space.
    """
    if not published.exists():
        raise Usage(f"Nothing was published yet: there is no {published.name}. Sync a connection of the workspace first.")
    with duckdb.connect(config=_CONFIG | {"temp_directory": str(spill)}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        publication = Publication(connection=connection, tag=_attach(connection, published))
        try:
            yield publication
        except duckdb.Error as error:
            if is_disk_full(error):
                raise disk_full(spill) from error
            raise Unavailable(f"{published.name} could not be written out: {first_line(error)}") from error


def _attach(connection: duckdb.DuckDBPyConnection, published: Path) -> str:
    try:
        return attach(connection, published.resolve(), NAME, tag_of)
    except duckdb.Error as error:
        message = f"The published copy {published} cannot be read. Remove it: the next sweep puts a new one there."
        raise WarehouseDamaged(message) from error
