"""Reads which of today's campaigns changed, and decides by that whose leaves are read. Steps: fetch, diff, telemetry.

What a check has shown is stored when the leaves that it asked for are: a worker that dies in between loses no change.
"""

from collections.abc import Iterator, Sequence
from datetime import date

from adpulse.bootstrap import App
from adpulse.fetch_result import FetchResult
from adpulse.model import Connection, Fetch, FetchKind, Heat, Lease
from adpulse.planner.change_check import ChangeCheck, after_check, before_reads, calls_asked, check_calls, leaf_reads
from adpulse.planner.costs import costs_of
from storage.staging import Staging
from tasks.campaign_requests import calls_left
from tasks.check_answers import check_answers, covered, is_read_whole, make_check
from tasks.restatements import reads_of_restated


def reads_with_dates(app: App, lease: Lease, connection: Connection) -> Iterator[Fetch]:
    """The planned reads of numbers that are not staged yet; a check is made here, and followed by the reads that it asks for."""
    plan = app.staging.plan(lease.run_id)
    for fetch in plan.fetches if plan else ():
        if not fetch.kind.has_dates:
            continue
        if fetch.kind is FetchKind.CHECK:
            make_check(app, lease, connection, fetch)
            yield from (leaves for leaves in _leaves_to_read(app, lease) if not app.staging.has(lease.run_id, leaves))
        elif fetch.kind is FetchKind.RESTATEMENTS:
            yield from reads_of_restated(app, lease, connection, fetch)
        elif not app.staging.has(lease.run_id, fetch):
            yield fetch


def _leaves_to_read(app: App, lease: Lease) -> tuple[Fetch, ...]:
    """The leaves that the staged check asks for; none where all of today is read anyway. From here on those that changed are doubtful."""
    staged = [answer for answer in app.staging.read(lease.run_id) if answer.fetch.kind is FetchKind.CHECK]
    if not staged:
        return ()
    (answer,), last = check_answers(staged[0]), app.change_checks.of(lease.connection.id)
    if doubtful := before_reads(last, answer):
        app.change_checks.record(lease, doubtful)
    if is_read_whole(app.staging.plan(lease.run_id), staged[0].fetch):
        return ()
    return leaf_reads(costs_of(lease.connection, app.settings), answer, last, calls_left(app.ledger, lease.connection))


def days_not_checked(staging: Staging, lease: Lease) -> tuple[date, ...]:
    """The days whose leaves were not read because their check failed."""
    plan = staging.plan(lease.run_id)
    failed = [fetch for fetch in plan.fetches if fetch.kind is FetchKind.CHECK and not staging.has(lease.run_id, fetch)] if plan else []
    return tuple(day for fetch in failed if not is_read_whole(plan, fetch) for day in fetch.days)


def checked(app: App, lease: Lease, staged: Sequence[FetchResult]) -> ChangeCheck | None:
    """What is known of today's changes once these answers are stored; None where they have no check."""
    checks = [answer for answer in staged if answer.fetch.kind is FetchKind.CHECK]
    if not checks:
        return None
    (answer,), last = check_answers(checks[0]), app.change_checks.of(lease.connection.id)
    leaves = [one for one in staged if one.fetch.kind is FetchKind.ADS and one.fetch.heat is Heat.HOT and one.fetched_at >= answer.at]
    costs = costs_of(lease.connection, app.settings)
    if is_read_whole(app.staging.plan(lease.run_id), checks[0].fetch):
        calls = calls_asked(costs, answer, last)
    else:
        calls = check_calls(costs) + sum(one.fetch.cost for one in leaves if one.fetch.days == (answer.day,))
    return after_check(costs, last, answer, covered(leaves, FetchKind.ADS, answer), calls)
