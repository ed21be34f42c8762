"""Connecting in the browser: consent at the platform, or a pasted or uploaded credential; then a choice of accounts."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.responses import RedirectResponse, Response
from pydantic import SecretStr

from adpulse.api import places
from adpulse.api.access import Caller, Editor
from adpulse.api.background import dispatch_later
from adpulse.api.connecting import LONGEST_SECRET, AccountOut, bind_to_browser, grant_out
from adpulse.api.fields import ProviderName
from adpulse.api.pages.row import choices
from adpulse.api.pages.site import ROOT, page
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
def show_ways(caller: Editor, connection: Annotated[str, Query(max_length=255)] = "") -> Response:
    """The ways to connect; with ``connection`` to give that one a fresh credential."""
    existing = caller.connection(connection).connection if connection else None
    return page("connect.html", caller, workspaces=caller.workspaces(), providers=list(PLATFORMS), connection=existing)


@router.post("/connect/consent")
def consent(
    request: Request,
    caller: Editor,
    provider: Annotated[ProviderName, Form()],
    workspace: WorkspaceChoice = "",
    connection: WorkspaceChoice = "",
) -> Response:
    """A page with the link to the platform: the content security policy forbids forms that lead to another site."""
    existing, owner = _target(caller, workspace, connection)
    invitation = authorising.begin_authorisation(
        caller.app, owner.id, provider, reached_at=str(request.url.replace(path="/", query="")), begun_by=caller.id, connection=existing
    )
    answer = page("consent.html", caller, provider=provider, url=invitation.url, ends=invitation.authorization.expires_at)
    bind_to_browser(caller.app.settings.public_url, answer, invitation)
    return answer


@router.post("/connect/secret")
@places.OUTSIDE
def submit_secret(
    caller: Editor,
    provider: Annotated[ProviderName, Form()],
    file: Annotated[UploadFile | str, File()] = "",  # a browser sends an empty text when no file was chosen
    secret: Annotated[str, Form(max_length=LONGEST_SECRET)] = "",
    workspace: WorkspaceChoice = "",
    connection: WorkspaceChoice = "",
) -> Response:
    """Discover the accounts of a pasted or uploaded credential."""
    existing, owner = _target(caller, workspace, connection)
    uploaded = b"" if isinstance(file, str) else file.file.read(LONGEST_SECRET)
    text = secret.strip() or uploaded.decode(errors="replace").strip()
    if not text:
        raise Usage("Paste a token, or choose a file.")
    grant = authorising.grant_of(caller.app, owner.id, existing.provider if existing else provider, SecretStr(text))
    if existing:
        authorising.reconnect(caller.app, existing, grant, dispatcher=dispatch_later)
        return RedirectResponse(f"{ROOT}/connections/{existing.id}", HTTPStatus.SEE_OTHER)
    return RedirectResponse(grant_page(grant), HTTPStatus.SEE_OTHER)


@router.get("/connect/{workspace_id}/{grant_id}")
def choose(caller: Editor, workspace_id: str, grant_id: str) -> Response:
    """The accounts that a grant reaches."""
    owner = caller.workspace(workspace_id)
    grant = caller.app.grants.get(grant_id, owner.id)
    existing = caller.connection(grant.connection_id, owner.id).connection if grant.connection_id else None
    offered = choices(Frequency.MANUAL, realtime_granted=owner.realtime_granted)
    details = grant_out(caller.app.connections, grant)
    names = {account.external_id: account.name.casefold() for account in details.accounts}

    def sort_key(account: AccountOut) -> tuple[str, bool, str]:
        """Sorts clients after the manager that reaches them."""
        return names.get(account.manager_id or account.external_id, ""), account.manager_id is not None, account.name.casefold()

    accounts = sorted(details.accounts, key=sort_key)
    return page("choose.html", caller, grant=details, accounts=accounts, owner=owner, connection=existing, offered=offered)


@router.post("/connect/{workspace_id}/{grant_id}")
def connect(
    caller: Editor,
    workspace_id: str,
    grant_id: str,
    account: Annotated[list[str], Form()] = [],  # noqa: B006 - FastAPI copies it
    sync_frequency: Annotated[str, Form(max_length=64)] = Frequency.HOURLY.value,
) -> Response:
    """Connect the chosen accounts, or give the connection of the grant its fresh credential."""
    owner = caller.workspace(workspace_id)
    grant = caller.app.grants.get(grant_id, owner.id)
    if grant.connection_id:
        existing = caller.connection(grant.connection_id, owner.id).connection
        authorising.reconnect(caller.app, existing, grant, dispatcher=dispatch_later)
        return RedirectResponse(f"{ROOT}/connections/{existing.id}", HTTPStatus.SEE_OTHER)
    if not account:
        raise Usage("Choose an account.")
    authorising.connect(caller.app, grant, account, sync_frequency, dispatcher=dispatch_later)
    return RedirectResponse(f"{ROOT}/connections", HTTPStatus.SEE_OTHER)


def grant_page(grant: Grant) -> str:
    """The page where its accounts are chosen."""
    return f"{ROOT}/connect/{grant.workspace_id}/{grant.id}"


def _target(caller: Caller, workspace: str, connection: str) -> tuple[Connection | None, Workspace]:
    """The connection to reconnect, if there is one, and the workspace. Creates the first workspace of an installation."""
    if connection:
        existing = caller.connection(connection).connection
        return existing, caller.workspace(existing.workspace_id)
    workspaces = caller.workspaces()
    if not workspaces:
        caller.require(Role.OPERATOR)
        return None, caller.app.workspaces.create(workspace.strip() or "My workspace")
    return None, caller.workspace(workspace or workspaces[0].id)
