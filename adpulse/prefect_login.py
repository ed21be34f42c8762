"""The password of a home's own Prefect server, and tickets that log a browser in to its pages once.

Prefect's pages ask for the password and keep it in the browser. A ticket saves typing it: adpulse's pages make one for an operator,
and the Prefect server accepts it once, within a minute. Both know the password and share nothing else, so a ticket is signed with it.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from pydantic import SecretStr

from adpulse import private_file

TICKET_PATH = "/adpulse/login"
"""Where the Prefect server takes tickets: ``/adpulse/login/{ticket}?next=/path/of/its/pages``."""

LIFETIME = timedelta(minutes=1)

_FILE = Path("prefect", "login")


def own_login(home: Path) -> SecretStr:
    """``user:password`` of the home's Prefect server, created at first use in a file that only its owner may read."""
    stored = existing_login(home)
    return stored or SecretStr(private_file.create(home / _FILE, f"adpulse:{secrets.token_urlsafe(32)}"))


def existing_login(home: Path) -> SecretStr | None:
    """``user:password`` of the home's Prefect server; None if no server of this home has started yet."""
    path = home / _FILE
    return SecretStr(path.read_text()) if path.exists() else None


def issue_ticket(login: SecretStr, now: datetime) -> str:
    """A ticket that is good once and for a minute. ``now`` is real time."""
    claim = f"{int((now + LIFETIME).timestamp())}.{secrets.token_urlsafe(16)}"
    return f"{claim}.{_signature(login.get_secret_value(), claim)}"


class Tickets:
    """Accepts each ticket of this password once. It forgets when its process ends, so it refuses those that are older than itself."""

    def __init__(self, login: SecretStr, now: datetime) -> None:
        self._login = login
        self._since = now
        self._used: dict[str, datetime] = {}

    def redeem(self, ticket: str, now: datetime) -> bool:
        """Use up a ticket; False if it is forged, was used before, or has expired. ``now`` is real time."""
        claim, _, signature = ticket.rpartition(".")
        if not hmac.compare_digest(signature.encode(), _signature(self._login.get_secret_value(), claim).encode()):
            return False
        expires = datetime.fromtimestamp(int(claim.partition(".")[0]), now.tzinfo)
        self._used = {used: end for used, end in self._used.items() if end > now}
        if claim in self._used or expires <= max(now, self._since + LIFETIME):
            return False
        self._used[claim] = expires
        return True


def _signature(login: str, claim: str) -> str:
    return hmac.new(_key(login), claim.encode(), hashlib.sha256).hexdigest()


@cache
def _key(login: str) -> bytes:
    """A key that takes long to derive: a password that somebody chose must not be guessed from a ticket in a log."""
    return hashlib.scrypt(login.encode(), salt=b"adpulse: tickets for Prefect's pages", n=2**14, r=8, p=1)
