"""An empty warehouse, made once by a process and copied for each new workspace.

To create the tables, views and comments takes a third of a second of the processor's time (DuckDB 1.5), and before its first write each
step of a workspace's first sync asks for empty tables.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from storage.files import filling
from storage.warehouse import schema
from storage.warehouse.instance import CONFIG

# Read by DuckDB 1.1 to 2.0 and by the BI tools that embed them.
_STORAGE_VERSION = "v1.0.0"


class Empty:
    """The tables in memory, for reading, and the bytes of a file that has nothing else. Only one thread may use it."""

    def __init__(self) -> None:
        self._tables: duckdb.DuckDBPyConnection | None = None
        self._file: bytes | None = None

    @contextmanager
    def tables(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that has all tables, without a row; the block may only read them. What it registers and sets ends with it."""
        if self._tables is None:
            self._tables = duckdb.connect(config=CONFIG)
            schema.create_tables(self._tables)
        try:
            with self._tables.cursor() as warehouse:
                warehouse.execute("SET TimeZone = 'UTC'")
                schema.find_tables(warehouse)
                yield warehouse
        except BaseException:
            self._tables = None
            raise

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all.

        Raises:
            DiskFull: there was no space. duckdb.Error: the first file of the process could not be made.
        """
        if self._file is None:
            with duckdb.connect(path, config=CONFIG | {"storage_compatibility_version": _STORAGE_VERSION}) as warehouse:
                schema.migrate(warehouse)
                schema.describe(warehouse)
                warehouse.execute("CHECKPOINT")
            self._file = path.read_bytes()
            return
        with filling(path):
            path.write_bytes(self._file)
