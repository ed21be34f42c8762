"""Which days of an account are due to be read again. Pure; days are the account's local dates. Step: plan.

The age that matters is that of our last complete read. Ages are compared with a little slack,
because a tick that comes a second early must not wait a whole interval.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

from adpulse.holes import HoleKey
from adpulse.ladder import RETRY_DAYS
from adpulse.model import CompleteRead, Connection, FetchKind, days_between
from adpulse.planner import day_parts
from adpulse.planner.day_parts import PART_KINDS, PartsByDay, ReadParts
from adpulse.planner.lookback import Settling, lookback_since
from adpulse.platforms.registry import platform_of

FIRST_SYNC_DAYS = 90
RECENT_DAYS = 7
"""Days this recent are read again every six hours, when calls are left."""

DAILY_DAYS = 28
"""Days this recent are read again or checked daily, older ones of the lookback window weekly: little of them changes."""

_OLDEST_DAYS = 37 * 30
"""Meta reports nothing that is older than 37 months."""

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)
RECENT_AGE = timedelta(hours=6)
CATEGORIES_AGE = timedelta(minutes=15)
"""How old the split of conversions may be: it costs as much as the spend, and conversions come in hours after their click."""

YESTERDAY_AGE = timedelta(hours=3)
"""How old yesterday's leaves may be where they take calls beside today's; elsewhere it is an hour."""

CLOCK_SLACK = timedelta(minutes=5)
"""A stored instant further in the future than this was written before the clock was set back."""

SLACK = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionAges:
    """When each part of a connection was last read completely (business time).

    ``holes`` are the days that the platform could not answer, with the instant from which each is requested again. ``refused`` are those of
    which a row was refused when they were read last. ``parts`` are the days whose read in parts has begun. ``checked`` is up to when
    everything of a day that changed since it was read was read again (see :mod:`adpulse.planner.change_check`), and
    ``restatements_checked`` the same of older days (see :mod:`adpulse.planner.restatement_check`).
    """

    dateless: Mapping[FetchKind, datetime] = field(default_factory=dict)
    days: Mapping[tuple[FetchKind, date], datetime] = field(default_factory=dict)
    holes: Mapping[HoleKey, datetime] = field(default_factory=dict)
    refused: frozenset[HoleKey] = frozenset()
    parts: PartsByDay = field(default_factory=dict)
    checked: Mapping[date, datetime] = field(default_factory=dict)
    restatements_checked: Mapping[date, datetime] = field(default_factory=dict)

    def stale(self, kind: FetchKind, now: datetime, max_age: timedelta, day: date | None = None) -> bool:
        """Whether the part was never read, or longer than ``max_age`` ago."""
        read_at = self.dateless.get(kind) if day is None else self.days.get((kind, day))
        return read_at is None or now - read_at >= max_age * SLACK

    def known_at(self, kind: FetchKind, day: date) -> datetime | None:
        """Up to when the day's leaves, or totals, are known: when they were read, or checked for changes after that; None if never."""
        read_at = self.days.get((kind, day))
        if read_at is None:
            return None
        checks = [self.restatements_checked, *([self.checked] if kind is FetchKind.ADS else [])] if kind in PART_KINDS else []
        return max([read_at, *(checked[day] for checked in checks if day in checked)])

    def after(self, reads: Iterable[CompleteRead]) -> "PartitionAges":
        """The ages after these complete reads."""
        dateless, days = dict(self.dateless), dict(self.days)
        for kind, read_days, at in reads:
            if not kind.has_dates:
                dateless[kind] = max(at, dateless.get(kind, at))
            for day in read_days:
                days[kind, day] = max(at, days.get((kind, day), at))
        return replace(self, dateless=dateless, days=days)

    def after_parts(self, read: ReadParts) -> "PartitionAges":
        """The ages after these parts of days were read: a day is read with its last part, and as old as its oldest one.

        The parts of such a day stay until this is stored: drawn anew before that, they would not be those that were read.
        """
        parts = day_parts.after(self.parts, read)
        complete = {day: at for day, of_day in parts.items() if (at := day_parts.read_until(of_day)) is not None}
        reads = [CompleteRead(kind, (day,), at) for day, at in complete.items() for kind in PART_KINDS]
        return replace(self.after(reads), parts=parts)

    def after_restatements(self, checked: Mapping[date, datetime | None]) -> "PartitionAges":
        """The ages after checks of older days; None: of the day nothing is known by checks any more."""
        known = {**self.restatements_checked, **checked}
        return replace(self, restatements_checked={day: at for day, at in known.items() if at is not None})

    def complete_days(self, kinds: Sequence[FetchKind]) -> dict[date, datetime]:
        """Days of which all these kinds were read, each with the oldest of their newest reads."""
        read = [{day: at for (read_kind, day), at in self.days.items() if read_kind is kind} for kind in kinds]
        days = set[date].intersection(*(set(days_of_kind) for days_of_kind in read))
        return {day: min(days_of_kind[day] for days_of_kind in read) for day in days}

    def days_read_until(self, instant: datetime | None) -> frozenset[date]:
        """Days of which a read is not newer than the instant; none without one."""
        return frozenset(day for (_, day), at in self.days.items() if instant is not None and at <= instant)

    @property
    def days_with_holes(self) -> frozenset[date]:
        """Days of which at least one kind of read could not be answered."""
        return frozenset(day for _, day in self.holes)

    def as_of(self, now: datetime) -> "PartitionAges":
        """With reads from the future counted as a day old: they were noted before the clock was set back."""
        latest, old = now + CLOCK_SLACK, now - DAY
        return replace(
            self,
            dateless={kind: at if at <= latest else old for kind, at in self.dateless.items()},
            days={part: at if at <= latest else old for part, at in self.days.items()},
            holes={part: at if at <= latest + RETRY_DAYS else now for part, at in self.holes.items()},
            checked={day: at for day, at in self.checked.items() if at <= latest},
            restatements_checked={day: at for day, at in self.restatements_checked.items() if at <= latest},
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

    @property
    def dates(self) -> tuple[date, ...]:
        """Each of them, oldest first."""
        return days_between(self.since, self.until)


def cold_days(now: datetime, connection: Connection, ages: PartitionAges, stretch: float = 1.0) -> list[date]:
    """Days read before that may have been restated since; newest first.

    Days 2 to 28 daily, the rest of the lookback weekly; older ones only until they were read once after they became final, so
    that after a pause of any length, or a restatement in the last hour of the lookback, nothing is lost. ``stretch`` makes all of it rarer.
    Days that are checked for restatements are read whole every seventh day of their age.
    """
    daily, weekly = now - DAY * SLACK * stretch, now - WEEK * SLACK * stretch
    recent = connection.today(now) - DAY * DAILY_DAYS
    # A day that was read weekly until it became final does not become urgent by that.
    older = weekly if platform_of(connection.provider).reads_days_whole else now
    checked = checked_days(now, connection, ages)

    def is_due(day: date, read_at: datetime) -> bool:
        return read_at < (daily if day >= recent else older) and (day not in checked or read_at < _due_whole_since(now, connection, day))

    return [day for day, read_at in _open_days(now, connection, ages).items() if is_due(day, read_at)]


def checked_days(now: datetime, connection: Connection, ages: PartitionAges) -> Mapping[date, datetime]:
    """The days that are read daily of which a check shows what was restated, with up to when each is known by that.

    A day of which something could not be read, or was refused, is read whole.
    """
    recent, unclear = connection.today(now) - DAY * DAILY_DAYS, ages.days_with_holes | {day for _, day in ages.refused}
    return {day: at for day, at in ages.restatements_checked.items() if day >= recent and day not in unclear}


def _due_whole_since(now: datetime, connection: Connection, day: date) -> datetime:
    """The last midnight at which the age of a day was a multiple of a week, and two days."""
    return datetime.combine(day + 2 * DAY + (connection.today(now) - day - 2 * DAY) // WEEK * WEEK, time(), connection.zone)


def restated_days(now: datetime, connection: Connection, ages: PartitionAges, stretch: float = 1.0) -> list[date]:
    """Days to check for restatements, as they are known up to a day ago; newest first. None of them is read whole now."""
    due = now - DAY * SLACK * stretch
    return [day for day, known_at in _known_by_checks(now, connection, ages, stretch).items() if known_at < due]


def recently_restated_days(now: datetime, connection: Connection, ages: PartitionAges, stretch: float = 1.0) -> list[date]:
    """Days 2 to 7 to check for restatements, as they are known up to six hours ago, but less than a day; newest first."""
    last, recent, daily = connection.today(now) - DAY * RECENT_DAYS, now - RECENT_AGE * SLACK * stretch, now - DAY * SLACK * stretch
    known = _known_by_checks(now, connection, ages, stretch)
    return [day for day, known_at in known.items() if day >= last and daily <= known_at < recent]


def _known_by_checks(now: datetime, connection: Connection, ages: PartitionAges, stretch: float) -> dict[date, datetime]:
    """Up to when each checked day that is not to be read whole is known; newest first."""
    checked = checked_days(now, connection, ages)
    if not checked:
        return {}
    whole, of_days = set(cold_days(now, connection, ages, stretch)), _open_days(now, connection, ages)
    return {day: max(read_at, checked[day]) for day, read_at in of_days.items() if day in checked and day not in whole}


def recent_days(now: datetime, connection: Connection, ages: PartitionAges, stretch: float = 1.0) -> list[date]:
    """Days 2 to 7 that were read six hours ago, but less than a day; newest first. Most of what is restated is of them.

    None where days are read whole: a block of a month would be read for them. Nor days that are checked instead.
    """
    if platform_of(connection.provider).reads_days_whole:
        return []
    last, recent, daily = connection.today(now) - DAY * RECENT_DAYS, now - RECENT_AGE * SLACK * stretch, now - DAY * SLACK * stretch
    checked, of_days = checked_days(now, connection, ages), _open_days(now, connection, ages)
    return [day for day, read_at in of_days.items() if day >= last and daily <= read_at < recent and day not in checked]


def cold_spans(now: datetime, connection: Connection, ages: PartitionAges, longest: int, stretch: float = 1.0) -> list[Span]:
    """The days that may have been restated since, in pieces of at most ``longest``; newest first.

    Where a range costs no more than a day the pieces are blocks by age, and a day that is due takes its whole block along: blocks
    then come due as one, instead of day by day.
    """
    due = cold_days(now, connection, ages, stretch)
    if not platform_of(connection.provider).reads_days_whole:
        return spans(due, longest)
    today, blocks = connection.today(now), defaultdict[int, list[date]](list)
    for day in _open_days(now, connection, ages) if due else ():
        blocks[((today - day).days - 2) // longest].append(day)
    return [Span(since=days[-1], until=days[0]) for days in blocks.values() if not set(days).isdisjoint(due)]


def _open_days(now: datetime, connection: Connection, ages: PartitionAges) -> dict[date, datetime]:
    """Days read before, older than yesterday, that are not final or were not read since, with their oldest read; newest first."""
    read, restated = _answerable_days(connection, ages), lookback_since(now, connection)
    latest, oldest = connection.today(now) - 2 * DAY, connection.today(now) - DAY * _OLDEST_DAYS
    days = sorted((day for day in read if oldest <= day <= latest), reverse=True)
    settling = Settling.at(connection.provider, connection.zone)
    return {day: read[day] for day in days if read[day] < (now if day >= restated else settling.of(day))}


def missing_days(now: datetime, connection: Connection, ages: PartitionAges) -> list[date]:
    """Days of the first sync that were never read completely, and those of a pause that was longer than that; newest first.

    Days that the platform could not answer are not among them: see :func:`due_holes`.
    """
    read, today = _complete_days(connection, ages), connection.today(now)
    oldest = min((today - min(read, default=today)).days, _OLDEST_DAYS)
    kinds = platform_of(connection.provider).metric_kinds

    def is_missing(day: date) -> bool:
        return any((kind, day) not in ages.days and (kind, day) not in ages.holes for kind in kinds)

    return [day for day in _days_back(now, connection, 2, max(oldest, FIRST_SYNC_DAYS - 1)) if is_missing(day)]


def days_without_account(now: datetime, connection: Connection, ages: PartitionAges) -> list[date]:
    """Final days that were read completely, but without the account's totals; newest first. Other days are read again anyway.

    Their campaigns are read again with the account, so a day whose account cannot be read costs that once a day, and not after each pause.
    """
    unread = [day for day in _complete_days(connection, ages) if (FetchKind.ACCOUNT, day) not in ages.days]
    final = [day for day in unread if ages.stale(FetchKind.CAMPAIGNS, now, DAY, day)]
    latest, oldest = lookback_since(now, connection), connection.today(now) - DAY * _OLDEST_DAYS
    return sorted((day for day in final if oldest <= day < latest and day not in ages.days_with_holes), reverse=True)


def due_holes(now: datetime, connection: Connection, ages: PartitionAges) -> list[HoleKey]:
    """Holes that are to be requested again; the newest day first.

    Beyond the days that Meta reports at all, nothing is left to request.
    """
    today = connection.today(now)
    due = [(kind, day) for (kind, day), retry_at in ages.holes.items() if retry_at <= now and today - day <= DAY * _OLDEST_DAYS]
    return sorted(due, key=lambda hole: (hole[1], hole[0]), reverse=True)


def refused_spans(now: datetime, connection: Connection, ages: PartitionAges, longest: int) -> list[tuple[FetchKind, Span]]:
    """Days with refused rows that nothing else reads again, in pieces of at most ``longest``: daily, until the rows are accepted.

    Beyond the days that Meta reports at all, nothing is left to request.
    """
    today, read_again = connection.today(now), _open_days(now, connection, ages)
    due = defaultdict[FetchKind, list[date]](list)
    for kind, day in ages.refused:
        is_reported = DAY < today - day <= DAY * _OLDEST_DAYS
        is_read_otherwise = day in read_again or (kind, day) in ages.holes
        if is_reported and not is_read_otherwise and ages.stale(kind, now, DAY, day):
            due[kind].append(day)
    return [(kind, span) for kind in sorted(due) for span in spans(due[kind], longest)]


def requested_spans(kind: FetchKind, span: Span, ages: PartitionAges) -> list[Span]:
    """The days of a piece as a kind of read is requested: without its own holes, and days with another read's hole each by itself.

    What one kind of read cannot answer for a day may be too much for another one as well.
    """
    days = [day for day in span.dates if (kind, day) not in ages.holes]
    alone = ages.days_with_holes
    plain = spans((day for day in days if day not in alone), span.days)
    return plain + [Span(since=day, until=day) for day in reversed(days) if day in alone]


def spans(days: Iterable[date], longest: int) -> list[Span]:
    """Group days, newest first, into runs of consecutive days of at most ``longest``; newest first."""
    groups: list[Span] = []
    for day in sorted(days, reverse=True):
        last = groups[-1] if groups else None
        if last and last.since - DAY == day and last.days < longest:
            groups[-1] = Span(since=day, until=last.until)
        else:
            groups.append(Span(since=day, until=day))
    return groups


def _days_back(now: datetime, connection: Connection, first: int, last: int) -> list[date]:
    today = connection.today(now)
    return [today - timedelta(days=n) for n in range(first, last + 1)]


def _complete_days(connection: Connection, ages: PartitionAges) -> dict[date, datetime]:
    """Days of which everything was read, and when the part that was read first."""
    return ages.complete_days(platform_of(connection.provider).metric_kinds)


def _answerable_days(connection: Connection, ages: PartitionAges) -> dict[date, datetime]:
    """Days of which every kind of read but those that are holes was made, with the oldest of these reads.

    A hole has its own retries, and keeps no other read of its day from being made again.
    """
    kinds, days, holes = platform_of(connection.provider).metric_kinds, ages.days, ages.holes
    read = dict[date, datetime]()
    for day in {day for _, day in days}:
        instants = [days.get((kind, day)) for kind in kinds if (kind, day) not in holes]
        known = [at for at in instants if at is not None]
        if known and len(known) == len(instants):
            read[day] = min(known)
    return read
