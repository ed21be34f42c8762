"""Google's consent page, and what its codes are good for.

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
"""Whom a person can be signed in as: the world's credentials say what each reaches."""
_CHALLENGE = range(43, 129)


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """An answer that is an error: HTTP status, code and description."""

    status: int
    error: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConsentRequest:
    """A request for consent; once allowed, with whom it is about."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    offline: bool
    again: bool
    challenge: str | None
    user: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consented:
    """What a code stood for. ``lasting``: whether a refresh token is given."""

    credential: Credential
    scopes: tuple[str, ...]
    lasting: bool


class GoogleLogin:
    """Who consented to what. ``testing``: the project's publishing status, in which refresh tokens end after seven days."""

    def __init__(self, world: GoogleWorld, clock: SandboxClock, *, redirect_uris: tuple[str, ...] = (), testing: bool = False) -> None:
        # A client of the type "Desktop app" has every loopback address; others must be registered.
        self.client = Client(id=CLIENT_ID, secret=CLIENT_SECRET, loopback=LOOPBACK_HOSTS, redirect_uris=redirect_uris)
        self._world, self._clock, self._testing = world, clock, testing
        self._asked: OneTimeStore[_ConsentRequest] = OneTimeStore(clock.now)
        self._codes: OneTimeStore[_ConsentRequest] = OneTimeStore(clock.now)
        self._known: set[str] = set()
        self._numbers = count(1)

    def show(self, path: str, params: Params) -> BrowserAnswer:
        """The consent page, or what is wrong with the request."""
        try:
            asked = self._checked(params)
        except RejectedRequest as wrong:
            return wrong.answer
        return consent_page("Google", self._asked.put(asked), f"{CLIENT_ID} wants to: {', '.join(asked.scopes)}.", _USERS, path)

    def _checked(self, params: Params) -> _ConsentRequest:
        for name in ("client_id", "redirect_uri", "response_type", "scope"):
            if not params.get(name):
                raise _wrong(400, "invalid_request", f"Required parameter is missing: {name}")
        if params["client_id"] != self.client.id:
            raise _wrong(401, "invalid_client", "The OAuth client was not found.")
        if not self.client.accepts(params["redirect_uri"]):
            raise _wrong(400, "redirect_uri_mismatch", "The redirect URI in the request does not match those of the OAuth client.")
        scopes, challenge = tuple(params["scope"].split()), params.get("code_challenge")
        if params["response_type"] != "code":
            raise _wrong(400, "unsupported_response_type", "The sandbox knows no other response_type than code.")
        if unknown := [each for each in scopes if each not in _SCOPES]:
            raise _wrong(400, "invalid_scope", f"Some requested scopes were invalid: {', '.join(unknown)}")
        if challenge is not None and (params.get("code_challenge_method") != "S256" or len(challenge) not in _CHALLENGE):
            raise _wrong(400, "invalid_request", "The code challenge must be an S256 one of 43 to 128 characters.")
        return _ConsentRequest(
            redirect_uri=params["redirect_uri"],
            state=params.get("state"),
            scopes=scopes,
            offline=params.get("access_type") == "offline",
            again="consent" in params.get("prompt", "").split(),
            challenge=challenge,
        )

    def decide(self, form: Params) -> BrowserAnswer:
        """Back to the client, with a code or with what the person decided."""
        try:
            asked = self._asked.take(form.get("request", ""))
        except InvalidKey:
            return _wrong(400, "invalid_request", "This page has been answered, or is too old.").answer
        if form.get("decision") != "allow":
            return redirect_to_client(asked.redirect_uri, error="access_denied", state=asked.state)
        if form.get("user") not in _USERS:
            return _wrong(400, "invalid_request", "There is no such user.").answer
        code = self._codes.put(replace(asked, user=form["user"]), "4/0A")
        return redirect_to_client(asked.redirect_uri, state=asked.state, code=code, scope=" ".join(asked.scopes))

    def redeemed(self, form: Mapping[str, str]) -> Consented:
        """What a code stands for; it is used up, also by a request that is refused.

        Raises:
            Refused: it is not good, or not for this client, address or verifier.
        """
        if form.get("client_id") != self.client.id:
            raise Refused(401, "invalid_client", "The OAuth client was not found.")
        if form.get("client_secret") != self.client.secret:
            raise Refused(401, "invalid_client", "The provided client secret is invalid.")
        if not form.get("code"):
            raise Refused(400, "invalid_request", "Missing required parameter: code")
        try:
            asked = self._codes.take(form["code"])
        except InvalidKey as spent:
            raise Refused(400, "invalid_grant", "Malformed auth code." if spent.reason == "unknown" else "Bad Request") from None
        if form.get("redirect_uri") != asked.redirect_uri:
            raise Refused(400, "redirect_uri_mismatch", "Bad Request")
        _verify(asked.challenge, form.get("code_verifier"))
        first, persona = asked.user not in self._known, self._world.credentials[asked.user]
        self._known.add(asked.user)
        label = f"login-{next(self._numbers)}"
        made = replace(persona, label=label, refresh_token=f"1//sandbox-{secrets.token_urlsafe(32)}", expires_at=self._ends())
        lasting = asked.offline and (first or asked.again)
        if lasting:
            self._world.credentials[label] = made
        return Consented(credential=made, scopes=asked.scopes, lasting=lasting)

    def _ends(self) -> datetime | None:
        return self._clock.now() + TESTING_LIFETIME if self._testing else None


def _wrong(status: int, error: str, told: str) -> RejectedRequest:
    return RejectedRequest(error_page(status, "Access blocked", f"Error {status}: {error}. {told}"))


def _verify(challenge: str | None, verifier: str | None) -> None:
    if challenge is None:
        if verifier:
            raise Refused(400, "invalid_grant", "code_verifier or verifier is not needed.")
        return
    if not verifier:
        raise Refused(400, "invalid_grant", "Missing code verifier.")
    digest = hashlib.sha256(verifier.encode()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
        raise Refused(400, "invalid_grant", "Invalid code verifier.")
