"""The one clock for business time.

Business time decides what "today" is, what is due, how old a partition is and which calls lie in
the sliding hour. It is the wall clock, or the sandbox's clock when one is configured, so that a test can
step it. What processes share by wall clock (leases, token expiry) uses :func:`utc_now`; what lives
within one process uses ``time.monotonic``.
"""

from datetime import UTC, datetime
from typing import Protocol

import requests

from adpulse.errors import Unavailable


class Clock(Protocol):
    """Anything that tells business time."""

    def now(self) -> datetime:
        """Business time, aware, in UTC."""
        ...


def utc_now() -> datetime:
    """Real time, aware, in UTC."""
    return datetime.now(UTC)


class SystemClock:
    """Business time is the wall clock."""

    def now(self) -> datetime:
        """The wall clock in UTC."""
        return utc_now()


class SandboxClock:
    """Business time is whatever the sandbox's control endpoint says, asked anew each time."""

    def __init__(self, control_url: str) -> None:
        self._url = f"{control_url.rstrip('/')}/clock"

    def now(self) -> datetime:
        """The sandbox's clock in UTC.

        Raises:
            Unavailable: the sandbox does not answer.
        """
        try:
            answer = requests.get(self._url, timeout=10)
            answer.raise_for_status()
            return datetime.fromisoformat(answer.json()["now"]).astimezone(UTC)
        except (requests.RequestException, ValueError, KeyError):
            message = f"The sandbox clock at {self._url} does not answer. Start the sandbox, or unset ADPULSE_SANDBOX_URL."
            raise Unavailable(message) from None
