"""Consent by a person in the browser (OAuth 2.0's authorisation-code flow): the interface that each platform implements.

Requests and answers hold codes, secrets and tokens, so no error of the HTTP library is ever chained to ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import requests
from pydantic import SecretStr

from adpulse.errors import Unavailable
from adpulse.redact import protect

_TIMEOUT_SECONDS = 30.0
_TOO_MANY = 429
_SERVER_ERRORS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """One request for consent: what must be the same when the person comes back. ``verifier`` is PKCE's (RFC 7636)."""

    state: str
    verifier: SecretStr
    redirect_uri: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedCredential:
    """A credential as it is stored, and when it ends by itself (business time); None if it does not, or the platform does not report it."""

    secret: SecretStr
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialInfo:
    """What a platform reports of a credential: when it ends by itself (business time), and the id of the app that issued it.

    None: it does not end, is of the installation's own app, or the platform does not report it.
    """

    ends_at: datetime | None = None
    app_id: str | None = None


class Consent(Protocol):
    """One platform's consent, for the installation's own app there."""

    def authorization_url(self, request: AuthorizationRequest) -> str:
        """Where the person's browser is sent."""
        ...

    def redeem(self, code: SecretStr, request: AuthorizationRequest) -> IssuedCredential:
        """The credential for the code that the browser brought back; a code is good once.

        Raises:
            BadRequest: the code is not good, or not for this request.
            AccountRefused: the person did not allow what is needed.
            Usage: the platform does not accept the installation's app.
            Unavailable: it failed to answer.
        """
        ...

    def renew(self, secret: SecretStr) -> IssuedCredential | None:
        """A credential for the same person that ends later; None where there is no such thing.

        Raises:
            AuthExpired, BadRequest: it cannot be renewed.
            Usage, RateLimited, Unavailable: it could not be now.
        """
        ...

    def inspect(self, secret: SecretStr) -> CredentialInfo:
        """What the platform reports to the installation's app of a credential, also of one that another app issued.

        Raises:
            AccountRefused: a credential of this kind, or of that app, cannot be used; says why.
            AuthExpired, BadRequest, Usage, RateLimited, Unavailable: the platform does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """The answer of a token endpoint: its HTTP status and its JSON object."""

    status: int
    body: Mapping[str, Any] = field(repr=False)


def call_token_endpoint(method: Literal["GET", "POST"], url: str, sent: Mapping[str, str], platform: str) -> TokenResponse:
    """Call a token endpoint, once: the request may have taken effect although the answer was lost.

    Raises:
        Unavailable: no answer, or none that can be read.
    """
    params, form = (sent, None) if method == "GET" else (None, sent)
    try:
        answer = requests.request(method, url, params=params, data=form, timeout=_TIMEOUT_SECONDS, allow_redirects=False)
        body = answer.json()
    except (requests.RequestException, ValueError):
        raise Unavailable(f"{platform} does not answer, or answers nonsense, where tokens are given out.", "token") from None
    if not isinstance(body, dict) or answer.status_code >= _SERVER_ERRORS or answer.status_code == _TOO_MANY:
        raise Unavailable(f"{platform} gives out no tokens at present.", f"http-{answer.status_code}")
    return TokenResponse(answer.status_code, body)


def secret_in(body: Mapping[str, Any], name: str, platform: str) -> SecretStr:
    """A secret of an answer, masked in every log from now on.

    Raises:
        Unavailable: it is not there.
    """
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Unavailable(f"{platform}'s answer lacks {name}.", "malformed")
    return SecretStr(protect(value))
