"""A connection that its platform refused is asked for again by itself, and is synced again once the platform answers for it."""

import json
from datetime import timedelta

import pytest
from installation import shrink
from pydantic import SecretStr
from repeats import first_quick

from adpulse.events import EventType
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, FetchKind, RunState
from adpulse.services import rechecking
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options

META, GOOGLE = "Corner Store 1", "Alpenglow Reisen"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2, google=Options(extra=1)) as running:
        shrink(running, GOOGLE)
        yield running


def connect(installation, name=META, frequency=Frequency.MANUAL.value):
    connection = installation.connect(name, frequency)
    installation.app.client(connection)._sleep = lambda _: None
    return connection


def hook(installation):
    url = SecretStr("https://93.184.216.34/")
    return installation.app.webhooks.create(installation.workspace.id, "ours", url, events=[EventType.NEEDS_ATTENTION])[0]


def notified(installation, webhook):
    """Connection and status of every event, oldest first."""
    sent = [json.loads(delivery.payload)["data"] for delivery in reversed(installation.app.outbox.history(webhook.id))]
    return [(data["connection"], data["status"]) for data in sent]


def recheck(installation):
    """How many connections are synced again, and how many calls it took."""
    before = len(installation.sandbox.calls.calls())
    resumed = rechecking.recheck(installation.app, dispatcher=lambda *_: None)
    return resumed, len(installation.sandbox.calls.calls()) - before


def status(installation, connection):
    return installation.app.connections.get(connection.id).connection.status


@pytest.mark.parametrize(
    ("name", "fault", "stopped"),
    first_quick(
        [
            (META, {"action": "permission_lost"}, ConnectionStatus.NEEDS_PERMISSION),
            (META, {"action": "checkpoint"}, ConnectionStatus.NEEDS_LOGIN),
            (META, {"action": "blocked"}, ConnectionStatus.BLOCKED),
            (GOOGLE, {"action": "permission_lost", "reason": "SERVICE_DISABLED"}, ConnectionStatus.NEEDS_PERMISSION),
            (GOOGLE, {"action": "permission_lost", "reason": "MISSING_TOS"}, ConnectionStatus.NEEDS_PERMISSION),
        ],
        2,
    ),
)
def test_what_a_platform_refused_is_synced_again_once_it_answers(installation, name, fault, stopped):
    connection = connect(installation, name)
    webhook = hook(installation)
    installation.sandbox.faults.add([fault])
    run = installation.sync(connection)
    after_sync = status(installation, connection)
    still_refused = recheck(installation)
    too_early = recheck(installation)
    installation.sandbox.faults.clear()
    installation.sandbox.clock.advance(HOUR.total_seconds())

    answered = recheck(installation)

    assert (run.state, after_sync) == (RunState.DEAD, stopped)
    assert (still_refused, too_early, answered) == ((0, 1), (0, 0), (1, 1))
    assert status(installation, connection) is ConnectionStatus.ACTIVE
    assert installation.finish(*installation.work(installation.claim())).state is RunState.DONE
    assert notified(installation, webhook) == [(connection.name, stopped.value)]


def test_a_customer_that_stays_closed_stays_disabled_and_one_that_is_open_is_synced(installation):
    closed, reopened = (connect(installation, name) for name in (GOOGLE, META))
    installation.sandbox.faults.add([{"action": "customer_closed", "count": 1}])
    installation.sync(closed)
    installation.app.connections.set_status(reopened.id, ConnectionStatus.DISABLED, "by a test")

    assert recheck(installation)[0] == 1
    assert [status(installation, each) for each in (closed, reopened)] == [ConnectionStatus.DISABLED, ConnectionStatus.ACTIVE]


def disable(installation, status=2):
    """Meta reports the account as disabled from now on, and answers its numbers."""
    rule = {"action": "rewrite", "platform": "meta", "kind": "node", "place": "account_status", "value": status}
    installation.sandbox.faults.add([rule])


def read_at(installation, connection):
    today = connection.today(installation.sandbox.clock.now())
    return installation.app.partitions.ages(connection.id).days.get((FetchKind.ADS, today))


@pytest.mark.parametrize("account_status", first_quick([2, 101]))
def test_a_disabled_account_is_not_ticked_but_its_last_days_are_read_with_each_check(installation, account_status):
    connection, webhook, clock = (
        connect(installation, frequency=Frequency.EVERY_5_MIN.value),
        hook(installation),
        installation.sandbox.clock,
    )
    installation.sync(connection)
    disable(installation, account_status)
    clock.advance(DAY.total_seconds() + 600)
    run = installation.finish(*installation.tick(Frequency.EVERY_5_MIN))
    assert (run.state, read_at(installation, connection)) == (RunState.DONE, clock.now())
    clock.advance(600)
    assert installation.tick(Frequency.EVERY_5_MIN) == []

    for _ in range(2):
        assert status(installation, connection) is ConnectionStatus.DISABLED
        assert recheck(installation) == (0, 0), "too early"
        clock.advance(HOUR.total_seconds())
        assert recheck(installation) == (1, 1)
        run = installation.finish(*installation.work(installation.claim()))
        assert (run.state, read_at(installation, connection)) == (RunState.DONE, clock.now())
    assert installation.app.runs.dead_letters() == []
    assert notified(installation, webhook) == [(connection.name, "disabled")]
    assert installation.differences(connection) == []

    clock.advance(29 * DAY.total_seconds())
    assert recheck(installation) == (0, 1), "its last days do not change any more"
    installation.sandbox.faults.clear()
    clock.advance(DAY.total_seconds())
    assert recheck(installation) == (1, 1)
    view = installation.app.connections.get(connection.id)
    assert (view.connection.status, view.warnings) == (ConnectionStatus.ACTIVE, ())


def test_a_disabled_account_whose_numbers_are_refused_is_only_checked(installation):
    connection = connect(installation)
    disable(installation)
    installation.sandbox.faults.add([{"action": "permission_lost", "kind": "insights"}])

    run = installation.sync(connection)

    view = installation.app.connections.get(connection.id)
    assert (run.state, view.connection.status, view.warnings) == (RunState.DEAD, ConnectionStatus.DISABLED, ())
    assert "has disabled" in view.status_reason
    installation.sandbox.clock.advance(HOUR.total_seconds())
    assert recheck(installation) == (0, 1)


@pytest.mark.parametrize(
    ("fault", "stopped"),
    [({"action": "expired_token"}, ConnectionStatus.NEEDS_REAUTH), (None, ConnectionStatus.PAUSED)],
)
def test_what_only_a_person_ends_is_not_asked_for(installation, fault, stopped):
    connection = connect(installation)
    installation.sandbox.faults.add([fault] if fault else [])
    installation.sync(connection)
    installation.sandbox.faults.clear()
    installation.app.connections.set_status(connection.id, stopped, "by a test")
    installation.sandbox.clock.advance(DAY.total_seconds())

    assert recheck(installation) == (0, 0)
    assert status(installation, connection) is stopped


def test_it_is_asked_for_hourly_for_a_day_and_then_daily(installation):
    connection = connect(installation)
    installation.sandbox.faults.add([{"action": "permission_lost"}])
    installation.sync(connection)
    recheck(installation)

    hourly = []
    for _ in range(48):
        installation.sandbox.clock.advance(HOUR.total_seconds())
        hourly.append(recheck(installation)[1])

    assert hourly == [1] * 24 + [0] * 23 + [1]


def test_one_whose_numbers_stay_refused_is_told_once_and_asked_for_ever_less_often(installation):
    connection = connect(installation)
    webhook = hook(installation)
    installation.sandbox.faults.add([{"action": "permission_lost", "kind": "insights"}])
    installation.sync(connection)

    for _ in range(3):
        assert recheck(installation)[0] == 1, "the account itself is answered"
        assert installation.finish(*installation.work(installation.claim())).state is RunState.DEAD
        installation.sandbox.clock.advance(HOUR.total_seconds())

    assert notified(installation, webhook) == [(connection.name, "needs_permission")]


def test_after_a_sync_the_next_refusal_is_news(installation):
    connection = connect(installation)
    webhook = hook(installation)
    for _ in range(2):
        installation.sandbox.faults.add([{"action": "permission_lost"}])
        installation.sync(connection)
        installation.sandbox.faults.clear()
        installation.sandbox.clock.advance(HOUR.total_seconds())
        assert recheck(installation)[0] == 1
        installation.finish(*installation.work(installation.claim()))

    assert notified(installation, webhook) == [(connection.name, "needs_permission")] * 2


def test_an_app_that_is_blocked_is_told_once_for_all_of_its_accounts(installation):
    connections = [connect(installation, name) for name in (META, "Corner Store 2")]
    google = connect(installation, GOOGLE)
    webhook = hook(installation)
    installation.sandbox.faults.add([{"action": "app_blocked"}])

    installation.sync(connections[0])

    assert [status(installation, each) for each in connections] == [ConnectionStatus.BLOCKED] * 2
    assert status(installation, google) is ConnectionStatus.ACTIVE
    assert notified(installation, webhook) == [(connections[0].name, "blocked")]


def test_accounts_of_a_blocked_app_that_are_synced_together_are_told_once(installation):
    connections = [connect(installation, name) for name in (META, "Corner Store 2")]
    webhook = hook(installation)
    installation.sandbox.faults.add([{"action": "app_blocked"}])
    for each in connections:
        installation.app.runs.request(each.id)

    installation.work(installation.claim())

    assert [status(installation, each) for each in connections] == [ConnectionStatus.BLOCKED] * 2
    assert len(notified(installation, webhook)) == 1


def test_an_account_that_has_another_currency_now_stays_stopped(installation):
    connection = connect(installation, GOOGLE)
    installation.sandbox.faults.add([{"action": "permission_lost"}])
    installation.sync(connection)
    installation.sandbox.faults.clear()
    installation.sandbox.faults.add([{"action": "currency_changed", "value": "JPY", "count": 1}])
    installation.app.client(connection).facts(connection, lambda: None)

    assert recheck(installation)[0] == 0
    assert status(installation, connection) is ConnectionStatus.CURRENCY_CHANGED


def test_an_account_whose_manager_lost_it_is_reached_through_another(installation):
    connection = connect(installation, "Pacific Trail Outfitters")
    with installation.engine.begin() as session:
        session.exec_driver_sql("UPDATE connection SET login_customer_id = '9999999999'")
    stale = installation.app.connections.get(connection.id).connection
    installation.app.connections.set_status(connection.id, ConnectionStatus.NEEDS_PERMISSION, "by a test")

    resumed, _ = recheck(installation)

    assert stale.login_customer_id == "9999999999"
    assert resumed == 1
    assert installation.app.connections.get(connection.id).connection.login_customer_id == connection.login_customer_id
