"""What a person meets in the browser when a client asks for consent: a page with Allow and Cancel, and the way back.

Both platforms follow RFC 6749, section 4.1; what they have in common is here. What is wrong with the client or with its address is
told on a page: a browser is never sent to an address that is not the client's.
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
Kept = TypeVar("Kept")
Params = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the browser gets: a page, or a redirect to ``location``."""

    status: int
    page: str = ""
    location: str | None = None


@dataclass(slots=True)
class Spent(Exception):
    """A name that is good for nothing. ``why``: unknown, used or expired."""

    why: str


@dataclass(slots=True)
class Wrong(Exception):
    """A request that is answered by a page of its own: the client, or the address it wants to be answered at, is not right."""

    shown: Shown


class Once(Generic[Kept]):
    """Keeps things under names nobody can guess; each name is good once, for ten minutes of the sandbox's time."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._kept: dict[str, tuple[Kept | None, datetime]] = {}
        self._lock = threading.Lock()

    def keep(self, thing: Kept, prefix: str = "") -> str:
        """The name it can be taken by."""
        name = prefix + secrets.token_urlsafe(32)
        with self._lock:
            self._kept[name] = thing, self._now() + CODE_LIFETIME
        return name

    def take(self, name: str) -> Kept:
        """The thing.

        Raises:
            Spent: there is none, it was taken, or it is too late.
        """
        with self._lock:
            thing, until = self._kept.get(name, (None, self._now()))
            if name not in self._kept:
                raise Spent("unknown")
            self._kept[name] = None, until
        if thing is None:
            raise Spent("used")
        if until <= self._now():
            raise Spent("expired")
        return thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """An app as its developer registered it. ``loopback``: host names that need no registration, whatever the port."""

    id: str
    secret: str = field(repr=False)
    loopback: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()

    def accepts(self, redirect_uri: str) -> bool:
        """Whether the browser may be sent there: the whole address is compared, as it was registered."""
        if redirect_uri in self.redirect_uris:
            return True
        parts = urlsplit(redirect_uri)
        return parts.scheme == "http" and parts.hostname in self.loopback and not parts.fragment


def consent_page(platform: str, request: str, asks: str, users: Iterable[str], action: str) -> Shown:
    """The page on which a person chooses who they are, and allows or cancels. No script."""
    options = "".join(f'<option value="{escape(each)}">{escape(each)}</option>' for each in users)
    return _page(
        200,
        f"{platform} sandbox",
        f"<p>{escape(asks)}</p>"
        f'<form method="post" action="{escape(action)}">'
        f'<input type="hidden" name="request" value="{escape(request)}">'
        f'<p><label>Signed in as <select name="user">{options}</select></label></p>'
        '<p><button name="decision" value="allow">Allow</button> <button name="decision" value="cancel">Cancel</button></p>'
        "</form>",
    )


def error_page(status: int, title: str, told: str) -> Shown:
    """The browser stays here."""
    return _page(status, title, f"<p>{escape(told)}</p>")


def back_to(redirect_uri: str, **told: str | None) -> Shown:
    """Send the browser back to the client with what it is told; the address keeps its own query."""
    parts = urlsplit(redirect_uri)
    query = [*parse_qsl(parts.query), *((name, value) for name, value in told.items() if value is not None)]
    return Shown(302, location=urlunsplit(parts._replace(query=urlencode(query))))


def _page(status: int, title: str, body: str) -> Shown:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return Shown(status, f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>')
