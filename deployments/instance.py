"""One ``up``, one ``web`` and one Prefect server in a home folder: each holds a lock there for as long as it lives.

The kernel releases the lock of a process that ends, however it ends, and no child inherits it. So a lock that is held says that its
process lives; the file only says which one that is.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from adpulse.errors import AlreadyRunning
from deployments.child import PARENT, end
from deployments.owner import died, this_process
from storage.files import exclusive

LOCKS = "locks"
"""Folder of the locks in the home folder. Its files stay: a new file of the same name would be another lock."""

_PATIENCE_SECONDS = 0.5  # somebody who only looks whether the lock is held holds it for an instant
_RECORD_SECONDS = 2.0
_POLL_SECONDS = 0.05


class Service(StrEnum):
    """What a home folder has one of, by the command that runs it."""

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
    """Be the one process with this service in the home folder while the block lasts.

    Yields a function that notes where this process answers, for those who are refused.

    Raises:
        AlreadyRunning: another process is; nothing was touched.
    """
    path = _path(home, service)
    with ExitStack() as held:
        try:
            lock = held.enter_context(exclusive(path, _PATIENCE_SECONDS))
        except TimeoutError:
            raise _already_running(home, service, _holder(path)) from None
        since = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"

        def note(address: str | None) -> None:
            record = _Record(process=this_process(), since=since, address=address, parent=os.environ.get(PARENT))
            _write(lock, json.dumps(asdict(record)))

        note(None)
        held.callback(_write, lock, "")
        yield note


def make_room(home: Path, service: Service, progress: Callable[[str], None]) -> None:
    """End the child with this service that a killed ``adpulse up`` left. Only a process that holds the lock now is ended.

    Raises:
        AlreadyRunning: it is somebody else's, and stays.
    """
    path = _path(home, service)
    deadline = time.monotonic() + _RECORD_SECONDS
    while not _is_free(path):
        holder = _living(path)
        if holder and holder.parent and died(holder.parent):
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
    """Who holds the lock; None if it does not say so in time."""
    deadline = time.monotonic() + _RECORD_SECONDS
    while (holder := _living(path)) is None and time.monotonic() < deadline:
        time.sleep(_POLL_SECONDS)
    return holder


def _living(path: Path) -> _Record | None:
    """Who wrote the file. What a dead predecessor wrote there is nobody's."""
    try:
        record = _Record(**json.loads(path.read_text()))
    except (ValueError, TypeError):  # it is being written, or another version wrote it
        return None
    return None if died(record.process) else record


def _already_running(home: Path, service: Service, holder: _Record | None) -> AlreadyRunning:
    who = f"process {_pid(holder)}, since {holder.since}, {holder.address or 'still starting'}" if holder else "which is just starting"
    return AlreadyRunning(
        f"adpulse {service} is already running in {home.resolve()} ({who}); end it first, or set ADPULSE_HOME to another folder."
    )


def _pid(record: _Record) -> int:
    return int(record.process.rsplit("-", 2)[1])
