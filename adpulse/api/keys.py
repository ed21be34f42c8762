"""API keys. Editors manage the keys of their workspace, operators also the operators' keys."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import Path, Response
from pydantic import BaseModel, Field, StrictInt

from adpulse.api import routing
from adpulse.api.access import Caller, Editor, Operator
from adpulse.api.fields import EXAMPLE_ID, ID, At, Body, Line, Ref, WorkspaceId
from adpulse.api.problems import CHANGES, CLOSED, READS, answers
from adpulse.role import Role
from storage.control.keys import ApiKey

_LONGEST_DAYS = 3650

router = routing.router("keys", responses=CLOSED | answers(HTTPStatus.FORBIDDEN))

KeyId = Annotated[str, Path(**ID, examples=[EXAMPLE_ID])]


class OperatorKeyIn(Body):
    """A new key. Without ``days`` it never expires."""

    name: Line = Field(examples=["our dashboard"], description="Who or what uses it.")
    days: StrictInt | None = Field(None, ge=1, le=_LONGEST_DAYS, examples=[365])


class KeyIn(OperatorKeyIn):
    """A viewer may read, an editor may also change."""

    role: Literal[Role.VIEWER, Role.EDITOR] = Field(Role.VIEWER, examples=["viewer"])


class KeyOut(BaseModel):
    """A key by its prefix; its text is not stored. Instants are real time, UTC."""

    id: Ref
    prefix: str = Field(examples=["adp_0f3c9a1e"])
    name: str = Field(examples=["our dashboard"])
    role: Role
    created_at: At
    expires_at: At | None
    revoked_at: At | None


class KeyMade(KeyOut):
    """The new key with its text, which is shown only once."""

    key: str = Field(examples=["adp_0f3c9a1e_(43 characters)"])


@router.get("/workspaces/{workspace_id}/keys", summary="List a workspace's keys", responses=READS)
def list_keys(caller: Editor, workspace_id: WorkspaceId) -> list[KeyOut]:
    """Newest first, revoked ones too."""
    return [_key_out(key) for key in caller.app.keys.all(caller.workspace(workspace_id).id)]


@router.post(
    "/workspaces/{workspace_id}/keys",
    status_code=HTTPStatus.CREATED,
    summary="Create a key of a workspace",
    responses=CHANGES,
)
def create_key(caller: Editor, workspace_id: WorkspaceId, body: KeyIn) -> KeyMade:
    """Only this answer contains its text."""
    return _make(caller, body, body.role, caller.workspace(workspace_id).id)


@router.delete(
    "/workspaces/{workspace_id}/keys/{key_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    summary="Revoke a key of a workspace",
    responses=READS,
)
def revoke_key(caller: Editor, workspace_id: WorkspaceId, key_id: KeyId) -> None:
    """It is invalid at once; revoking it again changes nothing."""
    caller.app.keys.revoke_of(caller.workspace(workspace_id).id, key_id)


@router.get("/keys", summary="List the operators' keys")
def list_operator_keys(caller: Operator) -> list[KeyOut]:
    """Newest first, revoked ones too."""
    return [_key_out(key) for key in caller.app.keys.operators()]


@router.post("/keys", status_code=HTTPStatus.CREATED, summary="Create a key of an operator", responses=answers(HTTPStatus.BAD_REQUEST))
def create_operator_key(caller: Operator, body: OperatorKeyIn) -> KeyMade:
    """It reaches every workspace. Only this answer contains its text."""
    return _make(caller, body, Role.OPERATOR, None)


@router.delete(
    "/keys/{key_id}", status_code=HTTPStatus.NO_CONTENT, response_class=Response, summary="Revoke a key of an operator", responses=READS
)
def revoke_operator_key(caller: Operator, key_id: KeyId) -> None:
    """It is invalid at once, also the key of this request; revoking it again changes nothing."""
    caller.app.keys.revoke_of(None, key_id)


def _make(caller: Caller, body: OperatorKeyIn, role: Role, workspace_id: str | None) -> KeyMade:
    expires_at = caller.app.wall.now() + timedelta(days=body.days) if body.days else None
    created, text = caller.app.keys.create(body.name, role, workspace_id, expires_at)
    return KeyMade(**_key_out(created).model_dump(), key=text.get_secret_value())


def _key_out(key: ApiKey) -> KeyOut:
    return KeyOut(**{name: getattr(key, name) for name in KeyOut.model_fields})
