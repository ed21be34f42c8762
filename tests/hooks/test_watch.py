"""Alerts from a publish to the receiver: the query runs on the copy that readers have."""

import shutil
import threading
from datetime import timedelta

import pytest
from receiver import Receiver

from adpulse.errors import Usage
from adpulse.events import EventType
from deployments.alerts import AlertLoop
from storage.control import alerts
from storage.warehouse.alert_query import Answer


@pytest.fixture
def synced(installation):
    """An account was synced and published; to be asked for before what keeps the installation's ``app``."""
    return installation.synced("Corner Store 1")


@pytest.fixture
def watch(installation, monkeypatch):
    """Asks without waiting between two times."""
    monkeypatch.setattr(alerts, "RECHECK_AFTER_PUBLISH", alerts.RECHECK_AFTER_PUBLISH * 0)
    with AlertLoop(installation.app) as made:
        yield made


def test_rows_after_a_publish_reach_the_receiver_once(hooks, installation, receiver: Receiver, watch):
    _, secret = hooks.add(receiver.url, events=[EventType.DATA_ALERT])
    alert = installation.app.alerts.create(
        installation.workspace.id, "spend", "SELECT connection, sum(spend) AS spend FROM daily GROUP BY 1"
    )
    watch.once()
    watch.finish()
    assert installation.app.alerts.get(alert.id).checked_at is None  # nothing is published yet
    connection = installation.connect("Corner Store 1")
    installation.sync(connection)

    watch.once()
    watch.finish()
    watch.once()
    watch.finish()
    with hooks.delivering():
        receiver.wait()

    (message,) = receiver.verified(secret)
    ((_, spend),) = installation.rows("SELECT connection, sum(spend) FROM daily GROUP BY 1")
    assert message["data"]["rows"] == [{"connection": connection.name, "spend": str(spend)}]
    assert installation.app.alerts.get(alert.id).firing_since


def test_an_alert_that_was_asked_just_before_a_copy_came_is_asked_of_it_later(synced, installation, monkeypatch):  # noqa: ARG001 - it is published
    monkeypatch.setattr(alerts, "RECHECK_AFTER_PUBLISH", timedelta(minutes=1))
    app, asked = installation.app, []
    monkeypatch.setattr(app, "run_query", lambda alert: asked.append(alert.name) or Answer(columns=[], rows=[], truncated=False))
    with AlertLoop(app) as watch:

        def loop():
            watch.once()
            watch.finish()
            told, asked[:] = list(asked), []
            return told

        app.alerts.create(installation.workspace.id, "first", "SELECT 1")
        assert loop() == ["first"]
        installation.wall.advance(timedelta(seconds=50))
        app.alerts.create(installation.workspace.id, "later", "SELECT 1")
        assert loop() == ["later"]
        shutil.copy(app.published(installation.workspace.id), copy := app.published(installation.workspace.id).with_suffix(".new"))
        copy.replace(app.published(installation.workspace.id))
        installation.wall.advance(timedelta(seconds=11))
        assert loop() == ["first"]
        installation.wall.advance(timedelta(seconds=50))
        assert loop() == ["later"], "it was asked of the copy before"
        assert loop() == []


def test_a_query_that_is_wrong_is_told_on_the_alert_and_keeps_nobody_from_the_others(synced, hooks, installation, watch):  # noqa: ARG001 - it is published
    wrong = installation.app.alerts.create(installation.workspace.id, "a wrong one", "SELECT * FROM no_such_view")
    right = installation.app.alerts.create(installation.workspace.id, "right", "SELECT 1 AS one")

    watch.once()
    watch.finish()

    assert "no_such_view" in hooks.app.alerts.get(wrong.id).last_error
    assert hooks.app.alerts.get(right.id).firing_since


def test_a_workspace_with_slow_alerts_has_one_under_way_and_holds_up_nobody(synced, installation, watch, monkeypatch):  # noqa: ARG001 - it is published
    app, slow = installation.app, installation.workspace
    quick = app.workspaces.create("Borealis")
    shutil.copy(app.published(slow.id), app.published(quick.id))
    for number in range(3):
        app.alerts.create(slow.id, f"slow {number}", "SELECT 1")
        app.alerts.create(quick.id, f"quick {number}", "SELECT 1")
    asked, under_way, free = [], [], threading.Event()
    real = app.run_query

    def watched(alert):
        under_way.append(alert.workspace_id)
        asked.append((alert.workspace_id, under_way.count(alert.workspace_id)))
        if alert.workspace_id == slow.id:
            free.wait(60)
        answer = real(alert)
        under_way.remove(alert.workspace_id)
        if [workspace_id for workspace_id, _ in asked].count(quick.id) == 3:
            free.set()
        return answer

    monkeypatch.setattr(app, "run_query", watched)

    watch.once()
    watch.finish()

    assert sorted(asked[:4]) == sorted([(slow.id, 1), *[(quick.id, 1)] * 3])
    assert asked[4:] == [(slow.id, 1)] * 2


def test_what_is_still_queued_when_the_worker_ends_is_not_asked(synced, installation, monkeypatch):  # noqa: ARG001 - it is published
    app = installation.app
    for number in range(5):
        app.alerts.create(installation.workspace.id, f"alert {number}", "SELECT 1")
    asked, ending = [], threading.Event()

    def slow(alert):
        asked.append(alert.id)
        ending.wait(30)
        raise Usage("The query failed.")

    monkeypatch.setattr(app, "run_query", slow)
    with AlertLoop(app) as ended:
        ended.once()
        threading.Timer(0.5, ending.set).start()

    assert len(asked) == 1
