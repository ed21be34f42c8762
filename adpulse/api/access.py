"""Who asks, and what they may see: every route depends on a :class:`Caller`, and every lookup goes through one."""

from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import SecretStr

from adpulse.api.problems import Refused
from adpulse.bootstrap import App, app
from adpulse.errors import UnknownConnection
from adpulse.role import Role
from storage.connections import ConnectionView
from storage.workspaces import Workspace

_bearer = HTTPBearer(auto_error=False, scheme_name="API key", description="A key made with: adpulse keys create")
_RANK = {role: rank for rank, role in enumerate((Role.VIEWER, Role.EDITOR, Role.OPERATOR))}

Installation = Annotated[App, Depends(app)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody who was let in. ``workspace_id`` is the one workspace they see, None for an operator, who sees all."""

    id: str
    """Of their key."""
    role: Role
    workspace_id: str | None
    app: App

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


def _caller(credentials: Presented, installation: Installation) -> Caller:
    if credentials is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "Send an API key: Authorization: Bearer KEY. Make one with: adpulse keys create")
    key = installation.keys.authenticate(SecretStr(credentials.credentials))
    if key is None:
        raise Refused(HTTPStatus.UNAUTHORIZED, "The API key is unknown, revoked or expired. Make another with: adpulse keys create")
    return Caller(id=key.id, role=key.role, workspace_id=key.workspace_id, app=installation)


def _anybody(credentials: Presented, installation: Installation) -> Caller | None:
    return None if credentials is None else _caller(credentials, installation)


def _at_least(role: Role) -> Callable[[Caller], Caller]:
    def check(caller: Annotated[Caller, Depends(_caller)]) -> Caller:
        if _RANK[caller.role] < _RANK[role]:
            raise Refused(HTTPStatus.FORBIDDEN, f"This takes the role {role}; the API key has {caller.role}.")
        return caller

    return check


MaybeCaller = Annotated[Caller | None, Depends(_anybody)]
"""Whoever it is; a key that is sent must be valid all the same."""

Viewer = Annotated[Caller, Depends(_at_least(Role.VIEWER))]
Editor = Annotated[Caller, Depends(_at_least(Role.EDITOR))]
