"""How fresh the planner keeps accounts within their hour: ``plan()`` itself, for a simulated day after the first sync.

No network, no real clock and no dice: ticks come by the grid of the connection's frequency, a call takes the time that is assumed here,
and the account delivers, changes and pages as its :class:`Model` says. A wait lasts from a change, at any second of the day, to the
end of the read that shows it. Lookups of missing entities are left out, as no row of the model ever vanishes, and so are the
parts in which the days of very large accounts are read.

``python -m bench planner`` measures the rows of docs/planner.md; ``python -m bench.planner --all`` also every size at every frequency.
"""

import math
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import reduce
from itertools import pairwise
from typing import NamedTuple

from adpulse.campaign_range import NO_CAMPAIGNS, WHOLE_ACCOUNT, CampaignRange
from adpulse.frequency import SCHEDULED, Frequency, next_slot
from adpulse.model import CHECKS, Connection, ConnectionStatus, Fetch, FetchKind, Heat, Lane, PageSizes, Parts, Provider
from adpulse.planner.account import Account
from adpulse.planner.change_check import ChangeCheck, CheckAnswer, after_check, calls_asked, check_calls, leaf_reads
from adpulse.planner.plan import plan
from adpulse.planner.restatement_check import DayCheck, Sizes, after_restatements, restated_reads
from adpulse.planner.windows import DAILY_DAYS, FIRST_SYNC_DAYS, PartitionAges
from adpulse.platforms.registry import platform_of

META, GOOGLE = Provider("meta"), Provider("google")
LIMIT = 180
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGINNING = datetime(2026, 3, 20, 6, 0, tzinfo=UTC)
WARM_UP = 6 * HOUR
"""Before the day that counts: the reads that are due together after the first sync have spread by then."""

ADS_PER_CAMPAIGN = 20
CALL_SECONDS, ROW_SECONDS = 1.0, 0.0004
"""How long a call takes: a second, and two more for a page of 5,000 rows. Assumed: no answer of a real account was timed."""

RESTATED = 0.1
"""The share of its campaigns that is restated of an older day in a day. Assumed as well."""

NIGHT = range(1, 6)
"""The local hours in which nothing changes where changes come in steps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """An account. ``page``: most rows that the platform puts on a page. ``changing``: the share of its campaigns that changes in 30 s.

    ``steps``: everything changes together instead, every 12 to 18 minutes, and nothing at night.
    """

    ads: int
    page: int = 500
    delivering: float = 1.0
    changing: float = 0.01
    steps: bool = False
    provider: Provider = META
    asset_groups: int = 0
    frequency: Frequency = Frequency.REALTIME

    @property
    def connection(self) -> Connection:
        """The account's connection after its first sync."""
        return Connection(
            id="c",
            workspace_id="w",
            provider=self.provider,
            external_id="1",
            name="Account",
            currency="USD",
            timezone="UTC",
            frequency=self.frequency,
            status=ConnectionStatus.ACTIVE,
            gross_margin=Decimal(1),
            credential_id="k",
            scope=str(self.provider),
            ad_count=self.ads,
            campaign_count=-(-self.ads // ADS_PER_CAMPAIGN),
            asset_group_count=self.asset_groups,
            delivering_ads=round(self.ads * self.delivering),
            delivering_campaigns=round(self.ads * self.delivering / ADS_PER_CAMPAIGN),
            page_sizes=PageSizes(report=self.page, walk=self.page),
        )

    def seconds(self, fetch: Fetch) -> list[float]:
        """How long each call takes that the fetch makes."""
        if self.provider != META:
            return [CALL_SECONDS] * fetch.cost
        campaigns = self.ads / ADS_PER_CAMPAIGN
        if fetch.kind is FetchKind.ENTITIES_FULL:
            return [*self._pages(campaigns), *self._pages(self.ads), *self._pages(self.ads)]
        if fetch.kind is FetchKind.ENTITIES_CHANGED:
            return [CALL_SECONDS] * 3
        if fetch.campaigns.only is not None:
            per_campaign = ADS_PER_CAMPAIGN if fetch.kind is FetchKind.ADS else 1
            return self._pages(len(fetch.campaigns.only) * per_campaign * len(fetch.days))
        rows = dict.fromkeys((FetchKind.CAMPAIGNS, *CHECKS), campaigns * self.delivering)
        rows[FetchKind.ADS] = self.ads * self.delivering
        return self._pages(rows.get(fetch.kind, 1) * max(len(fetch.days), 1))

    def totals(self, at: datetime) -> dict[str, str]:
        """The campaigns that deliver, each with the number of changes that it has had: one after the other in the time between two."""
        campaigns, seconds = round(self.ads * self.delivering / ADS_PER_CAMPAIGN), (at - BEGINNING) / timedelta(seconds=1)
        if self.steps:
            return dict.fromkeys(map(str, range(campaigns)), str(sum(1 for _ in self.changes(BEGINNING + WARM_UP, at))))
        between = 30 / self.changing if self.changing else math.inf
        return {str(number): str(math.floor(seconds / between + number / campaigns)) for number in range(campaigns)}

    def restated(self, at: datetime) -> dict[str, str]:
        """The same of an older day, with the number of its restatements."""
        campaigns, days = round(self.ads * self.delivering / ADS_PER_CAMPAIGN), (at - BEGINNING) / DAY
        return {str(number): str(math.floor(days * RESTATED + number / campaigns)) for number in range(campaigns)}

    def changes(self, since: datetime, until: datetime) -> Iterator[datetime]:
        """The instants of the steps between these."""
        at, number = since, 0
        while at < until:
            if at.hour not in NIGHT:
                yield at
            number += 1
            at += timedelta(minutes=15 + 3 * math.sin(number / 3))

    def _pages(self, rows: float) -> list[float]:
        return [CALL_SECONDS + ROW_SECONDS * min(rows, self.page)] * max(1, math.ceil(rows / self.page))


class Read(NamedTuple):
    """A read of today: what changed before it began is shown once it has ended."""

    began: datetime
    ended: datetime


@dataclass(slots=True, kw_only=True)
class Course:
    """What a simulated account was read, and when."""

    model: Model
    now: datetime = BEGINNING
    dateless: dict[FetchKind, datetime] = field(default_factory=dict)
    days: dict[tuple[FetchKind, date], datetime] = field(default_factory=dict)
    calls: list[tuple[datetime, Heat]] = field(default_factory=list)
    reads: list[Read] = field(default_factory=list)
    check: ChangeCheck | None = None
    restatements: dict[date, DayCheck] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)
    changed_at: datetime | None = None

    def __post_init__(self) -> None:
        """The first sync is complete, and its days were read at different times."""
        today = self.model.connection.today(self.now)
        self.dateless = dict.fromkeys((FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL), self.now - 11 * HOUR)
        for back in range(FIRST_SYNC_DAYS):
            for kind in (*platform_of(self.model.provider).metric_kinds, FetchKind.ACCOUNT):
                self.days[kind, today - back * DAY] = self.now - (back % 20) * HOUR
        for back in range(2, DAILY_DAYS + 1):
            read_at = self.now - (back % 20) * HOUR
            self.restatements[today - back * DAY] = DayCheck(fingerprints=self.model.restated(read_at), checked_at=read_at)

    def run(self, until: datetime) -> None:
        """Ticks at the grid, and goes on as soon as what had to wait may be read."""
        lane, tick_lane = Lane.BACKGROUND, Lane.REALTIME if self.model.frequency is Frequency.REALTIME else Lane.SCHEDULED
        while self.now < until:
            goes_on, next_lane = self._leg(lane)
            tick = next_slot(self.model.frequency, self.now) or until
            goes_on = max(goes_on or tick, self.now)
            self.now, lane = (goes_on, next_lane) if goes_on < tick else (tick, tick_lane)

    def _leg(self, lane: Lane) -> tuple[datetime | None, Lane]:
        """Read what is planned; when the sync goes on, if it does, and in which lane."""
        checked = {self.check.day: self.check.checked_at} if self.check and self.check.checked_at else {}
        restated = {day: check.checked_at for day, check in self.restatements.items()}
        ages = PartitionAges(dateless=self.dateless, days=self.days, checked=checked, restatements_checked=restated)
        account = self._account(lane)
        planned = plan(self.now, account, ages, tuple(self._last_hour()))
        for fetch in planned.fetches:
            if not self._take(fetch, account, planned.fetches):
                return self._last_hour()[0][0] + HOUR + timedelta(milliseconds=1), Lane.BACKGROUND
        return planned.until, planned.lane

    def _take(self, fetch: Fetch, account: Account, planned: Sequence[Fetch]) -> bool:
        """Make a fetch, and those that a check asks for; False if the ledger refuses one of the calls."""
        if fetch.kind is FetchKind.CHECK:
            return self._check(fetch, account, planned)
        if fetch.kind is FetchKind.RESTATEMENTS:
            return self._check_restatements(fetch, account, planned)
        return self._read(fetch)

    def _check_restatements(self, check: Fetch, account: Account, planned: Sequence[Fetch]) -> bool:
        began = self.now
        if not self._read(check):
            return False
        sizes = Sizes(costs=account.costs, leaves={})
        answers = [CheckAnswer(day=day, at=began, fingerprints=self.model.restated(began)) for day in check.days]
        covered = dict.fromkeys(check.days, NO_CAMPAIGNS)
        if any(fetch.kind is FetchKind.ADS and set(check.days) <= set(fetch.days) for fetch in planned):
            covered = dict.fromkeys(check.days, WHOLE_ACCOUNT)
        else:
            spent = account.costs.read(FetchKind.CAMPAIGNS, len(check.days))
            for fetch in restated_reads(sizes, answers, self.restatements, check.cost - spent):
                if not self._read(fetch):
                    return False
                covered |= {day: covered[day].union(fetch.campaigns) for day in fetch.days}
        for answer in answers:
            shown = after_restatements(sizes, answer, self.restatements, covered[answer.day])
            self.restatements.pop(answer.day, None)
            self.restatements |= {answer.day: shown} if shown else {}
        return True

    def _check(self, check: Fetch, account: Account, planned: Sequence[Fetch]) -> bool:
        """Make a check and the reads that it asks for; False if the ledger refuses one of the calls."""
        began, today = self.now, self.model.connection.today(self.now)
        answer = CheckAnswer(day=today, at=began, fingerprints=self.model.totals(began))
        calls, covered = calls_asked(account.costs, answer, self.check), WHOLE_ACCOUNT
        if not self._read(check):
            return False
        is_decided = not any(fetch.kind is FetchKind.ADS and today in fetch.days for fetch in planned)
        if is_decided:
            leaves = leaf_reads(account.costs, answer, self.check, LIMIT - len(self._last_hour()))
            if not all(self._read(fetch) for fetch in leaves):
                return False
            covered = reduce(CampaignRange.union, (fetch.campaigns for fetch in leaves), NO_CAMPAIGNS)
            if self.reads and self.reads[-1].began > began:  # all leaves: they show what changed before the check
                self.reads.pop()
            calls = check_calls(account.costs) + sum(fetch.cost for fetch in leaves)
        self._note_change(began)
        self.check = after_check(account.costs, self.check, answer, covered, calls)
        if is_decided and self.check.checked_at == began:  # what is left shows with the next check
            self.reads.append(Read(began, self.now))
        return True

    def _last_hour(self) -> list[tuple[datetime, Heat]]:
        return self.calls[bisect_left(self.calls, self.now - HOUR, key=lambda call: call[0]) :]

    def _account(self, lane: Lane) -> Account:
        connection = replace(self.model.connection, last_metrics_changed_at=self.changed_at)
        account = Account(connection=connection, parts=Parts.BOTH, on_demand=False, page_size=500, limit=LIMIT, lane=lane)
        return replace(account, check=self.check)

    def _read(self, fetch: Fetch) -> bool:
        """Make the calls of a fetch; False if the ledger refuses one of them, and nothing is read."""
        began = self.now
        for seconds in self.model.seconds(fetch):
            if len(self._last_hour()) >= LIMIT:
                return False
            self.calls.append((self.now, fetch.heat))
            self.now += timedelta(seconds=seconds)
        if fetch.kind in CHECKS or not fetch.campaigns.is_whole:
            return True
        if fetch.kind.has_dates:
            self.days.update({(fetch.kind, day): began for day in fetch.days})
        else:
            self.dateless[fetch.kind] = began
        if fetch.kind is FetchKind.ADS and fetch.heat is Heat.HOT and fetch.until == self.model.connection.today(began):
            self.reads.append(Read(began, self.now))
            self._note_change(began)
        return True

    def _note_change(self, at: datetime) -> None:
        totals = self.model.totals(at)
        if totals != self.totals:
            self.totals, self.changed_at = totals, self.now


class Waits(NamedTuple):
    """Mean and worst wait, in seconds."""

    mean: float
    worst: float


def waits_of_any_second(reads: Sequence[Read], since: datetime, until: datetime) -> Waits:
    """The waits when something changes in every second from ``since`` to ``until``; what no read shows waits until the end."""
    total, worst = 0.0, 0.0
    instants = [since, *(read.began for read in reads if since < read.began < until), until]
    for first, last in pairwise(instants):
        shown = _shown_at(reads, last, until)
        longest = (shown - first).total_seconds()
        total += (last - first).total_seconds() * (longest + (shown - last).total_seconds()) / 2
        worst = max(worst, longest)
    return Waits(total / (until - since).total_seconds(), worst)


def waits_of_steps(reads: Sequence[Read], steps: Sequence[datetime], until: datetime) -> Waits:
    """The waits when everything changes at these instants."""
    waits = [(_shown_at(reads, step, until) - step).total_seconds() for step in steps]
    return Waits(sum(waits) / len(waits), max(waits))


def _shown_at(reads: Sequence[Read], change: datetime, until: datetime) -> datetime:
    """The end of the first read that began no earlier than the change."""
    place = bisect_left(reads, change, key=lambda read: read.began)
    return reads[place].ended if place < len(reads) else max(until, change)


def most_in_an_hour(calls: Sequence[tuple[datetime, Heat]]) -> int:
    """Most calls in any closed 60 minutes."""
    times = [at for at, _ in calls]
    return max((bisect_right(times, at + HOUR) - place for place, at in enumerate(times)), default=0)


def simulated(model: Model, hours: int = 24) -> dict[str, object]:
    """One row: waits, calls and runs of a day."""
    course, since = Course(model=model), BEGINNING + WARM_UP
    until = since + hours * HOUR
    course.run(until + HOUR)
    waits = (
        waits_of_steps(course.reads, list(model.changes(since, until)), until)
        if model.steps
        else waits_of_any_second(course.reads, since, until)
    )
    calls = [call for call in course.calls if since <= call[0] < until]
    most = most_in_an_hour(course.calls)
    if most > LIMIT:
        raise AssertionError(f"{most} calls in an hour")
    counted = sum(since <= read.began < until for read in course.reads)
    return {
        **_described(model),
        "mean_s": round(waits.mean),
        "worst_s": round(waits.worst),
        "reads": counted,
        "calls_per_hour": round(len(calls) / hours),
        "most_calls": most,
    }


def _described(model: Model) -> dict[str, object]:
    of_meta = model.provider == META
    return {
        "account": f"{model.provider} {model.ads:,}" + (" and asset groups" if model.asset_groups else ""),
        "page": f"{model.page:,}" if of_meta else "",
        "delivering": f"{model.delivering:.0%}",
        "changes": "steps" if model.steps else f"{model.changing:.0%}",
        "frequency": str(model.frequency),
    }


PAGES = ((1_000, 500), (10_000, 500), (10_000, 5_000), (100_000, 5_000))


def models() -> list[Model]:
    """The accounts of docs/planner.md."""
    meta = [Model(ads=ads, page=page) for ads, page in PAGES]
    changes = [changed for model in meta for changed in (model, replace(model, changing=0.3), replace(model, steps=True))]
    large = [Model(ads=10_000, delivering=0.2), Model(ads=20_000), Model(ads=50_000)]
    google = Model(ads=1_000, provider=GOOGLE)
    still = [replace(model, changing=0.0) for model in (meta[0], google)]
    return [*changes, *large, google, replace(google, steps=True), replace(google, asset_groups=10), *still]


def every_model() -> list[Model]:
    """Every size at every frequency."""
    sizes = (100, 1_000, 10_000, 100_000)
    meta = [Model(ads=ads, page=page, frequency=each) for ads in sizes for page in (500, 5_000) for each in SCHEDULED]
    return [*meta, *(Model(ads=ads, frequency=each, provider=GOOGLE) for ads in sizes for each in SCHEDULED)]


def measure() -> list[dict[str, object]]:
    """A row per account of docs/planner.md."""
    return [simulated(model) for model in models()]


def _main() -> None:
    """Print the rows as a table of Markdown."""
    for number, model in enumerate([*models(), *(every_model() if "--all" in sys.argv else ())]):
        row = simulated(model)
        if number == 0:
            print(f"| {' | '.join(row)} |\n|{'---|' * len(row)}")
        print(f"| {' | '.join(map(str, row.values()))} |", flush=True)


if __name__ == "__main__":
    _main()
