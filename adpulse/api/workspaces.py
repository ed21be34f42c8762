"""Workspaces: teams with a warehouse file each. Viewers and editors see their own; operators see, create and delete all."""

from http import HTTPStatus

from fastapi import Response
from pydantic import BaseModel, Field, StrictBool

from adpulse.api import routing
from adpulse.api.access import Editor, Operator, Viewer
from adpulse.api.fields import Body, Line, WorkspaceId, WorkspaceRef
from adpulse.api.problems import CHANGES, CLOSED, READS, answers
from adpulse.errors import Usage
from adpulse.role import Role
from adpulse.services import deleting
from storage.control.workspaces import Workspace

router = routing.router("workspaces", responses=CLOSED)


class WorkspaceOut(BaseModel):
    """A workspace. Only with ``realtime_granted`` its connections may choose the frequency ``realtime``."""

    id: WorkspaceRef
    name: str = Field(examples=["Acme"])
    realtime_granted: bool
    reporting_currency: str | None = Field(examples=["EUR"], description="In which `/today/total` is; null for none.")


class WorkspaceIn(Body):
    """A new workspace."""

    name: Line = Field(examples=["Acme"])


class WorkspaceChange(Body):
    """Fields that are left out stay as they are. ``realtime_granted`` requires the role operator."""

    name: Line | None = Field(None, examples=["Acme Group"])
    realtime_granted: StrictBool | None = Field(None, examples=[True])
    reporting_currency: str | None = Field(None, examples=["EUR"], pattern="^[A-Z]{3}$", description="Null removes it.")


@router.get("/workspaces", summary="List workspaces")
def list_workspaces(caller: Viewer) -> list[WorkspaceOut]:
    """The workspaces that the key may see, by name."""
    return [_workspace_out(workspace) for workspace in caller.workspaces()]


@router.post(
    "/workspaces",
    status_code=HTTPStatus.CREATED,
    summary="Create a workspace",
    responses=answers(HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT),
)
def create_workspace(caller: Operator, body: WorkspaceIn) -> WorkspaceOut:
    """Its first sync creates its warehouse file."""
    return _workspace_out(caller.app.workspaces.create(body.name))


@router.get("/workspaces/{workspace_id}", summary="Read a workspace", responses=READS)
def read_workspace(caller: Viewer, workspace_id: WorkspaceId) -> WorkspaceOut:
    """Its name, its reporting currency and its grant of realtime."""
    return _workspace_out(caller.workspace(workspace_id))


@router.patch(
    "/workspaces/{workspace_id}",
    summary="Rename a workspace, set its reporting currency, grant it realtime",
    responses=CHANGES | answers(HTTPStatus.CONFLICT),
)
def change_workspace(caller: Editor, workspace_id: WorkspaceId, body: WorkspaceChange) -> WorkspaceOut:
    """When the grant is revoked, connections keep the realtime frequency until it is changed."""
    workspace = caller.workspace(workspace_id)
    if body.name is None and body.realtime_granted is None and "reporting_currency" not in body.model_fields_set:
        raise Usage("Say what to change: name, reporting_currency or realtime_granted.")
    if body.realtime_granted is not None:
        caller.require(Role.OPERATOR, "Granting realtime")
    changed = caller.app.workspaces.change(workspace.id, name=body.name, realtime_granted=body.realtime_granted)
    if "reporting_currency" in body.model_fields_set:
        changed = caller.app.workspaces.set_reporting_currency(workspace.id, body.reporting_currency)
    return _workspace_out(changed)


@router.delete(
    "/workspaces/{workspace_id}",
    status_code=HTTPStatus.NO_CONTENT,
    response_class=Response,
    summary="Delete an empty workspace",
    responses=answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
def delete_workspace(caller: Operator, workspace_id: WorkspaceId) -> None:
    """Its keys are deleted too. A workspace with connections cannot be deleted: delete these first."""
    deleting.delete_workspace(caller.app, caller.workspace(workspace_id).id)


def _workspace_out(workspace: Workspace) -> WorkspaceOut:
    return WorkspaceOut(
        id=workspace.id,
        name=workspace.name,
        realtime_granted=workspace.realtime_granted,
        reporting_currency=workspace.reporting_currency,
    )
