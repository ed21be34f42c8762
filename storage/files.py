"""What several processes share through the file system: exclusive locks, files that are replaced for good, and its space."""

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


@contextmanager
def exclusive(path: Path, timeout: float) -> Iterator[int]:
    """Hold the lock that ``path`` stands for, against other processes and other threads alike.

    Yields the lock's descriptor: a child process that inherits it keeps the lock until it ends.
    The file stays; removing it would let two holders lock two different files of the same name.

    Raises:
        TimeoutError: someone else held it for ``timeout`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, time.monotonic() + timeout)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def filling(path: Path) -> Iterator[None]:
    """Write ``path`` in the block, whole or not at all: what was begun is removed, so that it does not keep a full disk full.

    Raises:
        DiskFull: there was no space; says what to do.
    """
    try:
        yield
    except OSError as error:
        path.unlink(missing_ok=True)
        if error.errno in _FULL or tells_full(str(error)):
            raise disk_full(path) from error
        raise


def tells_full(text: str) -> bool:
    """Whether a message of a program or a library is about a full disk."""
    return any(os.strerror(number) in text for number in _FULL)


def disk_full(path: Path) -> DiskFull:
    """The sentence for a file that there was no space for."""
    message = f"The disk is full: nothing more could be written to {path.parent}. What was there is whole."
    return DiskFull(f"{message} Free some space; it is tried again.")


def replace(source: Path, target: Path) -> None:
    """Put ``source`` in ``target``'s place so that after a power cut there is the old file or the whole new one."""
    _flush(source)
    source.replace(target)
    _flush(target.parent)


def give(path: Path, group: int | None, mode: int) -> None:
    """Set a file's mode and, if one is given, the group that it is for; at no moment may another group do what the mode allows.

    Raises:
        PermissionError: it belongs to another user.
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


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
