"""The HTTP API and its pages on a port of this process; each request finds the installation of its test."""

from contextlib import contextmanager
from threading import Thread

import uvicorn
from waiting import until

from adpulse.api.app import create_app


@contextmanager
def serving():
    """The address, while the block lasts."""
    server = uvicorn.Server(uvicorn.Config(create_app(), host="127.0.0.1", port=0, log_level="critical"))
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)
