"""Serves the REST interface of the Google Ads API over HTTP on loopback."""

from http.server import ThreadingHTTPServer

from adpulse_sandbox.google.rest import Rest
from adpulse_sandbox.serving import Answer, Handler, listen


def serve(rest: Rest, host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; ``server_port`` is the port."""
    return listen(type("Handler", (_Handler,), {"rest": rest}), host, port)


class _Handler(Handler):
    """Reads a request and writes an answer, or a part of it where a fault drops the connection."""

    rest: Rest

    def _serve(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self._write(self.rest.answer(self.command, self.path, headers, self.body()))

    def _write(self, answer: Answer) -> None:
        if answer.broken == "drop":
            self.close_connection = True
            return
        # A stream that breaks off has begun with the status of success.
        self.send(200 if answer.broken else answer.status, answer.headers, answer.body, missing=1 if answer.broken else 0)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = _serve  # noqa: N815 - the standard library looks these names up
