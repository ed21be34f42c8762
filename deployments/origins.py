"""Restricts which pages a browser may use with the Prefect server: an ASGI middleware around Prefect's application.

Prefect answers requests of any page. Its CORS setting is ``*`` by default, the CSRF middleware's refusal carries
``Access-Control-Allow-Origin: *``, and its WebSockets look at no ``Origin`` (``prefect.server.api.server``, ``.middleware`` and
``prefect.server.utilities.subscriptions``, read in 3.9.1). Any page that a user visits could read the runs and start deployments.
"""

import re
from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adpulse.settings import LOOPBACK_HOSTS, SCHEME_PORTS, origin_of

ORIGINS = "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"
"""Prefect's own setting for these origins, comma-separated. Of its names this one has precedence."""

_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::\d+)?")
_FOREIGN_SITES = ("cross-site", "same-site")
"""Values of ``Sec-Fetch-Site``: another port of the same host is the same site, but another origin."""

_POLICY_VIOLATION = 1008
_WRONG_HOST = "This Prefect server is not known by that name. ADPULSE_PREFECT_ORIGINS takes the addresses that it is reached at."
_WRONG_ORIGIN = "Pages of another origin may not use this Prefect server. ADPULSE_PREFECT_ORIGINS takes addresses that are its own."


class OwnOrigins:
    """Accepts a request when its ``Host`` names this server and its ``Origin``, if it has one, is a page of this server.

    This server's names are the hosts of ``origins``, the names of the loopback interface and the address at which the connection
    arrived, with any port, so tunnels work. Other names are refused because they may be rebound to this address (DNS rebinding).
    Clients that are not browsers send no ``Origin``.
    """

    def __init__(self, inner: ASGIApp, origins: Collection[str]) -> None:
        self._inner = inner
        self._origins = frozenset(origins)
        self._hosts = frozenset(host for origin in origins for host in _hosts(origin))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or refuse it: 421 for a foreign host, 403 for a foreign origin; a WebSocket before it is accepted."""
        refused = self._refusal(scope) if scope["type"] in ("http", "websocket") else None
        if refused is None:
            await self._inner(scope, receive, _protected(scope, send))
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
        else:
            await refused(scope, receive, send)

    def _refusal(self, scope: Scope) -> PlainTextResponse | None:
        headers = Headers(scope=scope)
        host = ",".join(headers.getlist("host")).lower()
        is_own_host = _is_own_address(host, scope)
        if not is_own_host and host not in self._hosts:
            return PlainTextResponse(_WRONG_HOST, HTTPStatus.MISDIRECTED_REQUEST)
        pages = self._origins | ({f"http://{host}"} if is_own_host else set())
        sent_origins = headers.getlist("origin")
        is_own_page = set(sent_origins) <= pages if sent_origins else not _is_embedded_elsewhere(scope, headers)
        return None if is_own_page else PlainTextResponse(_WRONG_ORIGIN, HTTPStatus.FORBIDDEN)


def own_origins(host: str, port: int, *urls: str | None) -> list[str]:
    """The origins of a server on this host and port, on loopback, and at these URLs; an argument may have several, comma-separated."""
    names = dict.fromkeys((*LOOPBACK_HOSTS, host))
    parts = [url for text in urls if text for url in text.split(",")]
    return [*(f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in names), *map(origin_of, parts)]


def _hosts(origin: str) -> set[str]:
    """Values of ``Host`` for an origin: proxies send the scheme's default port, browsers leave it out."""
    parts = urlsplit(origin)
    return {parts.netloc} if parts.port else {parts.netloc, f"{parts.netloc}:{SCHEME_PORTS[parts.scheme]}"}


def _is_own_address(host: str, scope: Scope) -> bool:
    """Whether ``Host`` is a name of the loopback interface, or the address at which the connection arrived."""
    match = _HOST.fullmatch(host)
    return match is not None and (match["ipv6"] or match["name"]) in (*LOOPBACK_HOSTS, (scope.get("server") or ("",))[0])


def _is_embedded_elsewhere(scope: Scope, headers: Headers) -> bool:
    """Whether a page of another origin embeds this resource, according to ``Sec-Fetch-*``. Following a link is not embedding."""
    link = scope.get("method") == "GET" and headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return headers.get("sec-fetch-site") in _FOREIGN_SITES and not link


def _protected(scope: Scope, send: Send) -> Send:
    """Replace Prefect's ``Access-Control-Allow-Origin: *`` with the requesting origin, and forbid other pages to frame the answer."""
    origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None

    async def protected(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.setdefault("X-Frame-Options", "SAMEORIGIN")
            if headers.get("access-control-allow-origin") == "*":
                del headers["access-control-allow-origin"]
                if origin:
                    headers["access-control-allow-origin"] = origin
                    headers.add_vary_header("Origin")
        await send(message)

    return protected
