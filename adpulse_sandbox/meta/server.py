"""Serves the Graph API over HTTP on loopback.

It uses plain ``http.server`` threads, because a fault must be able to close the connection in the middle of an answer.
"""

from http.server import ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from adpulse_sandbox.meta.answers import url_too_long
from adpulse_sandbox.meta.graph import Graph
from adpulse_sandbox.meta.login import MetaLogin
from adpulse_sandbox.serving import Answer, Handler, listen

_LONGEST_URL = 8192
"""Above it, requests are made with POST, as Meta's SDKs do for batches. That Meta answers 414 to the others is inferred."""


class _Handler(Handler):
    """Reads a request and writes an answer, or a part of it where a fault drops the connection."""

    graph: Graph
    login: MetaLogin

    def _serve(self) -> None:
        if len(self.path) > _LONGEST_URL:
            self._write(url_too_long())
            return
        target = urlsplit(self.path)
        params = {**dict(parse_qsl(target.query)), **self.form()}
        scheme, _, bearer = self.headers.get("authorization", "").partition(" ")
        if scheme.lower() in ("bearer", "oauth") and bearer:
            params.setdefault("access_token", bearer)
        host = self.headers.get("host", "127.0.0.1")
        answer = self.login.answer(self.command, target.path, params)
        self._write(answer or self.graph.answer(self.command, target.path, params, _base_url(host)))

    def _write(self, answer: Answer) -> None:
        if answer.broken == "drop":
            self.close_connection = True
            return
        sent = len(answer.body) // 2 if answer.broken == "drop_midway" else len(answer.body)
        self.send(answer.status, answer.headers, answer.body[:sent], missing=len(answer.body) - sent)

    do_GET = do_POST = do_DELETE = do_PUT = _serve  # noqa: N815 - the standard library looks these names up


def _base_url(host: str) -> str:
    """How the links of an answer begin. Without a port the client called Meta's own host name, which is reached by TLS only."""
    return f"http://{host}" if ":" in host else f"https://{host}"


def serve(graph: Graph, login: MetaLogin, host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; ``server_port`` is the port."""
    return listen(type("Handler", (_Handler,), {"graph": graph, "login": login}), host, port)
