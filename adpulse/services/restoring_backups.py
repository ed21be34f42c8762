"""Puts a backup in the place of a home's control plane and warehouses."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from adpulse import home
from adpulse.clock import SystemClock
from adpulse.crypto import KEY_FILE, Cipher
from adpulse.errors import Usage
from adpulse.settings import Settings
from storage import backup_folder
from storage.backup_folder import CONTROL_PLANE, WAREHOUSES, Backup
from storage.control import database, snapshot
from storage.files import exclusive, flush, is_locked

_NEW, _LOCK = "restore.new", "restore"
_LOGS = ("-wal", "-shm", "")
"""Endings of the files that SQLite keeps for a database in WAL mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredBackup:
    """A backup that was restored.

    ``set_aside``: what was in its place before, under its new names. ``missing_keys``: fingerprints of keys that the backup's secrets may
    need and that this home does not have.
    """

    backup: Backup
    set_aside: list[Path]
    missing_keys: list[str]


def restore_backup(config: Settings, folder: Path) -> RestoredBackup:
    """Replace the control plane, the warehouses and their published copies with those of a backup. Nothing is deleted.

    What was there is renamed. A kill at any point is safe: until the last file is in place, every other command refuses to work in the
    home, and the same restore, run again, completes it.

    Raises:
        Usage: the folder is no sound backup, the control plane is not a SQLite file, or adpulse or another restore runs; nothing was
            changed.
        OSError: a file could not be written; nothing was changed.
    """
    control = database.file_of(config.control_url)
    if control is None:
        raise Usage("This control plane is in PostgreSQL: restore it with pg_restore, as docs/operations.md says. Nothing was changed.")
    backup = backup_folder.verify(folder)
    home.keep_private()
    config.home.mkdir(parents=True, exist_ok=True)
    control.parent.mkdir(parents=True, exist_ok=True)
    with _alone(config.home):
        set_aside = _put_in_place(config.home, control, folder, backup)
    return RestoredBackup(backup=backup, set_aside=set_aside, missing_keys=_missing_keys(config, backup))


def _put_in_place(folder_of_home: Path, control: Path, folder: Path, backup: Backup) -> list[Path]:
    mark = folder_of_home / home.RESTORE_MARK
    interrupted = mark.exists()
    try:
        replacements = _build(folder_of_home, control, folder, backup)
        mark.write_text(str(folder.absolute()))
        _require_stopped(folder_of_home, control)
    except BaseException:
        shutil.rmtree(folder_of_home / _NEW, ignore_errors=True)
        _copy_of(control).unlink(missing_ok=True)
        if not interrupted:
            mark.unlink(missing_ok=True)
        raise
    set_aside = _replace(folder_of_home, control, replacements)
    mark.unlink()
    return set_aside


@contextmanager
def _alone(folder_of_home: Path) -> Iterator[None]:
    with ExitStack() as lock:
        try:
            lock.enter_context(exclusive(folder_of_home / home.LOCKS / _LOCK, 0))
        except TimeoutError:
            raise Usage(f"Another restore into {folder_of_home} is under way. Nothing was changed. Wait for its end.") from None
        yield


def _require_stopped(folder_of_home: Path, control: Path) -> None:
    """Raise Usage while adpulse runs: by the database that it has open, and by its locks, as the database may have been moved away."""
    locks = [path for path in (folder_of_home / home.LOCKS).glob("*") if path.name != _LOCK]  # that one is this restore's own
    if snapshot.is_open_elsewhere(control) or any(map(is_locked, locks)):
        raise Usage(f"A process of adpulse uses {folder_of_home}. Nothing was changed. Stop adpulse up, worker, web and sweep first.")


def _copy_of(control: Path) -> Path:
    return control.with_name(f"{control.name}.new")


def _build(folder_of_home: Path, control: Path, folder: Path, backup: Backup) -> dict[Path, Path]:
    """Copy the backup into the home; returns the new files and folders by the paths that they will take."""
    new = folder_of_home / _NEW
    shutil.rmtree(new, ignore_errors=True)
    warehouses, published = new / "warehouse", new / home.PUBLISHED
    database_copy = _copy_of(control)
    for path in (warehouses, published):
        path.mkdir(parents=True)
    shutil.copyfile(folder / CONTROL_PLANE, database_copy)
    snapshot.forget_homes(database_copy)
    for workspace in backup.workspaces:
        name = f"{workspace}.duckdb"
        shutil.copyfile(folder / WAREHOUSES / name, warehouses / name)
        shutil.copy2(warehouses / name, published / name)  # with its time, by which a copy counts as current
        flush(warehouses / name)
        (published / name).chmod(0o400)
    flush(database_copy)
    return {folder_of_home / "warehouse": warehouses, folder_of_home / home.PUBLISHED: published, control: database_copy}


def _replace(folder_of_home: Path, control: Path, replacements: dict[Path, Path]) -> list[Path]:
    """Rename what is there, then put the new files in its place; returns the new names of the old ones."""
    ending = f"before-restore-{SystemClock().now():%Y%m%dT%H%M%S.%f}"
    # The log first, and named as SQLite looks for it beside the database: what it holds is in no other file.
    renames = {control.with_name(f"{control.name}{log}"): control.with_name(f"{control.name}.{ending}{log}") for log in _LOGS}
    others = (*(path for path in replacements if path != control), folder_of_home / "staging")
    renames |= {path: path.with_name(f"{path.name}.{ending}") for path in others}
    set_aside = []
    for path, aside in renames.items():
        with suppress(FileNotFoundError):
            set_aside.append(path.rename(aside))
    for path, new in replacements.items():
        new.rename(path)
        flush(path.parent)
    (folder_of_home / _NEW).rmdir()
    return set_aside


def _missing_keys(config: Settings, backup: Backup) -> list[str]:
    if config.secret_key is None and not (config.home / KEY_FILE).exists():
        return list(backup.keys)
    existing = Cipher.load(config.secret_key, config.home).fingerprints
    return [key for key in backup.keys if key not in existing]
