"""Turns what is due into an ordered list of fetches that fits the call budget. Pure; the heart. Step: plan.

Order: account facts and changed entities, today (with yesterday when due) and its campaign totals, corrections
of older days, and last the missing days of the first sync. Older days are read newest first, ads and
campaign totals of the same days together, in pieces whose cost is known beforehand: a piece is only
started when all of its pages fit, so that no page is ever paid for twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from adpulse.model import Connection, Fetch, FetchKind, Heat, Lane, Parts
from adpulse.planner.budget import Budget, hot_calls_per_hour, pace
from adpulse.planner.windows import DAY, HOUR, PartitionAges, Span, cold_days, hot_days, hot_total_days, missing_days, spans

CALLS_PER_LEG = 40
"""Most calls for older days in one leg in the background: numbers appear as they come, and other accounts get their turn."""

CALLS_PER_TICK = 4
"""Most calls for older days anywhere else: there they must not keep today's numbers of the next tick waiting."""

_GROWTH = 1.05
"""Ads created since the last walk: the cost of a piece must stay an upper bound."""


_NO_PROGRESS = timedelta(minutes=1)
"""Pause of a sync that has something left but can do nothing about it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to fetch now, in order; and if something due had to wait, until when, why, and in which lane it goes on."""

    fetches: tuple[Fetch, ...]
    until: datetime | None = None
    reason: str | None = None
    lane: Lane = Lane.ON_DEMAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a plan is made for. ``asked``: a person wants it now, so nothing recent is skipped. First syncs need the background."""

    connection: Connection
    parts: Parts
    asked: bool
    page_size: int
    limit: int
    lane: Lane = Lane.BACKGROUND

    @property
    def older_calls(self) -> int:
        """Most calls for older days in this leg."""
        return CALLS_PER_LEG if self.lane is Lane.BACKGROUND else CALLS_PER_TICK

    def pages(self, entities: int | None, days: int) -> int:
        """Upper bound of pages for one row per entity and day; one page while the size is unknown."""
        return max(1, -(-int((entities or 0) * _GROWTH * days) // self.page_size))

    def days_cost(self, days: int) -> int:
        """Calls to read ads and campaign totals of this many days."""
        return self.pages(self.connection.ad_count, days) + self.pages(self.connection.campaign_count, days)

    @property
    def hot_age(self) -> timedelta:
        """How old today's numbers may be when a tick comes."""
        if self.asked:
            return timedelta(0)
        spread = pace(self.pages(self.connection.ad_count, 2), self.limit)
        return max(spread, (self.connection.frequency.interval or HOUR) * 0.8)

    @property
    def hot_per_hour(self) -> int:
        """Calls an hour kept for reads of today."""
        cost = self.pages(self.connection.ad_count, 2)
        return hot_calls_per_hour(self.connection.frequency.interval, cost, self.limit)


def plan(now: datetime, account: Account, ages: PartitionAges, calls: tuple[tuple[datetime, Heat], ...]) -> Plan:
    """The fetches to make at ``now``, given what was read when and the account's calls of the last hour."""
    ages = ages.as_of(now)
    budget = Budget(calls=calls, limit=account.limit, hot_per_hour=account.hot_per_hour)
    chosen: list[Fetch] = []
    waiting: list[tuple[datetime, str]] = []
    blocked: set[Heat] = set()
    left = account.older_calls
    for piece in _due(now, account, ages):
        cost, heat = sum(fetch.cost for fetch in piece), piece[0].heat
        older = heat is not Heat.HOT and piece[0].kind.has_dates
        if heat in blocked or (older and blocked & {Heat.COLD, Heat.BACKFILL}):
            continue
        fits_at = budget.fits_at(now, heat, cost)
        if fits_at > now:
            waiting.append((fits_at, _waiting(account, piece[0])))
            blocked.add(heat)
        elif older and (left < min(cost, account.older_calls) or not _in_its_lane(account, heat, cost)):
            waiting.append((now, "older days go on in the background"))
            blocked.add(heat)
        else:
            chosen.extend(piece)
            budget = budget.with_calls(now, heat, cost)
            left -= cost if older else 0
    if account.connection.ad_count is None and account.parts is not Parts.ENTITIES and not waiting:
        waiting.append((now, "older days follow now that the account's size is known"))
    until, reason = min(waiting, default=(None, None))
    if until == now and not chosen and account.lane is Lane.BACKGROUND:
        until = now + _NO_PROGRESS
    return Plan(fetches=tuple(chosen), until=until, reason=reason, lane=Lane.ON_DEMAND if Heat.HOT in blocked else Lane.BACKGROUND)


def _in_its_lane(account: Account, heat: Heat, cost: int) -> bool:
    """The first sync belongs to the background, and so does a piece that is more than a tick may read."""
    return account.lane is Lane.BACKGROUND or (heat is not Heat.BACKFILL and cost <= account.older_calls)


def _waiting(account: Account, fetch: Fetch) -> str:
    what = {Heat.HOT: "today's numbers", Heat.COLD: "corrections of older days", Heat.BACKFILL: "the first sync"}[fetch.heat]
    return f"{what} wait for the account's call budget of {account.limit} an hour"


def _due(now: datetime, account: Account, ages: PartitionAges) -> Iterator[tuple[Fetch, ...]]:
    """Everything due, most urgent first, in pieces that are fetched whole or not at all."""
    if account.parts is not Parts.METRICS or account.connection.ad_count is None:
        yield from _entities(now, account, ages)
    if account.parts is Parts.ENTITIES:
        return
    yield from _hot(now, account, ages)
    if account.connection.ad_count is None:
        return  # the cost of older days is unknown until the first walk told the account's size
    yield from _older(account, cold_days(now, account.connection, ages), Heat.COLD)
    yield from _older(account, missing_days(now, account.connection, ages), Heat.BACKFILL)


def _entities(now: datetime, account: Account, ages: PartitionAges) -> Iterator[tuple[Fetch, ...]]:
    if ages.stale(FetchKind.ACCOUNT_FACTS, now, DAY):
        yield (Fetch(kind=FetchKind.ACCOUNT_FACTS, heat=Heat.COLD, cost=1),)
    edges = 3
    if ages.stale(FetchKind.ENTITIES_FULL, now, DAY):
        cost = edges - 1 + account.pages(account.connection.ad_count, 1) * 2
        yield (Fetch(kind=FetchKind.ENTITIES_FULL, heat=Heat.COLD, cost=cost),)
        return
    walks = [ages.dateless[kind] for kind in (FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED) if kind in ages.dateless]
    last = max(walks)
    if account.asked or now - last >= HOUR * 0.95:
        yield (Fetch(kind=FetchKind.ENTITIES_CHANGED, heat=Heat.COLD, cost=edges, changed_since=last),)


def _hot(now: datetime, account: Account, ages: PartitionAges) -> Iterator[tuple[Fetch, ...]]:
    connection = account.connection
    total_age = timedelta(0) if account.asked else HOUR
    for span in spans(hot_days(now, connection, ages, account.hot_age), 2):
        yield (_fetch(FetchKind.ADS, Heat.HOT, account.pages(connection.ad_count, span.days), span),)
    for span in spans(hot_total_days(now, connection, ages, total_age), 2):
        yield (_fetch(FetchKind.CAMPAIGNS, Heat.HOT, account.pages(connection.campaign_count, span.days), span),)


def _older(account: Account, days: list[date], heat: Heat) -> Iterator[tuple[Fetch, ...]]:
    connection = account.connection
    # A piece must fit beside what every hour needs anyway, or with a small limit it would wait for ever.
    longest, most = 1, min(CALLS_PER_LEG, account.limit // 4)
    while longest < len(days) and account.days_cost(longest + 1) <= most:
        longest += 1
    for span in spans(days, longest):
        yield (
            _fetch(FetchKind.ADS, heat, account.pages(connection.ad_count, span.days), span),
            _fetch(FetchKind.CAMPAIGNS, heat, account.pages(connection.campaign_count, span.days), span),
        )


def _fetch(kind: FetchKind, heat: Heat, cost: int, span: Span) -> Fetch:
    return Fetch(kind=kind, heat=heat, cost=cost, since=span.since, until=span.until)
