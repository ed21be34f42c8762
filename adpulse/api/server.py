"""Serves the application until SIGINT or SIGTERM."""

import gc
import socket
from collections.abc import Callable

import uvicorn

from adpulse import orchestrator
from adpulse.api.app import create_app
from adpulse.errors import Usage
from deployments.web import FIRST_PORT

_TRIED = 100
_DRAIN_SECONDS = 10


def serve(host: str, port: int | None, announce: Callable[[str], None], trusted_proxies: str | None = None) -> None:
    """Listen on this port, or on the first free one from ``FIRST_PORT`` on; SIGINT and SIGTERM let requests under way end.

    ``announce`` is called with the address as soon as it is taken. ``X-Forwarded-For`` counts only from ``trusted_proxies``: left to
    itself, uvicorn believes every process of this machine, and one that names a new client each time is never slowed down at logging in.

    Raises:
        Usage: the address cannot be listened on.
    """
    config = uvicorn.Config(
        create_app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        forwarded_allow_ips=trusted_proxies or "",
    )
    with _bound(host, port) as listening:
        bound = listening.getsockname()
        orchestrator.warm_up()
        gc.freeze()  # what is loaded by now stays: scanning it again would pause every request for a tenth of a second
        announce(f"http://{f'[{bound[0]}]' if ':' in bound[0] else bound[0]}:{bound[1]}")
        uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int | None) -> socket.socket:
    for candidate in range(FIRST_PORT, FIRST_PORT + _TRIED) if port is None else (port,):
        try:
            listening = socket.create_server((host, candidate), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            reason = error.strerror
        else:
            # asyncio sets it only on sockets that name their protocol, and create_server's do not: without it the end of an answer may
            # wait 40 ms for the client to confirm its beginning. Accepted sockets inherit it.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listening
    raise Usage(f"Cannot listen on {host}, port {candidate}: {reason}.")
