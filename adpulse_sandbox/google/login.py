"""Google's consent page, and the redemption of its authorization codes.

Source: Google's page "Using OAuth 2.0 for Web Server Applications", and RFC 7636 for the code challenge.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count

from adpulse_sandbox.clock import SandboxClock
from adpulse_sandbox.google.world import Credential, GoogleWorld
from adpulse_sandbox.login.consent import (
    LOOPBACK_HOSTS,
    BrowserAnswer,
    Client,
    InvalidKey,
    OneTimeStore,
    Params,
    RejectedRequest,
    consent_page,
    error_page,
    redirect_to_client,
)

CLIENT_ID, CLIENT_SECRET = "sandbox.apps.googleusercontent.com", "sandbox-client-secret"  # the sandbox's own
SCOPE = "https://www.googleapis.com/auth/adwords"
PATH = "/o/oauth2/v2/auth"
TESTING_LIFETIME = timedelta(days=7)
_SCOPES = (SCOPE, "openid", "email", "profile")
_USERS = ("full", "single", "none", "revoked", "test_only")
"""The users that a person can choose, by the label of the world's credential that has the user's customers."""
_CHALLENGE_LENGTHS = range(43, 129)
"""RFC 7636, section 4.2."""


@dataclass(frozen=True, slots=True)
class OAuthError(Exception):
    """An error answer of the token endpoint: HTTP status, code and description."""

    status: int
    error: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConsentRequest:
    """A request for consent. ``user`` is set once the user has allowed it."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    offline: bool
    forces_consent: bool
    challenge: str | None
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """The consent that an authorization code was issued for. ``gives_refresh_token``: whether the client gets a refresh token."""

    credential: Credential
    scopes: tuple[str, ...]
    gives_refresh_token: bool


class GoogleLogin:
    """The consent dialog and its codes. ``testing``: the project's publishing status, in which refresh tokens last seven days."""

    def __init__(self, world: GoogleWorld, clock: SandboxClock, *, redirect_uris: tuple[str, ...] = (), testing: bool = False) -> None:
        # A client of the type "Desktop app" may use every loopback address; others must be registered.
        self.client = Client(id=CLIENT_ID, secret=CLIENT_SECRET, loopback=LOOPBACK_HOSTS, redirect_uris=redirect_uris)
        self._world, self._clock, self._testing = world, clock, testing
        self._requests: OneTimeStore[_ConsentRequest] = OneTimeStore(clock.now)
        self._codes: OneTimeStore[_ConsentRequest] = OneTimeStore(clock.now)
        self._consented_users: set[str] = set()
        self._numbers = count(1)

    def show(self, path: str, params: Params) -> BrowserAnswer:
        """The consent page, or an error page for an invalid request."""
        try:
            request = self._validated(params)
        except RejectedRequest as rejected:
            return rejected.answer
        return consent_page("Google", self._requests.put(request), f"{CLIENT_ID} wants to: {', '.join(request.scopes)}.", _USERS, path)

    def _validated(self, params: Params) -> _ConsentRequest:
        for name in ("client_id", "redirect_uri", "response_type", "scope"):
            if not params.get(name):
                raise _rejected(400, "invalid_request", f"Required parameter is missing: {name}")
        if params["client_id"] != self.client.id:
            raise _rejected(401, "invalid_client", "The OAuth client was not found.")
        if not self.client.accepts(params["redirect_uri"]):
            raise _rejected(400, "redirect_uri_mismatch", "The redirect URI in the request does not match those of the OAuth client.")
        scopes, challenge = tuple(params["scope"].split()), params.get("code_challenge")
        if params["response_type"] != "code":
            raise _rejected(400, "unsupported_response_type", "The sandbox supports no other response_type than code.")
        if unknown := [scope for scope in scopes if scope not in _SCOPES]:
            raise _rejected(400, "invalid_scope", f"Some requested scopes were invalid: {', '.join(unknown)}")
        if challenge is not None and (params.get("code_challenge_method") != "S256" or len(challenge) not in _CHALLENGE_LENGTHS):
            raise _rejected(400, "invalid_request", "The code challenge must be an S256 one of 43 to 128 characters.")
        return _ConsentRequest(
            redirect_uri=params["redirect_uri"],
            state=params.get("state"),
            scopes=scopes,
            offline=params.get("access_type") == "offline",
            forces_consent="consent" in params.get("prompt", "").split(),
            challenge=challenge,
        )

    def decide(self, form: Params) -> BrowserAnswer:
        """Redirect to the client, with a code or with the error of a cancelled consent."""
        try:
            request = self._requests.take(form.get("request", ""))
        except InvalidKey:
            return _rejected(400, "invalid_request", "This page has been answered, or is too old.").answer
        if form.get("decision") != "allow":
            return redirect_to_client(request.redirect_uri, error="access_denied", state=request.state)
        if form.get("user") not in _USERS:
            return _rejected(400, "invalid_request", "There is no such user.").answer
        code = self._codes.put(replace(request, user=form["user"]), "4/0A")
        return redirect_to_client(request.redirect_uri, state=request.state, code=code, scope=" ".join(request.scopes))

    def redeem(self, form: Mapping[str, str]) -> Consent:
        """Redeem an authorization code. The code is used up also if the redirect address or the verifier is wrong.

        Raises:
            OAuthError: the code is invalid, or the client, the redirect address or the code verifier does not match it.
        """
        if form.get("client_id") != self.client.id:
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        if form.get("client_secret") != self.client.secret:
            raise OAuthError(401, "invalid_client", "The provided client secret is invalid.")
        if not form.get("code"):
            raise OAuthError(400, "invalid_request", "Missing required parameter: code")
        try:
            request = self._codes.take(form["code"])
        except InvalidKey as invalid:
            raise OAuthError(400, "invalid_grant", "Malformed auth code." if invalid.reason == "unknown" else "Bad Request") from None
        if form.get("redirect_uri") != request.redirect_uri:
            raise OAuthError(400, "redirect_uri_mismatch", "Bad Request")
        _verify(request.challenge, form.get("code_verifier"))
        is_first, user = request.user not in self._consented_users, self._world.credentials[request.user]
        self._consented_users.add(request.user)
        label = f"login-{next(self._numbers)}"
        credential = replace(user, label=label, refresh_token=f"1//sandbox-{secrets.token_urlsafe(32)}", expires_at=self._ends())
        # As with Google, only the first consent of a user gives a refresh token, unless the client prompts for consent again.
        gives_refresh_token = request.offline and (is_first or request.forces_consent)
        if gives_refresh_token:
            self._world.credentials[label] = credential
        return Consent(credential=credential, scopes=request.scopes, gives_refresh_token=gives_refresh_token)

    def _ends(self) -> datetime | None:
        return self._clock.now() + TESTING_LIFETIME if self._testing else None


def _rejected(status: int, error: str, message: str) -> RejectedRequest:
    return RejectedRequest(error_page(status, "Access blocked", f"Error {status}: {error}. {message}"))


def _verify(challenge: str | None, verifier: str | None) -> None:
    if challenge is None:
        if verifier:
            raise OAuthError(400, "invalid_grant", "code_verifier or verifier is not needed.")
        return
    if not verifier:
        raise OAuthError(400, "invalid_grant", "Missing code verifier.")
    digest = hashlib.sha256(verifier.encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
        raise OAuthError(400, "invalid_grant", "Invalid code verifier.")
