"""Reads which campaigns of older days were restated, and decides by that whose leaves are read. Steps: fetch, diff, telemetry.

As with today's checks, what a check has shown is stored when the leaves that it asked for are.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime

from adpulse.bootstrap import App
from adpulse.fetch_result import FetchResult
from adpulse.model import Connection, Fetch, FetchKind, Heat, Lease
from adpulse.planner.change_check import CheckAnswer
from adpulse.planner.costs import costs_of
from adpulse.planner.restatement_check import DayCheck, after_restatements, before_restatements, restated_reads
from adpulse.planner.windows import DAILY_DAYS, DAY
from adpulse.platforms.registry import platform_of
from tasks.campaign_requests import calls_left
from tasks.check_answers import check_answers, covered, is_read_whole, make_check


def reads_of_restated(app: App, lease: Lease, connection: Connection, check: Fetch) -> Iterator[Fetch]:
    """Make the check, and return the reads that it asks for; none where its days are read whole anyway. What changed is doubtful then."""
    make_check(app, lease, connection, check)
    staged = [answer for answer in app.staging.read(lease.run_id) if answer.fetch.request_key == check.request_key]
    if not staged or is_read_whole(app.staging.plan(lease.run_id), check):
        return
    answers, known = _answers(lease, staged[0]), app.restatement_checks.of(lease.connection.id, check.days)
    if doubtful := before_restatements(answers, known):
        app.restatement_checks.record(lease, doubtful, _oldest(app.clock.now(), lease))
    costs = costs_of(lease.connection, app.settings)
    spent = costs.read(FetchKind.CAMPAIGNS, len(check.days))
    room = min(check.cost - spent, calls_left(app.ledger, lease.connection))
    yield from (fetch for fetch in restated_reads(costs, answers, known, room) if not app.staging.has(lease.run_id, fetch))


def restatements_shown(app: App, lease: Lease, staged: Sequence[FetchResult]) -> dict[date, DayCheck | None]:
    """What is known of older days once these answers are stored; None of a day of which nothing is.

    Leaves that were read without a check before them are newer than what an earlier one has shown.
    """
    leaves = [one for one in staged if one.fetch.kind is FetchKind.ADS and one.fetch.heat is not Heat.HOT]
    whole = {day for one in leaves for day in one.days}
    answers = [answer for one in staged if one.fetch.kind is FetchKind.RESTATEMENTS for answer in _answers(lease, one)]
    days = whole | {answer.day for answer in answers}
    known = app.restatement_checks.of(lease.connection.id, days) if days else {}
    shown: dict[date, DayCheck | None] = {day: None for day in whole if day in known}
    for answer in answers:
        stored = covered(staged, FetchKind.ADS, answer).intersection(covered(staged, FetchKind.CAMPAIGNS, answer))
        if answer.day not in whole or stored.is_whole:
            shown[answer.day] = after_restatements(costs_of(lease.connection, app.settings), answer, known, stored)
    return shown


def note_restatements(app: App, lease: Lease, shown: dict[date, DayCheck | None]) -> None:
    """Store what is known of these days, and forget days that are not checked any more."""
    if shown:
        app.restatement_checks.record(lease, shown, _oldest(app.clock.now(), lease))


def _answers(lease: Lease, check: FetchResult) -> list[CheckAnswer]:
    """What the check shows. Campaigns whose totals are silent about what their leaves report are read each time.

    Meta reports no actions of campaigns whose ad sets attribute differently (Marketing API, page "Ads Action Stats"), and of older days it
    is mostly actions that are restated.
    """
    return check_answers(check, platform_of(lease.connection.provider).metrics)


def _oldest(now: datetime, lease: Lease) -> date:
    return lease.connection.today(now) - DAY * DAILY_DAYS
