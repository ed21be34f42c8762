"""Page tokens of Search: the position of the next page, valid for two hours and only for the request that they were issued for."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from adpulse_sandbox.google.errors import request_error

LIFETIME = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class PagePosition:
    """The beginning of a page, and the instant at which the first page was requested; all pages have the numbers of that instant."""

    offset: int
    first_requested_at: datetime

    def token(self, request_key: str) -> str:
        """The page token for this position of a request."""
        fields = {"offset": self.offset, "asked_at": self.first_requested_at.isoformat(), "of": _digest(request_key)}
        return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode()


def position_of(token: str, request_key: str, now: datetime) -> PagePosition:
    """The position of a page token; the beginning without a token.

    Raises:
        AdsError: the token is invalid, of another request, or expired.
    """
    if not token:
        return PagePosition(0, now)
    try:
        fields = json.loads(base64.urlsafe_b64decode(token))
        position, digest = PagePosition(int(fields["offset"]), datetime.fromisoformat(fields["asked_at"])), fields["of"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise request_error("INVALID_PAGE_TOKEN", "The page token is invalid.") from None
    if digest != _digest(request_key):
        raise request_error("INVALID_PAGE_TOKEN", "The page token belongs to another request.")
    if now - position.first_requested_at > LIFETIME:
        raise request_error("EXPIRED_PAGE_TOKEN", "The page token has expired.")
    return position


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
