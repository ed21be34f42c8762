"""The HTTP API as a child process of ``adpulse up``: the worker stays small, and syncs do not slow answers."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from adpulse import private_file
from deployments.child import LOOPBACK, Child, answers, reserved_port
from deployments.instance import Service, make_room

FIRST_PORT = 8400
_STATE = "web.address"


@contextmanager
def web(home: Path, progress: Callable[[str], None] = print) -> Iterator[str]:
    """Run the HTTP API while the block lasts; yields its address.

    Raises:
        AlreadyRunning: another process runs the home folder's API.
        Unavailable: it did not become ready; the message has the end of its log.
    """
    make_room(home, Service.WEB, progress)
    with reserved_port(FIRST_PORT) as port:
        address = f"http://{LOOPBACK}:{port}"
        command = [sys.executable, "-P", "-m", "adpulse", "web", "--port", str(port)]
        child = Child("The HTTP API", command, home.absolute() / "logs" / "web.log", progress, ready=lambda: answers(f"{address}/healthz"))
        child.start({})
        state = home / _STATE
        private_file.write(state, address)
        try:
            yield address
        finally:
            state.unlink(missing_ok=True)
            child.stop()


def address_in(home: Path) -> str | None:
    """The address of the pages of the installation in this folder, while ``adpulse up`` runs there."""
    state = home / _STATE
    return state.read_text() if state.exists() else None
