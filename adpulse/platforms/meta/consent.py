"""Consent at Meta: the login dialog, and its code for a long-lived token.

Source: Meta's pages "Manually Build a Login Flow", "Facebook Login for Business", "Long-Lived Access Tokens", "Install Apps, Generate,
Refresh, and Revoke Tokens" and the reference of ``/debug_token``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from pydantic import SecretStr

from adpulse.clock import Clock
from adpulse.errors import AdpulseError, BadRequest, Unavailable, Usage
from adpulse.platforms.consent import AuthorizationRequest, CredentialInfo, IssuedCredential, TokenResponse, call_token_endpoint, secret_in
from adpulse.platforms.meta.errors import Reply, from_reply
from adpulse.platforms.meta.tokens import (
    UNNAMED_APP,
    is_about_proof,
    is_of_another_app,
    issuer_in_answer,
    proof_required,
    unusable,
    wrong_kind,
)
from adpulse.redact import protect

_SCOPE = "ads_read"
_PLATFORM = "Meta"
_UNKNOWN_APP = 101
_ERRORS = 400
_SHORT_LIVED = timedelta(days=1)
"""What ends sooner is exchanged for a token that lasts; Meta's short-lived ones last an hour or two."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaConsent:
    """The installation's Meta app. The dialog is on another host than the API.

    ``configuration``: of Facebook Login for Business, which replaces the list of permissions: it names them, and says whether a token
    is the person's own or of a System User of their business.
    """

    login_url: str
    graph_url: str
    version: str
    app_id: str
    app_secret: SecretStr
    clock: Clock
    configuration: str | None = None

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """The login dialog. Its flow for servers knows no code challenge: the app's secret stands for it."""
        parameters = {"client_id": self.app_id, "redirect_uri": request.redirect_uri, "state": request.state, "response_type": "code"}
        wanted = {"config_id": self.configuration} if self.configuration else {"scope": _SCOPE}
        return f"{self.login_url.rstrip('/')}/{self.version}/dialog/oauth?{urlencode(parameters | wanted)}"

    def redeem(self, code: SecretStr, request: AuthorizationRequest) -> IssuedCredential:
        """A long-lived token. A short-lived one that the code is good for is not kept."""
        answer = self._tokens({"code": protect(code.get_secret_value()), "redirect_uri": request.redirect_uri})
        token = secret_in(answer, "access_token", _PLATFORM)
        if self.configuration:
            ends_at = self.inspect(token).ends_at
            if ends_at is None or ends_at - self.clock.now() > _SHORT_LIVED:
                return IssuedCredential(secret=token, expires_at=ends_at)
        return self._exchanged(token)

    def renew(self, secret: SecretStr) -> IssuedCredential:
        """A new long-lived token for one that has not ended; the old one stays valid until its own end."""
        return self._exchanged(secret)

    def inspect(self, secret: SecretStr) -> CredentialInfo:
        """Which app issued the token, and when it ends, or what its user consented to, whatever comes first.

        Meta reports to an app the end of its own tokens only.
        """
        token, asker = protect(secret.get_secret_value()), f"{self.app_id}|{self.app_secret.get_secret_value()}"
        if refusal := unusable(token):
            raise refusal
        answer = self._ask("debug_token", {"input_token": token, "access_token": asker})
        if is_of_another_app(answer.body.get("error")):
            return CredentialInfo(app_id=self._issuer(token))
        info = _accepted(answer).get("data")
        if not isinstance(info, dict):
            raise Unavailable("Meta's answer about a token is not what was asked for.", "malformed")
        if refusal := wrong_kind(str(info.get("type"))):
            raise refusal
        ends = [info.get(name) for name in ("expires_at", "data_access_expires_at")]
        ends_at = min((datetime.fromtimestamp(at, UTC) for at in ends if isinstance(at, int) and at > 0), default=None)
        return CredentialInfo(ends_at=ends_at, app_id=str(info["app_id"]) if info.get("app_id") else None)

    def _issuer(self, token: str) -> str:
        """The app of a token that is not of ours: what the token itself gets for the node ``app``."""
        answer = self._ask("app", {"fields": "id", "access_token": token})
        if is_about_proof(answer.body.get("error")):
            raise proof_required(None, self.app_id)
        try:
            return issuer_in_answer(_accepted(answer))
        except BadRequest:
            return UNNAMED_APP

    def _exchanged(self, secret: SecretStr) -> IssuedCredential:
        # The last parameter is for tokens of System Users, which are renewed here as well.
        wanted = {"grant_type": "fb_exchange_token", "fb_exchange_token": secret.get_secret_value(), "set_token_expires_in_60_days": "true"}
        answer = self._tokens(wanted)
        token = secret_in(answer, "access_token", _PLATFORM)
        try:
            return IssuedCredential(secret=token, expires_at=self.inspect(token).ends_at)
        except AdpulseError:
            lasts = answer.get("expires_in")
            return IssuedCredential(
                secret=token, expires_at=self.clock.now() + timedelta(seconds=lasts) if isinstance(lasts, int) else None
            )

    def _tokens(self, wanted: Mapping[str, str]) -> Mapping[str, Any]:
        app = {"client_id": self.app_id, "client_secret": self.app_secret.get_secret_value()}
        return _accepted(self._ask("oauth/access_token", {**app, **wanted}))

    def _ask(self, path: str, sent: Mapping[str, str]) -> TokenResponse:
        return call_token_endpoint("GET", f"{self.graph_url.rstrip('/')}/{self.version}/{path}", sent, _PLATFORM)


def _accepted(answer: TokenResponse) -> Mapping[str, Any]:
    """The body of an answer that is no refusal."""
    if answer.status >= _ERRORS or "error" in answer.body:
        raise _refusal(answer.status, answer.body.get("error"))
    return answer.body


def _refusal(status: int, body: object) -> AdpulseError:
    """Our error. What Meta says of the app's own secret comes under a code that otherwise means a passing failure."""
    error = body if isinstance(body, dict) else {}
    if error.get("code") == _UNKNOWN_APP or "client secret" in str(error.get("message")):
        return Usage("Meta does not accept the app: check ADPULSE_META_APP_ID and ADPULSE_META_APP_SECRET.", str(error.get("code")))
    translated = from_reply(Reply(status=status, error=error, headers={}), "whom it was given for")
    if type(translated) is BadRequest:
        message = (
            "Meta does not accept this authorisation: it was used, is too old, or is for another address. Connect again from the start."
        )
        return BadRequest(message, translated.code)
    return translated
