"""What cannot be run for real: clocks that a test moves."""

from datetime import UTC, datetime, timedelta

from adpulse.clock import SystemClock


class SteppedClock:
    """Business time that moves only when told."""

    def __init__(self, now=datetime(2026, 3, 20, 15, 0, tzinfo=UTC)):
        self._now = now

    def now(self):
        return self._now

    def advance(self, **delta):
        self._now += timedelta(**delta)


class MovedClock:
    """Real time, which runs by itself and which a test puts ahead or back."""

    def __init__(self):
        self._ahead = timedelta(0)

    def now(self):
        return SystemClock().now() + self._ahead

    def advance(self, delta):
        self._ahead += delta
