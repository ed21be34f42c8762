"""The OAuth token endpoint: exchanges codes, refresh tokens and service accounts' assertions for access tokens."""

import base64
import json
import secrets
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from adpulse_sandbox.clock import SandboxClock
from adpulse_sandbox.google.errors import AdsError, unauthenticated
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET, SCOPE, GoogleLogin, OAuthError
from adpulse_sandbox.google.world import Credential, GoogleWorld

SERVICE_ACCOUNT = "adpulse@sandbox.iam.gserviceaccount.com"
LIFETIME_SECONDS = 3_599
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class TokenIssuer:
    """Issues access tokens and finds their credentials.

    Access tokens expire by real time, because the clients' clocks are real; codes and refresh tokens expire by the sandbox's clock.
    """

    def __init__(self, world: GoogleWorld, clock: SandboxClock, login: GoogleLogin) -> None:
        self._world, self._clock, self._login = world, clock, login
        self._issued: dict[str, tuple[Credential, float]] = {}
        self._lock = threading.Lock()

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a request to the token endpoint.

        Raises:
            OAuthError: the request gets no access token.
        """
        grant_type, fields = form.get("grant_type"), dict[str, Any]()
        if grant_type == "authorization_code":
            consent = self._login.redeem(form)
            credential, fields = consent.credential, {"scope": " ".join(consent.scopes)}
            if consent.gives_refresh_token:
                fields |= self._refresh_token_fields(credential)
        elif grant_type == "refresh_token":
            credential = self._by_refresh_token(form)
        elif grant_type == _ASSERTION:
            credential = self._by_assertion(form.get("assertion", ""))
        else:
            raise OAuthError(400, "unsupported_grant_type", f"Invalid grant_type: {grant_type}")
        return {"access_token": self.issue(credential), "expires_in": LIFETIME_SECONDS, "token_type": "Bearer", "scope": SCOPE, **fields}

    def _refresh_token_fields(self, credential: Credential) -> dict[str, Any]:
        """The refresh token, with its remaining seconds if it expires."""
        expires_at = credential.expires_at
        expiry = {"refresh_token_expires_in": int((expires_at - self._clock.now()).total_seconds())} if expires_at else {}
        return {"refresh_token": credential.refresh_token, **expiry}

    def issue(self, credential: Credential) -> str:
        """Issue an access token for a credential."""
        value = f"ya29.sandbox-{secrets.token_urlsafe(24)}"
        with self._lock:
            self._issued[value] = (credential, time.monotonic() + LIFETIME_SECONDS)
        return value

    def credential(self, authorization: str | None) -> Credential:
        """The credential of the token in an ``authorization`` header.

        Raises:
            AdsError: the token is missing, unknown or expired.
        """
        if not authorization:
            raise unauthenticated("AUTHENTICATION_ERROR", "Request is missing required authentication credential.")
        scheme, _, value = authorization.partition(" ")
        if scheme.lower() != "bearer" or not value:
            raise unauthenticated("OAUTH_TOKEN_HEADER_INVALID", "OAuth token HTTP header is malformed.")
        with self._lock:
            credential, until = self._issued.get(value, (None, 0.0))
        if credential is None:
            raise unauthenticated("OAUTH_TOKEN_INVALID", "OAuth token in the header is not valid.")
        if time.monotonic() > until or credential.flaw == "expired":
            raise expired_token()
        return credential

    def _by_refresh_token(self, form: Mapping[str, str]) -> Credential:
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        matches = [credential for credential in self._world.credentials.values() if credential.refresh_token == form.get("refresh_token")]
        if not matches:
            raise OAuthError(400, "invalid_grant", "Bad Request")
        expires_at = matches[0].expires_at
        if matches[0].flaw == "revoked" or (expires_at and expires_at <= self._clock.now()):
            raise revoked_token()
        return matches[0]

    def _by_assertion(self, assertion: str) -> Credential:
        """Verify a service account's signed assertion."""
        try:
            signed, _, signature = assertion.rpartition(".")
            claims = json.loads(_base64url_decoded(signed.split(".")[1]))
            service_key().public_key().verify(_base64url_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, IndexError, RecursionError, InvalidSignature):
            raise OAuthError(400, "invalid_grant", "Invalid JWT Signature.") from None
        if not isinstance(claims, dict) or claims.get("iss") != SERVICE_ACCOUNT or claims.get("exp", 0) < time.time():
            raise OAuthError(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token of a known service account.")
        return self._world.credentials["full"]


def expired_token() -> AdsError:
    """An access token that has expired."""
    return unauthenticated("OAUTH_TOKEN_EXPIRED", "OAuth token in the header has expired.")


def revoked_token() -> OAuthError:
    """A refresh token that has expired or that its user has revoked."""
    return OAuthError(400, "invalid_grant", "Token has been expired or revoked.")


def service_account(token_url: str) -> dict[str, str]:
    """The key file of a service account with access to the customers of the credential ``full``."""
    key = service_key().private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return {
        "type": "service_account",
        "project_id": "sandbox",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": SERVICE_ACCOUNT,
        "client_id": "1",
        "token_uri": token_url,
    }


@lru_cache(maxsize=1)
def service_key() -> rsa.RSAPrivateKey:
    """The service account's key, shared by all sandboxes of a process because it is slow to generate."""
    return rsa.generate_private_key(65_537, 2_048)


def _base64url_decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
