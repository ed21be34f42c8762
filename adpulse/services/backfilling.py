"""Backfills: a connection's history, further back than its first sync reads."""

from datetime import date

from adpulse.bootstrap import App
from adpulse.errors import NotFound, Usage
from adpulse.model import Connection, ConnectionStatus, FetchKind, Lane, Lease, Parts
from adpulse.planner.history import Estimate, Progress, clamped, estimate, is_unread, newest_day, wanted_days
from adpulse.platforms.registry import platform_of
from adpulse.services.syncing import Dispatch, dispatch_background
from storage.control.backfills import Backfills


def propose(app: App, connection: Connection, since: date) -> Estimate:
    """What a backfill from this day on would take; nothing is changed. A day that no platform reports any more is moved to the first one.

    Raises:
        Usage: it asks for nothing beyond what syncs read.
    """
    now = app.clock.now()
    days = wanted_days(now, connection, since)
    if not days:
        message = f"What is newer than {newest_day(now, connection)} is read by the syncs of {connection.name} anyway."
        raise Usage(f"{message} Give that day or an earlier one.")
    return estimate(now, app.account(_lease(connection)), app.partitions.ages(connection.id), since)


def begin(app: App, connection: Connection, since: date, *, dispatcher: Dispatch = dispatch_background) -> Estimate:
    """Want the history from this day on; reading it begins in the background.

    Raises:
        Usage: it asks for nothing beyond what syncs read, or the connection is not synced at present.
    """
    if connection.status is not ConnectionStatus.ACTIVE:
        raise Usage(
            f"{connection.name} is not synced at present ({connection.status}), so its history is not read either. Resume it first."
        )
    proposal = propose(app, connection, since)
    app.backfills.request(connection.id, clamped(app.clock.now(), connection, since))
    dispatcher(app, connection.provider)
    return proposal


def stop(backfills: Backfills, connection: Connection) -> None:
    """Read no more history; what is stored stays.

    Raises:
        NotFound: nobody asked for any.
    """
    if not backfills.stop(connection.id):
        raise NotFound(f"{connection.name} has no backfill.")


def progress(app: App, connection: Connection) -> Progress | None:
    """How far the connection's backfill is; None if nobody asked for one, or it was stopped."""
    backfill = app.backfills.of(connection.id)
    if backfill is None:
        return None
    now, ages = app.clock.now(), app.partitions.ages(connection.id)
    days, kinds = wanted_days(now, connection, backfill.since), platform_of(connection.provider).metric_kinds
    read = [day for day in days if not any(is_unread(connection, ages, kind, day) for kind in kinds)]
    left = estimate(now, app.account(_lease(connection)), ages, backfill.since)
    return Progress(
        since=backfill.since,
        requested_at=backfill.requested_at,
        finished_at=backfill.finished_at,
        days=len(days),
        totals_read=sum(not is_unread(connection, ages, FetchKind.CAMPAIGNS, day) for day in days),
        days_read=len(read),
        next_at=backfill.next_at,
        reason=backfill.reason,
        refusal=backfill.refusal,
        calls=left.calls,
        duration=left.duration,
    )


def _lease(connection: Connection) -> Lease:
    """The lease of a leg that reads history."""
    return Lease(run_id="", generation=0, connection=connection, parts=Parts.BOTH, force_refresh=False, lane=Lane.BACKGROUND)
