"""The folder of one backup: the control plane, the warehouses, and a list of both with checksums.

A backup is built beside its folder and renamed at the end, so a folder with a list is complete; its checksums find later damage.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Self

from adpulse.errors import Usage
from storage.control.snapshot import problem
from storage.files import flush
from storage.warehouse.damage import is_whole

LIST = "backup.json"
CONTROL_PLANE = "control.db"
WAREHOUSES = "warehouses"

_PARTIAL = ".partial"
_WAREHOUSE = re.compile(rf"{WAREHOUSES}/[\w-]+\.duckdb", re.ASCII)
_SCHEDULED = re.compile(r"\d{8}T\d{6}\.\d{6}Z")
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds. The names of the fields are keys of ``backup.json``.

    ``keys``: fingerprints of the keys that its secrets open with. ``files``: SHA-256 of each file by its path in the folder.
    """

    adpulse: str
    at: str
    keys: tuple[str, ...]
    files: dict[str, str]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The list in a folder.

        Raises:
            Usage: there is none that can be read, so the folder is no complete backup.
        """
        try:
            fields = json.loads((folder / LIST).read_text())
            backup = cls(**{**fields, "keys": tuple(fields["keys"]), "files": dict(fields["files"])})
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            raise Usage(f"{folder} is no complete backup: it has no readable {LIST}. Nothing was changed.") from None
        if problem_of_list := backup._problem():
            raise Usage(f"The backup {folder} cannot be used: {LIST} {problem_of_list}. Nothing was changed.")
        return backup

    def _problem(self) -> str | None:
        """Why the list is none that :func:`seal` wrote: its paths become files of the home, so no other file may be named."""
        texts = (self.adpulse, self.at, *self.keys, *self.files, *self.files.values())
        if not all(isinstance(text, str) for text in texts):
            return "has a value that is no text"
        if other := sorted(path for path in self.files if path != CONTROL_PLANE and not _WAREHOUSE.fullmatch(path)):
            return f"names {other[0]!r}, which is no file of a backup"
        if CONTROL_PLANE not in self.files:
            return f"does not name {CONTROL_PLANE}"
        return None if _is_instant(self.at) else "does not say when the backup was taken"

    @property
    def taken_at(self) -> datetime:
        """The moment of which it is, in real time."""
        return datetime.fromisoformat(self.at)

    @property
    def workspaces(self) -> list[str]:
        """Ids of the workspaces whose warehouses are in it."""
        return [Path(path).stem for path in self.files if path != CONTROL_PLANE]


@contextmanager
def building(folder: Path, owner: str) -> Iterator[Path]:
    """Yield the folder in which the backup ``folder`` is built. It takes that name only when the block ends without an error.

    ``owner`` is who takes one backup at a time, so that what a killed predecessor left beside it can be removed.

    Raises:
        Usage: there is something of that name already.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Usage(f"{folder} exists and is not empty. Name a new folder: a backup replaces nothing.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    for left in folder.parent.glob(f".*.{owner}{_PARTIAL}"):
        shutil.rmtree(left, ignore_errors=True)
    partial = folder.with_name(f".{folder.name}.{owner}{_PARTIAL}")
    (partial / WAREHOUSES).mkdir(mode=0o700, parents=True)
    try:
        yield partial
        partial.rename(folder)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    flush(folder.parent)


def store(source: IO[bytes], target: Path) -> None:
    """Copy an open file to a new one that only its owner may read."""
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        shutil.copyfileobj(source, file, _CHUNK)


def seal(partial: Path, *, version: str, at: datetime, keys: tuple[str, ...]) -> Backup:
    """Write every file of a finished backup through to the disk, and its list last."""
    paths = sorted(path for path in partial.rglob("*") if path.is_file())
    for path in paths:
        flush(path)
    files = {str(path.relative_to(partial)): _checksum(path) for path in paths}
    backup = Backup(adpulse=version, at=at.isoformat(), keys=keys, files=files)
    (partial / LIST).write_text(json.dumps(asdict(backup), indent=2))
    for path in (partial / LIST, partial / WAREHOUSES, partial):
        flush(path)
    return backup


def verify(folder: Path) -> Backup:
    """Read a backup wholly: every file is as it was written, every page of the database and every block of the warehouses is sound.

    Raises:
        Usage: it is no complete backup, or it is damaged; the message names the file.
    """
    backup = Backup.read(folder)
    for name, checksum in backup.files.items():
        path = folder / name
        if not path.is_file() or _checksum(path) != checksum:
            raise Usage(f"The backup {folder} is damaged: {name} is not as it was written. Nothing was changed. Use another backup.")
        unsound = problem(path) if name == CONTROL_PLANE else None if is_whole(path) else "it cannot be read"
        if unsound:
            raise Usage(f"The backup {folder} cannot be used: {name}: {unsound}. Nothing was changed.")
    return backup


def scheduled_name(at: datetime) -> str:
    """The name of a backup that the schedule takes; only these are ever deleted. The order of the names is that of time."""
    return f"{at:%Y%m%dT%H%M%S.%fZ}"


def prune(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest ``keep`` complete backups of the schedule; anything else in the folder stays. Returns the deleted ones."""
    scheduled = [path for path in folder.iterdir() if _SCHEDULED.fullmatch(path.name) and not path.is_symlink()]
    old = sorted(path for path in scheduled if _is_complete(path))[:-keep]
    for path in old:
        (path / LIST).unlink()  # first: from here on it is no backup, whatever interrupts the rest
        shutil.rmtree(path)
    return old


def _is_complete(folder: Path) -> bool:
    with suppress(Usage):
        return bool(Backup.read(folder))
    return False


def _is_instant(text: str) -> bool:
    with suppress(ValueError):
        return datetime.fromisoformat(text).tzinfo is not None
    return False


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
