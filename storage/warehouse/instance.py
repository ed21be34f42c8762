"""The instance of DuckDB to which a process attaches one warehouse file at a time.

To start an instance takes 22 ms of the processor's time, to attach a file 6 (DuckDB 1.5), and a sync opens its file four times.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from storage.warehouse.schema import find_tables
from storage.warehouse.sql import literal

CONFIG: dict[str, str | bool | int | float | list[str]] = {"threads": 1}
_NAME = "warehouse"
_CHECKPOINT_MEMORY = "32MB"


class Instance:
    """An instance that is started when it is needed and ended by any error. Only one thread may use it."""

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = None

    @contextmanager
    def attached(self, path: Path, *, read_only: bool) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection whose tables are those of the file, which is closed and unlocked afterwards.

        What the block registers and sets ends with it.

        Raises:
            duckdb.Error: the file cannot be opened, or not be written at its end.
        """
        instance = self._for(path)
        try:
            with instance.cursor() as warehouse:
                warehouse.execute("SET TimeZone = 'UTC'")
                warehouse.execute(f"ATTACH {literal(path)} AS {_NAME}{' (READ_ONLY)' if read_only else ''}")
                warehouse.execute(f"USE {_NAME}")
                find_tables(warehouse)
                yield warehouse
            _detach(instance)
        except BaseException:
            self._end()
            raise

    def _for(self, path: Path) -> duckdb.DuckDBPyConnection:
        """The instance, which writes what does not fit its memory beside this file."""
        spill = f"SET temp_directory = {literal(path.with_name(f'{path.name}.tmp'))}"
        try:
            if self._connection:
                self._connection.execute(spill)
                return self._connection
        except duckdb.Error:  # it has written into the folder of another file
            self._end()
        self._connection = duckdb.connect(config=CONFIG)
        self._connection.execute(spill)
        return self._connection

    def _end(self) -> None:
        connection, self._connection = self._connection, None
        if connection:
            with suppress(duckdb.Error):
                connection.close()


@contextmanager
def within(connection: duckdb.DuckDBPyConnection, memory: str) -> Iterator[None]:
    """Limit DuckDB's memory for a block, such as to "64MB".

    RESET would tell the default and keep the limit (measured with DuckDB 1.5.6), so the earlier limit is set again.
    """
    ((before,),) = connection.sql("SELECT current_setting('memory_limit')").fetchall()
    connection.execute(f"SET memory_limit = {literal(memory)}")
    try:
        yield
    finally:
        connection.execute(f"SET memory_limit = {literal(before)}")


def _detach(instance: duckdb.DuckDBPyConnection) -> None:
    """Write the log into the file, and close it. Without a limit all columns would stay in memory until the end of that."""
    try:
        with within(instance, _CHECKPOINT_MEMORY):
            instance.execute(f"DETACH {_NAME}")
    except duckdb.OutOfMemoryException:
        instance.execute(f"DETACH {_NAME}")
