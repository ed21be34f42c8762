"""Connecting accounts: consent in the browser, a pasted token or uploaded credentials, then a choice of accounts.

Routes that call a platform wait for it in threads of their own (``adpulse/api/places.py``), so they delay no other route.
The first syncs are only queued; no request waits for them.
"""

from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import Path, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, SecretStr, model_validator

from adpulse.api import places, routing
from adpulse.api.access import Caller, Editor, Installation, MaybeCaller
from adpulse.api.background import dispatch_later
from adpulse.api.connection_models import ConnectionOut
from adpulse.api.connections import connection_answers
from adpulse.api.fields import ID, At, Body, ConnectionId, Id, Name, ProviderName, Ref, WorkspaceId, WorkspaceRef
from adpulse.api.jobs import Accepted, accepted
from adpulse.api.problems import CLOSED, answers
from adpulse.bootstrap import App
from adpulse.crypto import digest
from adpulse.services import authorising, changing
from adpulse.services.authorising import CallbackParameters, Invitation
from storage.control import authorizations
from storage.control.connections import Connections, ConnectionView
from storage.control.grants import Grant

_ASKS_A_PLATFORM = answers(
    HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE
)
CALLBACK = authorising.CALLBACK
LONGEST_SECRET = 20_000
_LONGEST_STATE, _LONGEST_CODE = 200, 4_000
_COOKIE = "adpulse_authorization"

router = routing.router("connecting", responses=CLOSED | answers(HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND))
callback = routing.router("connecting")

Secret = Annotated[
    SecretStr,
    Field(
        min_length=1, max_length=LONGEST_SECRET, examples=["EAAB…"], description="An access token, a refresh token, or credentials as JSON."
    ),
]
GrantId = Annotated[str, Path(**ID)]


class SecretIn(Body):
    """A pasted or uploaded credential: a System User's token, a refresh token, or the JSON of a service account or authorised user."""

    provider: ProviderName
    secret: Secret


class AccountOut(BaseModel):
    """An account that a credential reaches. A manager has no numbers of its own: connect its clients."""

    external_id: str = Field(examples=["1270000000007919"])
    name: Name
    currency: str = Field(examples=["USD"])
    timezone: str = Field(examples=["America/New_York"])
    status: str = Field(examples=["ACTIVE"])
    can_be_synced: bool
    manager: bool
    manager_id: str | None = Field(examples=["4711000001"], description="The Google manager that it is reached through.")
    connected: bool = Field(description="Whether this workspace has connected it already.")


class GrantOut(BaseModel):
    """A credential that waits to be connected; it is used once, and forgotten at ``expires_at``."""

    grant_id: Ref
    workspace_id: WorkspaceRef
    provider: ProviderName
    connection_id: Ref | None = Field(description="The connection that is to be reconnected, if there is one.")
    expires_at: At
    credential_expires_at: At | None = Field(description="When the credential itself ends, if that is known.")
    accounts: list[AccountOut]


class AuthorizationIn(Body):
    """The platform; ``connection_id`` names a connection that needs a fresh credential."""

    provider: ProviderName
    connection_id: Id | None = None


class AuthorizationOut(BaseModel):
    """Open ``authorize_url`` in the browser that got this answer: only there (by its cookie) or with the same key it can be finished."""

    authorize_url: str = Field(examples=["https://accounts.google.com/o/oauth2/v2/auth?client_id=…&state=…"])
    expires_at: At


class ReturnedIn(BaseModel):
    """The parameters that a platform adds to the redirect URI; others are ignored."""

    state: str = Field("", max_length=_LONGEST_STATE)
    code: str | None = Field(None, max_length=_LONGEST_CODE)
    error: str | None = Field(None, max_length=_LONGEST_STATE)


class ConnectIn(Body):
    """Accounts to connect, with a grant or with the secret itself.

    ``all`` connects every account that can be synced and is not connected yet, with ``manager_id`` only accounts of that manager.
    """

    grant_id: Id | None = None
    provider: ProviderName | None = None
    secret: Secret | None = None
    accounts: Annotated[list[Annotated[str, Field(max_length=64)]], Field(min_length=1, max_length=5_000)] | Literal["all"] = Field(
        examples=["all"]
    )
    manager_id: str | None = Field(None, examples=["4711000001"], max_length=64)
    sync_frequency: str = Field("manual", examples=["hourly"], max_length=64)

    @model_validator(mode="after")
    def _one_way(self) -> "ConnectIn":
        if self.manager_id is not None and self.accounts != "all":
            raise ValueError("manager_id goes with accounts: all")
        has_secret = self.provider is not None and self.secret is not None
        if (self.grant_id is not None) == has_secret or has_secret != (self.provider is not None or self.secret is not None):
            raise ValueError("give either grant_id, or provider and secret")
        return self


class ReconnectIn(Body):
    """A grant, or the secret itself."""

    grant_id: Id | None = None
    secret: Secret | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "ReconnectIn":
        if (self.grant_id is None) == (self.secret is None):
            raise ValueError("give either grant_id or secret")
        return self


class Connected(BaseModel):
    """A connection and its first sync."""

    connection: ConnectionOut
    job_id: Ref


@router.post("/workspaces/{workspace_id}/discover", summary="What a credential reaches", responses=_ASKS_A_PLATFORM)
@places.OUTSIDE
def discover_accounts(caller: Editor, workspace_id: WorkspaceId, body: SecretIn) -> GrantOut:
    """Asks the platform, and keeps the credential, encrypted, for an hour or until it is used. A workspace may ask 30 times an hour."""
    workspace = caller.workspace(workspace_id)
    return grant_out(caller.app.connections, authorising.grant_of(caller.app, workspace.id, body.provider, body.secret))


@router.post(
    "/workspaces/{workspace_id}/authorizations", summary="Begin a consent in the browser", responses=answers(HTTPStatus.BAD_REQUEST)
)
def begin_authorization(
    caller: Editor, workspace_id: WorkspaceId, body: AuthorizationIn, request: Request, response: Response
) -> AuthorizationOut:
    """Answers with the URL to which the person is sent. It is valid for ten minutes."""
    workspace = caller.workspace(workspace_id)
    connection = caller.connection(body.connection_id, workspace.id).connection if body.connection_id else None
    reached_at = str(request.base_url)
    invitation = authorising.begin_authorisation(
        caller.app, workspace.id, body.provider, reached_at=reached_at, begun_by=caller.id, connection=connection
    )
    bind_to_browser(caller.app.settings.public_url, response, invitation)
    return AuthorizationOut(authorize_url=invitation.url, expires_at=invitation.authorization.expires_at)


@callback.get(
    CALLBACK,
    response_model=GrantOut,
    openapi_extra={"security": [{}]},  # a key is not needed, and must be valid all the same
    summary="Where a platform sends the browser back to",
    responses=_ASKS_A_PLATFORM | answers(HTTPStatus.UNAUTHORIZED),
)
@places.OUTSIDE
def finish_authorization(
    caller: MaybeCaller, installation: Installation, request: Request, response: Response, parameters: Annotated[ReturnedIn, Query()]
) -> GrantOut | Response:
    """Needs no key, but works only for the browser (by its cookie) or the key that began the consent.

    A browser is redirected to the page where accounts are chosen, a program gets the grant.
    """
    grant = grant_from_callback(installation, request, parameters, caller)
    if is_person(request):
        response = RedirectResponse(f"/app/connect/{grant.workspace_id}/{grant.id}", HTTPStatus.SEE_OTHER)
    response.delete_cookie(_cookie(parameters.state), path=_path(installation.settings.public_url))
    return response if is_person(request) else grant_out(installation.connections, grant)


def is_person(request: Request) -> bool:
    """Whether a browser asks for a page."""
    return "text/html" in request.headers.get("accept", "")


@router.get("/workspaces/{workspace_id}/grants/{grant_id}", summary="Read a grant")
def read_grant(caller: Editor, workspace_id: WorkspaceId, grant_id: GrantId) -> GrantOut:
    """What can be connected with it. A grant that was used or is too old is a 404."""
    return grant_out(caller.app.connections, caller.app.grants.get(grant_id, caller.workspace(workspace_id).id))


@router.post(
    "/workspaces/{workspace_id}/connections",
    status_code=HTTPStatus.CREATED,
    summary="Connect accounts",
    responses=_ASKS_A_PLATFORM | answers(HTTPStatus.CONFLICT),
)
@places.OUTSIDE
def connect_accounts(caller: Editor, workspace_id: WorkspaceId, body: ConnectIn) -> list[Connected]:
    """All of them or none. Their first syncs are queued."""
    workspace, app = caller.workspace(workspace_id), caller.app
    if body.provider is not None and body.secret is not None:
        grant = authorising.grant_of(app, workspace.id, body.provider, body.secret)
    else:
        grant = app.grants.get(body.grant_id or "", workspace.id)
    account_ids = authorising.connectable_accounts(app.connections, grant, body.manager_id) if body.accounts == "all" else body.accounts
    return _connected(caller, authorising.connect(app, grant, account_ids, body.sync_frequency, dispatcher=dispatch_later))


@router.post("/connections/{connection_id}/reconnect", summary="Give a connection a fresh credential", responses=_ASKS_A_PLATFORM)
@places.OUTSIDE
def reconnect_connection(caller: Editor, connection_id: ConnectionId, body: ReconnectIn) -> list[Connected]:
    """Its history continues. Connections that shared the old credential get the new one too, if it reaches them."""
    connection, app = caller.connection(connection_id).connection, caller.app
    if body.secret is not None:
        grant = authorising.grant_of(app, connection.workspace_id, connection.provider, body.secret)
    else:
        grant = app.grants.get(body.grant_id or "", connection.workspace_id)
    return _connected(caller, authorising.reconnect(app, connection, grant, dispatcher=dispatch_later))


@router.post(
    "/connections/{connection_id}/resume",
    status_code=HTTPStatus.ACCEPTED,
    summary="Sync again",
    responses=answers(HTTPStatus.BAD_REQUEST),
)
def resume_connection(caller: Editor, connection_id: ConnectionId) -> Accepted:
    """After a pause, or after its problem at the platform was solved; a sync is queued at once."""
    return accepted(changing.resume(caller.app, caller.connection(connection_id).connection.id, dispatcher=dispatch_later))


@router.post("/connections/{connection_id}/disconnect", summary="Stop syncing for good", responses=answers(HTTPStatus.BAD_REQUEST))
def disconnect_connection(caller: Editor, connection_id: ConnectionId) -> ConnectionOut:
    """Its data stay; its token is erased unless another connection uses it."""
    view = caller.connection(connection_id)
    return connection_answers(caller, [changing.disconnect(caller.app, view.connection.id)])[0]


def bind_to_browser(public_url: str | None, response: Response, invitation: Invitation) -> None:
    """Set the cookie with which only this browser can finish the consent; several consents may be under way in one browser."""
    response.set_cookie(
        _cookie(invitation.authorization.state),
        invitation.authorization.browser.get_secret_value(),
        max_age=int(authorizations.LIFETIME.total_seconds()),
        path=_path(public_url),
        secure=invitation.redirect_uri.startswith("https://"),
        httponly=True,
        samesite="lax",  # the platform's redirect is a navigation from another site
    )


def grant_from_callback(app: App, request: Request, parameters: ReturnedIn, caller: Caller | None = None) -> Grant:
    """The grant for a platform's redirect; see :func:`adpulse.services.authorising.finish_authorisation`."""
    cookie = request.cookies.get(_cookie(parameters.state))
    callback_parameters = CallbackParameters(
        state=parameters.state,
        code=SecretStr(parameters.code) if parameters.code else None,
        error=parameters.error,
        browser=SecretStr(cookie) if cookie else None,
        key_id=caller.id if caller else None,
    )
    return authorising.finish_authorisation(app, callback_parameters)


def _path(public_url: str | None) -> str:
    """The callback's path as browsers see it."""
    return urlsplit(f"{public_url or ''}{authorising.CALLBACK}").path


def _cookie(state: str) -> str:
    return f"{_COOKIE}_{digest(state)[:16]}"


def grant_out(connections: Connections, grant: Grant) -> GrantOut:
    """A grant as the API shows it, without its secret."""
    connected = authorising.connected_accounts(connections, grant)
    accounts = [
        AccountOut(
            external_id=account.external_id,
            name=account.name,
            currency=account.currency,
            timezone=account.timezone,
            status=account.condition,
            can_be_synced=account.can_be_synced,
            manager=account.manager,
            manager_id=account.login_customer_id,
            connected=account.external_id in connected,
        )
        for account in grant.accounts
    ]
    return GrantOut(
        grant_id=grant.id,
        workspace_id=grant.workspace_id,
        provider=grant.provider,
        connection_id=grant.connection_id,
        expires_at=grant.expires_at,
        credential_expires_at=grant.credential_expires_at,
        accounts=accounts,
    )


def _connected(caller: Caller, views: list[ConnectionView]) -> list[Connected]:
    jobs = [caller.app.runs.history(view.connection.id, 1)[0].id for view in views]
    return [Connected(connection=connection, job_id=job) for connection, job in zip(connection_answers(caller, views), jobs, strict=True)]
