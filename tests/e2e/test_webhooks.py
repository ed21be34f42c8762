"""Webhooks and alerts of a real installation: the worker that syncs delivers, too."""

from pydantic import SecretStr
from receiver import receiving

from adpulse.events import EventType


def test_a_sync_and_an_alert_about_it_reach_a_receiver(running):
    wanted = [EventType.SYNC_COMPLETED, EventType.DATA_ALERT]
    with receiving() as receiver:
        hook, secret = running.app.webhooks.create(running.workspace.id, "ours", SecretStr(receiver.url), wanted=wanted)
        connection = running.connect("Corner Store 43")
        query = f"SELECT DISTINCT connection FROM daily WHERE connection = '{connection.name}'"
        alert = running.app.alerts.create(running.workspace.id, "arrived", query)
        run = running.ended(running.ask(connection))

        def told():
            return {each["type"]: each["data"] for each in receiver.verified(secret) if connection.name in str(each)}

        running.app.alerts.change(alert.id, enabled=True)  # asked at once again, now that there are rows
        running.until(lambda: set(told()) == set(wanted))
        running.app.webhooks.remove(hook.id)
        running.app.alerts.remove(alert.id)

    assert told()["sync.completed"]["job_id"] == run.id
    assert told()["data.alert"]["rows"] == [{"connection": connection.name}]
