"""Records what a leg of a sync did: partition ages, sizes, run state, the connection's status.

The control plane is the truth, Prefect's run list only shows it. Step: telemetry.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta
from random import Random

import pyarrow as pa

from adpulse.bootstrap import App
from adpulse.errors import (
    AccessBlocked,
    AccountRefused,
    AdpulseError,
    LeaseLost,
    Permanent,
    RateLimited,
    UnknownConnection,
)
from adpulse.fetch_result import FetchResult
from adpulse.gone_statuses import GONE_STATUSES
from adpulse.model import CHECKS, WALKS, ConnectionStatus, FetchKind, Heat, Lane, Lease, Level, Parts, RunCounts, RunState
from adpulse.planner.next_read import LONGEST_WAIT, next_useful_slot
from adpulse.planner.plan import Plan
from adpulse.retry import DEAD_AFTER, LONGEST_BACKOFF, LONGEST_OUTAGE_BACKOFF, backoff, cooldown
from adpulse.stopping import DISABLED, status_after
from storage.control.connection_warnings import ACCOUNT_DISABLED, ConnectionWarning, ConnectionWarnings
from storage.control.database import INFRASTRUCTURE
from storage.control.runs import Leg
from storage.control.sizes import Sizes
from storage.control.unsettled import MAX_DEATHS
from storage.warehouse.warehouse import Warehouse
from tasks.batch import failure
from tasks.change_check import checked
from tasks.check_answers import without_checks
from tasks.history import note_left
from tasks.holes import fill_holes
from tasks.parts_read import parts_read
from tasks.refused import forget_warnings, keep_refused, note_refused
from tasks.restatements import are_known_by_checks, are_restatements_left, note_restatements, restatements_shown
from tasks.unknown_values import note_unknown_values

log = logging.getLogger(__name__)

_rng = Random()  # noqa: S311 - jitter

_PASSED_ON = (LeaseLost, UnknownConnection, *INFRASTRUCTURE)
"""Not the connection's failure: its lease is lost, it is deleted, or our database is locked."""

_LONGEST_REPORT_PAUSE = timedelta(minutes=2)

_TOTALS = (FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)

_OPTIONAL = (FetchKind.ACCOUNT, *CHECKS)
"""Reads of numbers whose failure is a warning."""

_UNREAD = Leg(idle=True, today=False)


def settle(app: App, lease: Lease, plan: Plan | None, error: AdpulseError | None, *, late: bool = False) -> RunCounts:
    """Record what was stored and close the run, or keep it open for its next leg; what this leg did.

    Only what the warehouse holds counts as read: after a failed upsert everything is due again. What was written is what
    the warehouse says, so a worker killed between its commit and this loses nothing. A lost lease changes nothing.
    A leg that cannot be described or closed fails the run.

    Raises:
        one of INFRASTRUCTURE: nothing was settled; worth another try.
    """
    try:
        now_leased = app.runs.lease(lease.run_id, lease.generation)
        leg, error = _describe_leg(app, lease, error)
        leg = replace(leg, slow=_slow(lease, late=late))
        note_left(app, lease, error)
        try:
            _close(app, lease, _next_leg(app, lease, now_leased, plan), error, leg)
        except _PASSED_ON:
            raise
        except Exception as unexpected:  # noqa: BLE001 - it is this connection's failure, and logged as that
            failed = failure(lease.run_id, unexpected)
            _fail(app, lease, error or failed, replace(leg, restated=None), app.clock.now())
    except (LeaseLost, UnknownConnection):  # taken over, or deleted meanwhile
        return RunCounts()
    app.staging.remove(lease.run_id)
    return leg.counts


def _describe_leg(app: App, lease: Lease, error: AdpulseError | None) -> tuple[Leg, AdpulseError | None]:
    """What the leg did: by its staged answers, else by the warehouse alone; if neither can be read, nothing."""
    if lease.worker_deaths > MAX_DEATHS:  # reading the answers may have killed the last worker
        return _UNREAD, error
    sources: tuple[Callable[[], Leg], ...] = (
        lambda: _leg(app, lease),
        lambda: _leg_from_warehouse(app.warehouse(lease.connection.workspace_id), lease),
    )
    for source in sources:
        try:
            return source(), error
        except _PASSED_ON:
            raise
        except Exception as unexpected:  # noqa: BLE001 - it is this connection's failure, and logged as that
            failed = failure(lease.run_id, unexpected)
            error = error or failed
    return _UNREAD, error


def _slow(lease: Lease, *, late: bool) -> bool | None:
    """A leg of the background may be long because there is much to read, so there only a leg in time says something about the account."""
    return None if late and lease.lane is Lane.BACKGROUND else late


def _leg(app: App, lease: Lease) -> Leg:
    """What the leg did, from the warehouse; a leg that wrote nothing is described by its comparison."""
    stored, completed = app.runs.get(lease.run_id).state is RunState.APPLIED, list[date]()
    changes = app.staging.changes(lease.run_id) if stored else None
    answers = app.staging.read(lease.run_id) if stored else []
    staged, check = without_checks(answers), checked(app, lease, answers)
    is_checked = any(answer.fetch.kind is FetchKind.CHECK and check and check.checked_at == answer.fetched_at for answer in answers)
    today = is_checked or any(
        answer.fetch.kind is FetchKind.ADS and answer.fetch.heat is Heat.HOT and answer.fetch.until in answer.days for answer in staged
    )
    holes = app.holes.of(lease.connection.id)
    today_is_hole = (FetchKind.ADS, lease.connection.today(app.clock.now())) in holes
    today = today or today_is_hole
    if stored:
        app.partitions.record(lease.connection.id, [answer.complete for answer in staged], app.clock.now())
        completed = app.partitions.record_parts(lease.connection.id, parts_read(staged), app.clock.now())
        today = today or lease.connection.today(app.clock.now()) in completed
        if check:
            app.change_checks.record(lease, check)
        shown = restatements_shown(app, lease, answers)
        note_restatements(app, lease, shown)
        is_checked = is_checked or are_known_by_checks(shown, answers)
        fill_holes(app, lease, holes, staged, completed)
        _record_size(app.sizes, lease, staged)
        app.sizes.set_page_sizes(lease.connection, app.client(lease.connection).page_sizes(lease.connection))
        app.warnings.clear(lease.connection.id, _recovered_kinds(answers) - app.warnings.of_leg(lease).keys())
        keep_refused(app.refused_rows, lease, staged)
        note_refused(app.warnings, lease, staged)
        forget_warnings(app.warnings, app.refused_rows, lease, completed)
        note_unknown_values(app.warnings, lease, staged)
    has_numbers = bool(completed) or is_checked or any(_has_numbers(answer, totals_alone=today_is_hole) for answer in staged)
    idle = not (has_numbers or (lease.parts is Parts.ENTITIES and staged))
    leg = Leg(counts=changes.counts if changes else RunCounts(), idle=idle, today=today)
    if lease.adopts or (changes and not changes.empty):
        return _leg_from_warehouse(app.warehouse(lease.connection.workspace_id), lease, leg)
    return leg


def _has_numbers(answer: FetchResult, *, totals_alone: bool) -> bool:
    """Whether the platform answered the numbers of some day: today's leaves, or anything of older days.

    Entities and history make no numbers fresher, nor do today's totals without its leaves, unless the platform answers
    ``totals_alone``. A day that is read in parts is fresh with its last part.
    """
    fetch = answer.fetch
    if not fetch.kind.has_dates or not fetch.campaigns.is_whole or fetch.heat is Heat.HISTORY:
        return False
    if fetch.heat is Heat.HOT and fetch.kind in _TOTALS and not totals_alone:
        return False
    return bool(answer.coverage) or answer.table.num_rows > 0


def _leg_from_warehouse(warehouse: Warehouse, lease: Lease, leg: Leg = _UNREAD) -> Leg:
    """The leg with what the warehouse holds of it."""
    applied = warehouse.applied_since(lease.run_id, lease.settled_generation)
    if applied is None:
        return leg
    return replace(
        leg,
        counts=applied.counts,
        changes=applied.changes,
        changed_at=applied.changed_at,
        trailing_spend=applied.trailing_spend,
        restated=applied.restated,
    )


def _recovered_kinds(staged: list[FetchResult]) -> set[FetchKind]:
    """The kinds of reads whose warnings end: those that were read. A full walk also ends those of the smaller walk and the lookup."""
    kinds = {answer.fetch.kind for answer in staged if not answer.fetch.kind.has_dates or answer.fetch.kind in _OPTIONAL}
    return kinds | WALKS | {FetchKind.ENTITIES_CONFIRMED} if FetchKind.ENTITIES_FULL in kinds else kinds


def _record_size(sizes: Sizes, lease: Lease, staged: list[FetchResult]) -> None:
    """Remember how many campaigns and living ads there are: what later reads cost depends on it."""
    if lease.connection.ad_count is None:
        _estimate_size(sizes, lease, staged)
    else:
        _record_delivering(sizes, lease, staged)
    for answer in staged:
        if answer.fetch.kind is FetchKind.ENTITIES_FULL:
            levels, statuses = (answer.table.column(name).to_pylist() for name in ("level", "status"))
            ads = sum(level == Level.AD and status not in GONE_STATUSES for level, status in zip(levels, statuses, strict=True))
            sizes.set_walked(lease.connection.id, ad_count=ads, campaign_count=levels.count(Level.CAMPAIGN))
        if not answer.fetch.kind.has_dates:
            _record_asset_groups(sizes, lease, answer)


def _estimate_size(sizes: Sizes, lease: Lease, staged: list[FetchResult]) -> None:
    """Before any walk: the most leaves and campaigns that one of the days read has numbers of."""
    leaves = [answer.table for answer in staged if answer.fetch.kind is FetchKind.ADS]
    totals = [answer.table for answer in staged if answer.fetch.kind is FetchKind.CAMPAIGNS]
    if leaves:
        ads, campaigns = (max(map(_most_rows_per_day, tables), default=0) for tables in (leaves, totals))
        sizes.set_estimate(lease.connection, ads=ads, campaigns=campaigns)


def _record_delivering(sizes: Sizes, lease: Lease, staged: list[FetchResult]) -> None:
    """Remember what delivers today or yesterday: it is what the next read of today will cost."""
    recent = [answer for answer in staged if answer.fetch.heat is Heat.HOT and answer.days]
    leaves = [answer for answer in recent if answer.fetch.kind is FetchKind.ADS]
    if not leaves:
        return
    totals = [_most_rows_per_day(answer.table) for answer in recent if answer.fetch.kind is FetchKind.CAMPAIGNS]
    days = {day for answer in leaves for day in answer.days}
    ads = max(_most_rows_per_day(answer.table) for answer in leaves)
    sizes.set_delivering(lease.connection, ads=ads, campaigns=max(totals, default=None), whole_day=len(days) > 1)


def _most_rows_per_day(rows: pa.Table) -> int:
    """Rows of the day that has most: each entity has one."""
    return max(rows.group_by("date").aggregate([("date", "count")])["date_count"].to_pylist(), default=0)


def _record_asset_groups(sizes: Sizes, lease: Lease, entities: FetchResult) -> None:
    """Remember how many asset groups were listed, removed ones too: while there are none, their numbers are not read.

    The number never falls: numbers that are not read would be taken for zero, and the numbers of removed ones count for good.
    """
    listed, stored = entities.table["level"].to_pylist().count(Level.ASSET_GROUP), lease.connection.asset_group_count
    if listed > (stored or 0) or (stored is None and entities.fetch.kind is FetchKind.ENTITIES_FULL):
        sizes.set_asset_groups(lease.connection.id, listed)


def _next_leg(app: App, lease: Lease, now_leased: Lease, plan: Plan | None) -> Plan | None:
    """The plan, with another leg when a report will be ready, or at once when something changed while this one ran."""
    if plan is None:
        return plan
    now, report_at = app.clock.now(), app.holes.next_report(lease.connection.id)
    if report_at is not None and lease.parts is not Parts.ENTITIES:
        at = min(max(report_at, now), now + _LONGEST_REPORT_PAUSE)  # later ones were noted before the clock was set back
        is_polled = report_at > now - _LONGEST_REPORT_PAUSE  # not one that could not be planned
        if (plan.until is None and is_polled) or (plan.until is not None and now < report_at < plan.until):
            return replace(plan, until=at, reason="a report of the platform is under way", lane=Lane.BACKGROUND)
    return plan if plan.until is not None else _continued(app, lease, now_leased, plan, now)


def _continued(app: App, lease: Lease, now_leased: Lease, plan: Plan, now: datetime) -> Plan:
    """The plan, with another leg at once when there is more to do than it says."""
    if now_leased.connection.timezone != lease.connection.timezone:
        return replace(plan, until=now, reason="the account's time zone changed: every day is read again")
    if (now_leased.parts, now_leased.force_refresh) != (lease.parts, lease.force_refresh):
        return replace(plan, until=now, reason="more was requested while it ran")
    if are_restatements_left(app, lease):
        return replace(plan, until=now, reason="what a check of older days showed is to be read", lane=Lane.BACKGROUND)
    unread = {fetch.kind for fetch in plan.fetches if not app.staging.has(lease.run_id, fetch)}
    if unread and unread - app.warnings.of_leg(lease).keys():
        return replace(plan, until=now, reason="the rest of its plan")
    return plan


def _close(app: App, lease: Lease, plan: Plan | None, error: AdpulseError | None, leg: Leg) -> None:
    now = app.clock.now()
    if error is None or isinstance(error, RateLimited):
        leg = replace(leg, next_due_at=_next_due_at(app, lease, leg, now, error.retry_after if error else None))
    if isinstance(error, RateLimited):
        _wait(app, lease, error, leg, now)
    elif error is not None:
        _fail(app, lease, error, leg, now)
    elif plan is not None and plan.until is not None:
        app.runs.postponed(lease, leg, until=plan.until, reason=plan.reason or "", lane=plan.lane)
    elif lease.parts is Parts.ENTITIES and (failed := [warning for kind, warning in app.warnings.of_leg(lease).items() if kind in WALKS]):
        app.runs.unfulfilled(lease, leg, _as_error(failed[0]))
    else:
        _finish(app, lease, leg)


def _finish(app: App, lease: Lease, leg: Leg) -> None:
    """Close the run. An account that its platform has disabled is not synced by ticks any more, but checked again by itself."""
    connection, disabled = lease.connection, app.warnings.find(lease.connection.id, ACCOUNT_DISABLED)
    rechecks = app.refusals.rechecks(connection.id) if disabled else 0
    app.runs.done(lease, leg)
    if disabled:
        app.refusals.stop(connection, ConnectionStatus.DISABLED, disabled.message, rechecks=rechecks)


def _next_due_at(app: App, lease: Lease, leg: Leg, now: datetime, wait: float | None) -> datetime | None:
    """When a tick could read something next, by what the leg has recorded and found, and ``wait`` seconds from now at least.

    The planner does not know how full a shared limit is; a refusal does.
    """
    connection = lease.connection
    if connection.frequency.interval is None or connection.frequency.interval >= LONGEST_WAIT:
        return None  # the next slot, whatever can be read then
    account = app.account(app.runs.lease(lease.run_id, lease.generation))
    if leg.changes:
        account = replace(account, connection=replace(account.connection, last_metrics_changed_at=leg.changed_at))
    ages, calls = app.partitions.ages_to_plan_by(connection.id), app.ledger.calls(connection.ledger_key)
    return next_useful_slot(now, account, ages, calls, not_before=now + timedelta(seconds=wait or 0))


def _as_error(warning: ConnectionWarning) -> AdpulseError:
    error = AdpulseError(warning.message, warning.code)
    error.during = warning.kind
    return error


def _wait(app: App, lease: Lease, error: RateLimited, leg: Leg, now: datetime) -> None:
    wait = error.retry_after if error.retry_after is not None else cooldown(app.connections.get(lease.connection.id).consecutive_throttles)
    until = now + timedelta(seconds=wait)
    if error.code is None:  # a window of ours is full; the ledger refuses others in the scope as well, so they need no cooldown
        app.runs.postponed(lease, leg, until=until, reason=str(error), lane=lease.next_lane)
        return
    app.connections.cool_down(lease.connection, error.scope, until, str(error))
    app.runs.throttled(lease, leg, until=until, reason=str(error))


def _fail(app: App, lease: Lease, error: AdpulseError, leg: Leg, now: datetime) -> None:
    """What a person must mend, and what keeps failing, becomes a dead letter; the rest is tried again after a growing pause."""
    if type(error) is AccountRefused and (disabled := app.warnings.find(lease.connection.id, ACCOUNT_DISABLED)):
        error = _refused_as_disabled(app.warnings, lease, disabled, error)
    status = status_after(error)
    failures = app.connections.get(lease.connection.id).consecutive_failures + 1
    if isinstance(error, Permanent) or failures >= DEAD_AFTER:
        pause = LONGEST_BACKOFF if isinstance(error, Permanent) else LONGEST_OUTAGE_BACKOFF
        app.runs.dead(lease, leg, error, next_due_at=now + timedelta(seconds=pause), status=status)
        if isinstance(error, AccessBlocked) and error.scope == "app":
            app.refusals.stop_scope(lease.connection, ConnectionStatus.BLOCKED, str(error))
    else:
        app.runs.failed(lease, leg, error, until=now + timedelta(seconds=backoff(failures, _rng, LONGEST_OUTAGE_BACKOFF)))


def _refused_as_disabled(warnings: ConnectionWarnings, lease: Lease, disabled: ConnectionWarning, error: AdpulseError) -> AdpulseError:
    """The refusal of a disabled account's numbers, which are not requested again while it is disabled."""
    warnings.clear(lease.connection.id, {ACCOUNT_DISABLED})
    refused = AccountRefused(f"{disabled.message} {error}", DISABLED)
    refused.during = error.during
    return refused
