"""Alerts from a publish to the receiver: the query runs on the copy that readers have."""

import pytest
from receiver import Receiver

from adpulse.events import EventType
from deployments.alerts import Watch
from storage import alerts


@pytest.fixture
def watch(installation, monkeypatch):
    """Asks without waiting between two times."""
    monkeypatch.setattr(alerts, "NEXT", alerts.NEXT * 0)
    return Watch(installation.app)


def test_rows_after_a_publish_reach_the_receiver_once(hooks, installation, receiver: Receiver, watch):
    _, secret = hooks.add(receiver.url, wanted=[EventType.DATA_ALERT])
    alert = installation.app.alerts.create(
        installation.workspace.id, "spend", "SELECT connection, sum(spend) AS spend FROM daily GROUP BY 1"
    )
    watch.once()
    assert installation.app.alerts.get(alert.id).checked_at is None  # nothing is published yet
    connection = installation.connect("Corner Store 1")
    installation.sync(connection)

    watch.once()
    watch.once()
    with hooks.delivering():
        receiver.wait()

    (message,) = receiver.verified(secret)
    ((_, spend),) = installation.rows("SELECT connection, sum(spend) FROM daily GROUP BY 1")
    assert message["data"]["rows"] == [{"connection": connection.name, "spend": str(spend)}]
    assert installation.app.alerts.get(alert.id).firing_since


def test_a_query_that_is_wrong_is_told_on_the_alert_and_keeps_nobody_from_the_others(hooks, installation, watch):
    wrong = installation.app.alerts.create(installation.workspace.id, "a wrong one", "SELECT * FROM no_such_view")
    right = installation.app.alerts.create(installation.workspace.id, "right", "SELECT 1 AS one")
    installation.sync(installation.connect("Corner Store 1"))

    watch.once()

    assert "no_such_view" in hooks.app.alerts.get(wrong.id).last_error
    assert hooks.app.alerts.get(right.id).firing_since
