"""The embedded Prefect server: a child process on loopback, with the settings that adpulse needs."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import requests
from pydantic import SecretStr

from adpulse import redact
from adpulse.errors import Unavailable
from storage.files import exclusive

_LOOPBACK = "127.0.0.1"
_FIRST_PORT = 4200
_START_SECONDS = 120
_STOP_SECONDS = 20
_WATCH_SECONDS = 5
_PR_SET_PDEATHSIG = 1
_POSTGRESQL = ("postgres", "postgresql", "postgresql+psycopg")
_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": "P7D",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "15",  # how long a schedule that was switched on stays without runs
    "PREFECT_SERVER_SERVICES_SCHEDULER_MIN_SCHEDULED_TIME": "PT10M",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "25",
    "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",  # the worker and its sweep log outside of flow runs too
    "PREFECT_LOGGING_EXTRA_LOGGERS": "adpulse,storage,tasks,flows,deployments",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_PREFETCH_SECONDS": "2",
    "DO_NOT_TRACK": "1",
}


class PrefectServer:
    """A server whose state lives in ``home/prefect``, or in ``database_url``; a context manager that stops it.

    One that ends by itself is started again at the same address. ``server.json`` there tells other commands where it answers,
    and the next start whom to stop first. Only the server itself is told the database's URL, in its environment.
    """

    def __init__(self, home: Path, progress: Callable[[str], None] = print, *, database_url: SecretStr | None = None) -> None:
        self._database_url = database_url
        self._home = home.absolute()
        self._progress = progress
        self._state = self._home / "prefect" / "server.json"
        self._log = self._home / "logs" / "prefect-server.log"
        self._port = 0
        self._reservation = ExitStack()
        self._child: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    @property
    def ui_url(self) -> str:
        """Where Prefect's pages are."""
        return f"http://{_LOOPBACK}:{self._port}"

    def environment(self) -> dict[str, str]:
        """What a process needs to talk to this server."""
        own = {"PREFECT_API_URL": f"{self.ui_url}/api", "PREFECT_HOME": str(self._home / "prefect")}
        return {**_SETTINGS, **own}

    def __enter__(self) -> Self:
        """Start it, after stopping one that a killed predecessor left behind.

        Raises:
            Unavailable: it did not get ready; the message has the end of its log.
        """
        for folder in (self._state.parent, self._log.parent):
            folder.mkdir(parents=True, exist_ok=True)
        self._stop_leftover()
        self._port = self._reservation.enter_context(_reserved_port(_FIRST_PORT))
        self._progress(f"Starting the Prefect server at {self.ui_url} …")
        self._stopping.clear()
        self._spawn("wb")
        self._wait_until_ready()
        threading.Thread(target=self._keep_alive, name="prefect-server", daemon=True).start()
        return self

    def _spawn(self, mode: str) -> None:
        address = {"PREFECT_SERVER_API_HOST": _LOOPBACK, "PREFECT_SERVER_API_PORT": str(self._port)}
        with self._log.open(mode) as log:
            self._child = subprocess.Popen(
                [sys.executable, "-m", "prefect", "server", "start"],
                env={**os.environ, **self.environment(), **address, **self._database()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, nothing that could deadlock
            )
        self._state.write_text(
            json.dumps({"pid": self._child.pid, "started": _started(self._child.pid), "environment": self.environment()})
        )

    def _keep_alive(self) -> None:
        """Start the server again when it ends by itself. The thread lives as long as its children: they die with it."""
        while not self._stopping.wait(_WATCH_SECONDS):
            with self._lock:
                if self._child and self._child.poll() is not None and not self._stopping.is_set():
                    self._progress(f"The Prefect server ended by itself (exit code {self._child.returncode}); starting it again.")
                    self._spawn("ab")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stop it."""
        self._stopping.set()
        with self._lock:
            if self._child:
                _end(self._child.pid)
                self._child.wait()
        self._reservation.close()
        self._state.unlink(missing_ok=True)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._child and self._child.poll() is None and time.monotonic() < deadline:
            try:
                if requests.get(f"{self.ui_url}/api/health", timeout=2).ok:
                    return
            except requests.RequestException:
                time.sleep(0.25)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        self.__exit__(None, None, None)
        raise Unavailable(f"The Prefect server did not get ready. The end of {self._log}:\n{redact.redact(tail)}")

    def _database(self) -> dict[str, str]:
        """Prefect's own variable, with the driver that Prefect needs."""
        if self._database_url is None:
            return {}
        url = redact.protect_url(self._database_url.get_secret_value())
        scheme, _, rest = url.partition("://")
        return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"postgresql+asyncpg://{rest}" if scheme in _POSTGRESQL else url}

    def _stop_leftover(self) -> None:
        """Only the very process that was recorded: same id, same start."""
        if not self._state.exists():
            return
        told = json.loads(self._state.read_text())
        if told["started"] is not None and _started(told["pid"]) == told["started"]:
            self._progress("Stopping the Prefect server that a killed predecessor left.")
            _end(told["pid"])
        self._state.unlink()


def _die_with_parent() -> None:
    """On Linux the child gets SIGTERM when its parent dies, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _reserved_port(first: int) -> Iterator[int]:
    """The first free port from ``first`` on, kept from every other installation on the machine while the block lasts.

    Free is not enough: a server takes seconds until it listens, and whoever starts meanwhile would find the port free too.
    """
    for port in range(first, first + 200):
        with ExitStack() as reservation:
            try:
                reservation.enter_context(exclusive(Path(tempfile.gettempdir()) / f"adpulse-port-{port}.lock", 0))
            except (TimeoutError, PermissionError):  # another installation's, or another user's
                continue
            if not _listens(port):
                yield port
                return
    raise Unavailable(f"No free port from {first} on.")


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((_LOOPBACK, port))
        except OSError:
            return True
    return False


def _started(pid: int) -> str | None:
    """When a process started, in the kernel's ticks; None when there is none (or no /proc)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return None


def _end(pid: int) -> None:
    """SIGTERM to the server's own process group, SIGKILL if it stays."""
    began = _started(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if _zombie_or_gone(pid, began):
                return
            time.sleep(0.1)


def _zombie_or_gone(pid: int, began: str | None) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z" or _started(pid) != began
