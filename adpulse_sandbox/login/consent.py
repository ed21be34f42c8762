"""The consent dialog in the browser: a page with Allow and Cancel, and the redirect back to the client.

Both platforms follow RFC 6749, section 4.1; this module holds what they share. An unknown client or redirect address is reported on
an error page: the browser is never redirected to an address that is not registered for the client.
"""

import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from html import escape
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
CODE_LIFETIME = timedelta(minutes=10)
Value = TypeVar("Value")
Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BrowserAnswer:
    """An answer to the browser: a page, or a redirect to ``location``."""

    status: int
    page: str = ""
    location: str | None = None


@dataclass(slots=True)
class InvalidKey(Exception):
    """A key that opens nothing. ``reason``: unknown, used or expired."""

    reason: str


@dataclass(slots=True)
class RejectedRequest(Exception):
    """A consent request with an invalid client, redirect address or parameter. ``answer`` is the error page."""

    answer: BrowserAnswer


class OneTimeStore(Generic[Value]):
    """Stores values under random keys; a key can be used once, within ten minutes of the sandbox's time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._values: dict[str, tuple[Value | None, datetime]] = {}
        self._lock = threading.Lock()

    def put(self, value: Value, prefix: str = "") -> str:
        """Store a value and return its key."""
        key = prefix + secrets.token_urlsafe(32)
        with self._lock:
            self._values[key] = value, self._now() + CODE_LIFETIME
        return key

    def take(self, key: str) -> Value:
        """Return the value of a key, and use the key up.

        Raises:
            InvalidKey: the key is unknown, used or expired.
        """
        with self._lock:
            value, until = self._values.get(key, (None, self._now()))
            if key not in self._values:
                raise InvalidKey("unknown")
            self._values[key] = None, until  # the key stays, so that a second use is reported as used and not as unknown
        if value is None:
            raise InvalidKey("used")
        if until <= self._now():
            raise InvalidKey("expired")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An app as its developer registered it. ``loopback``: host names that need no registration, on any port."""

    id: str
    secret: str = field(repr=False)
    loopback: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()

    def accepts(self, redirect_uri: str) -> bool:
        """Whether the browser may be redirected there. The whole address must equal a registered one."""
        if redirect_uri in self.redirect_uris:
            return True
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and parts.hostname in self.loopback and not parts.fragment


def consent_page(platform: str, request: str, question: str, users: Iterable[str], action: str) -> BrowserAnswer:
    """The page on which a person chooses a user and allows or cancels. It contains no script."""
    options = "".join(f'<option value="{escape(user)}">{escape(user)}</option>' for user in users)
    return _page(
        200,
        f"{platform} sandbox",
        f"<p>{escape(question)}</p>"
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="request" value="{escape(request)}">'
        f'<p><label>Signed in as <select name="user">{options}</select></label></p>'
        '<p><button name="decision" value="allow">Allow</button> <button name="decision" value="cancel">Cancel</button></p>'
        "</form>",
    )


def error_page(status: int, title: str, message: str) -> BrowserAnswer:
    """A page that reports an error; the browser is not redirected."""
    return _page(status, title, f"<p>{escape(message)}</p>")


def redirect_to_client(redirect_uri: str, **parameters: str | None) -> BrowserAnswer:
    """Redirect the browser to the client with these query parameters; the address keeps its own query."""
    parts = urlsplit(redirect_uri)
    query = [*parse_qsl(parts.query), *((name, value) for name, value in parameters.items() if value is not None)]
    return BrowserAnswer(302, location=urlunsplit(parts._replace(query=urlencode(query))))


def _page(status: int, title: str, body: str) -> BrowserAnswer:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return BrowserAnswer(status, f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>')
