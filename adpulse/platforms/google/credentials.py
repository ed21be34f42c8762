"""Credentials of Google Ads: a refresh token, or the JSON of an authorised user or of a service account. Step: fetch."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from google.auth.credentials import Credentials as GoogleCredentials
from google.oauth2 import credentials as user
from google.oauth2 import service_account
from pydantic import SecretStr

from adpulse.errors import Usage
from adpulse.redact import protect

_OAUTH_SCOPE = "https://www.googleapis.com/auth/adwords"
_KINDS = ("authorized_user", "service_account")
_SECRETS = ("refresh_token", "client_secret", "private_key")
_PROJECT_NUMBER = re.compile(r"(\d+)-")


@dataclass(frozen=True, slots=True, kw_only=True)
class OauthClient:
    """The installation's own OAuth client, which plain refresh tokens were issued to, and where tokens are issued."""

    token_url: str
    id: str | None = None
    secret: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A credential that is complete. ``project`` is the Google Cloud project that its calls are counted in."""

    fields: dict[str, Any] = field(repr=False)
    token_url: str
    project: str

    def credentials(self) -> GoogleCredentials:
        """What the SDK takes; it has no access token yet."""
        if self.fields["type"] == "service_account":
            # Not the file's own token_uri: an uploaded file could make us call any address.
            return _service_account({**self.fields, "token_uri": self.token_url})
        return user.Credentials(  # type: ignore[no-untyped-call] # google.auth leaves its constructors untyped
            None,
            refresh_token=self.fields["refresh_token"],
            client_id=self.fields["client_id"],
            client_secret=self.fields["client_secret"],
            token_uri=self.token_url,
            scopes=[_OAUTH_SCOPE],
        )


def parse(secret: SecretStr, client: OauthClient) -> Key:
    """The key in what a person gave; its secret parts are masked in every log from now on.

    Raises:
        Usage: it is incomplete; the message says what is missing and never repeats a value.
    """
    text = protect(secret.get_secret_value().strip())
    fields = _json(text) if text.startswith("{") else _of_client(text, client)
    for name in _SECRETS:
        if isinstance(fields.get(name), str):
            protect(fields[name])
    if fields["type"] == "service_account":
        _require(fields, "client_email", "private_key", "project_id")
        try:
            _service_account({**fields, "token_uri": client.token_url})
        except ValueError:
            raise Usage("The service account's private key cannot be read. Give the JSON file as Google issued it.") from None
        return Key(fields, client.token_url, str(fields["project_id"]))
    _require(fields, "client_id", "client_secret", "refresh_token")
    number = _PROJECT_NUMBER.match(str(fields["client_id"]))
    return Key(fields, client.token_url, number[1] if number else str(fields["client_id"]))


def _service_account(info: dict[str, Any]) -> GoogleCredentials:
    make = service_account.Credentials.from_service_account_info
    credentials: GoogleCredentials = make(info, scopes=[_OAUTH_SCOPE])  # type: ignore[no-untyped-call] # google.auth leaves it untyped
    return credentials


def _json(text: str) -> dict[str, Any]:
    try:
        fields = json.loads(text)
    except json.JSONDecodeError:
        raise Usage("The Google credentials begin like JSON but are none. Give the whole file.") from None
    if not isinstance(fields, dict) or fields.get("type") not in _KINDS:
        raise Usage(f'These Google credentials are of no kind that can be used. Their "type" must be one of: {", ".join(_KINDS)}.')
    return fields


def _of_client(refresh_token: str, client: OauthClient) -> dict[str, Any]:
    if not client.id or not client.secret:
        message = (
            "A refresh token needs the OAuth client that it was issued to. Set ADPULSE_GOOGLE_CLIENT_ID and "
            "ADPULSE_GOOGLE_CLIENT_SECRET, or give the credentials as JSON."
        )
        raise Usage(message)
    return {
        "type": "authorized_user",
        "refresh_token": refresh_token,
        "client_id": client.id,
        "client_secret": client.secret.get_secret_value(),
    }


def _require(fields: dict[str, Any], *names: str) -> None:
    missing = [name for name in names if not (isinstance(fields.get(name), str) and fields[name])]
    if missing:
        raise Usage(f"The Google credentials lack {', '.join(missing)}.")
