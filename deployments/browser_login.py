"""Logs a browser in to Prefect's pages with a ticket of adpulse's pages: an ASGI middleware around Prefect's application.

Prefect's pages keep the server's password in the browser's local storage of their origin, under ``prefect-password``, base64 as the
``Authorization`` header has it, and send it with every request and WebSocket (``prefect/server/ui``, read in 3.9.1). The page that
answers a ticket puts it there and goes on to Prefect's pages.
"""

import base64
import json
import secrets
from http import HTTPStatus

from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from adpulse.clock import Clock
from adpulse.prefect_login import TICKET_PATH, Tickets

_REFUSED = "This link to Prefect's pages was used already, or is more than a minute old. Follow the link Prefect in adpulse's pages again."
_PAGE = (
    "<!doctype html><title>Prefect</title><script nonce={nonce}>"
    'localStorage.setItem("prefect-password", {password}); location.replace({place});</script>'
)


class BrowserLogin:
    """Answers ``/adpulse/login/{ticket}`` with a page that stores the password in the browser; the rest is Prefect's."""

    def __init__(self, inner: ASGIApp, login: SecretStr, wall: Clock) -> None:
        self._inner = inner
        self._login = login
        self._wall = wall
        self._tickets = Tickets(login, wall.now())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"].startswith(f"{TICKET_PATH}/"):
            await self._answer(Request(scope))(scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        if request.method != "GET":
            return PlainTextResponse("Only GET.", HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "GET"})
        if not self._tickets.redeem(request.url.path.removeprefix(f"{TICKET_PATH}/"), self._wall.now()):
            return PlainTextResponse(_REFUSED, HTTPStatus.UNAUTHORIZED)
        nonce, place = secrets.token_urlsafe(16), request.query_params.get("next", "/")
        # A place that begins with two slashes, or a backslash, is another host's.
        is_own_page = place.startswith("/") and not place.startswith(("//", "/\\"))
        password = base64.b64encode(self._login.get_secret_value().encode()).decode()
        page = _PAGE.format(nonce=nonce, password=_script_text(password), place=_script_text(place if is_own_page else "/"))
        policy = f"default-src 'none'; script-src 'nonce-{nonce}'"
        return HTMLResponse(
            page, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
        )


def _script_text(text: str) -> str:
    """The text as a literal of a script, which cannot end the script's element."""
    return json.dumps(text).replace("<", "\\u003c")
