"""The published copy that notebooks and BI tools read, so that no reader ever delays a sync. After the step upsert."""

import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from adpulse.errors import Usage, WarehouseDamaged
from storage.files import filling, replace, set_access
from storage.warehouse.instance import Instance

MOST_IDLE = 4
"""As many as threads of the API read at once: an instance holds some MB, and one is started in 20 ms of the processor's time."""

IDLE: list[Instance] = []
"""Instances without a file, for the next readers."""


def is_due(warehouse: Path, published: Path, min_interval_seconds: float) -> bool:
    """Whether the warehouse has changes that the copy lacks, and the copy is old enough to be renewed.

    It only asks the file system: if this process opened and closed the warehouse file, DuckDB's own lock on it would be
    released silently, because POSIX drops a process's locks on a file with any of its descriptors.
    """
    if not warehouse.exists():
        return False
    if not published.exists():
        return True
    copy = published.stat()
    # The copy carries the warehouse's modification time; its own change time says when it was put there.
    # A writer killed after its commit leaves what it wrote in the log beside the file.
    changed = copy.st_mtime_ns != warehouse.stat().st_mtime_ns or warehouse.with_name(f"{warehouse.name}.wal").exists()
    return changed and not 0 <= time.time() - copy.st_ctime < min_interval_seconds


def version_of(published: Path) -> tuple[int, int] | None:
    """Changes whenever the copy is replaced; None before the first publication. It only asks the file system."""
    try:
        copy = published.stat()
    except FileNotFoundError:
        return None
    return copy.st_ino, copy.st_mtime_ns


def publish(warehouse: Path, published: Path, lock: int, readers: int | None = None) -> None:
    """Replace the copy in one step; a reader keeps the copy it opened.

    Args:
        warehouse: the file, checkpointed and not open in any process.
        published: where the copy goes.
        lock: descriptor of the writer's lock. ``cp`` inherits it, so that nobody writes under an orphaned ``cp``.
        readers: the group that may read the copy; without one only this process's user may.

    Raises:
        DiskFull, OSError: the copy could not be written; the one before is still there.
    """
    published.parent.mkdir(parents=True, exist_ok=True)
    fresh = published.with_name(f".{published.name}.new")
    fresh.unlink(missing_ok=True)
    with filling(fresh):
        copy(warehouse, fresh, lock)
        # Read-only: changes in a copy would be lost with the next one, or leave a write-ahead log that matches no copy.
        set_access(fresh, readers, 0o400 if readers is None else 0o440)
        replace(fresh, published)


def copy(source: Path, target: Path, lock: int) -> None:
    """Copy a file from a child process: opening and closing a database file here would drop DuckDB's own lock on it.

    Raises:
        OSError: the copy could not be made.
    """
    command: list[str | Path] = ["/bin/cp", "-p", source, target]
    # Signal handling is inherited: Python ignores SIGXFSZ, so that cp survives a file size limit and reports the error.
    copied = subprocess.run(
        command, pass_fds=(lock,), check=False, capture_output=True, text=True, env={"LC_ALL": "C"}, restore_signals=False
    )
    if copied.returncode != 0:
        raise OSError(f"{target} could not be written: {copied.stderr.strip()}")


def read(published: Path, query: str, parameters: Sequence[object] = ()) -> pa.Table:
    """Answer a query from a published copy, as any notebook could.

    Raises:
        Usage: nothing was published yet.
        WarehouseDamaged: the copy cannot be opened.
    """
    (answer,) = read_together(published, [(query, parameters)])
    return answer


def read_together(published: Path, queries: Iterable[tuple[str, Sequence[object]]]) -> list[pa.Table]:
    """Answer queries, each with its parameters, from one and the same published copy: a new one may take its place between two reads.

    Raises:
        Usage: nothing was published yet, or by a version that did not have what is queried.
        WarehouseDamaged: the copy cannot be opened.
    """
    if not published.exists():
        raise Usage(f"Nothing was published yet: there is no {published.name}. Sync a connection of the workspace first.")
    with _reader() as instance, ExitStack() as stack:
        try:
            copy = stack.enter_context(instance.attached(published, read_only=True))
        except duckdb.Error as error:
            message = f"The published copy {published} cannot be read. Remove it: the next sweep puts a new one there."
            raise WarehouseDamaged(message) from error
        try:
            return [copy.sql(query, params=parameters).to_arrow_table() for query, parameters in queries]
        except duckdb.CatalogException as error:
            raise Usage(f"{published.name} was published by an older adpulse. Sync a connection of the workspace first.") from error


@contextmanager
def _reader() -> Iterator[Instance]:
    """An instance of DuckDB that no other thread uses meanwhile: an idle one, or a new one.

    Connecting to the file would take the instance that another thread has open already, and with it the copy before.
    """
    try:
        instance = IDLE.pop()  # one step, which no other thread can come between
    except IndexError:
        instance = Instance()
    try:
        yield instance
    finally:
        if len(IDLE) < MOST_IDLE:
            IDLE.append(instance)
