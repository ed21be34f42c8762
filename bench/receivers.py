"""What receives messages for a measurement: an HTTP server for webhooks and a mail server, both on loopback."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import socket
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from adpulse_sandbox.clock import SandboxClock

_LOOPBACK = "127.0.0.1"


class Arrivals:
    """By kind of message, the texts that came, each with its instant by the sandbox's clock."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self.by_kind: dict[str, list[tuple[datetime, str]]] = {"webhook": [], "e-mail": []}

    def add(self, kind: str, text: str) -> None:
        """Note a message."""
        self.by_kind[kind].append((self._clock.now(), text))

    def first(self, kind: str, text: str) -> datetime | None:
        """When the first message with a text in it came; None if none has come."""
        return next((at for at, message in self.by_kind[kind] if text in message), None)


class _Mailbox:
    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802, ARG002 - aiosmtpd's signature
        message = message_from_bytes(envelope.original_content or b"", policy=policy.default)
        body = message.get_body(("plain",))
        self._arrivals.add("e-mail", str(body.get_content()) if body else "")
        return "250 OK"


@contextmanager
def receiving(arrivals: Arrivals) -> Iterator[tuple[str, int]]:
    """The address of a running receiver of webhooks, and the port of a mail server."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            arrivals.add("webhook", self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with socket() as free:
        free.bind((_LOOPBACK, 0))
        mail_port = free.getsockname()[1]
    mail = Controller(_Mailbox(arrivals), hostname=_LOOPBACK, port=mail_port)
    server = ThreadingHTTPServer((_LOOPBACK, 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    mail.start()
    try:
        yield f"http://{_LOOPBACK}:{server.server_port}/", mail_port
    finally:
        mail.stop()
        server.shutdown()
        server.server_close()
