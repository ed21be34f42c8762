"""Business time and real time: each instant that is stored comes from one of the two, whatever stores it."""

from collections import defaultdict
from datetime import date, timedelta
from uuid import uuid4

import pytest
from pydantic import SecretStr
from sqlalchemy import select, text

from adpulse.errors import AuthExpired, BadRequest, Unavailable
from adpulse.events import SUBSCRIBABLE
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, FetchKind, Heat, Lane
from adpulse.planner.scopes import ScopeLimits
from adpulse.platforms.meta.platform import META
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.platforms.versions import pinned_version
from adpulse.retry import DEAD_AFTER
from adpulse.role import Role
from storage.control.bulk import Choice
from storage.control.gauges import Gauges
from storage.control.leader import Leadership
from storage.control.overview import Overview
from storage.control.runs import Leg
from storage.control.sessions import Sessions
from storage.control.tables import Base, Instant
from storage.control.unsettled import MAX_UNSETTLED, Ending
from storage.warehouse.alert_query import Answer

CENTURY = 36_525
"""Days that business time is ahead in these tests."""

LATEST_REAL_YEAR = 2100

BUSINESS = {
    "call_ledger.at",
    "connection.cooldown_until",
    "connection.expected_since",
    "connection.last_sync_attempted_at",
    "connection.last_sync_completed_at",
    "connection.next_due_at",
    "connection.postponed_until",
    "connection.recheck_at",
    "connection.stale_since",
    "connection_warning.first_at",
    "connection_warning.last_at",
    "connection_warning.retry_at",
    "sync_run.until",
}
REAL = {
    "alert.checked_at",
    "alert.created_at",
    "alert.firing_since",
    "api_key.created_at",
    "api_key.revoked_at",
    "browser_session.created_at",
    "browser_session.expires_at",
    "connection.lease_until",
    "credential.created_at",
    "credential_grant.created_at",
    "credential_grant.expires_at",
    "leader.until",
    "pending_authorization.expires_at",
    "sync_run.finished_at",
    "sync_run.requested_at",
    "sync_run.resolved_at",
    "sync_run.started_at",
    "webhook.created_at",
    "webhook.failing_since",
    "webhook.rotated_at",
    "webhook_delivery.created_at",
    "webhook_delivery.finished_at",
    "webhook_delivery.next_attempt_at",
}


@pytest.fixture
def apart(plane):
    """A control plane whose business time is a century ahead of real time."""
    plane.clock.advance(days=CENTURY)
    return plane


def claimed(plane, connection=None):
    """The lease of a sync that was asked for, of a new connection unless one is given."""
    asked = connection or plane.connect(str(uuid4()))
    plane.runs.request(asked.id)
    return next(each for each in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w") if each.connection.id == asked.id)


def syncs_go_every_way(plane):
    soon = plane.clock.now() + timedelta(minutes=1)
    plane.runs.done(claimed(plane), Leg())
    plane.runs.postponed(claimed(plane), Leg(), until=soon, reason="budget")
    plane.runs.failed(claimed(plane), Leg(), Unavailable("no answer"), until=soon)
    plane.runs.dead(claimed(plane), Leg(), AuthExpired("ended"), next_due_at=soon, status=ConnectionStatus.NEEDS_REAUTH)
    plane.runs.unfulfilled(claimed(plane), Leg(), BadRequest("refused"))
    unsettled, working = plane.connect("unsettled"), claimed(plane)
    for _ in range(MAX_UNSETTLED):
        plane.leases.release([claimed(plane, unsettled)], Ending.UNSETTLED)
    plane.leases.renew([working])
    plane.runs.calling(claimed(plane))
    plane.connect("due")
    plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w")
    plane.warnings.record(working, FetchKind.CAMPAIGNS, Unavailable("no answer"))
    plane.connections.cool_down(working.connection, "account", soon, "throttled")
    plane.ledger.take(working.connection.ledger_key, working.connection.scope, Heat.HOT)


def people_change_connections(plane):
    paused, stopped, gone = (plane.connect(name) for name in ("paused", "stopped", "gone"))
    plane.bulk.pause(Choice(workspace_id=plane.workspace.id, ids=[paused.id]))
    for act in (plane.bulk.resume, plane.bulk.sync_now):
        act(Choice(workspace_id=plane.workspace.id, ids=[paused.id, stopped.id]))
    plane.connections.set_status(stopped.id, ConnectionStatus.CURRENCY_CHANGED, "It reports in EUR.")
    plane.connections.set_status(paused.id, ConnectionStatus.DISABLED, "It is disabled.")
    plane.refusals.begin(paused.id)
    plane.runs.resolve(plane.runs.dead_letters()[0].id, "seen")
    plane.runs.dead(claimed(plane, gone), Leg(), BadRequest("refused"), next_due_at=plane.clock.now())
    plane.runs.request(gone.id)
    plane.connections.disconnect(gone.id, "Disconnected.")


def people_and_programs_come_and_go(plane):
    plane.keys.revoke(plane.keys.create("board", Role.VIEWER, plane.workspace.id)[0].id)
    sessions = Sessions(plane.engine, wall=plane.wall)
    sessions.redeem(sessions.link())
    plane.grants.reserve(plane.workspace.id, "meta")
    plane.authorizations.begin(plane.workspace.id, "meta", None, redirect_uri="http://localhost/", begun_by="me")
    leadership = Leadership(plane.engine, wall=plane.wall)
    leadership.take("sweep", "w")
    leadership.resign("sweep", "w")
    leadership.take("alerts", "w")


def messages_are_sent(plane, hook):
    alert = plane.alerts.create(plane.workspace.id, "spend", "FROM daily")
    plane.alerts.take(plane.workspace.id, ())
    plane.alerts.answered(alert, Answer(columns=["spend"], rows=[["501.00"]], truncated=False))
    plane.clock.advance(hours=1)
    plane.staleness.renew()
    plane.version_notices.publish([pinned_version(META, MetaSettings(version="v25.0"), date(2027, 2, 23))])
    plane.webhooks.rotate(hook.id)
    plane.webhooks.test(hook.id)
    first, second, *_ = plane.outbox.due(100)
    plane.outbox.delivered(first, 200)
    plane.outbox.failed(second, 500, "no")
    off, _ = plane.webhooks.create(plane.workspace.id, "off", SecretStr("http://127.0.0.1:9/"))
    plane.webhooks.test(off.id)
    plane.webhooks.change(off.id, enabled=False)


def a_row_is_refused_until_it_is_a_letter(plane):
    odd = plane.connect("odd")
    with plane.engine.begin() as session:
        session.execute(text("UPDATE connection SET gross_margin = 'a third' WHERE id = :id"), {"id": odd.id})
    for _ in range(DEAD_AFTER):
        plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w")
        plane.clock.advance(hours=2)


def stored(engine):
    """Of each column that holds instants the clocks that they came from."""
    columns = [each for table in Base.metadata.sorted_tables for each in table.columns if isinstance(each.type, Instant)]
    found = defaultdict(set)
    with engine.connect() as session:
        for column in columns:
            for at in session.scalars(select(column).where(column.is_not(None))):
                found[f"{column.table.name}.{column.name}"].add("business" if at.year > LATEST_REAL_YEAR else "real")
    return dict(found)


def test_each_stored_instant_is_business_time_or_real_time_whatever_stored_it(apart):
    hook, _ = apart.webhooks.create(apart.workspace.id, "ours", SecretStr("http://127.0.0.1:9/"), events=SUBSCRIBABLE)

    syncs_go_every_way(apart)
    people_change_connections(apart)
    people_and_programs_come_and_go(apart)
    messages_are_sent(apart, hook)
    a_row_is_refused_until_it_is_a_letter(apart)

    assert stored(apart.engine) == {name: {"business"} for name in BUSINESS} | {name: {"real"} for name in REAL}


def test_what_was_written_within_a_day_is_a_day_of_real_time(apart):
    overview = Overview(apart.engine, apart.clock, wall=apart.wall)
    apart.runs.done(claimed(apart), Leg())

    assert overview.written().syncs == 1
    apart.wall.advance(timedelta(days=1))
    assert overview.written().syncs == 0


def test_how_far_the_databases_clock_is_off_is_told_by_real_time(apart):
    gauges = Gauges(apart.engine, apart.clock, ScopeLimits(), wall=apart.wall)
    apart.wall.advance(timedelta(hours=-1))

    drift = gauges.clock_drift()

    assert drift == timedelta(0) if apart.engine.dialect.name == "sqlite" else abs(drift - timedelta(hours=1)) < timedelta(minutes=1)
