"""Texts for people about a connection's telemetry, as the settings page and the command line show them. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from adpulse.attribution import OWN_ATTRIBUTION, describe_attribution
from adpulse.frequency import format_duration
from adpulse.gaps import Gap
from adpulse.mapping import MAPPED
from adpulse.model import Connection, ConnectionStatus, FetchKind, SyncStatus
from adpulse.planner.cadence import Cadence
from adpulse.planner.completeness import Completeness, DayLevel
from adpulse.planner.history import Estimate, Progress
from adpulse.planner.windows import Span
from adpulse.platforms.registry import mapping_of, platform_of
from adpulse.platforms.versions import PinnedVersion
from adpulse.remainder import Remainder, as_fields
from adpulse.status_filter import StatusFilter
from storage.control.connection_warnings import ConnectionWarning
from storage.control.connections import ConnectionView

_STATUS = {
    ConnectionStatus.PAUSED: "Paused",
    ConnectionStatus.NEEDS_REAUTH: "Needs reauthorisation",
    ConnectionStatus.NEEDS_PERMISSION: "Needs permission",
    ConnectionStatus.NEEDS_LOGIN: "Needs a login at the platform",
    ConnectionStatus.BLOCKED: "Blocked by the platform",
    ConnectionStatus.DISABLED: "Disabled by the platform",
    ConnectionStatus.CURRENCY_CHANGED: "Currency changed",
    ConnectionStatus.VERSION_SUNSET: "API version ended",
    ConnectionStatus.DISCONNECTED: "Disconnected",
    ConnectionStatus.DELETING: "Being deleted",
}


_WARNED = {
    FetchKind.ACCOUNT_FACTS.value: "the account's currency, time zone and state",
    FetchKind.ENTITIES_FULL.value: "the list of campaigns and all below them",
    FetchKind.ENTITIES_CHANGED.value: "changes of campaigns and all below them",
    FetchKind.ENTITIES_CONFIRMED.value: "whether ads that left the report were deleted",
    FetchKind.DELETED_CAMPAIGNS.value: "campaigns that were deleted, by their ids",
    FetchKind.DELETED_BEFORE.value: "campaigns that were deleted, by their ids, of older days",
    FetchKind.CHECK.value: "which campaigns changed today, so that all of today is read instead",
    FetchKind.RESTATEMENTS.value: "which campaigns were restated, so that older days are read whole instead",
}
"""What could not be read, by the warning's kind."""

_WARNINGS_SHOWN = 10

_GAPS_SHOWN = 5

_READS = {FetchKind.ADS: "ads", FetchKind.CATEGORIES: "conversions by their kinds", FetchKind.CAMPAIGNS: "campaigns' totals"}
"""What of a day is read, by the kind of read."""

LEVELS = {DayLevel.LEAF: "Ads", DayLevel.CAMPAIGN: "Campaigns"}
"""What a level of completeness is called."""

TOKEN_WARNED = timedelta(days=14)
"""How long before the end of its credential a connection shows a warning."""


def format_age(moment: datetime | None, now: datetime) -> str:
    """``2 min ago``, ``never``."""
    if moment is None:
        return "never"
    age = max(now - moment, timedelta(0))
    for size, unit in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "min")):
        if age >= size:
            return f"{age // size} {unit} ago"
    return f"{int(age.total_seconds())} s ago"


def describe_attempts(attempted: int, changed: int) -> str:
    """``45 attempts | 12 changes (26.7%)``."""
    share = 100 * changed / attempted if attempted else 0
    return f"{attempted} attempts | {changed} changes ({share:.1f}%)"


def format_percent(share: Decimal) -> str:
    """``35%``, with all of its digits."""
    return f"{(share * 100).normalize():f}%"


def describe_status(status: ConnectionStatus, sync_status: SyncStatus) -> str:
    """Idle, Queued, Syncing, Error, or why it is not synced at all."""
    return _STATUS.get(status, sync_status.value.capitalize())


def describe_state(view: ConnectionView) -> str:
    """Idle, Queued, Syncing, Error, or why it is not synced at all; whether its data are stale, and how many warnings it has."""
    words = [describe_status(view.connection.status, view.sync_status)]
    if view.stale_since:
        words.append("stale")
    if count := len(view.warnings):
        words.append(f"{count} warning{'s' if count > 1 else ''}")
    return ", ".join(words)


def describe_warning(warning: ConnectionWarning, now: datetime) -> str:
    """What cannot be read, for how long, why, and when it is tried again; of a warning that is about no read, its message."""
    if warning.kind not in _WARNED:
        return f"{warning.message} (First {format_age(warning.first_at, now)}.)"
    tries = f"{warning.times} tries" if warning.times > 1 else "1 try"
    problem = f"Cannot read {_WARNED[warning.kind]} (first {format_age(warning.first_at, now)}, {tries}): {warning.message}"
    return f"{problem} Numbers go on; it is tried again at {warning.retry_at:%Y-%m-%d %H:%M} UTC."


def describe_warnings(view: ConnectionView, now: datetime) -> list[str]:
    """The warnings of a connection, the longest standing first; of very many the last line says how many more there are."""
    texts = [describe_warning(warning, now) for warning in view.warnings[:_WARNINGS_SHOWN]]
    more = len(view.warnings) - len(texts)
    return [*texts, f"And {more} more, which GET /connections/{view.connection.id} lists."] if more else texts


def describe_wait(view: ConnectionView, now: datetime) -> str:
    """What was postponed, until when and why; empty when nothing waits."""
    for until, reason in ((view.cooldown_until, view.cooldown_reason), (view.postponed_until, view.postponed_reason)):
        if until and until > now:
            return f"until {until:%H:%M:%S} UTC: {reason}"
    return view.postponed_reason or ""


def describe_token_end(view: ConnectionView, now: datetime) -> str:
    """``token ends in 6 days: reconnect``; empty while that is far off, or not to come."""
    ends = view.credential_expires_at
    if ends is None or ends - now > TOKEN_WARNED or view.connection.status is ConnectionStatus.DISCONNECTED:
        return ""
    remaining_time = ends - now
    if remaining_time <= timedelta(0):
        return "token has ended: reconnect"
    days, hours = remaining_time.days, remaining_time.seconds // 3600
    remaining = f"{days} day{'s' if days > 1 else ''}" if days else f"{hours} h" if hours else "less than an hour"
    return f"token ends in {remaining}: reconnect"


def describe_completeness(level: Completeness) -> str:
    """Which days of a level are known, and up to where they are settled."""
    text = f"every day from {level.span.since} to {level.span.until}"
    if level.holes:
        holes = ", ".join(_days(hole) for hole in level.holes)
        text += f" but {holes}"
    settled = f"; settled to {level.settled_through}" if level.settled_through else ""
    whole = f" (all of it read {level.whole_at:%Y-%m-%d %H:%M} UTC, since then what changed)" if level.whole_at else ""
    fresh = f"fresh until {level.fresh_until:%Y-%m-%d %H:%M} UTC{whole}"
    return f"{text}{settled}; {fresh}{_describe_gaps(level)}{_describe_remainders(level)}{_describe_unknown(level)}"


def _describe_gaps(level: Completeness) -> str:
    """What the newest days lack, and how many more gaps there are."""
    if not level.gaps:
        return ""
    newest = [f"{gap.day} {describe_gap(gap)}" for gap in reversed(level.gaps)]
    more = len(newest) - _GAPS_SHOWN
    return "; not complete: " + "; ".join(newest[:_GAPS_SHOWN]) + (f"; and {more} more" if more > 0 else "")


def describe_gap(gap: Gap) -> str:
    """What a day lacks, why, and since when: ``ad 17 of campaign 4 (clicks: not a count, since 2026-03-20 10:00 UTC)``."""
    entity = f"{gap.entity_level} {gap.external_id or 'and others'}" if gap.is_refused_row else ""
    campaign = f"campaign {gap.campaign_id}" if gap.campaign_id else ""
    what = f"{entity} of {campaign}" if entity and campaign else entity or campaign or _READS.get(gap.kind, gap.kind.value)
    return f"{what} ({gap.reason.removesuffix('.')}, since {gap.first_at:%Y-%m-%d %H:%M} UTC)"


def _describe_remainders(level: Completeness) -> str:
    """On how many days the platform's totals hold other spend than the level, and how much of it nothing explains."""
    if not level.remainders:
        return ""
    newest = max(level.remainders, key=lambda remainder: remainder.day)
    share = "" if newest.share is None else f" ({format_share(newest.share)} of the platform's total)"
    unexplained = sum(remainder.unexplained for remainder in level.remainders)
    days = f"{len(level.remainders)} days" if len(level.remainders) > 1 else "one day"
    return f"; the spend of {days} does not add up, last {newest.day} by {newest.amount:.2f}{share}; unexplained: {unexplained or 'none'}"


def _describe_unknown(level: Completeness) -> str:
    """On how many days conversions are unknown, which are no gap: the platform does not say them."""
    if not level.unknown:
        return ""
    newest = level.unknown[-1]
    days = f"{len(level.unknown)} days" if len(level.unknown) > 1 else "one day"
    return f"; conversions of {days} are unknown, last {newest.day} of {newest.ads} ads, as their results do not add up"


REMAINDER_COLUMNS = ("Day", "Level", "Ours", "Platform", "Remainder", "Share", "Reason")


def remainder_cells(remainder: Remainder) -> tuple[str, ...]:
    """A remainder as a row of a table, in the account's currency."""
    share = "" if remainder.share is None else format_share(remainder.share)
    amounts = (f"{amount:.2f}" for amount in (remainder.ours, remainder.platform, remainder.amount))
    return (remainder.day.isoformat(), remainder.level.value, *amounts, share, remainder.reason)


def format_share(share: Decimal) -> str:
    """``0.25%``."""
    return f"{share:.2%}"


def completeness_fields(level: Completeness) -> dict[str, Any]:
    """How complete a level is, ready for JSON."""
    return {
        "level": level.level.value,
        "since": level.span.since.isoformat(),
        "complete_through": level.complete_through.isoformat(),
        "settled_through": level.settled_through.isoformat() if level.settled_through else None,
        "holes": [{"since": hole.since.isoformat(), "until": hole.until.isoformat()} for hole in level.holes],
        "last_day": level.span.until.isoformat(),
        "fresh_until": _iso(level.fresh_until),
        "whole_at": _iso(level.whole_at),
        "gaps": [_gap_fields(gap) for gap in level.gaps],
        "remainders": [as_fields(remainder) for remainder in level.remainders],
        "unknown_conversions": [{"date": unknown.day.isoformat(), "ads": unknown.ads} for unknown in level.unknown],
    }


def describe_estimate(estimate: Estimate) -> str:
    """What a backfill takes: ``161 days from 2025-07-13 on: at most 28 calls, about 1 h``."""
    if not estimate.days:
        return f"Every day from {estimate.since} on is stored already."
    calls = f"at most {estimate.calls:,} calls, about {format_duration(estimate.duration)}"
    return f"{estimate.days:,} days from {estimate.since} on: {calls}, beside and after everything that syncs read."


def estimate_fields(estimate: Estimate) -> dict[str, Any]:
    """What a backfill takes, ready for JSON."""
    seconds = estimate.duration.total_seconds()
    return {"since": estimate.since.isoformat(), "days": estimate.days, "calls": estimate.calls, "seconds": seconds}


def describe_backfill(progress: Progress) -> str:
    """How far a backfill is, what it waits for, and what the platform refused last."""
    text = f"from {progress.since} on: {progress.days_read:,} of {progress.days:,} days"
    if progress.totals_read > progress.days_read:
        text += f", the campaigns' totals of {progress.totals_read:,}"
    if progress.next_at is None:
        text += "; finished"
    else:
        text += f"; at most {progress.calls:,} calls are left, about {format_duration(progress.duration)}"
        text += f"; goes on at {progress.next_at:%Y-%m-%d %H:%M} UTC{f': {progress.reason}' if progress.reason else ''}"
    return text + (f"; refused last: {progress.refusal}" if progress.refusal and progress.refusal != progress.reason else "")


def backfill_fields(progress: Progress) -> dict[str, Any]:
    """How far a backfill is, ready for JSON."""
    counts = ("days", "totals_read", "days_read", "calls")
    instants = ("requested_at", "finished_at", "next_at")
    return {
        "since": progress.since.isoformat(),
        **{name: getattr(progress, name) for name in (*counts, "reason", "refusal")},
        **{name: _iso(getattr(progress, name)) for name in instants},
        "seconds": progress.duration.total_seconds(),
    }


def _gap_fields(gap: Gap) -> dict[str, Any]:
    names = ("entity_level", "external_id", "campaign_id", "reason", "code")
    instants = {name: _iso(getattr(gap, name)) for name in ("first_at", "last_at")}
    return {"day": gap.day.isoformat(), "read": gap.kind.value, **{name: getattr(gap, name) for name in names}, **instants}


def _days(span: Span) -> str:
    return str(span.since) if span.since == span.until else f"{span.since} to {span.until}"


def describe_report_filters(connection: Connection) -> str:
    """Which filters of statuses, and fields, the account refuses, and what its reports may lack for it; empty if it refuses none."""
    lacks = {StatusFilter.NOT_DELETED: "deleted ones may be missing", StatusFilter.NONE: "archived and deleted ones may be missing"}
    filters = (("ads", connection.filters.ad), ("campaigns", connection.filters.campaign))
    texts = [f"{label}: {lacks[chosen]}" for label, chosen in filters if chosen in lacks]
    by_status = [f"the account refuses a filter by status; {'; '.join(texts)}"] if texts else []
    refused = connection.filters.refused_fields
    of_fields = [f"the account refuses {', '.join(sorted(refused))}, so what only they say is unknown"] if refused else []
    return "; ".join(by_status + of_fields)


def describe_mapping(connection: Connection) -> str:
    """The name of what counts as its conversions, its attribution, and since when it was chosen."""
    mapping = mapping_of(connection)
    name = f"{mapping.name} in {' + '.join(mapping.attribution)}" if mapping.attribution else mapping.name
    return f"{name}, since {connection.mapping_since:%Y-%m-%d %H:%M} UTC" if connection.mapping_since else name


def mapping_lines(connection: Connection) -> list[tuple[str, str]]:
    """Each metric with what it counts."""
    mapping = mapping_of(connection)
    counted = {metric: ", ".join(getattr(mapping, metric)) or "nothing" for metric in MAPPED}
    return [*counted.items(), ("clicks", mapping.clicks.value), ("attribution", describe_attribution(mapping.attribution))]


def mapping_fields(connection: Connection) -> dict[str, Any]:
    """The mapping and since when it was chosen, ready for JSON."""
    mapping = mapping_of(connection)
    types = {metric: list(getattr(mapping, metric)) for metric in MAPPED}
    return {
        "name": mapping.name,
        **types,
        "clicks": mapping.clicks.value,
        "attribution": list(mapping.attribution) or [OWN_ATTRIBUTION],
        "since": _iso(connection.mapping_since),
    }


def describe_token_app(connection: Connection) -> str:
    """A notice for a token that another app than the installation's issued; empty for the installation's own."""
    return platform_of(connection.provider).scope_notice(connection.scope)


def telemetry_fields(view: ConnectionView, cadence: Cadence) -> dict[str, Any]:
    """The eight telemetry fields, what identifies the connection, and how often it is really read, ready for JSON."""
    connection = view.connection
    return {
        "id": connection.id,
        "name": connection.name,
        "workspace_id": connection.workspace_id,
        "provider": connection.provider,
        "external_id": connection.external_id,
        "currency": connection.currency,
        "timezone": connection.timezone,
        "labels": list(view.labels),
        "gross_margin": str(connection.gross_margin),
        "calls_per_hour": connection.calls_per_hour,
        "mapping": mapping_fields(connection),
        "status": connection.status.value,
        "status_reason": view.status_reason,
        "sync_frequency": connection.frequency.value,
        "effective_interval_seconds": cadence.interval.total_seconds() if cadence.interval else None,
        "effective_interval_reason": cadence.reason,
        "changes_interval_seconds": cadence.of_changes.total_seconds() if cadence.of_changes else None,
        "last_sync_attempted_at": _iso(view.last_sync_attempted_at),
        "last_sync_completed_at": _iso(view.last_sync_completed_at),
        "last_metrics_changed_at": _iso(view.last_metrics_changed_at),
        "total_syncs_attempted": view.total_syncs_attempted,
        "total_syncs_with_changes": view.total_syncs_with_changes,
        "sync_status": view.sync_status.value,
        "last_sync_error": view.last_sync_error,
        "postponed_until": _iso(view.postponed_until),
        "postponed_reason": view.postponed_reason,
        "cooldown_until": _iso(view.cooldown_until),
        "cooldown_reason": view.cooldown_reason,
        "stale_since": _iso(view.stale_since),
        "credential_expires_at": _iso(view.credential_expires_at),
        "warnings": [_warning_fields(warning) for warning in view.warnings],
    }


def version_fields(version: PinnedVersion | None) -> dict[str, Any]:
    """For ``--json``: the API version that is called, and the first day on which the platform may refuse it; empty without a version."""
    return {"api_version": version.name, "api_version_ends_on": version.ends.isoformat() if version.ends else None} if version else {}


def _warning_fields(warning: ConnectionWarning) -> dict[str, Any]:
    instants = {name: _iso(getattr(warning, name)) for name in ("first_at", "last_at", "retry_at")}
    return {"kind": warning.kind, "message": warning.message, "code": warning.code, "times": warning.times, **instants}


def telemetry_lines(view: ConnectionView, cadence: Cadence, now: datetime) -> list[tuple[str, str]]:
    """Label and value pairs of one connection, as the settings page words them."""
    connection = view.connection
    labelled = [
        ("Account", f"{platform_of(connection.provider).label} {connection.external_id}, {connection.currency}, {connection.timezone}"),
        ("Labels", ", ".join(view.labels)),
        ("Frequency", connection.frequency.label),
        ("Cadence", cadence.reason or ""),
        ("Margin", format_percent(connection.gross_margin)),
        ("Limit", f"{connection.calls_per_hour:,} calls in any hour" if connection.calls_per_hour else ""),
        ("Mapping", describe_mapping(connection)),
        ("State", describe_state(view)),
        ("Last attempted", format_age(view.last_sync_attempted_at, now)),
        ("Last completed", format_age(view.last_sync_completed_at, now)),
        ("Last change", format_age(view.last_metrics_changed_at, now)),
        ("Stale", f"for {format_duration(now - view.stale_since)}" if view.stale_since else ""),
        ("Syncs", describe_attempts(view.total_syncs_attempted, view.total_syncs_with_changes)),
        ("Waits", describe_wait(view, now)),
        ("Why", view.status_reason or ""),
        ("Token", describe_token_end(view, now)),
        ("Token's app", describe_token_app(connection)),
        ("Error", view.last_sync_error or ""),
        ("Reports", describe_report_filters(connection)),
        *(("Warning", text) for text in describe_warnings(view, now)),
    ]
    return [(label, value) for label, value in labelled if value]


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
