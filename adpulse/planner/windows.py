"""Which days of an account are due to be read again. Pure; days are the account's local dates. Step: plan.

The age that matters is that of our last complete read. Ages are compared with a little slack,
because a tick that comes a second early must not wait a whole interval.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from adpulse.model import Connection, Fetch, FetchKind

FIRST_SYNC_DAYS = 90
LOOKBACK_DAYS = 28
"""The platform may restate a day's conversions for this long; later the day is final."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CLOCK_SLACK = timedelta(minutes=5)
"""What is stored as later than the clock allows for, by more than this, was stored before the clock was set back."""

_AFTER_MIDNIGHT = timedelta(hours=3)
_SLACK = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionAges:
    """When each part of a connection was last read completely (business time)."""

    dateless: Mapping[FetchKind, datetime] = field(default_factory=dict)
    days: Mapping[tuple[FetchKind, date], datetime] = field(default_factory=dict)

    def stale(self, kind: FetchKind, now: datetime, max_age: timedelta, day: date | None = None) -> bool:
        """Whether the part was never read, or longer than ``max_age`` ago."""
        read_at = self.dateless.get(kind) if day is None else self.days.get((kind, day))
        return read_at is None or now - read_at >= max_age * _SLACK

    def after(self, reads: Iterable[tuple[Fetch, datetime]]) -> "PartitionAges":
        """With these complete reads made, too."""
        dateless, days = dict(self.dateless), dict(self.days)
        for fetch, at in reads:
            if not fetch.kind.has_dates:
                dateless[fetch.kind] = max(at, dateless.get(fetch.kind, at))
            for day in fetch.days:
                days[fetch.kind, day] = max(at, days.get((fetch.kind, day), at))
        return PartitionAges(dateless=dateless, days=days)

    def as_of(self, now: datetime) -> "PartitionAges":
        """With reads from the future counted as a day old: they were noted before the clock was set back."""
        latest, old = now + CLOCK_SLACK, now - DAY
        return PartitionAges(
            dateless={kind: at if at <= latest else old for kind, at in self.dateless.items()},
            days={part: at if at <= latest else old for part, at in self.days.items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Consecutive days, both included."""

    since: date
    until: date

    @property
    def days(self) -> int:
        """How many days."""
        return (self.until - self.since).days + 1


def hot_days(now: datetime, connection: Connection, ages: PartitionAges, hot_age: timedelta) -> list[date]:
    """Which of today and yesterday are due at ad level.

    ``hot_age`` is how old today's numbers may be. Yesterday is as hot as today until three hours after
    local midnight, because the platform is still completing it; then it is read hourly.
    """
    today = connection.today(now)
    yesterday = today - DAY
    if not ages.stale(FetchKind.ADS, now, hot_age, today):
        # Never read at all, though today was: the account's time zone changed.
        return [] if (FetchKind.ADS, yesterday) in ages.days else [yesterday]
    midnight = datetime.combine(today, time(), connection.zone)
    yesterday_age = min(hot_age, HOUR) if now - midnight < _AFTER_MIDNIGHT else HOUR
    stale = ages.stale(FetchKind.ADS, now, yesterday_age, yesterday)
    return [today, yesterday] if stale else [today]


def hot_total_days(now: datetime, connection: Connection, ages: PartitionAges, max_age: timedelta) -> list[date]:
    """Which of today and yesterday are due for campaign totals."""
    today = connection.today(now)
    return [day for day in (today, today - DAY) if ages.stale(FetchKind.CAMPAIGNS, now, max_age, day)]


def cold_days(now: datetime, connection: Connection, ages: PartitionAges) -> list[date]:
    """Days read before that may have been restated since; newest first.

    Days 2 to 28 daily; older ones only until they were read once after they became final, so that a pause
    of weeks or a restatement in the last hour of the lookback is not lost.
    """
    recent = [
        day for day in _days_back(now, connection, 2, LOOKBACK_DAYS) if _known(ages, day) and _stale_since(ages, day, now - DAY * _SLACK)
    ]
    old = _days_back(now, connection, LOOKBACK_DAYS + 1, FIRST_SYNC_DAYS - 1)
    return recent + [day for day in old if _known(ages, day) and _stale_since(ages, day, _final_at(connection, day))]


def missing_days(now: datetime, connection: Connection, ages: PartitionAges) -> list[date]:
    """Days of the first sync that were never read completely; newest first."""
    return [day for day in _days_back(now, connection, 2, FIRST_SYNC_DAYS - 1) if not _known(ages, day)]


def spans(days: Iterable[date], longest: int) -> list[Span]:
    """Group days, newest first, into runs of consecutive days of at most ``longest``; newest first."""
    found: list[Span] = []
    for day in sorted(days, reverse=True):
        last = found[-1] if found else None
        if last and last.since - DAY == day and last.days < longest:
            found[-1] = Span(since=day, until=last.until)
        else:
            found.append(Span(since=day, until=day))
    return found


def _days_back(now: datetime, connection: Connection, first: int, last: int) -> list[date]:
    today = connection.today(now)
    return [today - timedelta(days=n) for n in range(first, last + 1)]


def _known(ages: PartitionAges, day: date) -> bool:
    return (FetchKind.ADS, day) in ages.days and (FetchKind.CAMPAIGNS, day) in ages.days


def _final_at(connection: Connection, day: date) -> datetime:
    return datetime.combine(day + timedelta(days=LOOKBACK_DAYS + 1), time(), connection.zone)


def _stale_since(ages: PartitionAges, day: date, moment: datetime) -> bool:
    return any(ages.days[kind, day] < moment for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS))
