"""Serves the OAuth token endpoint over HTTP on loopback."""

import json
from collections.abc import Callable, Mapping
from http.server import ThreadingHTTPServer
from typing import Any

from adpulse_sandbox.basis import HEADER, Basis
from adpulse_sandbox.serving import Handler, listen

Endpoint = Callable[[Mapping[str, str]], tuple[int, Mapping[str, Any]]]
"""Takes a form and returns status and body."""


def serve(endpoint: Endpoint, host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; ``server_port`` is the port."""

    class TokenHandler(_Handler):
        def answer(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
            return endpoint(form)

    return listen(TokenHandler, host, port)


class _Handler(Handler):
    def answer(self, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        raise NotImplementedError

    def _serve(self) -> None:
        status, answer = self.answer(self.form())
        headers = {"content-type": "application/json; charset=utf-8", HEADER: Basis.DOCUMENTED.value}  # RFC 6749, sections 5.1 and 5.2
        self.send(status, headers, json.dumps(answer).encode())

    do_POST = _serve  # noqa: N815 - the standard library looks the name up
