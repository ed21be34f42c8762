"""Authentication and access: every route depends on a :class:`Caller`, and every lookup goes through one.

A program sends an API key, a browser the cookie of its session. Browsers send the cookie for any page's requests, so with it only
pages of this installation may change anything.
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
from adpulse.errors import NotFound, UnknownConnection
from adpulse.role import Role
from adpulse.settings import LOOPBACK_HOSTS
from storage.control.alerts import Alert
from storage.control.connections import ConnectionView
from storage.control.webhooks import Webhook
from storage.control.workspaces import Workspace

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key made with: adpulse keys create")
COOKIE = "adpulse_session"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that proxies add."""

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.OPERATOR))}

PRINTABLE = r"^[^\x00]*$"
"""PostgreSQL stores no text with a NUL."""


async def _installation() -> App:
    return app()  # cached since the process started, so it needs no thread


Installation = Annotated[App, Depends(_installation)]


class LoggedOut(Refused):
    """The request has no valid key or session."""

    def __init__(self, detail: str) -> None:
        super().__init__(HTTPStatus.UNAUTHORIZED, detail)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """An authenticated caller. ``workspace_id`` is the one workspace they see, None for an operator, who sees all."""

    id: str
    """The id of the key, or of the browser's session."""
    role: Role
    workspace_id: str | None
    app: App

    def may(self, role: Role) -> bool:
        """Whether the caller's role reaches this one."""
        return _RANK[self.role] >= _RANK[role]

    def require(self, role: Role, action: str = "This") -> None:
        """Raise Refused (403) unless the caller has this role; the message says that ``action`` requires it."""
        if not self.may(role):
            raise Refused(HTTPStatus.FORBIDDEN, f"{action} requires the role {role}; yours is {self.role}.")

    def workspaces(self) -> list[Workspace]:
        """The workspaces that the caller sees, by name."""
        return [workspace for workspace in self.app.workspaces.all() if self.workspace_id in (None, workspace.id)]

    def workspace(self, workspace_id: str) -> Workspace:
        """A workspace that the caller sees.

        Raises:
            Refused (404): there is no such workspace, or the caller may not see it; the answer is the same.
        """
        workspace = self.app.workspaces.find(workspace_id) if self.workspace_id in (None, workspace_id) else None
        if workspace is None:
            raise Refused(HTTPStatus.NOT_FOUND, f"There is no workspace '{workspace_id}'.")
        return workspace

    def connection(self, connection_id: str, workspace_id: str | None = None) -> ConnectionView:
        """A connection that the caller sees, of this workspace if one is given.

        Raises:
            UnknownConnection: there is no such connection, or it is another workspace's; the answer is the same.
        """
        view = self.app.connections.find(connection_id, self.workspace_id)
        if view is None or workspace_id not in (None, view.connection.workspace_id):
            raise UnknownConnection(f"There is no connection '{connection_id}'.")
        return view

    def webhook(self, workspace_id: str, webhook_id: str) -> Webhook:
        """A webhook of a workspace that the caller sees.

        Raises:
            Refused (404), NotFound: there is no such workspace or webhook, or the caller may not see it; the answer is the same.
        """
        webhook = self.app.webhooks.find(webhook_id, self.workspace(workspace_id).id)
        if webhook is None:
            raise NotFound(f"There is no webhook '{webhook_id}'.")
        return webhook

    def alert(self, workspace_id: str, alert_id: str) -> Alert:
        """An alert of a workspace that the caller sees.

        Raises:
            Refused (404), NotFound: there is no such workspace or alert, or the caller may not see it; the answer is the same.
        """
        alert = self.app.alerts.find(alert_id, self.workspace(workspace_id).id)
        if alert is None:
            raise NotFound(f"There is no alert '{alert_id}'.")
        return alert


Presented = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def caller_of(request: Request, credentials: Presented, installation: Installation) -> Caller:
    """The caller that the key identifies, or else the session's cookie.

    Raises:
        Refused: 401 without a valid key or session, 403 for a change that a page of another origin requests.
    """
    if credentials is not None:
        secret = SecretStr(credentials.credentials)
        key = installation.keys.remembered(secret) or await run_in_threadpool(installation.keys.authenticate, secret)
        if key is None:
            raise LoggedOut("The API key is unknown, revoked or expired. Make another with: adpulse keys create")
        return Caller(id=key.id, role=key.role, workspace_id=key.workspace_id, app=installation)
    cookie = request.cookies.get(COOKIE)
    if cookie is None:
        raise LoggedOut("Send an API key: Authorization: Bearer KEY. Make one with: adpulse keys create")
    session = await run_in_threadpool(installation.sessions.authenticate, SecretStr(cookie))
    if session is None:
        raise LoggedOut("The session has ended. Log in again.")
    require_same_origin(request)
    return Caller(id=session.id, role=session.role, workspace_id=session.workspace_id, app=installation)


def require_same_origin(request: Request) -> None:
    """Refuse a change that another site's page requests through the browser.

    Browsers say where a request comes from, and no script can change it: ``Sec-Fetch-Site``, or in older ones ``Origin``.

    Raises:
        Refused: 403.
    """
    if request.method in _SAFE:
        return
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_own_page = site == "same-origin" if site else origin is not None and urlsplit(origin).netloc == request.headers.get("host")
    if not is_own_page:
        raise Refused(HTTPStatus.FORBIDDEN, "Only pages of this installation may do that with a browser's session.")


async def _anybody(request: Request, credentials: Presented, installation: Installation) -> Caller | None:
    return None if credentials is None else await caller_of(request, credentials, installation)


def _at_least(role: Role) -> Callable[[Caller], Awaitable[Caller]]:
    async def check(caller: Annotated[Caller, Depends(caller_of)]) -> Caller:
        caller.require(role)
        return caller

    return check


MaybeCaller = Annotated[Caller | None, Depends(_anybody)]
"""The caller, or None without a key. A key that is sent must be valid."""

Viewer = Annotated[Caller, Security(_at_least(Role.VIEWER), scopes=[Role.VIEWER])]
Editor = Annotated[Caller, Security(_at_least(Role.EDITOR), scopes=[Role.EDITOR])]
Operator = Annotated[Caller, Security(_at_least(Role.OPERATOR), scopes=[Role.OPERATOR])]
"""Callers of at least this role. The scope changes no check: the OpenAPI document shows it as the role that a route requires."""


async def scraper(request: Request, credentials: Presented, installation: Installation) -> App:
    """The installation, for callers that may read its metrics: operators, and this machine where a setting allows it."""
    if not (installation.settings.metrics_on_loopback and _is_local(request)):
        (await caller_of(request, credentials, installation)).require(Role.OPERATOR)
    return installation


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine itself, and not through a proxy on it.

    A page whose own name was rebound to this machine (DNS rebinding) does not count: its browser sends that name as the host.
    """
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname
        return host in LOOPBACK_HOSTS and ip_address(request.client.host).is_loopback
    except ValueError:
        return False
