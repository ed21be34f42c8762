"""What can be wrong with a warehouse file, told in sentences, and the way back. Beside the step upsert."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from adpulse.errors import AdpulseError, Usage, WarehouseBusy, WarehouseDamaged
from storage.files import disk_full, filling, replace, tells_full
from storage.warehouse import analytics, schema

_WORDS = (
    "not a valid DuckDB database file",
    "Could not read enough bytes",
    "Corrupt",
    "Failure while replaying WAL",
    "Table with name schema_version does not exist",
)
"""How DuckDB tells that a file is not what we wrote; each block and each entry of the log has a checksum."""

Mark = tuple[tuple[int, int, int], ...]
Holdings = Mapping[str, datetime]
"""What a copy holds: connections with the business time of the last run that changed something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What became of a warehouse: where its file is kept (None: it was gone), and whether the published copy took its place."""

    kept: Path | None
    from_copy: bool


def log_of(path: Path) -> Path:
    """DuckDB's write-ahead log beside a database file."""
    return path.with_name(f"{path.name}.wal")


@contextmanager
def explained(path: Path, published: Path) -> Iterator[None]:
    """Tell in our words what DuckDB raises about a file that is locked, damaged, or on a full disk; other errors pass.

    Raises:
        WarehouseBusy, WarehouseDamaged, DiskFull
    """
    try:
        yield
    except duckdb.Error as error:
        ours = _explain(str(error), path, published)
        if ours is None:
            raise
        raise ours from error


def _explain(said: str, path: Path, published: Path) -> AdpulseError | None:
    if "Could not set lock" in said:
        # Our own lock is held, so it is a program that does not know of it: somebody's notebook or shell.
        message = (
            f"Another program has the warehouse file of workspace {path.stem} open. Nothing was written. "
            f"Close it there and read the published copy instead: {published}."
        )
        return WarehouseBusy(message)
    if tells_full(said):
        return disk_full(path)
    return damaged(path) if any(word in said for word in _WORDS) else None


def damaged(path: Path) -> WarehouseDamaged:
    """The sentence for a file that is not what we wrote."""
    what = "cannot be read" if path.exists() else "is gone"
    return WarehouseDamaged(
        f"The warehouse file of workspace {path.stem} {what}: {path}. Nothing was written. "
        f"Put the published copy in its place with: adpulse restore {path.stem}"
    )


def mark(path: Path) -> Mark:
    """What tells whether a file or its log was replaced or written since; never opens them."""
    found = [each.stat() for each in (path, log_of(path)) if each.exists()]
    return tuple((each.st_ino, each.st_size, each.st_mtime_ns) for each in found)


def read_through(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Read every row of every table: DuckDB looks only at the blocks that it needs.

    Raises:
        duckdb.Error: a block is damaged or missing.
    """
    for (table,) in warehouse.sql("SELECT table_name FROM duckdb_tables()").fetchall():
        warehouse.sql(f'SELECT bit_xor(hash(t)) FROM "{table}" t').fetchall()  # noqa: S608 - names from the file's own catalogue


def is_whole(copy: Path) -> bool:
    """Whether a published copy that came from elsewhere opens, is ours and has every block."""
    try:
        with duckdb.connect(copy, read_only=True) as opened:
            schema.version(opened)
            read_through(opened)
    except duckdb.Error:
        return False
    return True


def restore(path: Path, published: Path, lock: int, forget: Callable[[Holdings | None], None], *, force: bool) -> Restored:
    """Keep the damaged file under another name and put the published copy in its place; without a copy, leave no file.

    Args:
        path: the warehouse file; nobody else may write it meanwhile.
        published: its copy for readers.
        lock: descriptor of the writer's lock.
        forget: called just before the files change, with what the copy holds; None when everything begins anew.
        force: also when the file is sound, and when the copy is damaged, too.

    Raises:
        Usage: the file is sound, or the copy is damaged, too; nothing was changed.
        WarehouseBusy: another program has the file open.
        DiskFull: there is no space for the copy.
    """
    if path.exists() and not force and _is_sound(path, published):
        raise Usage(f"The warehouse file of workspace {path.stem} is not damaged: {path}. Nothing was changed.")
    fresh = unused(path)
    holdings = _bring_back(published, fresh, lock, force=force) if published.exists() else None
    forget(holdings)
    kept = _put_aside(path)
    if holdings is not None:
        replace(fresh, path)
    return Restored(kept=kept, from_copy=holdings is not None)


def unused(path: Path) -> Path:
    """Where a new file is built before it takes ``path``'s place; what a killed process left there is removed."""
    fresh = path.with_suffix(".new")
    for leftover in (fresh, log_of(fresh)):
        leftover.unlink(missing_ok=True)
    return fresh


def _is_sound(path: Path, published: Path) -> bool:
    try:
        with explained(path, published), duckdb.connect(path, read_only=True) as warehouse:
            schema.version(warehouse)
            read_through(warehouse)
    except WarehouseDamaged:
        return False
    return True


def _bring_back(published: Path, fresh: Path, lock: int, *, force: bool) -> Holdings | None:
    """Build the new file from the copy, of this version's schema; what it holds, None when it is damaged and that is accepted."""
    fresh.parent.mkdir(parents=True, exist_ok=True)
    with filling(fresh):
        analytics.copy(published, fresh, lock)
    fresh.chmod(0o600)
    try:
        with explained(fresh, published), duckdb.connect(fresh) as warehouse:
            warehouse.execute("SET TimeZone = 'UTC'")
            schema.migrate(warehouse)
            read_through(warehouse)
            warehouse.execute("CHECKPOINT")
            return dict(warehouse.sql("SELECT connection_id, max(applied_at) FROM sync_runs GROUP BY ALL").fetchall())
    except WarehouseDamaged as error:
        unused(fresh)
        if force:
            return None
        message = (
            f"The published copy cannot be read either: {published}. Nothing was changed. "
            "To keep the damaged file aside and read everything from the platform again, add --force."
        )
        raise Usage(message) from error


def _put_aside(path: Path) -> Path | None:
    """Keep the file and its log under another name; None when there was no file."""
    kept = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}")
    if log_of(path).exists():  # first: beside the new file it would be replayed into it
        log_of(path).rename(log_of(kept))
    return path.rename(kept) if path.exists() else None
