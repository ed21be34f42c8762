"""The HTTP API as a child process of ``adpulse up``: the worker stays small, and a slow sync slows no answer."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from deployments.child import LOOPBACK, Child, reserved_port

_FIRST_PORT = 8400


@contextmanager
def web(home: Path, progress: Callable[[str], None] = print) -> Iterator[str]:
    """Its address, while the block lasts.

    Raises:
        Unavailable: it did not get ready; the message has the end of its log.
    """
    with reserved_port(_FIRST_PORT) as port:
        address = f"http://{LOOPBACK}:{port}"
        command = [sys.executable, "-m", "adpulse", "web", "--port", str(port)]
        child = Child("The HTTP API", command, home.absolute() / "logs" / "web.log", progress, ready=lambda: _answers(address))
        child.start({})
        try:
            yield address
        finally:
            child.stop()


def _answers(address: str) -> bool:
    try:
        return requests.get(f"{address}/readyz", timeout=2).ok
    except requests.RequestException:
        return False
