"""What cannot be run for real: a clock to step."""

from datetime import UTC, datetime, timedelta


class SteppedClock:
    """Business time that moves only when told."""

    def __init__(self, now=datetime(2026, 3, 20, 15, 0, tzinfo=UTC)):
        self._now = now

    def now(self):
        return self._now

    def advance(self, **delta):
        self._now += timedelta(**delta)
