"""The platform's lookback window: until when the numbers of a day may be restated. Pure. Step: plan."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from adpulse.model import Connection, Provider
from adpulse.platforms.registry import platform_of


def lookback_since(now: datetime, connection: Connection) -> date:
    """The oldest day whose numbers the platform may still restate at ``now``."""
    return connection.today(now) - timedelta(days=platform_of(connection.provider).lookback_days)


def settles_at(connection: Connection, day: date) -> datetime:
    """When the platform's lookback window for the day ends: what is read from then on is final."""
    return Settling.at(connection.provider, connection.zone).of(day)


@dataclass(frozen=True, slots=True)
class Settling:
    """When the days of an account become final."""

    lookback_days: int
    zone: ZoneInfo

    @classmethod
    def at(cls, provider: Provider, zone: ZoneInfo) -> "Settling":
        """By the platform's lookback window and the account's time zone."""
        return cls(platform_of(provider).lookback_days, zone)

    def of(self, day: date) -> datetime:
        """When the day's lookback window ends."""
        return _window_end(self.lookback_days, self.zone, day)


@lru_cache(maxsize=16_384)  # years of days are asked for at each plan
def _window_end(lookback_days: int, zone: ZoneInfo, day: date) -> datetime:
    return datetime.combine(day + timedelta(days=lookback_days + 1), time(), zone)
