"""What the answers of a run cover: of several answers about a day and campaign the newest one counts. Pure. Step: diff."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta

import pyarrow as pa

from adpulse.campaign_range import NO_CAMPAIGNS, CampaignRange
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.model import FetchKind
from storage.warehouse.batches import Coverage, RunFetch, coverage_of, in_time

COVERAGE_SCHEMA = pa.schema(
    [
        METRIC_SCHEMA.field("connection_id"),
        METRIC_SCHEMA.field("date"),
        pa.field("only_campaigns", pa.list_(pa.string())),
        pa.field("without_campaigns", pa.list_(pa.string())),
        pa.field("closed", pa.bool_()),
    ]
)
"""A day of a connection that was read: all campaigns where both lists are null; whether the day has ended in every time zone."""

_TOGETHER = timedelta(minutes=10)


def answers_of(run: RunFetch, kind: FetchKind) -> Iterator[tuple[FetchResult, Coverage]]:
    """Each answer of a kind, newest first, with what later answers cover: of that it says nothing any more."""
    later: Coverage = {}
    for answer in reversed(in_time([answer for answer in run.fetched if answer.fetch.kind is kind])):
        yield answer, later
        later = _together(later, coverage_of(answer))


def covered(run: RunFetch, kind: FetchKind) -> Coverage:
    """The days that the answers of a kind cover, and the campaigns of each."""
    together: Coverage = {}
    for answer, _ in answers_of(run, kind):
        together = _together(together, coverage_of(answer))
    return together


def days_read_together(run: RunFetch) -> list[date]:
    """The days whose campaigns' and account's totals were read within minutes: what happened in between would be no remainder."""
    account = {day: answer.fetched_at for answer, _ in reversed(list(answers_of(run, FetchKind.ACCOUNT))) for day in coverage_of(answer)}
    campaigns = list(answers_of(run, FetchKind.CAMPAIGNS))
    return [day for day, at in account.items() if _read_about(campaigns, day, at).is_whole]


def _read_about(answers: Iterable[tuple[FetchResult, Coverage]], day: date, at: datetime) -> CampaignRange:
    """The campaigns of a day whose newest answer is of about this time."""
    campaigns = NO_CAMPAIGNS
    for answer, later in answers:
        if abs(at - answer.fetched_at) <= _TOGETHER:
            campaigns = campaigns.union(coverage_of(answer).get(day, NO_CAMPAIGNS).minus(later.get(day, NO_CAMPAIGNS)))
    return campaigns


def _together(first: Coverage, second: Coverage) -> Coverage:
    return {day: first.get(day, NO_CAMPAIGNS).union(second.get(day, NO_CAMPAIGNS)) for day in {**first, **second}}


def coverage_table(batch: Sequence[RunFetch], kind: FetchKind) -> pa.Table:
    """What the answers of a kind cover (COVERAGE_SCHEMA)."""
    days = [(run, day, campaigns) for run in batch for day, campaigns in sorted(covered(run, kind).items(), key=lambda item: item[0])]
    columns = [
        [run.connection_id for run, _, _ in days],
        [day for _, day, _ in days],
        [campaigns.only for _, _, campaigns in days],
        [campaigns.without or None for _, _, campaigns in days],
        [day < first_open_day(run) for run, day, _ in days],
    ]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, COVERAGE_SCHEMA, strict=True)], schema=COVERAGE_SCHEMA)


def first_open_day(run: RunFetch) -> date:
    """Yesterday in UTC may still be today in the account's time zone."""
    return run.now.date() - timedelta(days=1)
