"""Sync frequencies, their fixed time grid, and which ones a workspace may choose. Pure."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache

from adpulse.errors import FrequencyRefused

# Any midnight in UTC would do: slots are counted from it.
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


class Frequency(StrEnum):
    """How often a connection is synced; ``manual`` is only on request."""

    MANUAL = "manual"
    REALTIME = "realtime"
    EVERY_5_MIN = "5min"
    EVERY_10_MIN = "10min"
    EVERY_30_MIN = "30min"
    HOURLY = "hourly"
    DAILY = "daily"

    @property
    def interval(self) -> timedelta | None:
        """Time between two slots of the grid; None for manual."""
        return _INTERVALS.get(self)

    @property
    def overdue_after(self) -> timedelta:
        """How long after its slot a connection waits for its group's tick before the sweep takes it.

        It is longer than the stagger of any group's tick.
        """
        return min(max(self.interval or timedelta(0), timedelta(minutes=1)), timedelta(minutes=10))

    @property
    def label(self) -> str:
        """The text for people, for example ``Realtime (every 30s)``."""
        return _LABELS[self]


_INTERVALS = {
    Frequency.REALTIME: timedelta(seconds=30),
    Frequency.EVERY_5_MIN: timedelta(minutes=5),
    Frequency.EVERY_10_MIN: timedelta(minutes=10),
    Frequency.EVERY_30_MIN: timedelta(minutes=30),
    Frequency.HOURLY: timedelta(hours=1),
    Frequency.DAILY: timedelta(days=1),
}
_LABELS = {
    Frequency.MANUAL: "Manual",
    Frequency.REALTIME: "Realtime (every 30s)",
    Frequency.EVERY_5_MIN: "Every 5 minutes",
    Frequency.EVERY_10_MIN: "Every 10 minutes",
    Frequency.EVERY_30_MIN: "Every 30 minutes",
    Frequency.HOURLY: "Hourly",
    Frequency.DAILY: "Daily",
}
_UNITS = (("days", timedelta(days=1)), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1)))
_ROUND_FROM = 10
"""Amounts from here on are shown without a decimal."""

SCHEDULED = tuple(frequency for frequency in Frequency if frequency is not Frequency.MANUAL)


def next_slot(frequency: Frequency, now: datetime) -> datetime | None:
    """The first slot of the frequency's grid after ``now``; None for manual.

    The grid is fixed in UTC, so a late or slow sync does not shift the ones after it:
    24 hours at 5min stay 288 syncs.
    """
    interval = frequency.interval
    if interval is None:
        return None
    return _EPOCH + ((now - _EPOCH) // interval + 1) * interval


def format_duration(interval: timedelta) -> str:
    """A duration as text for people: ``45 s``, ``8 min``, ``2.5 h``, ``3 days``."""
    unit, size = next((entry for entry in _UNITS if interval >= 2 * entry[1]), ("s", timedelta(seconds=1)))
    amount = interval / size
    return f"{amount:.0f} {unit}" if amount >= _ROUND_FROM else f"{float(f'{amount:.1f}'):g} {unit}"


@cache  # a list of connections offers them in each row
def allowed(*, realtime_granted: bool) -> tuple[Frequency, ...]:
    """The frequencies that a workspace may choose."""
    return tuple(frequency for frequency in Frequency if realtime_granted or frequency is not Frequency.REALTIME)


def parse(value: str, *, realtime_granted: bool) -> Frequency:
    """The frequency named ``value``.

    Raises:
        FrequencyRefused: unknown or not granted; the message lists what is allowed.
    """
    choices = allowed(realtime_granted=realtime_granted)
    if value in choices:
        return Frequency(value)
    listed = ", ".join(choices)
    if value == Frequency.REALTIME:
        message = f"Realtime is not granted to this workspace. Grant it with adpulse workspace grant-realtime, or choose one of: {listed}."
    else:
        message = f"'{value}' is not a sync frequency. Choose one of: {listed}."
    raise FrequencyRefused(message)
