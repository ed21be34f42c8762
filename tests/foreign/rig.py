"""What a foreign client is run with, and what is noted of each of its streams."""

import os
import re
import subprocess
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Literal

from foreign.stored import Stored

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.login import CLIENT_ID, CLIENT_SECRET
from adpulse_sandbox.proxy import Proxy

META_ACCOUNT = "Lantern Books"
GOOGLE_CUSTOMER = "Alpenglow Reisen"
ACCOUNTS = ((META_ACCOUNT, "varied"), (GOOGLE_CUSTOMER, "single"))
"""What the clients read, each with the sandbox's name of a token that reaches it, which adpulse syncs too."""

_SECONDS = 900
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "TZ")

Result = Literal["equal", "different", "ran", "refused"]
"""Of a stream: its numbers or ids equal both the truth and the warehouse or do not; it ran and has nothing to compare; it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one stream of a client went. ``says`` is the error of a stream that was refused, or the first differences."""

    stream: str
    result: Result
    rows: int = 0
    says: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A program that has ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """The sandbox, what adpulse stored of it, the way to it, and the days that are asked for: all have ended in every time zone."""

    sandbox: Sandbox
    stored: Stored
    proxy: Proxy
    folder: Path

    @property
    def until(self) -> date:
        """The last day."""
        return self.sandbox.clock.now().date() - timedelta(days=2)

    @property
    def since(self) -> date:
        """The first day."""
        return self.until - timedelta(days=1)

    @property
    def account(self) -> str:
        """The Meta account, without ``act_``."""
        return self.sandbox.world.account(META_ACCOUNT).id

    @property
    def token(self) -> str:
        """A token that reaches it."""
        return self.sandbox.world.token("varied").value

    @property
    def customer(self) -> str:
        """The Google customer, the only one that ``refresh_token`` reaches."""
        return self.sandbox.google.world.customer(GOOGLE_CUSTOMER).id

    @property
    def refresh_token(self) -> str:
        """A refresh token that reaches the customer."""
        return self.sandbox.google.world.credentials["single"].refresh_token

    @property
    def google_login(self) -> dict[str, str]:
        """What Google's SDKs need to reach the customer."""
        return {
            "developer_token": "of-the-sandbox",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "refresh_token": self.refresh_token,
            "login_customer_id": self.customer,
        }

    def run(self, *command: object, **variables: str) -> Done:
        """Run a client's program in an environment that has nothing but the way to the sandbox."""
        inherited = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        environment = {**inherited, "HOME": str(self.folder), "PYTHONHASHSEED": "0", **self.proxy.environment, **variables}
        done = subprocess.run(
            [str(part) for part in command], env=environment, cwd=self.folder, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        return Done(code=done.returncode, out=done.stdout, err=done.stderr)

    def file(self, name: str, text: str) -> Path:
        """Write a file for a client."""
        path = self.folder / name
        path.write_text(text)
        return path


def shortened(error: str) -> str:
    """The sandbox's own words, if an error repeats them, or else its beginning; without what differs from run to run."""
    refusal = re.search(r"adpulse sandbox does not serve [^\"'\\]+", error)
    text = re.sub(r"\s+", " ", refusal[0] if refusal else error.partition(" Request (body)")[0]).strip()
    text = re.sub(r"\b\d{6,}\b", "…", text)
    return text if len(text) <= 200 else f"{text[:200]}…"
