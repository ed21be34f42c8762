"""The home folder and everything in it belong to one user of the machine, but for the published copies where a setting says so.

A process closes the home when it begins, and from then on whatever it and its children write is closed too, by their umask.
What is there from before, or was put there by something else, is mended then.
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
_PRIVATE, _PERMISSIONS = 0o077, 0o777


def keep_private() -> None:
    """From now on whatever this process and its children write is closed to other users of the machine."""
    os.umask(_PRIVATE)


def make_private(config: Settings) -> None:
    """Make the home folder, closed to others, and close everything in it; every process of an installation begins with this.

    What cannot be closed, because it belongs to another user, stays as it is: see :func:`exposed_paths`.

    Raises:
        Usage: ADPULSE_PUBLISHED_GROUP is not a group, or not one that this process is in.
    """
    keep_private()
    group = readers(config)
    config.home.mkdir(parents=True, exist_ok=True)
    home = config.home.resolve()
    if group is not None:  # made now, so that it belongs to the group before anything is published
        (home / PUBLISHED).mkdir(exist_ok=True)
    mended = sum(_mend(path, home, group) for path in _everything(home))
    if mended:
        log.warning("%s files and folders in %s could be used by other users of this machine; they are closed now", mended, config.home)


def readers(config: Settings) -> int | None:
    """The id of the group that may read the published copies, by its name or number; None without one.

    Raises:
        Usage: it is not a group, or not one that this process is in.
    """
    name = config.published_group
    if name is None:
        return None
    try:
        group = int(name) if name.isdecimal() else grp.getgrnam(name).gr_gid
    except KeyError:
        raise Usage(f"Wrong configuration. ADPULSE_PUBLISHED_GROUP: there is no group '{name}' on this machine.") from None
    if os.geteuid() != 0 and group not in {os.getegid(), *os.getgroups()}:
        raise Usage(
            f"Wrong configuration. ADPULSE_PUBLISHED_GROUP: this process is not in the group '{name}'. "
            "Add its user to the group, and log in again."
        )
    return group


def exposed_paths(config: Settings) -> list[Path]:
    """What in the home other users may still use, the home itself first: what :func:`make_private` could not close."""
    group, home = readers(config), config.home.resolve()
    return [path for path in _everything(home) if not _is_closed(path, home, group)]


def _everything(home: Path) -> Iterator[Path]:
    """The home and what is in it, without following links; what goes meanwhile is left out."""
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


def _mend(path: Path, home: Path, group: int | None) -> bool:
    """Close one file or folder; whether it had to be, and could be."""
    try:
        if _is_closed(path, home, group):
            return False
        wanted, mode = _wanted(path, home, group)
        set_access(path, wanted, mode)
    except OSError:  # it went meanwhile, is somebody else's, or the file system cannot be changed
        return False
    return True


def _is_closed(path: Path, home: Path, group: int | None) -> bool:
    try:
        status, (wanted, mode) = path.lstat(), _wanted(path, home, group)
    except FileNotFoundError:  # it went meanwhile
        return True
    return status.st_mode & _PERMISSIONS == mode and wanted in (None, status.st_gid)


def _wanted(path: Path, home: Path, group: int | None) -> tuple[int | None, int]:
    """The group that may use it, if one may, and its mode: the owner's bits stay as they are."""
    owners = path.lstat().st_mode & stat.S_IRWXU
    if group is None or home / PUBLISHED not in (path, path.parent, path / PUBLISHED):
        return None, owners
    if path == home:
        return group, owners | stat.S_IXGRP  # into published, and nothing else can be listed
    return group, owners | stat.S_IRGRP | (stat.S_IXGRP if path.is_dir() else 0)
