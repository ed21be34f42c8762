"""Serves the REST interface of the Google Ads API over HTTP on loopback."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from adpulse_sandbox.google.rest import Answer, Rest
from adpulse_sandbox.serving import listen


def serve(rest: Rest, host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; ``server_port`` is the port."""
    return listen(type("Handler", (_Handler,), {"rest": rest}), host, port)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request and writes an answer, or a part of it where a fault drops the connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    rest: Rest

    def log_message(self, *_: object) -> None:
        """Write no access log; the call log has every request."""

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._write(self.rest.answer(self.command, self.path, headers, body))

    def _write(self, answer: Answer) -> None:
        if answer.broken == "drop":
            self.close_connection = True
            return
        # A stream that breaks off has begun with the status of success.
        self.send_response(200 if answer.broken else answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(answer.body) + (1 if answer.broken else 0)))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = self.close_connection or answer.broken is not None

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _serve  # noqa: N815 - the standard library looks these names up
