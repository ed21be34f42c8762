"""Takes backups: the control plane and all warehouses as of one moment, read back and verified, while syncs continue.

A warehouse is taken from its published copy. That file is never written again, only replaced, so an open descriptor of it is the
warehouse of that moment. Syncs wait only until every copy was found complete and was opened, and the database's moment is fixed.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO

from adpulse.bootstrap import App
from adpulse.crypto import Cipher
from adpulse.errors import Usage, WarehouseBusy
from adpulse.home import LOCKS
from adpulse.settings import Settings
from storage import backup_folder
from storage.backup_folder import CONTROL_PLANE, WAREHOUSES, Backup
from storage.control import database, snapshot
from storage.files import disk_full, exclusive, is_disk_full

_ATTEMPTS = 200
_HELD_SECONDS = 0.5
"""Syncs may be held for this long while a warehouse that is being written is waited for; then all are let go, and it begins again."""

_PAUSE_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """A backup that was taken: its folder and list, its size in bytes, and for how many seconds syncs could not write."""

    folder: Path
    backup: Backup
    size: int
    held: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moment:
    """Everything as of one moment: the open copies of the warehouses, and what writes the database."""

    copies: Mapping[str, IO[bytes]]
    write_database: Callable[[Path], None]
    held: float

    def store(self, folder: Path) -> None:
        self.write_database(folder / CONTROL_PLANE)
        for workspace, copy in self.copies.items():
            backup_folder.store(copy, folder / WAREHOUSES / f"{workspace}.duckdb")


def take(app: App, folder: Path) -> Taken:
    """Take a backup into a new folder.

    Raises:
        Usage: the control plane is not a SQLite file, the folder is not new, or another backup of this home is being taken.
        WarehouseBusy: there was no moment at which no warehouse was written.
        WarehouseDamaged: a warehouse is damaged.
        DiskFull: there is no space. After any error nothing is left in the folder.
    """
    control, folder = _control_plane(app.settings.control_url), folder.absolute()
    if not folder.name:
        raise Usage(f"{folder} cannot be a backup. Name a new folder.")
    with _alone(app.settings.home), _full_disk_explained(folder), backup_folder.building(folder, _owner(app.settings.home)) as partial:
        with ExitStack() as opened:
            moment = _moment(app, control, opened)
            at = app.wall.now()
            moment.store(partial)
        backup_folder.seal(partial, version=version("adpulse"), at=at, keys=_fingerprints(app.settings))
        backup = backup_folder.verify(partial)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return Taken(folder=folder, backup=backup, size=size, held=moment.held)


def take_scheduled(app: App) -> Taken:
    """Take a backup into a new folder in ADPULSE_BACKUP_FOLDER, and delete the oldest ones beyond ADPULSE_BACKUPS_KEPT.

    Raises:
        Usage: no folder is set. And what :func:`take` raises; then no backup was deleted.
    """
    parent = app.settings.backup_folder
    if parent is None:
        raise Usage("Backups are not set up: set ADPULSE_BACKUP_FOLDER to a folder, best on another disk.")
    taken = take(app, parent / backup_folder.scheduled_name(app.wall.now()))
    backup_folder.prune(parent, app.settings.backups_kept)
    return taken


def _owner(home: Path) -> str:
    """A short name of the home: several may have their backups in one folder."""
    return hashlib.sha256(str(home.resolve()).encode()).hexdigest()[:8]


def _fingerprints(config: Settings) -> tuple[str, ...]:
    """Of the keys as they are now: a long-lived process learns of a new key only when it seals something."""
    return Cipher.load(config.secret_key, config.home).fingerprints


def _control_plane(url: str) -> Path:
    path = database.file_of(url)
    if path is None:
        raise Usage(
            "adpulse backs up a control plane in SQLite, and this one is in PostgreSQL. Nothing was written. Back it up with pg_dump, "
            "and copy the published files after it, as docs/operations.md says."
        )
    return path


def _moment(app: App, control: Path, opened: ExitStack) -> _Moment:
    for _ in range(_ATTEMPTS):
        with ExitStack() as attempt:
            if moment := _try_moment(app, control, attempt):
                opened.push(attempt.pop_all())
                return moment
        time.sleep(_PAUSE_SECONDS)
    raise WarehouseBusy("No backup was taken: the warehouses are written so often that there was no moment between two writes. Try again.")


def _try_moment(app: App, control: Path, opened: ExitStack) -> _Moment | None:
    """Open everything as of one moment; None when a warehouse was written meanwhile, or a workspace created or deleted."""
    workspaces = [workspace.id for workspace in app.workspaces.all()]
    try:
        for workspace in workspaces:
            app.warehouse(workspace).publish(min_interval_seconds=0)
    except WarehouseBusy:
        return None
    began = time.monotonic()
    with ExitStack() as locks:
        for workspace in workspaces:
            left = max(0.0, began + _HELD_SECONDS - time.monotonic())
            try:
                has_everything = locks.enter_context(app.warehouse(workspace).at_rest(left))
            except WarehouseBusy:
                return None
            if not has_everything:
                return None
        published = {workspace: app.published(workspace) for workspace in workspaces}
        copies = {workspace: opened.enter_context(path.open("rb")) for workspace, path in published.items() if path.exists()}
        write_database = opened.enter_context(snapshot.pinned(control))
        if [workspace.id for workspace in app.workspaces.all()] != workspaces:
            return None
    return _Moment(copies=copies, write_database=write_database, held=time.monotonic() - began)


@contextmanager
def _alone(home: Path) -> Iterator[None]:
    with ExitStack() as lock:
        try:
            lock.enter_context(exclusive(home / LOCKS / "backup", 0))
        except TimeoutError:
            raise Usage(f"Another backup of {home} is being taken. Wait for its end.") from None
        yield


@contextmanager
def _full_disk_explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        if is_disk_full(error):
            raise disk_full(folder) from error
        raise
