"""Allows one ``up``, one ``web`` and one Prefect server per home folder: each locks a file there while it runs.

The kernel releases the lock when the process ends for any reason, and no child inherits it. So a locked file means that the process
is alive; the content of the file only names the process.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from adpulse.clock import SystemClock
from adpulse.errors import AlreadyRunning
from adpulse.home import LOCKS
from deployments.child import PARENT_VARIABLE, end
from deployments.owner import has_died, this_process
from storage.files import exclusive

_LOCK_TIMEOUT_SECONDS = 0.5  # a process that tests the lock holds it for an instant
_RECORD_SECONDS = 2.0
_POLL_SECONDS = 0.05


class Service(StrEnum):
    """Services that run once per home folder, named by their command."""

    UP = "up"
    WEB = "web"
    PREFECT_SERVER = "prefect-server"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    process: str
    since: str
    address: str | None
    parent: str | None
    """The ``adpulse up`` that started it, as its child."""


@contextmanager
def only(home: Path, service: Service) -> Iterator[Callable[[str], None]]:
    """Hold the lock of this service in the home folder while the block lasts.

    Yields a function that notes the address of this process, for the message to processes that are refused.

    Raises:
        AlreadyRunning: another process holds it; nothing was changed.
    """
    path = _path(home, service)
    with ExitStack() as cleanup:
        try:
            lock = cleanup.enter_context(exclusive(path, _LOCK_TIMEOUT_SECONDS))
        except TimeoutError:
            raise _already_running(home, service, _holder(path)) from None
        since = f"{SystemClock().now():%Y-%m-%d %H:%M} UTC"

        def note(address: str | None) -> None:
            record = _Record(process=this_process(), since=since, address=address, parent=os.environ.get(PARENT_VARIABLE))
            _write(lock, json.dumps(asdict(record)))

        note(None)
        cleanup.callback(_write, lock, "")
        yield note


def make_room(home: Path, service: Service, progress: Callable[[str], None]) -> None:
    """Stop the service's process that a killed ``adpulse up`` left running. Only the process that holds the lock is stopped.

    Raises:
        AlreadyRunning: the process does not belong to a killed ``adpulse up``; it keeps running.
    """
    path = _path(home, service)
    deadline = time.monotonic() + _RECORD_SECONDS
    while not _is_free(path):
        holder = _living(path)
        if holder and holder.parent and has_died(holder.parent):
            progress(f"Stopping the {service} that a killed predecessor left.")
            end(_pid(holder))
            return
        if holder or time.monotonic() > deadline:
            raise _already_running(home, service, holder)
        time.sleep(_POLL_SECONDS)


def _path(home: Path, service: Service) -> Path:
    return home / LOCKS / service


def _write(lock: int, text: str) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, text.encode(), 0)


def _is_free(path: Path) -> bool:
    try:
        with exclusive(path, 0):
            return True
    except TimeoutError:
        return False


def _holder(path: Path) -> _Record | None:
    """The process that holds the lock; None if the file does not name it in time."""
    deadline = time.monotonic() + _RECORD_SECONDS
    while (holder := _living(path)) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return holder


def _living(path: Path) -> _Record | None:
    """The living process that wrote the file; None if the file is from a dead predecessor."""
    try:
        record = _Record(**json.loads(path.read_text()))
    except (ValueError, TypeError):  # it is being written, or another version wrote it
        return None
    return None if has_died(record.process) else record


def _already_running(home: Path, service: Service, holder: _Record | None) -> AlreadyRunning:
    owner = f"process {_pid(holder)}, since {holder.since}, {holder.address or 'still starting'}" if holder else "which is just starting"
    return AlreadyRunning(
        f"adpulse {service} is already running in {home.resolve()} ({owner}); end it first, or set ADPULSE_HOME to another folder."
    )


def _pid(record: _Record) -> int:
    return int(record.process.rsplit("-", 2)[1])
