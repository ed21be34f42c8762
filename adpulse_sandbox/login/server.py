"""Serves the consent pages, on a port of their own: the platforms serve them from other hosts than their APIs."""

from collections.abc import Mapping
from http.server import ThreadingHTTPServer
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from adpulse_sandbox.basis import HEADER, Basis
from adpulse_sandbox.login.consent import BrowserAnswer, Params, error_page
from adpulse_sandbox.serving import Handler, listen


class Dialog(Protocol):
    """A platform's consent dialog."""

    def show(self, path: str, params: Params) -> BrowserAnswer:
        """The consent page, or an error page for an invalid request."""
        ...

    def decide(self, form: Params) -> BrowserAnswer:
        """The redirect to the client after a button was pressed."""
        ...


class _Handler(Handler):
    dialogs: Mapping[str, Dialog]

    def _show(self) -> None:
        target = urlsplit(self.path)
        dialog = self._dialog(target.path)
        self._write(dialog.show(target.path, dict(parse_qsl(target.query))) if dialog else _MISSING)

    def _decide(self) -> None:
        form = self.form()
        dialog = self._dialog(urlsplit(self.path).path)
        self._write(dialog.decide(form) if dialog else _MISSING)

    def _dialog(self, path: str) -> Dialog | None:
        return next((dialog for ending, dialog in self.dialogs.items() if path.endswith(ending)), None)

    def _write(self, answer: BrowserAnswer) -> None:
        headers = {"content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'"}
        place = {"location": answer.location} if answer.location else {}
        headers[HEADER] = Basis.DOCUMENTED if answer.location else Basis.INFERRED  # RFC 6749 has the redirects, nothing the pages
        self.send(answer.status, place | headers, answer.page.encode())

    do_GET, do_POST = _show, _decide  # noqa: N815 - the standard library looks these names up


_MISSING = error_page(404, "Not found", "The sandbox serves no page at this path.")


def serve(dialogs: Mapping[str, Dialog], host: str, port: int) -> ThreadingHTTPServer:
    """Start serving in background threads; a dialog answers the paths that end with its key."""
    return listen(type("Handler", (_Handler,), {"dialogs": dialogs}), host, port)
