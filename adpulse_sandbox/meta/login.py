"""Meta's login: the consent dialog, and the Graph endpoints that exchange its code for tokens and inspect a token.

Source: Meta's pages "Manually Build a Login Flow", "Facebook Login for Business", "Long-Lived Access Tokens", "Error Codes" and the
reference of ``/debug_token``.
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import urlsplit

from adpulse_sandbox.clock import CallLog, SandboxClock
from adpulse_sandbox.faults import Faults, Request, error_of
from adpulse_sandbox.login.consent import (
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
from adpulse_sandbox.meta import errors
from adpulse_sandbox.meta.answers import error_answer, json_answer
from adpulse_sandbox.meta.errors import GraphError
from adpulse_sandbox.meta.graph import APP_ID, APP_SECRET
from adpulse_sandbox.meta.tokens import OWN_APP, SYSTEM_USER, Token
from adpulse_sandbox.meta.versions import check_version, served, version_of
from adpulse_sandbox.meta.world import World
from adpulse_sandbox.serving import Answer

DIALOG = "/dialog/oauth"
SHORT, LONG, DATA_ACCESS = timedelta(hours=1), timedelta(days=60), timedelta(days=90)
_SCOPES = ("public_profile", "email", "ads_read", "ads_management", "business_management")
PERSON, BUSINESS = "1270000000000201", "1270000000000202"
"""Configurations of Login for Business; both request ``ads_read``. Tokens of BUSINESS are a System User's and do not expire."""
_USERS = ("full", "single", "none", "unscoped")
"""The users that a person can choose, by the label of the world's token that has the user's accounts."""
_EXCHANGE = "fb_exchange_token"
_LOGGED = ("grant_type", "client_id", "redirect_uri", "set_token_expires_in_60_days")


@dataclass(frozen=True, slots=True, kw_only=True)
class _ConsentRequest:
    """A request for consent. ``user`` is set once the user has allowed it."""

    redirect_uri: str
    state: str | None
    scopes: tuple[str, ...]
    system_user: bool
    user: str = ""


class MetaLogin:
    """The consent dialog and the token endpoints, without the HTTP server."""

    def __init__(self, world: World, clock: SandboxClock, calls: CallLog, faults: Faults, redirect_uris: tuple[str, ...] = ()) -> None:
        # An app in development mode may redirect to localhost, under this name only; every other address must be registered.
        self._client = Client(id=APP_ID, secret=APP_SECRET, loopback=("localhost",), redirect_uris=redirect_uris)
        self._world, self._clock, self._calls, self._faults = world, clock, calls, faults
        self._requests: OneTimeStore[_ConsentRequest] = OneTimeStore(clock.now)
        self._codes: OneTimeStore[_ConsentRequest] = OneTimeStore(clock.now)
        self._numbers = count(1)

    def show(self, path: str, params: Params) -> BrowserAnswer:
        """The consent page, or an error page for an invalid request."""
        try:
            request = self._validated(path, params)
        except RejectedRequest as rejected:
            return rejected.answer
        question = f"The app {self._client.id} asks for: {', '.join(request.scopes) or 'public_profile'}."
        return consent_page("Meta", self._requests.put(request), question, _USERS, path)

    def _validated(self, path: str, params: Params) -> _ConsentRequest:
        redirect_uri = params.get("redirect_uri", "")
        now = self._clock.now()
        if version_of(path, now)[0] not in served(now):
            raise _rejected("Sorry, something went wrong", "This version of the login dialog is not available.")
        if params.get("client_id") != self._client.id:
            raise _rejected("Invalid App ID", "The provided app ID does not look like a valid app ID.")
        if not urlsplit(redirect_uri).hostname:
            raise _rejected("Invalid parameter", "The parameter redirect_uri is required, and must be an absolute URI.")
        if not self._client.accepts(redirect_uri):
            raise _rejected("URL blocked", "This redirect URI is not among the valid ones of the app's client OAuth settings.")
        configuration = params.get("config_id")
        if configuration not in (None, PERSON, BUSINESS):
            raise _rejected("Invalid parameter", "The parameter config_id names no configuration of this app.")
        scopes = ("ads_read",) if configuration else tuple(params.get("scope", "").replace(",", " ").split())
        if unknown := [scope for scope in scopes if scope not in _SCOPES]:
            raise _rejected("Invalid Scopes", f"Invalid Scopes: {', '.join(unknown)}.")
        if params.get("response_type", "code") != "code":
            raise _rejected("Invalid parameter", "The sandbox supports no other response_type than code.")
        return _ConsentRequest(redirect_uri=redirect_uri, state=params.get("state"), scopes=scopes, system_user=configuration == BUSINESS)

    def decide(self, form: Params) -> BrowserAnswer:
        """Redirect to the app, with a code or with the error of a cancelled consent."""
        try:
            request = self._requests.take(form.get("request", ""))
        except InvalidKey:
            return _rejected("Sorry, something went wrong", "This dialog has been answered, or is too old.").answer
        if form.get("decision") != "allow":
            denial = {
                "error_reason": "user_denied",
                "error": "access_denied",
                "error_description": "Permissions error.",
                "error_code": "200",
            }
            return redirect_to_client(request.redirect_uri, **denial, state=request.state)
        user = form.get("user", "")
        if user not in _USERS:
            return _rejected("Sorry, something went wrong", "There is no such user.").answer
        allowed = replace(request, state=None, user=user)
        back = redirect_to_client(request.redirect_uri, code=self._codes.put(allowed, "AQ"), state=request.state)
        return BrowserAnswer(back.status, location=f"{back.location}#_=_")  # Meta appends this fragment

    def answer(self, method: str, path: str, params: dict[str, str]) -> Answer | None:
        """The Graph endpoints of the login; None for every other path."""
        version, rest = version_of(path, self._clock.now())
        edge = "/".join(rest)
        endpoint = {"oauth/access_token": self._token, "debug_token": self._debug_token}.get(edge)
        if endpoint is None:
            return None
        rule = self._faults.strike(Request(account="", kind=edge, page=1, limit=0, days=0, named_only=True))
        try:
            check_version(version, self._clock.now())
            if rule and (error := error_of(rule)):
                raise error
            answer = json_answer(200, endpoint(params))
        except GraphError as error:
            answer = error_answer(error, "sandboxlogin")
        if rule and rule.action == "drop":
            answer.broken = rule.action
        self._calls.add(
            at=self._clock.now(), account="", kind=edge, method=method, path=edge,
            params={name: value for name, value in params.items() if name in _LOGGED}, offset=None, status=answer.status, rows=None,
            fault=rule.action if rule else None,
        )  # fmt: skip
        return answer

    def _token(self, params: Params) -> dict[str, Any]:
        self._authenticate(params)
        if params.get("grant_type") == _EXCHANGE:
            return self._token_body(self._exchange(params.get(_EXCHANGE, "")))
        if "code" not in params:
            raise errors.bad_param("Missing authorization code")
        try:
            allowed = self._codes.take(params["code"])
        except InvalidKey as invalid:
            raise errors.bad_param(*_CODES[invalid.reason]) from None
        if params.get("redirect_uri") != allowed.redirect_uri:
            message = "Error validating verification code. The redirect_uri must be identical to the one used in the OAuth dialog request"
            raise errors.bad_param(message, 36008)
        persona = self._world.token(allowed.user)
        scopes = ("public_profile", *allowed.scopes) if persona.scopes != ("public_profile",) else persona.scopes
        if allowed.system_user:
            business = replace(persona, kind=SYSTEM_USER, assigned=persona.accounts, lists_accounts=False, issued_at=self._clock.now())
            return self._token_body(self._issue(business, scopes, None, None))
        return self._token_body(self._issue(persona, scopes, SHORT, self._clock.now() + DATA_ACCESS))

    def _authenticate(self, params: Params) -> None:
        if params.get("client_id") != self._client.id:
            raise GraphError(400, 101, "Error validating application. Cannot get application info due to a system error.")
        if not hmac.compare_digest(params.get("client_secret", ""), self._client.secret):
            raise GraphError(400, 1, "Error validating client secret.")

    def _exchange(self, value: str) -> Token:
        """A long-lived token in exchange for a valid token. The exchange does not extend the user's consent to data access."""
        token = self._world.tokens.get(value)
        if token is None:
            raise errors.bad_token()
        if token.has_ended(self._clock.now()):
            raise errors.expired_token()
        if token.app != OWN_APP:
            raise errors.not_authorized(self._client.id)
        return self._issue(token, token.scopes, LONG, token.data_access_until)

    def _issue(self, model: Token, scopes: tuple[str, ...], lifetime: timedelta | None, data_access: datetime | None) -> Token:
        issued = replace(
            model,
            label=f"login-{next(self._numbers)}",
            value=f"EAAsandbox{secrets.token_hex(24)}",
            scopes=scopes,
            expires_at=self._clock.now() + lifetime if lifetime else None,
            data_access_until=data_access,
        )
        self._world.tokens[issued.value] = issued
        return issued

    def _token_body(self, token: Token) -> dict[str, Any]:
        body = {"access_token": token.value, "token_type": "bearer"}
        return body | ({"expires_in": int((token.expires_at - self._clock.now()).total_seconds())} if token.expires_at else {})

    def _debug_token(self, params: Params) -> dict[str, Any]:
        """The properties of a token of the app. The caller must be the app itself."""
        if not hmac.compare_digest(params.get("access_token", ""), f"{self._client.id}|{self._client.secret}"):
            raise errors.bad_token()
        token = self._world.tokens.get(params.get("input_token", ""))
        if token is None:
            return {"data": {"is_valid": False, "scopes": [], "error": {"code": 190, "message": "Malformed access token"}}}
        if token.app != OWN_APP:
            raise errors.foreign_token()
        return {"data": token.debug_info(self._clock.now())}


_CODES: dict[str, tuple[str, int | None]] = {
    "unknown": ("Invalid verification code format.", None),
    "expired": ("This authorization code has expired.", 36007),
    "used": ("This authorization code has been used.", 36009),
}


def _rejected(title: str, message: str) -> RejectedRequest:
    return RejectedRequest(error_page(400, title, message))
