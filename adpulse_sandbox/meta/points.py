"""The limit of calls of an app of the limited tier, as points per ad account.

Source: page "Marketing API Rate Limiting": a read costs one point, the score decays over 300 seconds, an app of the limited tier may have
60 points and is refused for 300 seconds beyond.
"""

import threading
from collections import deque
from datetime import datetime, timedelta

MOST_POINTS = 60
_WINDOW = timedelta(seconds=300)


class Points:
    """The calls of the last five minutes, by app and account. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[tuple[str, str], deque[datetime]] = {}
        self._blocked: dict[tuple[str, str], datetime] = {}

    def spend(self, app: str, account: str, now: datetime) -> bool:
        """Count a call; False if it is refused."""
        key = (app, account)
        with self._lock:
            if now < self._blocked.get(key, now):
                return False
            calls = self._calls.setdefault(key, deque())
            while calls and calls[0] <= now - _WINDOW:
                calls.popleft()
            if len(calls) >= MOST_POINTS:
                self._blocked[key] = now + _WINDOW
                calls.clear()
                return False
            calls.append(now)
            return True
