"""Connecting in the browser: consent at the platform, or a pasted or uploaded credential; then a choice of accounts."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr

from adpulse.api import places
from adpulse.api.access import Caller, Editor
from adpulse.api.connecting import LONGEST_SECRET, AccountOut, bind, grant_out
from adpulse.api.fields import ProviderName
from adpulse.api.pages.row import choices
from adpulse.api.pages.site import ROOT, page
from adpulse.api.soon import ask_prefect
from adpulse.errors import Usage
from adpulse.frequency import Frequency
from adpulse.model import Connection
from adpulse.platforms.registry import PLATFORMS
from adpulse.role import Role
from adpulse.services import authorising
from storage.control.grants import Grant
from storage.control.workspaces import Workspace

router = APIRouter()

WorkspaceChoice = Annotated[str, Form(max_length=255)]


@router.get("/connect")
def ways(caller: Editor, connection: Annotated[str, Query(max_length=255)] = "") -> Response:
    """The ways to connect; with ``connection`` to give that one a fresh credential."""
    known = caller.connection(connection).connection if connection else None
    return page("connect.html", caller, workspaces=caller.workspaces(), providers=list(PLATFORMS), connection=known)


@router.post("/connect/consent")
def consent(
    request: Request,
    caller: Editor,
    provider: Annotated[ProviderName, Form()],
    workspace: WorkspaceChoice = "",
    connection: WorkspaceChoice = "",
) -> Response:
    """The way to the platform, as a link: a form may not lead away from here."""
    known, owner = _place(caller, workspace, connection)
    invitation = authorising.begin_authorisation(
        caller.app, owner.id, provider, reached_at=str(request.url.replace(path="/", query="")), begun_by=caller.id, connection=known
    )
    answer = page("consent.html", caller, provider=provider, url=invitation.url, ends=invitation.begun.expires_at)
    bind(caller.app, answer, invitation)
    return answer


@router.post("/connect/secret")
@places.OUTSIDE
def give(
    caller: Editor,
    provider: Annotated[ProviderName, Form()],
    file: Annotated[UploadFile | str, File()] = "",  # a browser sends an empty text when no file was chosen
    secret: Annotated[str, Form(max_length=LONGEST_SECRET)] = "",
    workspace: WorkspaceChoice = "",
    connection: WorkspaceChoice = "",
) -> Response:
    """Look what a pasted or uploaded credential reaches."""
    known, owner = _place(caller, workspace, connection)
    uploaded = b"" if isinstance(file, str) else file.file.read(LONGEST_SECRET)
    text = secret.strip() or uploaded.decode(errors="replace").strip()
    if not text:
        raise Usage("Paste a token, or choose a file.")
    grant = authorising.grant_of(caller.app, owner.id, known.provider if known else provider, SecretStr(text))
    if known:
        authorising.reconnect(caller.app, known, grant, ask=ask_prefect)
        return RedirectResponse(f"{ROOT}/connections/{known.id}", HTTPStatus.SEE_OTHER)
    return RedirectResponse(place_of_grant(grant), HTTPStatus.SEE_OTHER)


@router.get("/connect/{workspace_id}/{grant_id}")
def choose(caller: Editor, workspace_id: str, grant_id: str) -> Response:
    """The accounts that a grant reaches."""
    owner = caller.workspace(workspace_id)
    grant = caller.app.grants.get(grant_id, owner.id)
    known = caller.connection(grant.connection_id, owner.id).connection if grant.connection_id else None
    offered = choices(Frequency.MANUAL, realtime_granted=owner.realtime_granted)
    told = grant_out(caller.app, grant)
    names = {each.external_id: each.name.casefold() for each in told.accounts}

    def place(each: AccountOut) -> tuple[str, bool, str]:
        """Clients follow the manager that they are reached through."""
        return names.get(each.manager_id or each.external_id, ""), each.manager_id is not None, each.name.casefold()

    accounts = sorted(told.accounts, key=place)
    return page("choose.html", caller, grant=told, accounts=accounts, owner=owner, connection=known, offered=offered)


@router.post("/connect/{workspace_id}/{grant_id}")
def connect(
    caller: Editor,
    workspace_id: str,
    grant_id: str,
    account: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    sync_frequency: Annotated[str, Form(max_length=64)] = Frequency.HOURLY.value,
) -> Response:
    """Connect the accounts that were chosen, or give the connection it was asked for its fresh credential."""
    owner = caller.workspace(workspace_id)
    grant = caller.app.grants.get(grant_id, owner.id)
    if grant.connection_id:
        known = caller.connection(grant.connection_id, owner.id).connection
        authorising.reconnect(caller.app, known, grant, ask=ask_prefect)
        return RedirectResponse(f"{ROOT}/connections/{known.id}", HTTPStatus.SEE_OTHER)
    if not account:
        raise Usage("Choose an account.")
    authorising.connect(caller.app, grant, account, sync_frequency, ask=ask_prefect)
    return RedirectResponse(f"{ROOT}/connections", HTTPStatus.SEE_OTHER)


def place_of_grant(grant: Grant) -> str:
    """The page where its accounts are chosen."""
    return f"{ROOT}/connect/{grant.workspace_id}/{grant.id}"


def _place(caller: Caller, workspace: str, connection: str) -> tuple[Connection | None, Workspace]:
    """The connection, if it is for one, and the workspace. The first workspace of an installation is made here."""
    if connection:
        known = caller.connection(connection).connection
        return known, caller.workspace(known.workspace_id)
    found = caller.workspaces()
    if not found:
        caller.require(Role.OPERATOR)
        return None, caller.app.workspaces.create(workspace.strip() or "My workspace")
    return None, caller.workspace(workspace or found[0].id)
