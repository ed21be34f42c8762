"""Google Ads through deployments, the warm worker and DuckDB, with a real Prefect server; every number against the truth.

Webhooks, too: the worker that syncs delivers, and what a file here starts is not started again for them.
"""

import pytest
from pydantic import SecretStr
from receiver import receiving

from adpulse.events import EventType
from adpulse.model import RunState

SMALL = pytest.param("Alpenglow Reisen", marks=pytest.mark.slow)  # without Prefect: tests/contract/test_syncs.py


@pytest.mark.parametrize("name", [SMALL, "Pacific Trail Outfitters"])
def test_a_first_sync_through_deployment_and_worker_equals_the_truth_and_a_second_writes_nothing(running, name):
    connection = running.connect(name)

    first = running.ended(running.ask(connection))
    running.note(connection)
    second = running.ended(running.ask(connection, force=True))

    assert (first.state, second.state) == (RunState.DONE, RunState.DONE)
    assert first.counts.inserted > 3000
    assert second.counts.fetched > 3000
    assert second.counts.written == 0
    assert running.differences(connection) == []
    assert all(run.name.startswith("google-on-demand-") for run in running.flow_runs("google-on-demand"))
    calls = [call for call in running.remote.calls(connection.external_id) if "customer_client" not in call["params"]["query"]]
    assert first.calls + second.calls == len(calls)  # discovery asked for clients before there was a connection


def test_the_days_of_campaigns_without_ads_add_up_to_the_campaigns_totals(running):
    connection = running.app.connections.get("Pacific Trail Outfitters").connection

    hidden = running.rows("SELECT DISTINCT campaign FROM daily WHERE level = 'unreported' AND connection_id = ?", [connection.id])
    whole = running.rows("SELECT CAST(sum(spend) * 1000000 AS BIGINT) FROM daily WHERE connection_id = ?", [connection.id])
    totals = running.rows("SELECT CAST(sum(spend) AS BIGINT) FROM platform_totals WHERE connection_id = ?", [connection.id])

    assert {name.partition(" ")[0] for (name,) in hidden} == {"MULTI_CHANNEL", "SMART"}
    assert whole == totals


def test_a_scheduled_run_fires_and_syncs(running):
    running.app.workspaces.grant_realtime(running.workspace.id)
    connection = running.app.connections.get("Pacific Trail Outfitters").connection
    before = {run.id for run in running.app.runs.history(connection.id)}
    running.app.connections.set_frequency(connection.id, "realtime")

    def syncing_ticks():
        ticks = running.flow_runs("google-realtime")
        return [tick for tick in ticks if tick.auto_scheduled and "1 of 1 connections synced" in (tick.state.message or "")]

    running.until(syncing_ticks)
    running.until(lambda: {run.id for run in running.app.runs.history(connection.id) if run.state is RunState.DONE} - before)
    running.app.connections.set_frequency(connection.id, "manual")
    running.note(connection)

    assert syncing_ticks()[0].parameters["frequency"] == "realtime"
    assert running.differences(connection) == []


def test_a_sync_and_an_alert_about_it_reach_a_receiver(running):
    wanted = [EventType.SYNC_COMPLETED, EventType.DATA_ALERT]
    with receiving() as receiver:
        hook, secret = running.app.webhooks.create(running.workspace.id, "ours", SecretStr(receiver.url), wanted=wanted)
        connection = running.connect("Corner Store 44")
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
