"""Turns what is due into an ordered list of fetches that fits the call budget. Pure; the heart. Step: plan.

Order: account facts and changed entities, today (with yesterday when due) and its campaign totals, corrections of older days, the
missing days of the first sync, the corrections of the last week, and last the history that a person asked for. Older days are read newest
first, everything about the same days together, in pieces whose cost is known beforehand: a piece is only started when all of its calls
fit, so that no page is ever paid for twice.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import partial
from itertools import chain

from adpulse.holes import HoleKey
from adpulse.model import Fetch, FetchKind, Heat, Lane, Parts
from adpulse.planner.account import Account
from adpulse.planner.change_check import check_calls
from adpulse.planner.day_parts import MOST_CALLS, DayParts, PartsByDay
from adpulse.planner.fetches import fetch_of, unread_parts, with_account
from adpulse.planner.history import HISTORY_LEG, Unread, longest, unread
from adpulse.planner.hot_days import Yesterday, hot_reads, is_yesterday_due
from adpulse.planner.restatement_check import MOST_DAYS
from adpulse.planner.room import Room
from adpulse.planner.windows import (
    DAILY_DAYS,
    DAY,
    FIRST_SYNC_DAYS,
    HOUR,
    SLACK,
    PartitionAges,
    Span,
    checked_days,
    cold_days,
    cold_spans,
    days_without_account,
    due_holes,
    missing_days,
    recent_days,
    recently_restated_days,
    refused_spans,
    restated_days,
    spans,
)
from adpulse.platforms.registry import platform_of

HOLE_CALLS = 3
"""Calls to request a day again that the platform could not answer."""

_NO_PROGRESS = timedelta(minutes=1)
"""Pause of a sync that has work left but cannot do any of it now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to fetch now, in order. If something due has to wait: until when, the reason, and the lane that continues it."""

    fetches: tuple[Fetch, ...]
    until: datetime | None = None
    reason: str | None = None
    lane: Lane = Lane.ON_DEMAND
    drawn: PartsByDay = field(default_factory=dict)
    """The parts of days whose read begins with this plan."""
    history: "HistoryLeft | None" = None
    """What is left of the history that a person asked for; None if nothing is, or the lane does not read it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLeft:
    """When reading the history goes on, what it waits for until then, and how many of its days are not stored before this leg."""

    at: datetime
    reason: str
    days: int = 0


def plan(now: datetime, account: Account, ages: PartitionAges, calls: tuple[tuple[datetime, Heat], ...]) -> Plan:
    """The fetches to make at ``now``, given what was read when and the account's calls of the last hour."""
    ages = ages.as_of(now)
    missing = missing_days(now, account.connection, ages)
    walk_due = ages.stale(FetchKind.ENTITIES_FULL, now, DAY * account.stretch) and account.may_read(FetchKind.ENTITIES_FULL)
    yesterday_due = is_yesterday_due(now + HOUR, account.connection, ages)
    checked = len(checked_days(now, account.connection, ages)) >= MOST_DAYS
    account = replace(account, first_sync=bool(missing), walk_due=walk_due, yesterday_due=yesterday_due, days_are_checked=checked)
    ages = ages if account.checks_restatements else replace(ages, restatements_checked={})
    room = Room.of(account, calls)
    account = replace(account, whole_fits=_whole_fits(now, account, ages, room))
    chosen: list[Fetch] = []
    waiting: list[tuple[datetime, str, Lane]] = []
    blocked: set[Heat] = set()
    calls_left = account.older_calls
    days = _Days(account=account, begun=ages.parts)
    due, spare = _due(now, account, ages, missing, days), _spare(now, account, ages, days)
    for piece, is_spare in chain(((piece, False) for piece in due), ((piece, True) for piece in spare)):
        cost, heat = sum(fetch.cost for fetch in piece), piece[0].heat
        older = heat is not Heat.HOT and piece[0].kind.has_dates
        if heat in blocked or (older and blocked & {Heat.COLD, Heat.BACKFILL}):
            continue
        waits = room.waits(now, piece, is_spare=is_spare)
        if waits is None and older and not _in_its_leg(account, heat, cost, calls_left):
            waits = (now, "older days go on in the background")
        if waits is not None:
            waiting.append((*waits, Lane.ON_DEMAND if heat is Heat.HOT else Lane.BACKGROUND))
            blocked.add(heat)
            continue
        chosen.extend(piece)
        room = room.after(now, piece)
        calls_left -= cost if older else 0
    if account.size.ads is None and account.parts is not Parts.ENTITIES and not waiting:
        waiting.append((now, "older days follow now that the account's size is known", Lane.BACKGROUND))
    if days.waits_for_totals:
        waiting.append((now, "the days follow in parts now that the account's size is known", Lane.BACKGROUND))
    left = None
    if account.reads_history and not waiting:
        pieces, left = _history_beside(now, account, ages.after(fetch.complete_at(now) for fetch in chosen), room, days)
        chosen.extend(pieces)
    drawn = days.drawn_for(chosen)
    if not waiting:
        return Plan(fetches=tuple(chosen), drawn=drawn, history=left)
    until, reason, lane = min(waiting, key=lambda wait: wait[0])
    if until == now and not chosen and lane is account.lane:
        until = now + _NO_PROGRESS
    left = HistoryLeft(at=max(until, now + _NO_PROGRESS), reason=reason) if account.reads_history else None
    return Plan(fetches=tuple(chosen), until=until, reason=reason, lane=lane, drawn=drawn, history=left)


def _whole_fits(now: datetime, account: Account, ages: PartitionAges, room: Room) -> bool:
    """Whether a read of all of today fits now, with a check before it and what is read with it; without checks nobody asks."""
    if not account.is_checked:
        return True
    days = _hot_reads(now, account, ages).get(FetchKind.ADS) or [account.connection.today(now)]
    days = days[:1] if account.yesterdays is Yesterday.ALONE else days
    whole = fetch_of(account, FetchKind.ADS, Heat.HOT, Span(since=min(days), until=max(days)))
    return room.waits(now, (replace(whole, cost=whole.cost + check_calls(account.costs)),)) is None


def _hot_reads(now: datetime, account: Account, ages: PartitionAges) -> dict[FetchKind, list[date]]:
    """Which days of today and yesterday are due, by what is to be read of them."""
    return hot_reads(now, account.connection, ages, account.hot_age(now), account.yesterdays, on_demand=account.on_demand)


def _history_beside(
    now: datetime, account: Account, ages: PartitionAges, room: Room, days: "_Days"
) -> tuple[list[Fetch], HistoryLeft | None]:
    """The reads of the history that fit beside everything that comes due within the hour, and what is left of it.

    Their calls count for an hour: nothing that comes due meanwhile must wait for them.
    """
    chosen, calls_left, soon = list[Fetch](), HISTORY_LEG, now + _NO_PROGRESS
    left, reserved = _unread(now, account, ages), account.sharing * _due_soon(now + HOUR, account, ages)
    follows = HistoryLeft(at=soon, reason="the next days of the history follow", days=len(left.days))
    for piece in _history(now, account, ages, days, left):
        cost = sum(fetch.cost for fetch in piece)
        if chosen and cost > calls_left:
            return chosen, follows
        if waits := room.waits_for_history(now, piece, reserved):
            at, reason = waits
            return chosen, replace(follows, at=max(at, soon), reason=reason)
        chosen.extend(piece)
        room = room.after(now, piece)
        calls_left -= cost
    return chosen, follows if chosen or days.waits_for_totals else None


def _due_soon(now: datetime, account: Account, ages: PartitionAges) -> int:
    """The calls of everything but today that is due at ``now``."""
    later = replace(account, on_demand=False)
    days = _Days(account=later, begun=ages.parts)
    due = _due(now, later, ages, missing_days(now, account.connection, ages), days)
    return sum(fetch.cost for piece in chain(due, _spare(now, later, ages, days)) for fetch in piece if fetch.heat is not Heat.HOT)


def _unread(now: datetime, account: Account, ages: PartitionAges) -> Unread:
    """What of the history is to be read, without the days that are due by themselves."""
    connection = account.connection
    otherwise = {*missing_days(now, connection, ages), *cold_days(now, connection, ages, account.stretch)}
    return unread(now, connection, ages, account.history_since or connection.today(now), otherwise)


def _history(now: datetime, account: Account, ages: PartitionAges, days: "_Days", left: Unread) -> Iterator[tuple[Fetch, ...]]:
    """The reads of the history, newest first: first of all of it the totals that are missing, then everything about each day."""
    for span in spans(left.totals, longest(account, (FetchKind.CAMPAIGNS,), HISTORY_LEG)):
        yield tuple(with_account(now, account, ages, [fetch_of(account, FetchKind.CAMPAIGNS, Heat.HISTORY, span)]))
    if not left.totals:
        kinds = platform_of(account.connection.provider).metric_kinds
        yield from _older(now, account, ages, days, spans(left.days, longest(account, kinds, HISTORY_LEG)), Heat.HISTORY)


def _in_its_leg(account: Account, heat: Heat, cost: int, calls_left: int) -> bool:
    """Whether a leg with ``left`` calls for older days may read the piece.

    The first sync belongs to the background, and so does a piece that is more than a tick may read.
    """
    in_its_lane = account.lane is Lane.BACKGROUND or (heat is not Heat.BACKFILL and cost <= account.older_calls)
    return in_its_lane and calls_left >= min(cost, account.older_calls)


@dataclass(slots=True, kw_only=True)
class _Days:
    """The days of a plan that are read in parts: those whose read has begun, and those whose read begins now."""

    account: Account
    begun: PartsByDay
    drawn: dict[date, DayParts] = field(default_factory=dict)
    waits_for_totals: bool = False
    _by_calls: dict[int, DayParts] = field(default_factory=dict)

    def pieces(self, day: date, heat: Heat, most: int) -> Iterator[tuple[Fetch, ...]]:
        """The parts of a day that were not read yet, each with its leaves and its totals."""
        if day not in self.begun and not self.account.leaves:
            self.waits_for_totals = True
            return
        if day not in self.begun and day not in self.drawn:
            if most not in self._by_calls:  # the same for each day of a plan
                self._by_calls[most] = self.account.parts_of_day(most)
            self.drawn[day] = self._by_calls[most]
        for part in self.begun.get(day) or self.drawn[day]:
            if part.read_at is None:
                leaves = Fetch(kind=FetchKind.ADS, heat=heat, cost=part.leaf_calls, since=day, until=day, campaigns=part.campaigns)
                yield leaves, replace(leaves, kind=FetchKind.CAMPAIGNS, cost=part.total_calls)

    def drawn_for(self, chosen: Iterable[Fetch]) -> PartsByDay:
        """The drawn parts of days of which at least one is read now."""
        begun = {day for fetch in chosen for day in fetch.days if not fetch.campaigns.is_whole}
        return {day: parts for day, parts in self.drawn.items() if day in begun}


def _due(now: datetime, account: Account, ages: PartitionAges, missing: list[date], days: "_Days") -> Iterator[tuple[Fetch, ...]]:
    """Everything due, most urgent first, in pieces that are fetched whole or not at all."""
    if account.parts is not Parts.METRICS or account.connection.ad_count is None:
        yield from _entities(now, account, ages)
    if account.parts is Parts.ENTITIES:
        return
    hot = list(_hot(now, account, ages, days))
    yield from hot
    requested = {(fetch.kind, day) for piece in hot for fetch in piece for day in fetch.days}
    holes = [hole for hole in due_holes(now, account.connection, ages) if hole not in requested and not _is_of_history(now, account, hole)]
    yield from _holes(now, account, ages, days, holes)
    if account.size.ads is None:
        return  # the cost of older days is unknown until the first walk, or today's numbers without one, show the account's size
    older = partial(_older, now, account, ages, days)
    yield from _restatements(account, restated_days(now, account.connection, ages, account.stretch))
    yield from older(cold_spans(now, account.connection, ages, account.longest, account.stretch), Heat.COLD)
    for kind, span in refused_spans(now, account.connection, ages, account.longest):
        yield (fetch_of(account, kind, Heat.COLD, span),)
    yield from older(spans(missing, account.longest), Heat.BACKFILL)


def _spare(now: datetime, account: Account, ages: PartitionAges, days: "_Days") -> Iterator[tuple[Fetch, ...]]:
    """What is read beyond what keeps the lookback fresh, most urgent first. It leaves room for the other connections of the account."""
    if account.parts is Parts.ENTITIES or account.size.ads is None:
        return
    older = partial(_older, now, account, ages, days)
    yield from _restatements(account, recently_restated_days(now, account.connection, ages, account.stretch))
    yield from older(spans(recent_days(now, account.connection, ages, account.stretch), account.longest), Heat.COLD)
    yield from _account_totals(now, account, ages)
    # A history may have many: they come after everything that keeps the lookback fresh.
    holes = [hole for hole in due_holes(now, account.connection, ages) if _is_of_history(now, account, hole)]
    yield from _holes(now, account, ages, days, holes)


def _is_of_history(now: datetime, account: Account, hole: HoleKey) -> bool:
    """Whether the hole's day is older than what a first sync reads."""
    return hole[1] <= account.connection.today(now) - DAY * FIRST_SYNC_DAYS


def _holes(now: datetime, account: Account, ages: PartitionAges, days: "_Days", holes: Iterable[HoleKey]) -> Iterator[tuple[Fetch, ...]]:
    """These holes, each requested again by itself."""
    for kind, day in holes:
        if day in ages.parts or account.splits_day(account.most_calls):
            yield from days.pieces(day, Heat.COLD, account.most_calls)
        else:
            fetch = Fetch(kind=kind, heat=Heat.COLD, cost=HOLE_CALLS, since=day, until=day)
            yield tuple(with_account(now, account, ages, [fetch]))


def _entities(now: datetime, account: Account, ages: PartitionAges) -> Iterator[tuple[Fetch, ...]]:
    day = DAY * account.stretch
    if ages.stale(FetchKind.ACCOUNT_FACTS, now, day) and account.may_read(FetchKind.ACCOUNT_FACTS):
        yield (Fetch(kind=FetchKind.ACCOUNT_FACTS, heat=Heat.COLD, cost=1),)
    if ages.stale(FetchKind.ENTITIES_FULL, now, day) and account.may_read(FetchKind.ENTITIES_FULL):
        if account.costs.full_walk > account.part // 2:
            return  # it would never end beside today's numbers, and nothing of it would be stored
        yield (Fetch(kind=FetchKind.ENTITIES_FULL, heat=Heat.COLD, cost=account.costs.full_walk),)
        return
    walks = [ages.dateless[kind] for kind in (FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED) if kind in ages.dateless]
    if not walks or not account.may_read(FetchKind.ENTITIES_CHANGED):
        return
    last = max(walks)
    if account.on_demand or now - last >= account.changes_age * SLACK:
        yield (Fetch(kind=FetchKind.ENTITIES_CHANGED, heat=Heat.COLD, cost=account.costs.changed_walk, changed_since=last),)


def _hot(now: datetime, account: Account, ages: PartitionAges, days: _Days) -> Iterator[tuple[Fetch, ...]]:
    """Today's reads. Where the day is read in parts, everybody's totals come first: they are few calls, and show what delivers."""
    due = _hot_reads(now, account, ages)
    in_parts = [day for day in due.get(FetchKind.ADS, ()) if day in ages.parts or account.splits_day()]
    if in_parts:
        due[FetchKind.ADS] = [day for day in due[FetchKind.ADS] if day not in in_parts]
    check = _check(now, account, ages, due)
    yesterday = _yesterday_alone(now, account, due)
    fetches = [fetch_of(account, kind, Heat.HOT, span) for kind, days in due.items() for span in spans(days, 2)] + yesterday
    if platform_of(account.connection.provider).reads_days_whole:
        yield from (tuple(with_account(now, account, ages, fetches)),) if fetches else ()
    else:
        pieces = [[fetch] for fetch in fetches]
        is_whole = check is not None and any(fetch.kind is FetchKind.ADS and check.until in fetch.days for fetch in fetches)
        if check:
            pieces = [[check, *pieces[0]], *pieces[1:]] if is_whole else [[check], *pieces]
        yield from (tuple(with_account(now, account, ages, piece)) for piece in pieces)
    for day in in_parts:
        yield from days.pieces(day, Heat.HOT, MOST_CALLS)


def _yesterday_alone(now: datetime, account: Account, due: dict[FetchKind, list[date]]) -> list[Fetch]:
    """Yesterday's leaves where they are a read of their own, which is not ``due`` with today's any more."""
    today, leaves = account.connection.today(now), due.get(FetchKind.ADS, [])
    if account.yesterdays is not Yesterday.ALONE or not {today, today - DAY} <= {*leaves}:
        return []
    due[FetchKind.ADS] = [day for day in leaves if day != today - DAY]
    return [fetch_of(account, FetchKind.ADS, Heat.HOT, Span(since=today - DAY, until=today - DAY))]


def _check(now: datetime, account: Account, ages: PartitionAges, due: dict[FetchKind, list[date]]) -> Fetch | None:
    """The check with which a read of today begins. Where it decides which leaves are read, today's are not due by themselves."""
    today = account.connection.today(now)
    if today not in due.get(FetchKind.ADS, ()) or not account.is_checked or account.rests_from_checks(now):
        return None
    is_whole = account.reads_whole(now, ages)
    if not is_whole:
        due[FetchKind.ADS] = [day for day in due[FetchKind.ADS] if day != today]
    cost = check_calls(account.costs) if is_whole else account.check_cost
    return Fetch(kind=FetchKind.CHECK, heat=Heat.HOT, cost=cost, since=today, until=today)


def _restatements(account: Account, days: list[date]) -> Iterator[tuple[Fetch, ...]]:
    """A check of each piece of days; what it asks for has the rest of the piece's calls."""
    for span in spans(days, account.longest_check):
        cost = account.calls_of_check(span.days)
        yield (Fetch(kind=FetchKind.RESTATEMENTS, heat=Heat.COLD, cost=cost, since=span.since, until=span.until),)


def _older(
    now: datetime, account: Account, ages: PartitionAges, days: _Days, pieces: list[Span], heat: Heat
) -> Iterator[tuple[Fetch, ...]]:
    """Everything about each piece that is no hole.

    The account's totals only where they fit into the piece as well: a piece that is too big would wait for ever.
    """
    kinds = platform_of(account.connection.provider).metric_kinds
    for span in pieces:
        in_parts = [day for day in span.dates if day in ages.parts or (span.days == 1 and account.splits_day(account.most_calls))]
        for day in reversed(in_parts):
            yield from days.pieces(day, heat, account.most_calls)
        if in_parts:
            continue  # its other days, if it has any, are due again when these are read
        fetches = [fetch_of(account, kind, heat, part) for kind in kinds for part in unread_parts(now, account, ages, span, kind, heat)]
        whole = tuple(with_account(now, account, ages, fetches))
        with_check = (*_check_before(now, account, fetches, span), *whole)
        choice = (pieces for pieces in (with_check, whole) if sum(fetch.cost for fetch in pieces) <= account.piece)
        yield next(choice, tuple(fetches))


def _check_before(now: datetime, account: Account, reads: Iterable[Fetch], span: Span) -> Iterator[Fetch]:
    """The check with which a read of whole older days begins, so that there is something to compare the next one with.

    Of a first sync that died its days may have been read in part; then there is none.
    """
    since = max(span.since, account.connection.today(now) - DAY * DAILY_DAYS)
    leaves = [fetch for fetch in reads if fetch.kind is FetchKind.ADS]
    heats, days = {fetch.heat for fetch in leaves}, sum(len(fetch.days) for fetch in leaves)
    is_whole = heats == {Heat.COLD} or (heats == {Heat.BACKFILL} and days == span.days)
    if is_whole and account.checks_restatements and since <= span.until:
        check = fetch_of(account, FetchKind.CAMPAIGNS, leaves[0].heat, Span(since=since, until=span.until))
        yield replace(check, kind=FetchKind.RESTATEMENTS)


def _account_totals(now: datetime, account: Account, ages: PartitionAges) -> Iterator[tuple[Fetch, ...]]:
    """Totals of days that are not read again by themselves, and of which the account's totals were never read."""
    if platform_of(account.connection.provider).account_totals_age is None or not account.may_read(FetchKind.ACCOUNT):
        return
    for span in spans(days_without_account(now, account.connection, ages), account.longest):
        yield tuple(with_account(now, account, ages, [fetch_of(account, FetchKind.CAMPAIGNS, Heat.COLD, span)]))
