"""The fetches of days that are due: what each costs, and what is read with it. Pure. Step: plan."""

from collections.abc import Iterable, Iterator
from datetime import datetime

from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.account import Account
from adpulse.planner.costs import cost_of_account
from adpulse.planner.history import is_unread
from adpulse.planner.windows import RECENT_AGE, PartitionAges, Span, requested_spans, spans
from adpulse.platforms.registry import platform_of


def with_account(now: datetime, account: Account, ages: PartitionAges, fetches: Iterable[Fetch]) -> Iterator[Fetch]:
    """The reads, each of campaigns' totals followed by the account's totals of the same days, where these are due.

    What the account has beyond its campaigns can only be told from two reads of one time.
    """
    oldest = platform_of(account.connection.provider).account_totals_age
    for fetch in fetches:
        yield fetch
        if fetch.kind is not FetchKind.CAMPAIGNS or oldest is None or not account.may_read(FetchKind.ACCOUNT):
            continue
        if any(ages.stale(FetchKind.ACCOUNT, now, oldest * account.stretch, day) for day in fetch.days):
            cost = cost_of_account(account.costs, len(fetch.days))
            yield Fetch(kind=FetchKind.ACCOUNT, heat=fetch.heat, cost=cost, since=fetch.since, until=fetch.until)


def unread_parts(now: datetime, account: Account, ages: PartitionAges, span: Span, kind: FetchKind, heat: Heat) -> list[Span]:
    """The days of a piece that are requested by one kind of read; where days are read whole, a range costs no more than a day.

    Of missing days every read that is hours old is made again, so that all are of about one time.
    """
    if platform_of(account.connection.provider).reads_days_whole:
        return [span]
    parts = requested_spans(kind, span, ages)
    if heat is Heat.HISTORY:
        unread_days = (day for part in parts for day in part.dates if is_unread(account.connection, ages, kind, day))
        return spans(unread_days, span.days)
    if heat is not Heat.BACKFILL:
        return parts
    return [due for part in parts for due in spans((day for day in part.dates if ages.stale(kind, now, RECENT_AGE, day)), part.days)]


def fetch_of(account: Account, kind: FetchKind, heat: Heat, span: Span) -> Fetch:
    """A read of all of the span's days; what it costs of today is what it usually takes."""
    calls = account.costs.usual if heat is Heat.HOT else account.costs.read
    return Fetch(kind=kind, heat=heat, cost=calls(kind, span.days), since=span.since, until=span.until)
