"""The running day of accounts: what was spent so far, against earlier days by the same hour, and what the day is expected to end at. Pure.

Money and conversions are micros, and of one currency. A day is the account's own local day. What a day had come to by an hour is known
only where its course has a point near that hour (:meth:`AccountDay.known_by`); otherwise only the whole day's total can be compared.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from statistics import median, quantiles
from zoneinfo import ZoneInfo

DAY = timedelta(days=1)
YESTERDAY, WEEK_AGO = DAY, 7 * DAY
HISTORY_DAYS = 28
"""Days whose courses are kept."""

POINT_EVERY = timedelta(minutes=15)
"""A course has one point in a quarter of an hour at most."""

_LEAST_DAYS = 7
_UNSCHEDULED = timedelta(hours=1)
_SATURDAY = 5
_SCALE = 1_000_000
_SLOWEST, _FASTEST = _SCALE // 2, 2 * _SCALE
"""How much slower or faster than an earlier day the rest of today may be expected to go, in millionths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbers:
    """Sums of a day, or of several; micros. Conversions are None where those of any ad are unknown.

    ``cost_unknown``: whether spend that no ad, or no campaign, reports has conversions that are not known.
    """

    spend: int = 0
    revenue: int = 0
    conversions: int | None = 0
    purchases: int = 0
    cost_unknown: bool = False

    def __add__(self, other: "Numbers") -> "Numbers":
        """Both together, of one currency."""
        is_known = self.conversions is not None and other.conversions is not None
        return Numbers(
            spend=self.spend + other.spend,
            revenue=self.revenue + other.revenue,
            conversions=(self.conversions or 0) + (other.conversions or 0) if is_known else None,
            purchases=self.purchases + other.purchases,
            cost_unknown=self.cost_unknown or other.cost_unknown,
        )

    @property
    def roas(self) -> Decimal | None:
        """Revenue for each unit spent; None without spend."""
        return Decimal(self.revenue) / self.spend if self.spend else None

    @property
    def cpa(self) -> Decimal | None:
        """Spend for each conversion, in units; None without conversions, or where those of any spend are unknown."""
        return Decimal(self.spend) / self.conversions if self.conversions and not self.cost_unknown else None


def quarter_of(instant: datetime) -> datetime:
    """The beginning of the quarter of an hour; local days begin with one in every zone, so that all accounts' dates are those of then."""
    return instant - (instant - datetime.min.replace(tzinfo=instant.tzinfo)) % POINT_EVERY


def total(numbers: Iterable[Numbers]) -> Numbers:
    """The sum of numbers of one currency."""
    return sum(numbers, Numbers())


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a running day had been reported to have spent at an instant, in micros."""

    at: datetime
    spend: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountDay:
    """An account's running day and the days that it is compared with.

    ``fresh_until`` is None while nothing of today was read, and ``lacks`` names what could not be read. ``moved_at`` is the first point at
    which the platform reported today's spend. ``courses`` need no more than the points around the hour of ``fresh_until``.
    """

    connection_id: str
    name: str
    currency: str
    timezone: str
    today: date
    interval: timedelta | None
    fresh_until: datetime | None
    settled: bool
    lacks: tuple[str, ...]
    moved_at: datetime | None
    days: Mapping[date, Numbers]
    courses: Mapping[date, Sequence[Point]]
    labels: tuple[str, ...] = ()

    @property
    def numbers(self) -> Numbers:
        """Today's, as they are known now."""
        return self.days.get(self.today, Numbers())

    @property
    def hour(self) -> time | None:
        """The account's local time of ``fresh_until``: earlier days are compared by this hour."""
        return self.fresh_until.astimezone(ZoneInfo(self.timezone)).time() if self.fresh_until else None

    def known_by(self, day: date) -> int | None:
        """What an earlier day had spent by the hour of ``fresh_until``; None where its course does not say.

        It does where it has a point within two of the connection's intervals, or the same spend on both sides of the hour.
        """
        hour, course = self.hour, self.courses.get(day)
        if hour is None or not course:
            return None
        # In UTC, as the points are: between two zones Python works out both offsets for each comparison.
        instant = datetime.combine(day, hour, ZoneInfo(self.timezone)).astimezone(UTC)
        tolerance = 2 * max(self.interval or _UNSCHEDULED, POINT_EVERY)
        before = [point for point in course if point.at <= instant][-1:]
        after = [point for point in course if point.at > instant][:1]
        is_near = any(abs(point.at - instant) <= tolerance for point in (*before, *after))
        is_flat = bool(before and after) and before[0].spend == after[0].spend
        if not is_near and not is_flat:
            return None
        return before[0].spend if before else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Spend of today and of an earlier day, of ``accounts`` of ``of`` accounts; by this hour, or of the earlier day as a whole."""

    today: int
    earlier: int
    by_hour: bool
    accounts: int
    of: int

    @property
    def change(self) -> int:
        """How much more was spent today."""
        return self.today - self.earlier

    @property
    def share(self) -> Decimal | None:
        """The change as a share of the earlier spend; None if that was zero."""
        return Decimal(self.change) / self.earlier if self.earlier else None


def compare(accounts: Sequence[AccountDay], back: timedelta) -> Comparison:
    """Today against the day so long ago: of the accounts whose course is known by this hour, or else of all with the whole day."""
    known = [(account, spend) for account in accounts if (spend := account.known_by(account.today - back)) is not None]
    if known:
        today, earlier = sum(account.numbers.spend for account, _ in known), sum(spend for _, spend in known)
        return Comparison(today=today, earlier=earlier, by_hour=True, accounts=len(known), of=len(accounts))
    whole = total(account.days.get(account.today - back, Numbers()) for account in accounts).spend
    today = total(account.numbers for account in accounts).spend
    return Comparison(today=today, earlier=whole, by_hour=False, accounts=len(accounts), of=len(accounts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What the day's spend is expected to end at, in micros: the median, and between ``low`` and ``high`` on 80 % of days."""

    low: int
    median: int
    high: int
    accounts: int
    of: int


def expect(accounts: Sequence[AccountDay]) -> Expectation | None:
    """The end of the day of all accounts that have seven days of courses; None if there is no such account.

    Each of the last days is a sample: what that day still spent after this hour, scaled by how today runs against it. Accounts are added
    up day by day, so that days on which all of them spend more stay together.
    """
    rests = {account.connection_id: _rests(account) for account in accounts}
    covered = [account for account in accounts if len(rests[account.connection_id]) >= _LEAST_DAYS]
    if not covered:
        return None
    usual = {account.connection_id: int(median(rests[account.connection_id].values())) for account in covered}
    spent = sum(account.numbers.spend for account in covered)
    samples = [
        spent + sum(rests[account.connection_id].get(ago, usual[account.connection_id]) for account in covered)
        for ago in sorted(set().union(*(rests[account.connection_id] for account in covered)))
    ]
    tenths = quantiles(samples, n=10)
    low, high = max(int(tenths[0]), spent), int(tenths[-1])
    return Expectation(low=low, median=int(median(samples)), high=high, accounts=len(covered), of=len(accounts))


def _rests(account: AccountDay) -> dict[int, int]:
    """What the account may still spend today, by how many days ago the sample is from: of days of this kind if there are enough of them."""
    rests = {ago: rest for ago in range(1, HISTORY_DAYS + 1) if (rest := _rest(account, account.today - ago * DAY)) is not None}
    is_weekend = account.today.weekday() >= _SATURDAY
    of_kind = {ago: rest for ago, rest in rests.items() if ((account.today - ago * DAY).weekday() >= _SATURDAY) is is_weekend}
    return of_kind if len(of_kind) >= _LEAST_DAYS else rests


def _rest(account: AccountDay, day: date) -> int | None:
    by_hour, whole = account.known_by(day), account.days.get(day)
    if by_hour is None or whole is None:
        return None
    pace = account.numbers.spend * _SCALE // by_hour if by_hour else _SCALE
    return max(whole.spend - by_hour, 0) * min(max(pace, _SLOWEST), _FASTEST) // _SCALE


def moved_most(accounts: Iterable[AccountDay], limit: int) -> list[tuple[AccountDay, Comparison]]:
    """The accounts whose spend differs most from yesterday by this hour, the largest difference first."""
    compared = ((account, compare([account], YESTERDAY)) for account in accounts)
    moved = [(account, comparison) for account, comparison in compared if comparison.by_hour and comparison.change]
    return sorted(moved, key=lambda pair: (-abs(pair[1].change), pair[0].name))[:limit]
