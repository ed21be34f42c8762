"""Asks by their ids for campaigns that only the account's totals contain, so that a day adds up with names. Step: fetch.

A platform may leave campaigns that were deleted out of its reports, and still count them in the account's totals. Their totals are stored
with those of the others, as parts of the same answer, and so the account's remainder is less by them.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from adpulse.bootstrap import App
from adpulse.deleted_campaigns import DeletedCampaigns, DeletedSearch
from adpulse.entity_names import MetricsAnswer
from adpulse.errors import RateLimited
from adpulse.fetch_result import FetchResult
from adpulse.gone_statuses import GONE, GONE_STATUSES
from adpulse.metrics import METRICS, PROFIT
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Fetch, FetchKind, Heat, Lease, Level
from adpulse.planner.plan import Plan
from adpulse.planner.room import HISTORY_CALLS
from adpulse.planner.windows import HOUR
from adpulse.platforms.registry import platform_of
from storage.control.connection_warnings import ConnectionWarnings
from storage.control.ledger import Ledger
from tasks.campaign_requests import calls_left
from tasks.optional import optional

log = logging.getLogger(__name__)

_COMPARED = [metric.name for metric in METRICS.values() if metric.additive and metric is not PROFIT]
_FETCH = Fetch(kind=FetchKind.DELETED_CAMPAIGNS, heat=Heat.HOT, cost=0)
_KEY = ["external_id", "date"]
_OF_OLDER_DAYS = replace(_FETCH, kind=FetchKind.DELETED_BEFORE)
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Difference:
    """The days on which the account has something else than its campaigns; ``more``: on some of them it has more."""

    days: tuple[date, ...]
    more: bool


def read_deleted_campaigns(app: App, lease: Lease, connection: Connection) -> None:
    """Stage the totals and names of campaigns that the leg's reports leave out although the account's totals have them.

    It is done at most once an hour; of older days, which are read seldom, with each piece, though without the account's activities where
    such a piece had them within the hour. Legs without today are counted by themselves, so that today's search does not wait for them.
    """
    heats = _heats(app.staging.plan(lease.run_id))
    fetch = _FETCH if Heat.HOT in heats else _OF_OLDER_DAYS
    if not heats or platform_of(connection.provider).reports_removed or app.staging.has(lease.run_id, fetch):
        return
    is_due = app.partitions.ages(connection.id).stale(fetch.kind, app.clock.now(), HOUR)
    if not is_due and heats == {Heat.HOT}:
        return
    staged = app.staging.read(lease.run_id)
    answers, account = [_whole(staged, kind) for kind in (FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)]
    days = tuple(sorted(answers.keys() & account.keys()))
    if not days or fetch.kind in app.warnings.resting(connection.id):
        return
    if not is_due and all(account[day].fetch.heat is Heat.HOT for day in days):
        return
    warehouse = app.warehouse(connection.workspace_id)
    listed = _rows(answers, days)
    beside = _beside(warehouse.campaign_totals(connection.id, days), listed)
    difference = _difference(days, _rows(account, days), pa.concat_tables([listed, beside]))
    if not difference.days:
        return
    statuses = warehouse.campaign_statuses(connection.id)
    calls = _calls(app.ledger, connection, answers[days[0]].fetch.heat)
    search = _search(connection, statuses, beside, _ids(listed), difference, calls=calls)
    _stage(app, lease, connection, fetch, search if is_due else replace(search, since=None), [answers[day] for day in days])


def _heats(plan: Plan | None) -> set[Heat]:
    """What the leg reads the account's totals for; without these there is nothing to search by."""
    return {fetch.heat for fetch in plan.fetches if fetch.kind is FetchKind.ACCOUNT} if plan else set()


def _calls(ledger: Ledger, connection: Connection, heat: Heat) -> int:
    """Most calls of the search: what the account has left, and of a history no more than its own part of the hour."""
    left = calls_left(ledger, connection)
    if heat is not Heat.HISTORY:
        return left
    spent = sum(of is Heat.HISTORY for _, of in ledger.calls(connection.ledger_key))
    return min(left, max(HISTORY_CALLS - spent, 0))


def _whole(staged: Iterable[FetchResult], kind: FetchKind) -> dict[date, FetchResult]:
    """The last answer about each day with every campaign, but for days with a refused row, of which no sum is right."""
    answers = dict[date, FetchResult]()
    for answer in staged:
        if answer.fetch.kind is kind:
            refused = set(answer.refused["date"].to_pylist())
            answers.update({day: answer for day in answer.days if day not in refused})
    return answers


def _rows(answers: dict[date, FetchResult], days: Sequence[date]) -> pa.Table:
    """The rows that count, of each day from its last answer."""
    each = [answers[day].table.filter(pc.equal(answers[day].table["date"], pa.scalar(day, pa.date32()))) for day in days]
    return pa.concat_tables(each)


def _beside(stored: pa.Table, listed: pa.Table) -> pa.Table:
    """The stored totals of campaigns and days that the answers leave out."""
    return stored.join(listed.select(_KEY), keys=_KEY, join_type="left anti").select(stored.column_names).cast(stored.schema)


def _difference(days: Sequence[date], account: pa.Table, campaigns: pa.Table) -> _Difference:
    """Where the account has something else than its campaigns, in a metric that all of them have."""
    totals = {row["date"]: row for row in account.select(["date", *_COMPARED]).to_pylist()}
    wanted = [(name, how) for name in _COMPARED for how in ("sum", "count")]
    sums = {row["date"]: row for row in campaigns.group_by("date").aggregate([*wanted, ("external_id", "count")]).to_pylist()}
    differing, more = [], False
    for day in days:
        of_day = list(_differences(totals.get(day, dict.fromkeys(_COMPARED, 0)), sums.get(day, {})))
        differing += [day] if of_day else []
        more |= any(difference > 0 for difference in of_day)
    return _Difference(days=tuple(differing), more=more)


def _differences(account: dict[str, int | None], sums: dict[str, int]) -> Iterable[int]:
    """By how much the account has more; each row was rounded to a millionth, so that much is none."""
    rows = sums.get("external_id_count", 0)
    for name in _COMPARED:
        total = account[name]
        if total is not None and sums.get(f"{name}_count", 0) == rows:
            difference = total - (sums.get(f"{name}_sum") or 0)
            if abs(difference) > (rows + 1 if METRICS[name].fractional else 0):
                yield difference


def _search(
    connection: Connection, statuses: dict[str, str], beside: pa.Table, listed: frozenset[str], difference: _Difference, calls: int
) -> DeletedSearch:
    """What is asked: campaigns whose stored totals the reports lack, then deleted ones, then what the account's activities name."""
    unlisted = frozenset(status for level, status in connection.filters.left_out if level == Level.CAMPAIGN)
    gone = sorted((campaign for campaign, status in statuses.items() if status in unlisted), reverse=True)
    known = [campaign for campaign in dict.fromkeys((*sorted(_ids(beside)), *gone)) if campaign not in listed]
    deleted = {*GONE_STATUSES} - {GONE}  # what a walk did not list need not be deleted
    settled = frozenset(campaign for campaign in known if statuses.get(campaign) in deleted)
    since = datetime.combine(difference.days[0] - _A_DAY, time(), UTC) if difference.more else None
    living = frozenset(campaign for campaign, status in statuses.items() if status not in unlisted) - frozenset(known)
    return DeletedSearch(known=known, settled=settled, listed=listed | living, unlisted_statuses=unlisted, since=since, calls=calls)


def _ids(rows: pa.Table) -> frozenset[str]:
    return frozenset(rows["external_id"].to_pylist())


def _stage(app: App, lease: Lease, connection: Connection, fetch: Fetch, search: DeletedSearch, answers: Sequence[FetchResult]) -> None:
    """Search, and stage the answer: totals first, so that a worker's death in between loses none."""
    fetched_at, slot = app.clock.now(), app.slot(lease, answers[0].fetch.heat)  # its calls are those of what it adds to
    days = [day for answer in answers for day in answer.days]
    request = MetricsRequest(kind=FetchKind.CAMPAIGNS, heat=fetch.heat, since=min(days), until=max(days))
    deleted = _answer(app.warnings, lease, fetch, lambda: app.client(connection).deleted_campaigns(connection, request, search, slot))
    if deleted is None:
        return
    if deleted.totals:
        for answer in {answer.fetch.label: answer for answer in answers}.values():
            app.staging.write(lease.run_id, _with(answer, deleted.totals))
    app.staging.write(lease.run_id, FetchResult(fetch=fetch, fetched_at=fetched_at, table=deleted.entities))


def _answer(warnings: ConnectionWarnings, lease: Lease, fetch: Fetch, read: Callable[[], DeletedCampaigns]) -> DeletedCampaigns | None:
    try:
        return optional(warnings, lease, fetch, read)
    except RateLimited as full:
        if full.code is not None:
            raise
        log.info("run %s has no call left for campaigns that were deleted: %s", lease.run_id, full)  # the limit is our own
        return None


def _with(answer: FetchResult, deleted: MetricsAnswer) -> FetchResult:
    """The campaigns' totals with those of the deleted ones, on its days."""
    merged = MetricsAnswer.merged([MetricsAnswer(answer.table, answer.names, answer.refused), _of_days(deleted, answer.days)])
    return replace(answer, table=merged.rows, names=merged.names, refused=merged.refused)


def _of_days(deleted: MetricsAnswer, days: Sequence[date]) -> MetricsAnswer:
    of_days = pa.array(days, pa.date32())
    rows, refused = (table.filter(pc.is_in(table["date"], of_days)) for table in (deleted.rows, deleted.refused))
    return deleted._replace(rows=rows, refused=refused)
