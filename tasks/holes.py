"""Notes the days that a platform could not answer, and warns of them. Steps: fetch, telemetry."""

import logging
from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError, TooMuchData
from adpulse.fetch_result import FetchResult
from adpulse.holes import Hole, HoleKey
from adpulse.ladder import ANSWERS_LATELY, RETRY_DAYS, RETRY_TODAY, RETRY_UNNAMED
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.model import Fetch, FetchKind, Lease
from adpulse.planner.day_parts import PART_KINDS
from storage.control.connection_warnings import MISSING_DAYS, ConnectionWarnings
from storage.control.holes import Holes, Retry

log = logging.getLogger(__name__)

_NAMED = 5
"""Days that a warning names."""


def unanswered(fetch: Fetch, at: datetime) -> FetchResult:
    """The result of a fetch of metrics of which no day was requested."""
    return FetchResult(fetch=fetch, fetched_at=at, table=METRIC_SCHEMA.empty_table(), unread=frozenset(fetch.days))


def answered_lately(app: App, lease: Lease, kind: FetchKind) -> bool:
    """Whether the account answered a read of this kind in this leg, or a short while ago."""
    since = app.clock.now() - ANSWERS_LATELY
    staged = any(answer.fetch.kind is kind and answer.coverage for answer in app.staging.read(lease.run_id))
    return staged or any(read is kind and at >= since for (read, _), at in app.partitions.ages(lease.connection.id).days.items())


def failed_until(error: AdpulseError, day: date, today: date, now: datetime) -> Retry:
    """When a day that could not be answered is requested again: daily, today and yesterday sooner."""
    if day < today - timedelta(days=1):
        return Retry(at=now + RETRY_DAYS)
    is_named = not isinstance(error, TooMuchData) or error.named
    return Retry(at=now + (RETRY_TODAY if is_named else RETRY_UNNAMED))


def note_hole(holes: Holes, lease: Lease, key: HoleKey, error: AdpulseError, retry: Retry) -> None:
    """Record a hole, and log it."""
    holes.record(lease, key, error, retry)
    kind, day = key
    log.warning("connection %s: no %s of %s yet: %s", lease.connection.id, kind, day, error)


def fill_holes(app: App, lease: Lease, holes: Mapping[HoleKey, Hole], staged: Iterable[FetchResult], in_parts: Iterable[date] = ()) -> None:
    """Forget those of the connection's holes whose days are stored now, some by the last of their parts, and their warning."""
    read = {(answer.fetch.kind, day) for answer in staged for day in answer.days}
    read |= {(kind, day) for day in in_parts for kind in PART_KINDS}
    if filled := holes.keys() & read:
        app.holes.fill(lease.connection.id, filled)
    if filled or not holes or lease.force_refresh:
        warn_of_holes(app.warnings, lease, {key: hole for key, hole in holes.items() if key not in filled})


def warn_of_holes(warnings: ConnectionWarnings, lease: Lease, holes: Mapping[HoleKey, Hole]) -> None:
    """Let the connection's warning of missing days name the holes that it has now."""
    if not holes:
        warnings.clear(lease.connection.id, {MISSING_DAYS})
        return
    newest = sorted(holes.values(), key=lambda hole: hole.day, reverse=True)
    days = list(dict.fromkeys(hole.day.isoformat() for hole in newest))
    named = ", ".join(days[:_NAMED]) + (f" and {len(days) - _NAMED} more days" if len(days) > _NAMED else "")
    reason = newest[0]
    outlook = "The platform computes a report of it" if reason.is_pending else "It is requested again daily, today and yesterday hourly"
    message = f"Not stored completely: {named}. {reason.message} {outlook}; all other days are stored."
    warnings.record(lease, MISSING_DAYS, AdpulseError(message, reason.code))
