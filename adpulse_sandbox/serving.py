"""An HTTP server in background threads, and what all handlers of the sandbox share."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from adpulse_sandbox.basis import HEADER, Basis

_STOP_POLL_SECONDS = 0.05
_LONGEST_LINE = 1024


@dataclass(slots=True)
class Answer:
    """An HTTP answer. ``broken`` is the fault that spoils its delivery, such as drop (nothing is sent)."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    broken: str | None = None


class Handler(BaseHTTPRequestHandler):
    """Reads bodies and writes answers, without an access log: the call log has every request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_: object) -> None:
        """Write nothing."""

    def parse_request(self) -> bool:
        """Read the request with its body; False if it cannot be understood, which is answered 400."""
        if not super().parse_request():
            return False
        try:
            self._body = self._read_chunks() if self._is_chunked() else self._read_length()
        except ValueError:
            self.send_error(HTTPStatus.BAD_REQUEST, "The body has no valid length.")
            self.close_connection = True
            return False
        return True

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is no HTTP request that can be read, or has another method. No source shows a platform's words for it."""
        text = explain or message or HTTPStatus(code).phrase
        self.close_connection = True
        headers = {"content-type": "text/plain; charset=utf-8", "connection": "close", HEADER: Basis.INFERRED.value}
        self.send(code, headers, text.encode())

    def body(self) -> bytes:
        """The body of the request."""
        return self._body

    def _is_chunked(self) -> bool:
        return "chunked" in self.headers.get("transfer-encoding", "").lower()

    def _read_length(self) -> bytes:
        length = self.headers.get("content-length") or "0"
        if not length.isdecimal():
            raise ValueError(length)
        return self.rfile.read(int(length))

    def _read_chunks(self) -> bytes:
        """The body in chunks, each after a line with its length in hexadecimal; RFC 9112, section 7.1. Trailers are skipped."""
        chunks = []
        while size := int(self.rfile.readline(_LONGEST_LINE).partition(b";")[0], 16):
            if size < 0:
                raise ValueError(size)
            chunks.append(self.rfile.read(size))
            if self.rfile.readline(_LONGEST_LINE).strip():
                raise ValueError(size)
        while self.rfile.readline(_LONGEST_LINE).strip():
            pass
        return b"".join(chunks)

    def form(self) -> dict[str, str]:
        """The body as an HTML form."""
        return dict(parse_qsl(self.body().decode("utf-8", "replace")))

    def send(self, status: int, headers: Mapping[str, str], body: bytes, *, missing: int = 0) -> None:
        """Write an answer of which the last ``missing`` bytes never come: then the connection is closed."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body) + missing))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or missing > 0


class _Server(ThreadingHTTPServer):
    request_queue_size = 128  # load tests open many connections at once; the standard library's default is 5
    daemon_threads = True


def listen(handler: type[BaseHTTPRequestHandler], host: str, port: int) -> ThreadingHTTPServer:
    """Start serving; port 0 takes a free port, and ``server_port`` is the actual one."""
    server = _Server((host, port), handler)
    threading.Thread(target=server.serve_forever, args=(_STOP_POLL_SECONDS,), name=handler.__module__, daemon=True).start()
    return server
