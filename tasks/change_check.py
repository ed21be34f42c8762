"""Reads which of today's campaigns changed, and decides by that whose leaves are read. Steps: fetch, diff, telemetry.

What a check has shown is stored when the leaves that it asked for are: a worker that dies in between loses no change.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from hashlib import blake2b

import pyarrow as pa

from adpulse.bootstrap import App
from adpulse.campaign_range import NO_CAMPAIGNS
from adpulse.fetch_result import FetchResult
from adpulse.metrics import METRICS, PROFIT
from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Fetch, FetchKind, Heat, Lease
from adpulse.planner.change_check import ChangeCheck, CheckAnswer, after_check, before_reads, check_calls, leaf_reads
from adpulse.planner.costs import costs_of
from adpulse.planner.plan import Plan
from storage.staging import Staging
from tasks.campaign_requests import calls_left
from tasks.optional import optional

_REPORTED = [name for name in METRICS if name != PROFIT.name]
_FINGERPRINT_BYTES = 8


def reads_with_dates(app: App, lease: Lease, connection: Connection) -> Iterator[Fetch]:
    """The planned reads of numbers that are not staged yet; a check is made here, and followed by the reads that it asks for."""
    plan = app.staging.plan(lease.run_id)
    for fetch in plan.fetches if plan else ():
        if not fetch.kind.has_dates:
            continue
        if fetch.kind is FetchKind.CHECK:
            _make_check(app, lease, connection, fetch)
            yield from (leaves for leaves in _leaves_to_read(app, lease) if not app.staging.has(lease.run_id, leaves))
        elif not app.staging.has(lease.run_id, fetch):
            yield fetch


def _make_check(app: App, lease: Lease, connection: Connection, fetch: Fetch) -> None:
    """Stage the campaigns' totals. A failure is a warning: today is read whole meanwhile."""
    if app.staging.has(lease.run_id, fetch):
        return
    at, slot = app.clock.now(), app.slot(lease, fetch.heat)
    request = replace(MetricsRequest.of(fetch), kind=FetchKind.CAMPAIGNS)
    answer = optional(app.warnings, lease, fetch, lambda: app.client(connection).metrics(connection, request, slot))
    if answer is not None:
        app.staging.write(lease.run_id, FetchResult(fetch=fetch, fetched_at=at, table=answer.rows, refused=answer.refused))


def _leaves_to_read(app: App, lease: Lease) -> tuple[Fetch, ...]:
    """The leaves that the staged check asks for; none where all of today is read anyway. From here on those that changed are doubtful."""
    staged = [answer for answer in app.staging.read(lease.run_id) if answer.fetch.kind is FetchKind.CHECK]
    if not staged:
        return ()
    answer, last = _answer(staged[0]), app.change_checks.of(lease.connection.id)
    if doubtful := before_reads(last, answer):
        app.change_checks.record(lease, doubtful)
    if _is_read_whole(app.staging.plan(lease.run_id), staged[0].fetch):
        return ()
    return leaf_reads(costs_of(lease.connection, app.settings), answer, last, calls_left(app.ledger, lease.connection))


def _is_read_whole(plan: Plan | None, check: Fetch) -> bool:
    """Whether the plan has all of today's leaves, whatever the check shows."""
    leaves = [fetch for fetch in plan.fetches if fetch.kind is FetchKind.ADS and fetch.campaigns.is_whole] if plan else []
    return any(set(check.days) <= set(fetch.days) for fetch in leaves)


def days_not_checked(staging: Staging, lease: Lease) -> tuple[date, ...]:
    """The days whose leaves were not read because their check failed."""
    plan = staging.plan(lease.run_id)
    failed = [fetch for fetch in plan.fetches if fetch.kind is FetchKind.CHECK and not staging.has(lease.run_id, fetch)] if plan else []
    return tuple(day for fetch in failed if not _is_read_whole(plan, fetch) for day in fetch.days)


def without_checks(staged: Sequence[FetchResult]) -> list[FetchResult]:
    """The answers whose rows are stored."""
    return [answer for answer in staged if answer.fetch.kind is not FetchKind.CHECK]


def checked(app: App, lease: Lease, staged: Sequence[FetchResult]) -> ChangeCheck | None:
    """What is known of today's changes once these answers are stored; None where they have no check."""
    checks = [answer for answer in staged if answer.fetch.kind is FetchKind.CHECK]
    if not checks:
        return None
    answer, last = _answer(checks[0]), app.change_checks.of(lease.connection.id)
    leaves = [one for one in staged if one.fetch.kind is FetchKind.ADS and one.fetch.heat is Heat.HOT and one.fetched_at >= answer.at]
    covered = NO_CAMPAIGNS
    for one in leaves:
        covered = covered.union(one.coverage.get(answer.day, NO_CAMPAIGNS))
    costs = costs_of(lease.connection, app.settings)
    calls = check_calls(costs)
    if not _is_read_whole(app.staging.plan(lease.run_id), checks[0].fetch):
        calls += sum(one.fetch.cost for one in leaves if one.fetch.days == (answer.day,))
    return after_check(costs, last, answer, covered, calls)


def _answer(check: FetchResult) -> CheckAnswer:
    unreadable = frozenset(campaign for campaign in check.refused["external_id"].to_pylist() if campaign)
    return CheckAnswer(day=check.fetch.days[0], at=check.fetched_at, fingerprints=_fingerprints(check.table), unreadable=unreadable)


def _fingerprints(totals: pa.Table) -> dict[str, str]:
    """Of each campaign's reported metrics. The profit is not reported: another margin is no change of the platform's."""
    columns = [totals[name].to_pylist() for name in ("external_id", *_REPORTED)]
    return {
        campaign: blake2b(repr(numbers).encode(), digest_size=_FINGERPRINT_BYTES).hexdigest()
        for campaign, *numbers in zip(*columns, strict=True)
    }
