"""Consent at Google: the authorisation page, and its code for a refresh token.

Source: Google's page "Using OAuth 2.0 for Web Server Applications", and RFC 7636 for the code challenge.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from pydantic import SecretStr

from adpulse.clock import Clock
from adpulse.errors import AccountRefused, AdpulseError, BadRequest, Usage
from adpulse.platforms.consent import AuthorizationRequest, CredentialInfo, IssuedCredential, TokenResponse, call_token_endpoint, secret_in
from adpulse.redact import protect

_SCOPE = "https://www.googleapis.com/auth/adwords"
_PLATFORM = "Google"
_OF_THE_CLIENT = ("invalid_client", "unauthorized_client", "redirect_uri_mismatch")
_ERRORS = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleConsent:
    """The installation's OAuth client."""

    auth_url: str
    token_url: str
    client_id: str
    client_secret: SecretStr
    clock: Clock

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """The authorisation page. Without ``prompt=consent`` a refresh token comes only with a person's first consent ever."""
        digest = hashlib.sha256(request.verifier.get_secret_value().encode()).digest()
        parameters = {
            "client_id": self.client_id,
            "redirect_uri": request.redirect_uri,
            "response_type": "code",
            "scope": _SCOPE,
            "state": request.state,
            "access_type": "offline",
            "prompt": "consent",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        return f"{self.auth_url}?{urlencode(parameters)}"

    def redeem(self, code: SecretStr, request: AuthorizationRequest) -> IssuedCredential:
        """The refresh token with the client that it was issued to, as JSON: it stays usable when the installation's client changes."""
        secret = self.client_secret.get_secret_value()
        form = {"grant_type": "authorization_code", "code": protect(code.get_secret_value()), "redirect_uri": request.redirect_uri}
        proof = {"client_id": self.client_id, "client_secret": secret, "code_verifier": protect(request.verifier.get_secret_value())}
        answer = call_token_endpoint("POST", self.token_url, {**form, **proof}, _PLATFORM)
        if answer.status >= _ERRORS:
            raise _refusal(answer)
        if _SCOPE not in str(answer.body.get("scope", _SCOPE)).split():
            message = "Google Ads was not ticked on Google's page, so nothing can be read. Connect again and allow it."
            raise AccountRefused(message, "scope")
        token = secret_in(answer.body, "refresh_token", _PLATFORM).get_secret_value()
        credentials = {"type": "authorized_user", "client_id": self.client_id, "client_secret": secret, "refresh_token": token}
        lasts = answer.body.get("refresh_token_expires_in")
        ends = self.clock.now() + timedelta(seconds=lasts) if isinstance(lasts, int) else None
        return IssuedCredential(secret=SecretStr(json.dumps(credentials)), expires_at=ends)

    def renew(self, secret: SecretStr) -> None:
        """None: a refresh token cannot be exchanged for one that ends later."""

    def inspect(self, secret: SecretStr) -> CredentialInfo:  # noqa: ARG002 - what both platforms are asked
        """Nothing: Google reports the end of a token only when it issues it."""
        return CredentialInfo()


def _refusal(answer: TokenResponse) -> AdpulseError:
    code = str(answer.body.get("error"))[:64]
    if code in _OF_THE_CLIENT:
        message = (
            "Google does not accept the OAuth client: check ADPULSE_GOOGLE_CLIENT_ID, ADPULSE_GOOGLE_CLIENT_SECRET and the redirect URI."
        )
        return Usage(message, code)
    message = "Google does not accept this authorisation: it was used, is too old, or is for another address. Connect again from the start."
    return BadRequest(message, code)
