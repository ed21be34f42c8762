"""Page tokens of Search: where the next page begins, bound to the request they came from, valid for two hours."""

import base64
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from adpulse_sandbox.google.errors import request_error

LIFETIME = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page begins, and the instant the first page was asked: the pages of one request belong together."""

    offset: int
    asked_at: datetime

    def token(self, bound: str) -> str:
        """The token for this place of one request."""
        told = {"offset": self.offset, "asked_at": self.asked_at.isoformat(), "of": _digest(bound)}
        return base64.urlsafe_b64encode(json.dumps(told).encode()).decode()


def place(token: str, bound: str, now: datetime) -> Place:
    """Where a token points to; without one, the beginning.

    Raises:
        AdsError: it is none, of another request, or too old.
    """
    if not token:
        return Place(0, now)
    try:
        told = json.loads(base64.urlsafe_b64decode(token))
        found, of = Place(int(told["offset"]), datetime.fromisoformat(told["asked_at"])), told["of"]
    except (ValueError, KeyError, TypeError):
        raise request_error("INVALID_PAGE_TOKEN", "The page token is invalid.") from None
    if of != _digest(bound):
        raise request_error("INVALID_PAGE_TOKEN", "The page token belongs to another request.")
    if now - found.asked_at > LIFETIME:
        raise request_error("EXPIRED_PAGE_TOKEN", "The page token has expired.")
    return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
