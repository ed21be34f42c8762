"""Errors of a warehouse file in plain sentences, and how a damaged file is replaced. Beside the step upsert."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from adpulse.clock import SystemClock
from adpulse.errors import AdpulseError, Usage, WarehouseBusy, WarehouseDamaged
from storage.files import disk_full, filling, is_disk_full_message, replace
from storage.warehouse import analytics, schema
from storage.warehouse.instance import within

_DAMAGE_MESSAGES = (
    "not a valid DuckDB database file",
    "Could not read enough bytes",
    "Corrupt",
    "Failure while replaying WAL",
    "Table with name schema_version does not exist",
)
"""Parts of DuckDB's messages about a file that is not as it was written. Each block and each entry of the log has a checksum."""

_READING_MEMORY = "128MB"
_FRUGAL: dict[str, str | bool | int | float | list[str]] = {"threads": 1, "memory_limit": _READING_MEMORY}
"""A copy is read through once: keeping its blocks in memory would only make the process as large as the file."""

Fingerprint = tuple[tuple[int, int, int], ...]
Holdings = Mapping[str, datetime]
"""The connections of a copy, with the business time of the last run that changed something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """The result of a restore: where the damaged file is now (None: it was missing), and whether the published copy replaced it."""

    set_aside: Path | None
    from_copy: bool


def log_of(path: Path) -> Path:
    """DuckDB's write-ahead log beside a database file."""
    return path.with_name(f"{path.name}.wal")


@contextmanager
def translated(path: Path, published: Path) -> Iterator[None]:
    """Translate DuckDB's errors about a file that is locked, damaged, or on a full disk; other errors pass.

    Raises:
        WarehouseBusy, WarehouseDamaged, DiskFull
    """
    try:
        yield
    except duckdb.Error as error:
        translation = _translate(str(error), path, published)
        if translation is None:
            raise
        raise translation from error


def _translate(message: str, path: Path, published: Path) -> AdpulseError | None:
    if "Could not set lock" in message:
        # This process has adpulse's lock, so the other program does not use it: a notebook or a DuckDB shell.
        return WarehouseBusy(
            f"Another program has the warehouse file of workspace {path.stem} open. Nothing was written. "
            f"Close it there and read the published copy instead: {published}."
        )
    if is_disk_full_message(message):
        return disk_full(path)
    return damaged(path) if any(word in message for word in _DAMAGE_MESSAGES) else None


def damaged(path: Path) -> WarehouseDamaged:
    """The error for a file that is not as it was written, or is missing."""
    state = "cannot be read" if path.exists() else "is missing"
    return WarehouseDamaged(
        f"The warehouse file of workspace {path.stem} {state}: {path}. Nothing was written. "
        f"Put the published copy in its place with: adpulse restore {path.stem}"
    )


def fingerprint(path: Path) -> Fingerprint:
    """Inode, size and modification time of the file and its log: they change when either is replaced or written. Opens neither."""
    states = [file.stat() for file in (path, log_of(path)) if file.exists()]
    return tuple((file.st_ino, file.st_size, file.st_mtime_ns) for file in states)


def read_through(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Read every row of every table, in little memory: DuckDB looks only at the blocks that it needs, and keeps what it has read.

    Raises:
        duckdb.Error: a block is damaged or missing.
    """
    tables = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = current_database()"
    with within(warehouse, _READING_MEMORY):
        for schema_name, table in warehouse.sql(tables).fetchall():
            warehouse.sql(f'SELECT bit_xor(hash(t)) FROM "{schema_name}"."{table}" t').fetchall()  # noqa: S608 - the file's own names


def is_whole(copy: Path) -> bool:
    """Whether a copy, downloaded or backed up, opens, is a warehouse of adpulse and has every block."""
    try:
        with duckdb.connect(copy, read_only=True, config=_FRUGAL) as opened:
            schema.version(opened)
            read_through(opened)
    except duckdb.Error:
        return False
    return True


def newer_parts(copy: Path) -> str:
    """What a whole copy has that this adpulse does not know, as :func:`storage.warehouse.schema.newer_parts` says it."""
    with duckdb.connect(copy, read_only=True, config=_FRUGAL) as opened:
        return schema.newer_parts(opened)


def restore(path: Path, published: Path, lock: int, forget: Callable[[Holdings | None], None], *, force: bool) -> Restored:
    """Keep the damaged file under another name and put the published copy in its place; without a copy, leave no file.

    Args:
        path: the warehouse file; nobody else may write it meanwhile.
        published: its copy for readers.
        lock: descriptor of the writer's lock.
        forget: called just before the files change, with the copy's connections; None when everything is read again.
        force: also when the file is sound, and when the copy is damaged, too.

    Raises:
        Usage: the file is sound, or the copy is damaged, too; nothing was changed.
        WarehouseBusy: another program has the file open.
        DiskFull: there is no space for the copy.
    """
    if path.exists() and not force and _is_sound(path, published):
        raise Usage(f"The warehouse file of workspace {path.stem} is not damaged: {path}. Nothing was changed.")
    fresh = cleared_path(path)
    holdings = _bring_back(published, fresh, lock, force=force) if published.exists() else None
    forget(holdings)
    set_aside = _set_aside(path)
    if holdings is not None:
        replace(fresh, path)
    return Restored(set_aside=set_aside, from_copy=holdings is not None)


def cleared_path(path: Path) -> Path:
    """The temporary path on which a new file is built before it replaces ``path``; leftovers of a killed process are removed."""
    fresh = path.with_suffix(".new")
    for leftover in (fresh, log_of(fresh)):
        leftover.unlink(missing_ok=True)
    return fresh


def _is_sound(path: Path, published: Path) -> bool:
    try:
        with translated(path, published), duckdb.connect(path, read_only=True) as warehouse:
            schema.version(warehouse)
            read_through(warehouse)
    except WarehouseDamaged:
        return False
    return True


def _bring_back(published: Path, fresh: Path, lock: int, *, force: bool) -> Holdings | None:
    """Build the new file from the copy, with this version's schema. Returns its connections; None when it is damaged and ``force``."""
    fresh.parent.mkdir(parents=True, exist_ok=True)
    with filling(fresh):
        analytics.copy(published, fresh, lock)
    fresh.chmod(0o600)
    try:
        with translated(fresh, published), duckdb.connect(fresh) as warehouse:
            warehouse.execute("SET TimeZone = 'UTC'")
            schema.find_tables(warehouse)
            if not schema.is_before_raw(warehouse):  # else the next step that opens it writes it anew
                schema.migrate(warehouse)
            read_through(warehouse)
            warehouse.execute("CHECKPOINT")
            return dict(warehouse.sql("SELECT connection_id, max(applied_at) FROM sync_runs GROUP BY ALL").fetchall())
    except WarehouseDamaged as error:
        cleared_path(fresh)
        if force:
            return None
        message = (
            f"The published copy cannot be read either: {published}. Nothing was changed. "
            "To keep the damaged file aside and read everything from the platform again, add --force."
        )
        raise Usage(message) from error


def _set_aside(path: Path) -> Path | None:
    """Rename the file and its log; returns the new path, None when there was no file."""
    set_aside = path.with_name(f"{path.name}.damaged-{SystemClock().now():%Y%m%dT%H%M%S.%f}")
    if log_of(path).exists():  # first: beside the new file it would be replayed into it
        log_of(path).rename(log_of(set_aside))
    return path.rename(set_aside) if path.exists() else None
