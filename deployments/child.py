"""Child processes of ``adpulse up``: they end with it, and are restarted when they end by themselves."""

import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import requests

from adpulse import redact
from adpulse.errors import Unavailable
from deployments.owner import start_ticks, this_process
from storage.files import exclusive

LOOPBACK = "127.0.0.1"
PARENT_VARIABLE = "ADPULSE_PARENT"
"""Variable of a child's environment that names the process that started it."""

_START_SECONDS = 120
_STOP_SECONDS = 20
_WATCH_SECONDS = 5
_POLL_SECONDS = 0.25
_PR_SET_PDEATHSIG = 1


class Child:
    """A command with a log of its own.

    ``started`` is called with the process id after each start; ``ready`` returns whether it serves.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        log: Path,
        progress: Callable[[str], None],
        *,
        ready: Callable[[], bool],
        started: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._name = name
        self._command = command
        self._log = log
        self._progress = progress
        self._ready = ready
        self._started = started
        self._environment: Mapping[str, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def start(self, environment: Mapping[str, str]) -> None:
        """Start it with these variables, wait until it is ready, and from then on keep it alive.

        Raises:
            Unavailable: it did not become ready; the message has the end of its log.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._environment = environment
        self._stopping.clear()
        self._spawn("wb")
        self._wait_until_ready()
        threading.Thread(target=self._keep_alive, name=self._name, daemon=True).start()

    def stop(self) -> None:
        """Stop it."""
        self._stopping.set()
        with self._lock:
            if self._process:
                end(self._process.pid)
                self._process.wait()

    def _spawn(self, mode: str) -> None:
        with self._log.open(mode) as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment, PARENT_VARIABLE: this_process()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,  # noqa: PLW1509 - one prctl call, nothing that could deadlock
            )
        self._started(self._process.pid)

    def _keep_alive(self) -> None:
        """Start it again when it ends by itself. The thread lives as long as its children: they die with it."""
        while not self._stopping.wait(_WATCH_SECONDS):
            with self._lock:
                if self._process and self._process.poll() is not None and not self._stopping.is_set():
                    self._progress(f"{self._name} ended by itself (exit code {self._process.returncode}); starting it again.")
                    self._spawn("ab")

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            if self._ready():
                return
            time.sleep(_POLL_SECONDS)
        tail = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        self.stop()
        raise Unavailable(f"{self._name} did not get ready. The end of {self._log}:\n{redact.redact(tail)}")


@contextmanager
def reserved_port(first: int) -> Iterator[int]:
    """The first free port from ``first`` on, reserved against other installations on the machine while the block lasts.

    A lock is needed, because a server takes seconds until it listens; another one that starts meanwhile would find the port free too.
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


def answers(url: str) -> bool:
    """Whether a server answers at the URL, with a success."""
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


def die_with_parent() -> None:
    """For ``preexec_fn``: on Linux the child gets SIGTERM when its parent dies, however that happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def end(pid: int) -> None:
    """Send SIGTERM to a child's own process group, and SIGKILL if it does not end."""
    started = start_ticks(pid)
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + _STOP_SECONDS
        while time.monotonic() < deadline:
            if started is None or start_ticks(pid) != started:
                return
            time.sleep(0.1)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return True
    return False
