"""Addresses of e-mail: which are valid, and their ``mailto:`` URLs. Pure.

An address stands in a command of SMTP and in a header, so nothing that could end a line or begin a second address is part of one.
"""

import re
from email.utils import parseaddr

from adpulse.errors import Usage

_LONGEST = 254  # a path of SMTP has 256 characters, with its brackets (RFC 5321, 4.5.3.1.3)
_SCHEME = "mailto:"
# Atoms of RFC 5322, 3.2.3, without those that mean something in a URL; labels as in browsers' input fields (HTML, "valid e-mail address").
_ATOM = r"[A-Za-z0-9!$'*+=^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})+")


def is_valid(text: str) -> bool:
    """Whether this is one address, and nothing else."""
    return len(text) <= _LONGEST and _ADDRESS.fullmatch(text) is not None


def url_of(text: str) -> str:
    """The URL of an address, or of a URL of one; the domain, which has no case, is in lower case.

    Raises:
        Usage: it is not a valid address.
    """
    address = text.strip()
    if address.lower().startswith(_SCHEME):
        address = address[len(_SCHEME) :]
    if not is_valid(address):
        raise Usage("An e-mail address is like person@example.com: one address, nothing but ASCII, no name and no spaces.")
    name, _, domain = address.partition("@")
    return f"{_SCHEME}{name}@{domain.lower()}"


def of_url(url: str) -> str:
    """The address of a URL that :func:`url_of` made."""
    return url.removeprefix(_SCHEME)


def sender(text: str) -> tuple[str, str]:
    """The name and the address of ``Name <address>`` or of an address alone.

    Raises:
        ValueError: it is neither.
    """
    name, address = parseaddr(text)
    if not is_valid(address) or not text.isprintable():
        raise ValueError("must be an address such as adpulse@example.com, or a name with one: adpulse <adpulse@example.com>")
    return name, address
