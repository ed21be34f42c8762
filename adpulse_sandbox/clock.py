"""The sandbox's clock, which can be frozen, stepped and sped up, and the log of every call that the sandbox answered."""

import threading
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


def this_minute() -> datetime:
    """The machine's time, without its seconds: when a sandbox begins that is given no other instant."""
    return datetime.now(UTC).replace(second=0, microsecond=0)


def parse_instant(text: str) -> datetime:
    """An instant as ISO text, such as ``2026-03-20T15:00Z``.

    Raises:
        ValueError: it is none, or has no time zone.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    return instant.astimezone(UTC)


class SandboxClock:
    """Business time: the instant that was last set, and the rate at which time passes since (0: frozen)."""

    def __init__(self, now: datetime, rate: float = 1.0) -> None:
        self._lock = threading.Lock()
        self._base, self._since, self._rate = now, time.monotonic(), rate

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        with self._lock:
            return self._base + timedelta(seconds=(time.monotonic() - self._since) * self._rate)

    @property
    def rate(self) -> float:
        """Sandbox seconds per real second."""
        return self._rate

    def set(self, now: datetime) -> None:
        """Set the clock to an instant."""
        with self._lock:
            self._base, self._since = now.astimezone(UTC), time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self.set(self.now() + timedelta(seconds=seconds))

    def run(self, rate: float) -> None:
        """Change the rate without a jump."""
        now = self.now()
        with self._lock:
            self._base, self._since, self._rate = now, time.monotonic(), rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that the sandbox answered. ``account`` is empty for calls that concern no account."""

    seq: int
    at: datetime
    account: str
    kind: str
    method: str
    path: str
    params: dict[str, str]
    offset: int | None
    status: int
    rows: int | None
    fault: str | None

    def as_json(self) -> dict[str, Any]:
        """The call as a JSON object."""
        return {**asdict(self), "at": self.at.isoformat()}


class CallLog:
    """All calls in order. Tests compare them with the product's call ledger."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: list[Call] = []

    def add(self, **values: Any) -> Call:
        """Append a call and number it."""
        with self._lock:
            call = Call(seq=len(self._calls) + 1, **values)
            self._calls.append(call)
            return call

    def calls(self, account: str | None = None) -> list[Call]:
        """All calls, or those of one account."""
        with self._lock:
            return [call for call in self._calls if account is None or call.account == account]

    def within_hour(self, account: str, now: datetime) -> int:
        """How many calls the account had in the hour before ``now``."""
        with self._lock:
            recent = reversed(self._calls)
            return sum(1 for call in recent if call.account == account and now - timedelta(hours=1) < call.at <= now)

    def clear(self) -> None:
        """Remove all calls."""
        with self._lock:
            self._calls.clear()
