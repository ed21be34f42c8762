"""An HTTP server in background threads."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_STOP_POLL_SECONDS = 0.05


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # load tests open many connections at once; the standard library's default is 5
    daemon_threads = True


def listen(handler: type[BaseHTTPRequestHandler], host: str, port: int) -> ThreadingHTTPServer:
    """Start serving; port 0 takes a free port, and ``server_port`` is the actual one."""
    server = _Server((host, port), handler)
    threading.Thread(target=server.serve_forever, args=(_STOP_POLL_SECONDS,), name=handler.__module__, daemon=True).start()
    return server
