"""Reads which campaigns of older days were restated, and decides by that whose leaves are read. Steps: fetch, diff, telemetry.

As with today's checks, what a check has shown is stored when the leaves that it asked for are.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from adpulse.bootstrap import App
from adpulse.fetch_result import FetchResult
from adpulse.model import Connection, Fetch, FetchKind, Lease
from adpulse.planner.change_check import CheckAnswer
from adpulse.planner.costs import costs_of
from adpulse.planner.day_parts import PART_KINDS
from adpulse.planner.restatement_check import DayCheck, DayChecks, Sizes, after_restatements, before_restatements, restated_reads
from adpulse.planner.windows import DAILY_DAYS, DAY
from adpulse.platforms.registry import platform_of
from storage.staging import Staging
from tasks.campaign_requests import calls_left
from tasks.check_answers import Fingerprints, check_answers, covered, fingerprints, is_read_whole, make_check


def reads_of_restated(app: App, lease: Lease, connection: Connection, check: Fetch) -> Iterator[Fetch]:
    """Make the check, and return the reads that it asks for; none where its days are read whole anyway.

    While these are made, what changed is doubtful.
    """
    make_check(app, lease, connection, check)
    staged = [answer for answer in app.staging.read(lease.run_id) if answer.fetch.request_key == check.request_key]
    if not staged or is_read_whole(app.staging.plan(lease.run_id), check):
        return
    answers, known = _answers(lease, staged[0]), app.restatement_checks.of(lease.connection.id, check.days)
    if doubtful := before_restatements(answers, known):
        app.restatement_checks.record(lease, doubtful, _oldest(app.clock.now(), lease))
    spent = costs_of(lease.connection, app.settings).read(FetchKind.CAMPAIGNS, len(check.days))
    room = min(check.cost - spent, calls_left(app.ledger, lease.connection))
    reads = restated_reads(_sizes(app, lease), answers, known, room)
    yield from (fetch for fetch in reads if not app.staging.has(lease.run_id, fetch))


def restatements_shown(app: App, lease: Lease, staged: Sequence[FetchResult]) -> dict[date, DayCheck | None]:
    """What is known of older days once these answers are stored; None of a day of which nothing is.

    Leaves or totals that were read without a check before them are newer than what an earlier one has shown.
    """
    checks = [one for one in staged if one.fetch.kind is FetchKind.RESTATEMENTS]
    answers = [answer for check in checks for answer in _answers(lease, check)]
    checked, since = {answer.day for answer in answers}, lease.connection.today(app.clock.now()) - 2 * DAY
    read = {day for one in staged if one.fetch.kind in PART_KINDS for day in one.coverage if day <= since or day in checked}
    known = app.restatement_checks.of(lease.connection.id, read | checked) if read | checked else {}
    shown: dict[date, DayCheck | None] = dict.fromkeys(read & known.keys() - checked)
    if answers:
        sizes, totals = _sizes(app, lease), _totals(staged, checked)
        shown |= {answer.day: _shown(sizes, staged, answer, known, totals) for answer in answers}
    return shown


def _totals(staged: Sequence[FetchResult], days: set[date]) -> list[tuple[datetime, Fingerprints]]:
    """When totals of these days were read, and their fingerprints; oldest first."""
    answers = [one for one in staged if one.fetch.kind is FetchKind.CAMPAIGNS and not days.isdisjoint(one.coverage)]
    return [(one.fetched_at, fingerprints(one.table)) for one in sorted(answers, key=lambda one: one.fetched_at)]


def _shown(
    sizes: Sizes, staged: Sequence[FetchResult], answer: CheckAnswer, known: DayChecks, totals: Sequence[tuple[datetime, Fingerprints]]
) -> DayCheck | None:
    """What is known of a checked day: nothing where all of its leaves are stored, but not of after the check with their totals."""
    stored = covered(staged, FetchKind.ADS, answer).intersection(covered(staged, FetchKind.CAMPAIGNS, answer))
    if not stored.is_whole and any(one.fetch.kind is FetchKind.ADS and answer.day in one.days for one in staged):
        return None
    later = {campaign: seen for at, of_days in totals if at >= answer.at for campaign, seen in of_days.get(answer.day, {}).items()}
    moved = [campaign for campaign, seen in answer.fingerprints.items() if campaign in stored and later.get(campaign) != seen]
    return after_restatements(sizes, answer, known, stored, moved)


def are_restatements_left(app: App, lease: Lease) -> bool:
    """Whether a check of the leg, which is noted by now, showed what is not stored: it did not fit, or is to be read whole."""
    if not any(fetch.kind is FetchKind.RESTATEMENTS for fetch in _planned(app.staging, lease)):
        return False
    staged, known = app.staging.read(lease.run_id), app.partitions.ages(lease.connection.id).restatements_checked
    whole = {day for one in staged if one.fetch.kind is FetchKind.ADS for day in one.days}
    return any(day not in known or known[day] < at for day, at in _checked_at(staged).items() if day not in whole)


def are_known_by_checks(shown: Mapping[date, DayCheck | None], staged: Sequence[FetchResult]) -> bool:
    """Whether everything that a check of these answers showed of some day is stored."""
    at = _checked_at(staged)
    return any(check is not None and check.checked_at == at.get(day) for day, check in shown.items())


def _planned(staging: Staging, lease: Lease) -> Sequence[Fetch]:
    plan = staging.plan(lease.run_id)
    return plan.fetches if plan else ()


def _checked_at(staged: Sequence[FetchResult]) -> dict[date, datetime]:
    return {day: one.fetched_at for one in staged if one.fetch.kind is FetchKind.RESTATEMENTS for day in one.fetch.days}


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


def _sizes(app: App, lease: Lease) -> Sizes:
    """What the account's campaigns take."""
    leaves = app.warehouse(lease.connection.workspace_id).leaves_by_campaign(lease.connection.id)
    return Sizes(costs=costs_of(lease.connection, app.settings), leaves=leaves)


def _oldest(now: datetime, lease: Lease) -> date:
    return lease.connection.today(now) - DAY * DAILY_DAYS
