"""The two clocks: business time and real time. Both are given to what needs them, so that a test can move them.

Business time (``clock``) decides what "today" is, what is due, how old a partition is and which calls lie in
the sliding hour. It is the real time, or the sandbox's clock when one is configured.
Real time (``wall``, for the clock on the wall) is what processes, browsers and people share: leases, when a key, a session or
a grant ends, when a run was asked for and ended. What lives within one process uses ``time.monotonic``.
"""

from datetime import UTC, datetime
from typing import Protocol

import requests

from adpulse.errors import Unavailable


class Clock(Protocol):
    """Anything that tells the time: business time or real time, as its name where it is used says."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock: real time."""

    def now(self) -> datetime:
        """Real time in UTC; nothing else in the product asks the machine for it."""
        return datetime.now(UTC)


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
