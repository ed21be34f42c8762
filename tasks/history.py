"""The reads of a history that a person asked for: what refuses them costs nothing else of the leg. Steps: fetch, telemetry."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from adpulse.bootstrap import App
from adpulse.errors import AdpulseError, BadRequest, RateLimited, TooOld, Unavailable
from adpulse.model import Connection, Fetch, Heat, Lane, Lease
from adpulse.planner.history import later_start
from adpulse.planner.plan import HistoryLeft, plan
from adpulse.planner.room import history_fits_at
from adpulse.planner.windows import DAY
from adpulse.retry import LONGEST_BACKOFF
from storage.control.backfills import Backfills
from tasks.holes import unanswered
from tasks.ladder import Reading

log = logging.getLogger(__name__)

_PAUSE = timedelta(minutes=15)
"""After a failure that may pass; what the platform refuses is tried again after a day."""


def read_history(
    app: App, lease: Lease, connection: Connection, fetch: Fetch, read: Callable[[], tuple[Reading, Connection]]
) -> tuple[Reading, Connection]:
    """What ``read`` returns; a read of the history that fails is set aside, so that today's numbers never fail with it.

    Nothing is requested of a history that was stopped, or set aside, since the leg was planned, nor beyond its calls an hour: reads before
    this one may have taken more calls than planned, and connections of one account share its hour.
    """
    if fetch.heat is not Heat.HISTORY:
        return read()
    since = app.backfills.since(connection.id)
    if since is None or fetch.since is None or fetch.since < since:
        return _nothing(fetch, app.clock.now()), connection
    if history_fits_at(app.clock.now(), app.ledger.calls(connection.ledger_key), fetch.cost) > app.clock.now():
        return _nothing(fetch, app.clock.now()), connection
    try:
        reading, connection = read()
    except (BadRequest, Unavailable) as error:
        _set_aside(app.backfills, lease, fetch, error, app.clock.now())
        return _nothing(fetch, app.clock.now()), connection
    if reading.error and not isinstance(reading.error, RateLimited):
        _set_aside(app.backfills, lease, fetch, reading.error, app.clock.now())
        reading = replace(reading, error=None)
    return reading, connection


def _nothing(fetch: Fetch, now: datetime) -> Reading:
    return Reading(result=unanswered(fetch, now), error=None, left_holes=False)


def _set_aside(backfills: Backfills, lease: Lease, fetch: Fetch, error: AdpulseError, now: datetime) -> None:
    """Begin the history later where the platform does not report the days any more; otherwise let it rest."""
    log.warning("connection %s: its history rests, as %s was not read: %s", lease.connection.id, fetch.label, error)
    if isinstance(error, TooOld):
        backfills.shorten(lease, later_start(fetch), str(error))
    else:
        backfills.rest(lease, now + (DAY if isinstance(error, BadRequest) else _PAUSE), str(error))


def note_left(app: App, lease: Lease, error: AdpulseError | None) -> None:
    """Note when reading the history goes on, by what the leg stored. A leg that failed lets it rest as the connection does."""
    backfill = app.backfills.of(lease.connection.id) if lease.lane is Lane.BACKGROUND else None
    if backfill is None or backfill.next_at is None:
        return
    now = app.clock.now()
    if error is not None:
        left: HistoryLeft | None = HistoryLeft(at=now + timedelta(seconds=LONGEST_BACKOFF), reason=str(error))
    elif app.backfills.since(lease.connection.id) is None:
        left = HistoryLeft(at=backfill.rests_until or now, reason=backfill.refusal or "")
    else:
        left = _left(app, lease)
    app.backfills.wait(lease, left.at if left else None, left.reason if left else None)
    if left:
        log.info("connection %s: its history goes on at %s: %s", lease.connection.id, left.at, left.reason)
    else:
        log.info("connection %s: its history is read", lease.connection.id)


def _left(app: App, lease: Lease) -> HistoryLeft | None:
    now, connection = app.clock.now(), app.connections.get(lease.connection.id).connection
    account = replace(app.account(replace(lease, connection=connection)), on_demand=False)
    if not account.reads_history:
        return HistoryLeft(at=now + _PAUSE, reason="the account's size is not known yet")
    return plan(now, account, app.partitions.ages_to_plan_by(connection.id), app.ledger.calls(connection.ledger_key)).history
