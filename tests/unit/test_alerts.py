"""Alerts: asked when they are due, by one worker; told when they begin to find rows, and again only after they were quiet."""

import json
from datetime import timedelta

import pytest
from pydantic import SecretStr

from adpulse.errors import Conflict, NotFound, Usage
from adpulse.events import EventType
from storage.control import alerts
from storage.warehouse.alert_query import Answer

NOTHING = Answer(columns=["spend"], rows=[], truncated=False)
FOUND = Answer(columns=["connection", "spend"], rows=[["Harbor", "501.00"]], truncated=False)


@pytest.fixture
def hook(plane):
    return plane.webhooks.create(plane.workspace.id, "ours", SecretStr("http://127.0.0.1:9/"), events=[EventType.DATA_ALERT])[0]


@pytest.fixture
def alert(plane):
    return plane.alerts.create(plane.workspace.id, "spend over 500", "FROM daily")


def test_it_is_told_when_it_begins_to_find_rows_and_again_after_it_was_quiet(plane, hook, alert):
    began = [plane.alerts.answered(alert, answer) for answer in (NOTHING, FOUND, FOUND, NOTHING, FOUND)]

    assert began == [False, True, False, False, True]
    newest, _ = plane.outbox.history(hook.id)
    message = json.loads(newest.payload)
    assert (message["type"], message["data"]["alert"], message["data"]["row_count"]) == ("data.alert", "spend over 500", 1)
    assert message["data"]["rows"] == [{"connection": "Harbor", "spend": "501.00"}]


def test_its_end_is_told_once_to_who_asked_for_it(plane, hook, alert):
    ends, _ = plane.webhooks.create(plane.workspace.id, "ends", SecretStr("http://127.0.0.1:9/"), events=[EventType.DATA_ALERT_ENDED])
    for answer in (NOTHING, FOUND, FOUND, NOTHING, NOTHING):
        plane.alerts.answered(alert, answer)

    assert [one.event for one in plane.outbox.history(ends.id)] == [EventType.DATA_ALERT_ENDED]
    assert [one.event for one in plane.outbox.history(hook.id)] == [EventType.DATA_ALERT]


def test_an_error_is_shown_and_says_nothing_about_whether_it_fires(plane, hook, alert):
    plane.alerts.answered(alert, FOUND)
    plane.alerts.failed(alert, "The query failed.")
    failed = plane.alerts.get(alert.id)
    plane.alerts.answered(alert, FOUND)

    assert (failed.last_error, bool(failed.firing_since)) == ("The query failed.", True)
    assert plane.alerts.get(alert.id).last_error is None
    assert len(plane.outbox.history(hook.id)) == 1


def test_it_is_asked_at_once_then_after_a_publish_and_now_and_then_anyway(plane, alert):
    def taken(*asked):
        return [each.id for each in plane.alerts.take(plane.workspace.id, asked)]

    assert (taken(alert.id), taken()) == ([alert.id], [])
    plane.wall.advance(alerts.RECHECK_AFTER_PUBLISH + timedelta(seconds=1))
    assert (taken(alert.id), taken("another"), taken()) == ([], [alert.id], [])
    plane.wall.advance(alerts.RECHECK + timedelta(seconds=1))
    assert taken(alert.id) == [alert.id]


def test_one_that_failed_is_asked_again_less_often(plane, alert):
    plane.alerts.take(plane.workspace.id, ())
    plane.alerts.failed(alert, "It took too long.")

    plane.wall.advance(alerts.RECHECK_AFTER_PUBLISH + timedelta(seconds=1))
    assert plane.alerts.take(plane.workspace.id, ()) == []
    plane.wall.advance(alerts.RECHECK)
    assert len(plane.alerts.take(plane.workspace.id, ())) == 1


def test_another_query_begins_anew_and_what_the_old_one_found_does_not_count(plane, hook, alert):
    plane.alerts.answered(alert, FOUND)
    changed = plane.alerts.change(alert.id, query="FROM intraday")
    plane.alerts.answered(alert, FOUND)

    assert (changed.firing_since, changed.checked_at) == (None, None)
    assert plane.alerts.get(alert.id).firing_since is None
    assert len(plane.outbox.history(hook.id)) == 1


def test_a_disabled_alert_is_neither_asked_nor_told(plane, hook, alert):
    plane.alerts.change(alert.id, enabled=False)

    assert plane.alerts.watched() == set()
    assert plane.alerts.take(plane.workspace.id, ()) == []
    assert not plane.alerts.answered(alert, FOUND)
    assert plane.outbox.history(hook.id) == []
    plane.alerts.change(alert.id, enabled=True)
    assert plane.alerts.watched() == {plane.workspace.id}


def test_a_workspace_has_an_alert_of_a_name_once_and_not_too_many(plane, alert, monkeypatch):
    other = plane.alerts.create(plane.workspace.id, "other", "FROM daily")
    for again in (
        lambda: plane.alerts.create(plane.workspace.id, alert.name, "SELECT 1"),
        lambda: plane.alerts.change(other.id, name=alert.name),
    ):
        with pytest.raises(Conflict, match="spend over 500"):
            again()
    monkeypatch.setattr(alerts, "MAX_ALERTS", 2)
    with pytest.raises(Usage, match="2 alerts at most"):
        plane.alerts.create(plane.workspace.id, "third", "SELECT 1")


def test_a_reference_that_is_an_id_is_not_taken_for_a_name(plane, alert):
    other = plane.alerts.create(plane.workspace.id, alert.id, "SELECT 1")

    assert plane.alerts.get(alert.id) == alert
    assert plane.alerts.get(other.id) == other


def test_an_alert_is_found_only_in_its_workspace_and_by_its_id(plane, alert):
    elsewhere = plane.workspaces.create("Elsewhere").id

    assert plane.alerts.find(alert.id, plane.workspace.id) == alert
    assert plane.alerts.find(alert.id, elsewhere) is None
    assert plane.alerts.find(alert.name, plane.workspace.id) is None


def test_a_removed_alert_is_gone(plane, alert):
    assert plane.alerts.get("spend over 500") == alert
    plane.alerts.remove(alert.id)

    with pytest.raises(NotFound, match=alert.id):
        plane.alerts.get(alert.id)
    assert plane.alerts.all() == []
    assert plane.wall.now() > alert.created_at
