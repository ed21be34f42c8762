"""Who asks, and what they may see: every route depends on a :class:`Caller`, and every lookup goes through one."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from adpulse.api.problems import Refused
from adpulse.bootstrap import App, app
from adpulse.errors import UnknownConnection
from adpulse.role import Role
from storage.connections import ConnectionView
from storage.workspaces import Workspace

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key made with: adpulse keys create")
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
"""Headers that proxies add."""

_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.OPERATOR))}

Installation = Annotated[App, Depends(app)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who was let in. ``workspace_id`` is the one workspace they see, None for an operator, who sees all."""

    role: Role
    workspace_id: str | None
    app: App

    def connection(self, connection_id: str, workspace_id: str | None = None) -> ConnectionView:
        """A connection that the caller sees, of this workspace if one is given.

        Raises:
            UnknownConnection: there is none, or it is another workspace's, which is told the same.
        """
        found = self.app.connections.find(connection_id, self.workspace_id)
        if found is None or workspace_id not in (None, found.connection.workspace_id):
            raise UnknownConnection(f"There is no connection '{connection_id}'.")
        return found

    def workspace(self, workspace_id: str) -> Workspace:
        """A workspace that the caller sees.

        Raises:
            Refused: there is none, or it is another one than the caller's, which is told the same.
        """
        for found in self.app.workspaces.all():
            if found.id == workspace_id and self.workspace_id in (None, workspace_id):
                return found
        raise Refused(HTTPStatus.NOT_FOUND, f"There is no workspace '{workspace_id}'.")


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


def _caller(credentials: Credentials, installation: Installation) -> Caller:
    if credentials is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "Send an API key: Authorization: Bearer KEY. Make one with: adpulse keys create")
    key = installation.keys.authenticate(SecretStr(credentials.credentials))
    if key is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "The API key is unknown, revoked or expired. Make another with: adpulse keys create")
    return Caller(role=key.role, workspace_id=key.workspace_id, app=installation)


def _at_least(role: Role) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if _RANK[caller.role] < _RANK[role]:
            raise Refused(HTTPStatus.FORBIDDEN, f"This takes the role {role}; the API key has {caller.role}.")
        return caller

    return check


Viewer = Annotated[Caller, Depends(_at_least(Role.VIEWER))]
Editor = Annotated[Caller, Depends(_at_least(Role.EDITOR))]
Operator = Annotated[Caller, Depends(_at_least(Role.OPERATOR))]


def scraper(request: Request, credentials: Credentials, installation: Installation) -> App:
    """The installation, for whoever may read its metrics: operators, and this machine where a setting says so."""
    if not (installation.settings.metrics_on_loopback and _is_local(request)):
        _at_least(Role.OPERATOR)(_caller(credentials, installation))
    return installation


def _is_local(request: Request) -> bool:
    """Whether the request comes from this machine itself, and not through a proxy on it."""
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False
