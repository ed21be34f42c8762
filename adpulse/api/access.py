"""Who asks, and what they may see: every route depends on a :class:`Caller`, and every lookup goes through one.

A program shows an API key, a browser the cookie of its session. The cookie is sent by the browser itself, whoever made the page,
so with it only pages of our own may change anything.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Security
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from adpulse.api.problems import Refused
from adpulse.bootstrap import App, app
from adpulse.errors import UnknownConnection
from adpulse.role import Role
from adpulse.settings import LOOPBACK_HOSTS
from storage.control.connections import ConnectionView
from storage.control.workspaces import Workspace

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key made with: adpulse keys create")
COOKIE = "adpulse_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that proxies add."""

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.OPERATOR))}

PRINTABLE = r"^[^\x00]*$"
"""PostgreSQL keeps no text with a NUL."""


async def _installation() -> App:
    return app()  # made when the process began, so it takes no thread


Installation = Annotated[App, Depends(_installation)]


class LoggedOut(Refused):
    """Nobody is logged in, or not any more."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.UNAUTHORIZED, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who was let in. ``workspace_id`` is the one workspace they see, None for an operator, who sees all."""

    id: str
    """Of their key, or of their browser's session."""
    role: Role
    workspace_id: str | None
    app: App

    def may(self, role: Role) -> bool:
        """Whether the caller's role reaches this one."""
        return _RANK[self.role] >= _RANK[role]

    def require(self, role: Role, what: str = "This") -> None:
        """Raise Refused (403) unless it does; ``what`` takes that role."""
        if not self.may(role):
            raise Refused(HTTPStatus.FORBIDDEN, f"{what} takes the role {role}; yours is {self.role}.")

    def workspaces(self) -> list[Workspace]:
        """Those that the caller sees, by name."""
        return [each for each in self.app.workspaces.all() if self.workspace_id in (None, each.id)]

    def workspace(self, workspace_id: str) -> Workspace:
        """A workspace that the caller sees.

        Raises:
            Refused: there is none, or they do not see it, which is told the same.
        """
        found = self.app.workspaces.find(workspace_id) if self.workspace_id in (None, workspace_id) else None
        if found is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no workspace '{workspace_id}'.")
        return found

    def connection(self, connection_id: str, workspace_id: str | None = None) -> ConnectionView:
        """A connection that the caller sees, of this workspace if one is given.

        Raises:
            UnknownConnection: there is none, or it is another workspace's, which is told the same.
        """
        found = self.app.connections.find(connection_id, self.workspace_id)
        if found is None or workspace_id not in (None, found.connection.workspace_id):
            raise UnknownConnection(f"There is no connection '{connection_id}'.")
        return found


Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def caller_of(request: Request, credentials: Presented, installation: Installation) -> Caller:
    """Whoever the key, or else the session's cookie, says.

    Raises:
        Refused: 401 without a valid one, 403 for a change that a page of another origin asks for.
    """
    if credentials is not None:
        shown = SecretStr(credentials.credentials)
        key = installation.keys.remembered(shown) or await run_in_threadpool(installation.keys.authenticate, shown)
        if key is None:
            raise LoggedOut("The API key is unknown, revoked or expired. Make another with: adpulse keys create")
        return Caller(id=key.id, role=key.role, workspace_id=key.workspace_id, app=installation)
    text = request.cookies.get(COOKIE)
    if text is None:
        raise LoggedOut("Send an API key: Authorization: Bearer KEY. Make one with: adpulse keys create")
    session = await run_in_threadpool(installation.sessions.authenticate, SecretStr(text))
    if session is None:
        raise LoggedOut("The session has ended. Log in again.")
    require_same_origin(request)
    return Caller(id=session.id, role=session.role, workspace_id=session.workspace_id, app=installation)


def require_same_origin(request: Request) -> None:
    """Refuse a change that another site's page asks this browser for.

    Browsers say where a request comes from, and no script can change it: ``Sec-Fetch-Site``, or in older ones ``Origin``.

    Raises:
        Refused: 403.
    """
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    ours = site == "same-origin" if site else origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    if not ours:
        raise Refused(HTTPStatus.FORBIDDEN, "Only pages of this installation may do that with a browser's session.")


async def _anybody(request: Request, credentials: Presented, installation: Installation) -> Caller | None:
    return None if credentials is None else await caller_of(request, credentials, installation)


def _at_least(role: Role) -> Callable[[Caller], Awaitable[Caller]]:
    async def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        caller.require(role)
        return caller

    return check


MaybeCaller = Annotated[Caller | None, Depends(_anybody)]
"""Whoever it is; a key that is sent must be valid all the same."""

Viewer = Annotated[Caller, Security(_at_least(Role.VIEWER), scopes=[Role.VIEWER])]
Editor = Annotated[Caller, Security(_at_least(Role.EDITOR), scopes=[Role.EDITOR])]
Operator = Annotated[Caller, Security(_at_least(Role.OPERATOR), scopes=[Role.OPERATOR])]
"""Callers of at least this role. The scope changes no check: it is how the OpenAPI document says which role a route takes."""


async def scraper(request: Request, credentials: Presented, installation: Installation) -> App:
    """The installation, for whoever may read its metrics: operators, and this machine where a setting says so."""
    if not (installation.settings.metrics_on_loopback and _is_local(request)):
        (await caller_of(request, credentials, installation)).require(Role.OPERATOR)
    return installation


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine itself, and not through a proxy on it.

    Nor from a page whose own name was rebound to this machine (DNS rebinding): its browser names that name as the host.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        return host in LOOPBACK_HOSTS and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
