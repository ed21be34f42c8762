"""Files that several processes share: exclusive locks, files that are replaced in one step, and errors of a full disk."""

import errno
import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adpulse.errors import DiskFull

_POLL_SECONDS = 0.02
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FULL_OF_SQLITE = "database or disk is full"


@contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[int]:
    """Hold the lock of the file ``path``, against other processes and other threads alike.

    Yields the lock's descriptor: a child process that inherits it keeps the lock until it ends.
    The file stays; removing it would let two holders lock two different files of the same name.

    Raises:
        TimeoutError: another holder had it for ``timeout`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, time.monotonic() + timeout)
        yield descriptor
    finally:
        os.close(descriptor)


def is_locked(path: Path) -> bool:
    """Whether anybody holds the lock of the file."""
    try:
        with exclusive(path, 0):
            return False
    except TimeoutError:
        return True


@contextmanager
def filling(path: Path) -> Iterator[None]:
    """Write ``path`` in the block, whole or not at all: an incomplete file is removed, so that it does not keep a full disk full.

    Raises:
        DiskFull: there was no space; the message says what to do.
    """
    try:
        yield
    except OSError as error:
        path.unlink(missing_ok=True)
        if is_disk_full(error):
            raise disk_full(path) from error
        raise


def is_disk_full(error: Exception) -> bool:
    """Whether an error is about a full disk: of the operating system, or of a program or a library by its message."""
    return getattr(error, "errno", None) in _FULL or is_disk_full_message(str(error))


def is_disk_full_message(text: str) -> bool:
    """Whether a message of a program or a library is about a full disk."""
    return any(name in text for name in (*map(os.strerror, _FULL), _FULL_OF_SQLITE))


def disk_full(path: Path) -> DiskFull:
    """The error for a file that did not fit on the disk."""
    message = f"The disk is full: nothing more could be written to {path.parent}. Existing files are intact."
    return DiskFull(f"{message} Free some space; adpulse tries again.")


def replace(source: Path, target: Path) -> None:
    """Replace ``target`` with ``source``. After a power cut there is either the old file or the complete new one."""
    flush(source)
    source.replace(target)
    flush(target.parent)


def flush(path: Path) -> None:
    """Write a file or a folder through to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_access(path: Path, group: int | None, mode: int) -> None:
    """Set a file's mode and, if given, its group. At no moment does the mode's group part apply to another group.

    Raises:
        PermissionError: the file belongs to another user.
    """
    path.chmod(mode & stat.S_IRWXU)
    if group is not None:
        os.chown(path, -1, group, follow_symlinks=False)
        path.chmod(mode)


def _lock(descriptor: int, deadline: float) -> None:
    while True:
        try:
            # flock belongs to the open file, so two threads of one process exclude each other too.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(_POLL_SECONDS)
        else:
            return
