"""Access to the home folder: only its owner may use it, except that a group may read the published copies.

A process removes other users' access when it starts, and sets its umask, so that new files of it and its children are private too.
The walk at the start also corrects older files, and files that other programs put there.
"""

import grp
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from adpulse.errors import Usage
from adpulse.settings import Settings
from storage.files import set_access

log = logging.getLogger(__name__)

PUBLISHED = "published"
LOCKS = "locks"
"""Folder of the locks of processes. Its files stay: a new file of the same name would be another lock."""

EXPORTS = "exports"
"""Folder in which exports are built before they are copied to their target."""

RESTORE_MARK = "restore.unfinished"
"""A file that is there from the first to the last change of a restore. It holds the folder of the backup."""

_PRIVATE, _PERMISSIONS = 0o077, 0o777


def keep_private() -> None:
    """Set the umask: new files of this process and its children are private to their owner."""
    os.umask(_PRIVATE)


def make_private(config: Settings) -> None:
    """Create the home folder, and remove other users' access to everything in it. Every process of an installation starts with this.

    A file of another user cannot be changed and stays as it is: see :func:`exposed_paths`.

    Raises:
        Usage: ADPULSE_PUBLISHED_GROUP is not a group, or this process is not in it; or a restore into this home was interrupted.
    """
    keep_private()
    group = readers(config)
    config.home.mkdir(parents=True, exist_ok=True)
    _require_whole(config.home)
    home = config.home.resolve()
    if group is not None:  # created now, so that it belongs to the group before anything is published
        (home / PUBLISHED).mkdir(exist_ok=True)
    corrected = sum(_correct(path, home, group) for path in _everything(home))
    if corrected:
        log.warning(
            "%s files and folders in %s were accessible to other users of this machine; now they are private", corrected, config.home
        )


def _require_whole(folder: Path) -> None:
    mark = folder / RESTORE_MARK
    if mark.exists():
        raise Usage(f"A restore into {folder} is under way or was interrupted. Run it again: adpulse restore {mark.read_text()}")


def readers(config: Settings) -> int | None:
    """The id of the group that may read the published copies, which the setting names by name or number; None without one.

    Raises:
        Usage: there is no such group, or this process is not in it.
    """
    name = config.published_group
    if name is None:
        return None
    try:
        group = int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise Usage(f"Wrong configuration. ADPULSE_PUBLISHED_GROUP: there is no group '{name}' on this machine.") from None
    # Only root may give a file to a group that it is not in.
    if os.geteuid() != 0 and group not in {os.getegid(), *os.getgroups()}:
        raise Usage(
            f"Wrong configuration. ADPULSE_PUBLISHED_GROUP: this process is not in the group '{name}'. "
            "Add its user to the group, and log in again."
        )
    return group


def exposed_paths(config: Settings) -> list[Path]:
    """Paths in the home that other users can still access, the home itself first: :func:`make_private` could not change them."""
    group, home = readers(config), config.home.resolve()
    return [path for path in _everything(home) if not _is_private(path, home, group)]


def _everything(home: Path) -> Iterator[Path]:
    """The home and all paths in it, without following links. A path that is deleted meanwhile is skipped."""
    if home.is_dir():
        yield home
        yield from _inside(home)


def _inside(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError, PermissionError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_symlink():
                continue
            yield Path(entry.path)
            if entry.is_dir(follow_symlinks=False):
                yield from _inside(Path(entry.path))


def _correct(path: Path, home: Path, group: int | None) -> bool:
    """Set the access of one file or folder; True if it had to be changed and could be."""
    try:
        if _is_private(path, home, group):
            return False
        set_access(path, *_access(path, home, group))
    except OSError:  # it was deleted meanwhile, belongs to another user, or the file system is read-only
        return False
    return True


def _is_private(path: Path, home: Path, group: int | None) -> bool:
    try:
        status, (wanted_group, mode) = path.lstat(), _access(path, home, group)
    except FileNotFoundError:  # it was deleted meanwhile
        return True
    return status.st_mode & _PERMISSIONS == mode and wanted_group in (None, status.st_gid)


def _access(path: Path, home: Path, group: int | None) -> tuple[int | None, int]:
    """The group that a path must belong to, if any, and its mode. The owner's permissions stay as they are."""
    owner_bits = path.lstat().st_mode & stat.S_IRWXU
    if group is None or home / PUBLISHED not in (path, path.parent, path / PUBLISHED):
        return None, owner_bits
    if path == home:
        return group, owner_bits | stat.S_IXGRP  # the group may pass through to the published folder, and list nothing
    return group, owner_bits | stat.S_IRGRP | (stat.S_IXGRP if path.is_dir() else 0)
