"""Where a webhook may go: addresses of the internet only, unless the installation allows for its own network.

Checked when a webhook is made, and again with each delivery, against the very addresses that are then connected to: a name may
lead elsewhere by then.
"""

import ipaddress
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import SplitResult, urlsplit

from adpulse.errors import Unavailable, Usage

_PORTS = {"https": 443, "http": 80}
_WITH_IPV4 = tuple(
    ipaddress.ip_network(prefix)
    for prefix in (
        "::/96",  # IPv4-compatible, deprecated (RFC 4291, 2.5.5.1)
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291, 2.5.5.2)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
    )
)
"""Prefixes of IPv6 addresses whose last four bytes are the IPv4 address that is reached."""

_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""NAT64 within a network (RFC 8215): where in the address the IPv4 address stands is that network's choice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What is allowed; ``private`` is ADPULSE_WEBHOOK_PRIVATE_TARGETS."""

    private: bool

    def check(self, url: str) -> None:
        """Make sure that a webhook may go there.

        Raises:
            Usage: it may not, or the name leads nowhere; the message does not repeat the URL, it may be a secret.
        """
        try:
            self.resolve(url)
        except Unavailable as error:
            raise Usage(str(error)) from None

    def resolve(self, url: str) -> list[str]:
        """The addresses to connect to, resolved once: a second look-up could lead elsewhere.

        Raises:
            Usage: the webhook may not go there.
            Unavailable: the name leads nowhere at present.
        """
        parts = self._parts(url)
        host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        try:
            resolved = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError):
            raise Unavailable(f"The host {host} of the webhook's URL cannot be found.") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in resolved))
        if not self.private and not all(is_public(address) for address in addresses):
            raise Usage(f"The host {host} is in a private network. ADPULSE_WEBHOOK_PRIVATE_TARGETS=true allows webhooks to go there.")
        return addresses

    def _parts(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            well_formed = parts.scheme in _PORTS and bool(parts.hostname) and parts.port != 0
        except ValueError:
            well_formed = False
        if not well_formed or any(not " " < sign < "\x7f" for sign in url):
            raise Usage("A webhook's URL is like https://example.com/hooks: https, a host, nothing but ASCII and no spaces.")
        if parts.username is not None or parts.password is not None:
            raise Usage("A webhook's URL holds no user name and password: its receiver checks the signature instead.")
        if parts.scheme != "https" and not self.private:
            raise Usage("A webhook's URL begins with https://. ADPULSE_WEBHOOK_PRIVATE_TARGETS=true allows http, too.")
        return parts


def is_public(text: str) -> bool:
    """Whether an address is one of the internet, and none that leads back into a private network."""
    address = ipaddress.ip_address(text)
    inner = _inner(address)
    if inner is not None:
        return is_public(str(inner))
    if isinstance(address, IPv6Address) and address in _LOCAL_NAT64:
        return False
    site_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (address.is_multicast or site_local)


def _inner(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for, where it does."""
    if isinstance(address, IPv4Address):
        return None
    if any(address in prefix for prefix in _WITH_IPV4):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.sixtofour or (address.teredo[1] if address.teredo else None)
