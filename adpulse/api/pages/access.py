"""The API keys of a workspace; for operators also the workspaces and the operators' keys."""

from datetime import timedelta
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import RedirectResponse, Response

from adpulse.api.access import PRINTABLE, Caller, Editor, Operator
from adpulse.api.pages.site import ROOT, Name, back, page, workspace_of
from adpulse.role import Role
from adpulse.services import deleting

router = APIRouter()

Days = Annotated[int, Form(ge=0, le=3650)]
_SHOWN_ONCE = "Send it as: Authorization: Bearer KEY. It is shown only once; if it is lost, make another key and revoke this one."


@router.get("/access")
def overview(caller: Editor, workspace: Annotated[str, Query(max_length=255)] = "") -> Response:
    """A workspace's keys; an operator sees the operators' keys and every workspace, too."""
    owner, app = workspace_of(caller, workspace), caller.app
    return page(
        "access.html",
        caller,
        owner=owner,
        workspaces=caller.workspaces(),
        keys=app.keys.all(owner.id) if owner else [],
        operators=app.keys.operators() if caller.may(Role.OPERATOR) else [],
        now=app.wall.now(),
    )


@router.post("/workspaces/{workspace_id}/keys")
def create_key(caller: Editor, workspace_id: str, name: Name, role: Annotated[Role, Form()] = Role.VIEWER, days: Days = 0) -> Response:
    """Create a key of a workspace; only the answering page shows it. It expires after ``days``; 0: never."""
    return _new_key_page(caller, caller.workspace(workspace_id).id, name, role, days)


@router.post("/workspaces/{workspace_id}/keys/{key_id}/revoke")
def revoke(request: Request, caller: Editor, workspace_id: str, key_id: str) -> Response:
    """Revoke a key of a workspace; it is invalid at once."""
    owner = caller.workspace(workspace_id)
    caller.app.keys.revoke_of(owner.id, key_id)
    return back(request, f"/access?workspace={owner.id}")


@router.post("/keys")
def create_operator_key(caller: Operator, name: Name, days: Days = 0) -> Response:
    """Create a key of an operator."""
    return _new_key_page(caller, None, name, Role.OPERATOR, days)


@router.post("/keys/{key_id}/revoke")
def revoke_operators(request: Request, caller: Operator, key_id: str) -> Response:
    """Revoke a key of an operator; it is invalid at once."""
    caller.app.keys.revoke_of(None, key_id)
    return back(request, "/access")


@router.post("/workspaces")
def create_workspace(caller: Operator, name: Name) -> Response:
    """Create a workspace."""
    created = caller.app.workspaces.create(name)
    return RedirectResponse(f"{ROOT}/access?workspace={created.id}", HTTPStatus.SEE_OTHER)


@router.post("/workspaces/{workspace_id}/name")
def rename(request: Request, caller: Editor, workspace_id: str, name: Name) -> Response:
    """Give a workspace another name."""
    owner = caller.workspace(workspace_id)
    caller.app.workspaces.change(owner.id, name=name)
    return back(request, f"/access?workspace={owner.id}")


@router.post("/workspaces/{workspace_id}/currency")
def set_currency(
    request: Request, caller: Editor, workspace_id: str, currency: Annotated[str, Form(max_length=255, pattern=PRINTABLE)] = ""
) -> Response:
    """Set the reporting currency of a workspace; an empty field removes it."""
    owner = caller.workspace(workspace_id)
    caller.app.workspaces.set_reporting_currency(owner.id, currency.strip() or None)
    return back(request, f"/access?workspace={owner.id}")


@router.post("/workspaces/{workspace_id}/realtime")
def grant(request: Request, caller: Operator, workspace_id: str, granted: Annotated[bool, Form()]) -> Response:
    """Grant a workspace the realtime frequency, or revoke the grant."""
    owner = caller.workspace(workspace_id)
    caller.app.workspaces.change(owner.id, realtime_granted=granted)
    return back(request, f"/access?workspace={owner.id}")


@router.post("/workspaces/{workspace_id}/delete")
def delete(caller: Operator, workspace_id: str) -> Response:
    """Delete a workspace without connections."""
    deleting.delete_workspace(caller.app, caller.workspace(workspace_id).id)
    return RedirectResponse(f"{ROOT}/access", HTTPStatus.SEE_OTHER)


def _new_key_page(caller: Caller, workspace_id: str | None, name: str, role: Role, days: int) -> Response:
    expires_at = caller.app.wall.now() + timedelta(days=days) if days else None
    _, text = caller.app.keys.create(name, role, workspace_id, expires_at)
    place = f"{ROOT}/access?workspace={workspace_id}" if workspace_id else f"{ROOT}/access"
    return page("secret.html", caller, HTTPStatus.CREATED, title=f"The key of {name}", secret=text, hint=_SHOWN_ONCE, on=place)
