"""Serves the OAuth token endpoint over HTTP on loopback."""

import json
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl

from adpulse_sandbox.serving import listen

Endpoint = Callable[[Mapping[str, str]], tuple[int, Mapping[str, Any]]]
"""Takes a form and returns status and body."""


def serve(endpoint: Endpoint, host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; ``server_port`` is the port."""

    class Handler(_Handler):
        def answer(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
            return endpoint(form)

    return listen(Handler, host, port)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Write no access log; the call log has every request."""

    def answer(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        raise NotImplementedError

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        status, answer = self.answer(dict(parse_qsl(self.rfile.read(length).decode("utf-8", "replace"))))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
