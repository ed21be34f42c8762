"""The OAuth token endpoint: codes, refresh tokens and service accounts in, access tokens out; and who an access token is."""

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
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET, SCOPE, GoogleLogin, Refused
from adpulse_sandbox.google.world import Credential, GoogleWorld

SERVICE_ACCOUNT = "adpulse@sandbox.iam.gserviceaccount.com"
LIFETIME_SECONDS = 3_599
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"


class Grants:
    """Issues access tokens and knows whose they are.

    Access tokens expire by real time, as the clients' clocks are real; codes and refresh tokens by the sandbox's.
    """

    def __init__(self, world: GoogleWorld, clock: SandboxClock, login: GoogleLogin) -> None:
        self._world, self._clock, self._login = world, clock, login
        self._issued: dict[str, tuple[Credential, float]] = {}
        self._lock = threading.Lock()

    def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Answer a request to the token endpoint.

        Raises:
            Refused: no access token for this.
        """
        kind, more = form.get("grant_type"), dict[str, Any]()
        if kind == "authorization_code":
            consented = self._login.redeemed(form)
            credential, more = consented.credential, {"scope": " ".join(consented.scopes)}
            if consented.lasting:
                more |= self._lasting(credential)
        elif kind == "refresh_token":
            credential = self._refreshed(form)
        elif kind == _ASSERTION:
            credential = self._asserted(form.get("assertion", ""))
        else:
            raise Refused(400, "unsupported_grant_type", f"Invalid grant_type: {kind}")
        return {"access_token": self.issue(credential), "expires_in": LIFETIME_SECONDS, "token_type": "Bearer", "scope": SCOPE, **more}

    def _lasting(self, credential: Credential) -> dict[str, Any]:
        """The refresh token, with the seconds it lasts where it ends by itself."""
        ends = credential.expires_at
        more = {"refresh_token_expires_in": int((ends - self._clock.now()).total_seconds())} if ends else {}
        return {"refresh_token": credential.refresh_token, **more}

    def issue(self, credential: Credential) -> str:
        """A new access token."""
        value = f"ya29.sandbox-{secrets.token_urlsafe(24)}"
        with self._lock:
            self._issued[value] = (credential, time.monotonic() + LIFETIME_SECONDS)
        return value

    def credential(self, authorization: str | None) -> Credential:
        """Whose token an ``authorization`` header holds.

        Raises:
            AdsError: none's, or one's that is not valid any more.
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

    def _refreshed(self, form: Mapping[str, str]) -> Credential:
        if (form.get("client_id"), form.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            raise Refused(401, "invalid_client", "The OAuth client was not found.")
        found = [each for each in self._world.credentials.values() if each.refresh_token == form.get("refresh_token")]
        if not found:
            raise Refused(400, "invalid_grant", "Bad Request")
        ends = found[0].expires_at
        if found[0].flaw == "revoked" or (ends and ends <= self._clock.now()):
            raise revoked()
        return found[0]

    def _asserted(self, assertion: str) -> Credential:
        """Check a service account's signed assertion."""
        try:
            signed, _, signature = assertion.rpartition(".")
            claims = json.loads(_decoded(signed.split(".")[1]))
            service_key().public_key().verify(_decoded(signature), signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        except (ValueError, IndexError, InvalidSignature):
            raise Refused(400, "invalid_grant", "Invalid JWT Signature.") from None
        if claims.get("iss") != SERVICE_ACCOUNT or claims.get("exp", 0) < time.time():
            raise Refused(400, "invalid_grant", "Invalid JWT: Token must be a short-lived token of a known service account.")
        return self._world.credentials["full"]


def expired_token() -> AdsError:
    """An access token that was valid once."""
    return unauthenticated("OAUTH_TOKEN_EXPIRED", "OAuth token in the header has expired.")


def revoked() -> Refused:
    """A refresh token that its user has revoked."""
    return Refused(400, "invalid_grant", "Token has been expired or revoked.")


def service_account(token_url: str) -> dict[str, str]:
    """The key file of a service account that reaches what the credential ``full`` reaches."""
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
    """The service account's key, one for all sandboxes of a process."""
    return rsa.generate_private_key(65_537, 2_048)


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
