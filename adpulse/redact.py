"""Keeps secrets out of everything that is written: log lines, tracebacks, error texts.

Two nets: values this process has opened (:func:`protect`), and shapes that look like credentials.
Installed as the process's log record class, so every handler and formatter, Prefect's too, gets clean text.
"""

import logging
import re
from urllib.parse import unquote, urlsplit

MASK = "[redacted]"
_SHAPES = re.compile(
    r"(?i)((?:access_token|appsecret_proof|input_token|fb_exchange_token|client_secret|refresh_token|app_secret|password)"
    r"(?:=|%3D|[\"']?\s*:\s*[\"']?)|bearer\s+|oauth\s+(?=\S{20}))(?!\[redacted\])[^\s&\"',;)}\]]+"
)
_TOKEN = re.compile(r"\bEAA[A-Za-z0-9]{16,}|\bya29\.[\w-]{16,}|\b1//[\w-]{10,}")
"""Meta's tokens, Google's access tokens, and its refresh tokens."""

_SHORTEST = 6
_protected: set[str] = set()


def protect(secret: str) -> str:
    """Remember a secret's value, so that it is masked wherever it shows up; returns it."""
    if len(secret) >= _SHORTEST:
        _protected.add(secret)
    return secret


def protect_url(url: str) -> str:
    """Remember the password of a URL, quoted as it stands there and plain; returns the URL."""
    password = urlsplit(url).password
    if password:
        protect(password)
        protect(unquote(password))
    return url


def protect_login(login: str) -> str:
    """Remember the password of ``user:password``; returns the whole."""
    protect(login.partition(":")[2])
    return login


def redact(text: str) -> str:
    """``text`` with every known secret and everything credential-shaped masked."""
    text = _TOKEN.sub(MASK, _SHAPES.sub(rf"\g<1>{MASK}", text))
    for secret in sorted(_protected, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def excerpt(text: str, longest: int) -> str:
    """The beginning of ``text``, redacted first: half a secret would not be recognised any more."""
    return redact(text)[:longest]


class RedactedRecord(logging.LogRecord):
    """A log record whose message and traceback are redacted, whichever handler formats them."""

    def getMessage(self) -> str:  # noqa: N802 - the name is the standard library's
        """The formatted message, redacted."""
        return redact(super().getMessage())

    def __setattr__(self, name: str, value: object) -> None:
        """Redact the traceback text at the moment a formatter caches it on the record."""
        if name in ("exc_text", "stack_info") and isinstance(value, str):
            value = redact(value)
        super().__setattr__(name, value)


def install() -> None:
    """Make every log record of this process a redacted one; again is harmless."""
    logging.setLogRecordFactory(RedactedRecord)
