"""Plans a leased sync and, at its end, settles what it did: partition ages, run state, the connection's status.

Not Prefect tasks: the control plane is the truth, Prefect's run list only shows it. Steps: plan, telemetry.
"""

import logging
from dataclasses import replace
from datetime import datetime, timedelta

from adpulse.bootstrap import App
from adpulse.errors import AccountRefused, AdpulseError, AuthExpired, LeaseLost, Permanent, RateLimited, VersionSunset
from adpulse.model import GONE_STATUSES, ConnectionStatus, Fetched, FetchKind, Lease, Level, Provider, RunCounts, RunState
from adpulse.planner.plan import Account, Plan, plan
from adpulse.retry import connection_backoff

log = logging.getLogger(__name__)


def prepare(app: App, lease: Lease) -> Plan:
    """Plan the sync and stage the plan, so that a retried step does the same reads."""
    account = Account(
        connection=lease.connection,
        parts=lease.parts,
        asked=lease.asked,
        page_size=app.settings.meta_page_size,
        limit=app.settings.calls_per_hour,
    )
    now = app.clock.now()
    made = plan(now, account, app.partitions.ages(lease.connection.id), app.ledger.calls(lease.connection.ledger_key))
    app.staging.save_plan(lease.run_id, made.fetches)
    return made


def settle(app: App, lease: Lease, made: Plan | None, error: AdpulseError | None) -> RunCounts:
    """Record what was stored and close the run, or postpone it to when the rest of its plan fits.

    Only what the warehouse holds counts as read: after a failed upsert everything is due again. A lost lease changes nothing.
    """
    try:
        now_leased = app.runs.lease(lease.run_id, lease.generation)
        counts = _record(app, lease) if app.runs.get(lease.run_id).state is RunState.APPLIED else RunCounts()
        if made is not None and made.until is None and now_leased.connection.timezone != lease.connection.timezone:
            made = replace(made, until=app.clock.now(), reason="the account's time zone changed: every day is read again")
        _close(app, lease, made, error, counts)
    except LeaseLost:
        return RunCounts()
    app.staging.remove(lease.run_id)
    return counts


def _record(app: App, lease: Lease) -> RunCounts:
    """Note when each part was read, now that it is stored."""
    changes, staged = app.staging.changes(lease.run_id), app.staging.read(lease.run_id)
    app.partitions.record(lease.connection.id, [(each.fetch, each.fetched_at) for each in staged])
    _record_size(app, lease, staged)
    return changes.counts if changes else RunCounts()


def _record_size(app: App, lease: Lease, staged: list[Fetched]) -> None:
    """Remember how many campaigns and living ads there are: what later reads cost depends on it."""
    for each in staged:
        if each.fetch.kind is FetchKind.ENTITIES_FULL:
            levels, statuses = (each.table.column(name).to_pylist() for name in ("level", "status"))
            ads = sum(level == Level.AD and status not in GONE_STATUSES for level, status in zip(levels, statuses, strict=True))
            app.connections.set_size(lease.connection.id, ad_count=ads, campaign_count=levels.count(Level.CAMPAIGN))


def _close(app: App, lease: Lease, made: Plan | None, error: AdpulseError | None, counts: RunCounts) -> None:
    now = app.clock.now()
    if isinstance(error, RateLimited):
        until = now + timedelta(seconds=error.retry_after)
        if error.code is not None:  # the platform's own throttle, not our window: nothing may call until it ends
            _cool_down(app, lease, error, until)
        app.runs.postponed(lease, counts, until=until, reason=str(error))
    elif error is not None:
        _fail(app, lease, error, counts, now)
    elif made is not None and made.until is not None:
        app.runs.postponed(lease, counts, until=made.until, reason=made.reason or "")
    else:
        app.runs.done(lease, counts)


def _cool_down(app: App, lease: Lease, error: RateLimited, until: datetime) -> None:
    provider: Provider | None = lease.connection.provider if error.scope == "app" else None
    app.connections.cool_down(lease.connection.id, until, str(error), all_of=provider)


def _fail(app: App, lease: Lease, error: AdpulseError, counts: RunCounts, now: datetime) -> None:
    """Permanent errors stop the polling and say why; others are tried again after a growing pause."""
    status = _status_after(error)
    if status is not None:
        app.connections.set_status(lease.connection.id, status, str(error))
        app.runs.failed(lease, error, counts, next_due_at=None)
        return
    failures = app.connections.get(lease.connection.id).consecutive_failures + 1
    app.runs.failed(lease, error, counts, next_due_at=now + timedelta(seconds=connection_backoff(failures)))


def _status_after(error: AdpulseError) -> ConnectionStatus | None:
    if isinstance(error, AuthExpired):
        return ConnectionStatus.NEEDS_REAUTH
    if isinstance(error, VersionSunset):
        return ConnectionStatus.VERSION_SUNSET
    if isinstance(error, AccountRefused):
        known = {"disabled": ConnectionStatus.DISABLED, "currency_changed": ConnectionStatus.CURRENCY_CHANGED}
        return known.get(error.code or "", ConnectionStatus.NEEDS_PERMISSION)
    if isinstance(error, Permanent):
        log.error("a permanent error without a status of its own: %s", error)
    return None
