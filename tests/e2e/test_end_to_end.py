"""Both platforms through deployments, the warm worker and DuckDB, with a real Prefect server; every number against the truth.

Webhooks, too, which the worker that syncs delivers: one installation runs for all of it.
"""

import json
import os
import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
import requests
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.states import Cancelling
from pydantic import SecretStr
from receiver import receiving
from repeats import first_quick
from running import Running, forget_prefect, processes_of

from adpulse import orchestrator
from adpulse.events import EventType
from adpulse.frequency import Frequency
from adpulse.model import Parts, RunState, SyncStatus
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.tokens import OTHER_APP
from storage import backup_folder
from storage.control.leases import CANCELLED

HOUR = timedelta(hours=1)
SMALL = pytest.param("Alpenglow Reisen", marks=pytest.mark.slow)  # without Prefect: tests/contract/test_syncs.py


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """``adpulse up`` in a folder that is empty, so that all in it is its own."""
    home = tmp_path_factory.mktemp("installation")
    with Sandbox.start(extra=45) as sandbox:
        backups = {"ADPULSE_BACKUP_FOLDER": str(home / "backups")}
        with Running(home, sandbox, ADPULSE_WEBHOOK_PRIVATE_TARGETS="true", **backups) as up:
            yield up
        forget_prefect()
        assert up.child.returncode == 0, "\n".join(up.printed[-30:])
        assert processes_of(home) == []


def test_a_first_sync_through_deployment_and_worker_equals_the_truth(running):
    connection = running.connect("Harbor Outdoor")

    run = running.ended(running.ask(connection))
    running.note(connection)

    assert run.state is RunState.DONE
    assert run.counts.inserted > 4000
    assert running.differences(connection) == []
    running.until(lambda: running.app.conversion_types.of(connection.id))  # the sweep asks for them with one call
    assert run.calls + 1 == len(running.remote.calls(connection.external_id))


def test_a_second_sync_writes_nothing_and_says_so(running):
    connection = running.app.connections.get("Harbor Outdoor").connection
    before = running.app.connections.get(connection.id)

    run = running.ended(running.ask(connection, force=True))

    after = running.app.connections.get(connection.id)
    assert run.state is RunState.DONE
    assert run.counts.fetched > 1000
    assert run.counts.written == 0
    assert after.last_metrics_changed_at == before.last_metrics_changed_at
    assert after.total_syncs_attempted > before.total_syncs_attempted
    assert after.total_syncs_with_changes == before.total_syncs_with_changes


def test_totals_are_compared_on_demand_and_what_was_found_is_published(running):
    connection = running.app.connections.get("Harbor Outdoor").connection
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("reconcile/reconcile")
        run = client.create_flow_run_from_deployment(deployment.id, parameters={"connections": [connection.name]})
        running.until(lambda: final(client, run.id))
        state = client.read_flow_run(run.id).state

    assert state.message.startswith("1 of 1 connections compared, ")
    query = "SELECT count(DISTINCT date) FROM reconciled_days WHERE connection_id = ? AND level = 'account'"
    assert running.rows(query, [connection.id]) > [(80,)]


def test_prefect_shows_each_connection_as_one_task_with_its_counts_or_its_failure(running):
    well, failing = running.app.connections.get("Harbor Outdoor").connection, running.connect("Corner Store 45")
    running.remote.fault("transient", count=1, account=well.external_id)
    running.remote.fault("refused", kind="insights", account=failing.external_id)
    with no_worker_free(running):
        asked = [running.ask(each, force=True) for each in (well, failing)]
    _, refused = [running.ended(run_id) for run_id in asked]
    running.remote.clear_faults()

    flow_run_id = refused.flow_run_id  # it took both; the other one may have gone on in a later one
    with get_client(sync_client=True) as client:
        running.until(lambda: final(client, flow_run_id))
        running.until(lambda: len([task for task in task_runs(client, flow_run_id) if task.state.is_final()]) == 2)
        flow_run, tasks = client.read_flow_run(flow_run_id), {task.state.type.value: task for task in task_runs(client, flow_run_id)}
        running.until(lambda: "The next is in" in log_of(client, flow_run_id), told=lambda: log_of(client, flow_run_id))
        log = log_of(client, flow_run_id)
        tables = client.read_artifacts(artifact_filter=ArtifactFilter.model_validate({"key": {"any_": ["meta-on-demand"]}}))

    assert flow_run.name.startswith("meta-on-demand-")
    assert flow_run.state.is_completed()
    assert flow_run.state.message.startswith("1 of 2 connections synced, ")
    assert tasks["FAILED"].name == "Corner Store 45: failed"
    assert tasks["FAILED"].state.message == f"Corner Store 45: {refused.error}"
    assert re.fullmatch(r"Harbor Outdoor: [\d,]+ rows? written, [\d,]+ unchanged, \d+ calls", tasks["COMPLETED"].name)
    assert tasks["COMPLETED"].state.message == tasks["COMPLETED"].name
    assert tasks["COMPLETED"].name in log
    assert re.search(r"attempt 1 of 3 for account \d+ failed \(2\): Meta failed to answer .* The next is in 0\.\d s\.", log), log
    assert any("Harbor Outdoor" in str(table.data) for table in tables)


def task_runs(client, flow_run_id):
    return client.read_task_runs(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [flow_run_id]}}))


def log_of(client, flow_run_id):
    return "\n".join(line.message for line in client.read_logs(LogFilter.model_validate({"flow_run_id": {"any_": [flow_run_id]}})))


def test_a_scheduled_run_fires_and_syncs(running):
    running.app.workspaces.grant_realtime(running.workspace.id)
    connection = running.connect("Corner Store 41", frequency="realtime")

    def syncing_ticks():
        ticks = running.flow_runs("meta-realtime")
        return [tick for tick in ticks if tick.auto_scheduled and "1 of 1 connections synced" in (tick.state.message or "")]

    running.until(syncing_ticks)
    running.until(lambda: [run for run in running.app.runs.history(connection.id) if run.state is RunState.DONE])
    running.app.connections.set_frequency(connection.id, "manual")
    running.note(connection)

    assert syncing_ticks()[0].parameters["frequency"] == "realtime"
    assert running.app.runs.history(connection.id)[0].counts.inserted > 0
    assert running.differences(connection) == []


def test_forty_people_press_sync_now_before_a_worker_is_free_and_one_flow_run_serves_all(running):
    connections = [running.connect(f"Corner Store {n}") for n in range(1, 41)]
    before = {run.id for run in running.flow_runs("meta-on-demand")}

    with no_worker_free(running), ThreadPoolExecutor(40) as people:
        asked = list(people.map(lambda each: running.ask(each, parts=Parts.ENTITIES), connections))
    runs = [running.ended(run_id) for run_id in asked]

    new = {str(run.id) for run in running.flow_runs("meta-on-demand") if run.id not in before}
    (served_all,) = {run.flow_run_id for run in runs}
    assert {run.state for run in runs} == {RunState.DONE}
    assert served_all in new
    assert len(new) <= 4  # the sweep may ask just when they are claimed; such a run finds nothing to do
    counted = dict(running.rows("SELECT connection_id, count(*) FROM entities GROUP BY ALL"))
    assert {each.id: counted.get(each.id) for each in connections} == {each.id: entities_of(running, each) for each in connections}


@contextmanager
def no_worker_free(running):
    """Prefect hands out no runs: how many claims there are must not depend on how long forty threads take on this machine."""
    pool = running.app.settings.work_pool
    with get_client(sync_client=True) as client:
        client.update_work_pool(pool, WorkPoolUpdate(is_paused=True))
        try:
            yield
        finally:
            client.update_work_pool(pool, WorkPoolUpdate(is_paused=False))


def entities_of(running, connection):
    """How many Meta lists: deleted ones are in no list."""
    truth = running.remote.truth_entities(connection.external_id, as_of=running.sandbox.clock.now())
    return sum(status != "DELETED" for status in truth["effective_status"].to_pylist())


@pytest.mark.slow  # claims at once share the connections without overlap: tests/unit/test_connections.py
def test_two_ticks_at_once_never_sync_a_connection_twice(running):
    names = [f"Corner Store {n}" for n in range(1, 5)]
    connections = [running.connected(name) for name in names]
    for run_id in [running.ask(each) for each in connections]:  # first syncs take a leg more, in the background
        running.ended(run_id)
    before = {each.id: attempted(running, each) for each in connections}
    running.sandbox.clock.advance(3600)
    for each in connections:
        running.app.connections.set_frequency(each.id, "hourly")

    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(orchestrator.deployment_name("meta", Frequency.HOURLY))
        ticks = [client.create_flow_run_from_deployment(deployment.id) for _ in range(2)]
        running.until(lambda: all(final(client, tick.id) for tick in ticks))
    running.until(lambda: all(attempted(running, each) > before[each.id] and idle(running, each) for each in connections))

    after = {each.id: attempted(running, each) for each in connections}
    told = [(run.state, run.attempts, run.reason, run.error) for each in connections for run in running.app.runs.history(each.id, 1)]
    assert {key: after[key] - before[key] for key in after} == dict.fromkeys(after, 1), told
    for each in connections:
        running.app.connections.set_frequency(each.id, "manual")


def test_the_backup_deployment_takes_backups_on_its_schedule(running):
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(orchestrator.BACKUP)
        running.until(lambda: client.read_deployment(deployment.id).schedules[0].active)
        run = client.create_flow_run_from_deployment(deployment.id)
        running.until(lambda: final(client, run.id))
        state = client.read_flow_run(run.id).state

    (folder,) = (running.app.settings.home / "backups").iterdir()
    assert state.is_completed()
    assert str(folder) in state.message
    assert running.workspace.id in backup_folder.verify(folder).workspaces


def attempted(running, connection):
    return running.app.connections.get(connection.id).total_syncs_attempted


def idle(running, connection):
    return running.app.connections.get(connection.id).sync_status is SyncStatus.IDLE


@pytest.mark.slow  # on a smaller account, without Prefect: tests/steps/test_large_accounts.py
def test_ninety_days_of_2000_ads_under_30_calls_an_hour_resume_without_a_page_twice(running):
    connection = running.connect("Nordlicht Moebel")
    running.app.account_limits.set_calls_per_hour(connection, 30)  # within 180 its pages, which grow, are all read in an hour
    running.note(connection)
    run_id, postponed = running.ask(connection), []

    def ended():
        run = running.app.runs.get(run_id)
        if run.state is RunState.POSTPONED and run.until and run.until > running.sandbox.clock.now():
            postponed.append(run.until)
            running.note(connection)
            running.advance_to(run.until)
        return run.state in (RunState.DONE, RunState.FAILED)

    running.until(ended)
    running.note(connection)

    calls = running.remote.calls(connection.external_id)
    insights = [call for call in calls if call["kind"] == "insights"]
    pages = Counter((call["path"], json.dumps(call["params"], sort_keys=True)) for call in insights if not today(call, running))
    assert running.app.runs.get(run_id).state is RunState.DONE
    assert len(postponed) >= 1
    assert {key: count for key, count in pages.items() if count > 1} == {}
    assert most_within_an_hour([call["at"] for call in calls]) <= 30
    assert running.differences(connection) == []


def today(call, running):
    """Today and yesterday are read again whenever a leg begins: that is what keeps them fresh."""
    asked = json.loads(call["params"]["time_range"])
    return asked["since"] >= str((running.sandbox.clock.now() - timedelta(days=2)).date())


def most_within_an_hour(instants):
    moments = sorted(datetime.fromisoformat(each) for each in instants)
    return max(sum(start <= each <= start + HOUR for each in moments) for start in moments)


def final(client, flow_run):
    return client.read_flow_run(flow_run).state.is_final()


def cancelled(client, flow_run):
    return client.read_flow_run(flow_run).state.is_cancelled()


def test_a_run_cancelled_in_prefect_withdraws_its_sync_which_can_be_requested_again(running):
    connection = running.app.connections.get("Corner Store 5").connection
    running.remote.fault("slow", account=connection.external_id, seconds=4.0, count=1)
    run_id = running.ask(connection, force=True)
    running.until(lambda: running.app.runs.get(run_id).state is RunState.LEASED)
    flow_run = running.app.runs.get(run_id).flow_run_id

    with get_client(sync_client=True) as client:
        client.set_flow_run_state(flow_run, Cancelling(), force=True)
        running.until(lambda: cancelled(client, flow_run))  # Prefect's own engine says Crashed first
        state = client.read_flow_run(flow_run).state
    run, again = running.ended(run_id), running.ended(running.ask(connection, force=True))

    assert state.message == "Cancelled; its syncs were withdrawn."
    assert (run.state, run.error, run.resolution) == (RunState.DEAD, CANCELLED, "cancelled")
    assert run_id not in [letter.id for letter in running.app.runs.dead_letters()]
    assert again.state is RunState.DONE


def test_a_prefect_server_that_dies_is_started_again_and_syncs_go_on(running):
    connection = running.connect("Corner Store 42")
    state = running.app.settings.home / "prefect" / "server.json"
    dead = json.loads(state.read_text())["pid"]

    os.killpg(dead, signal.SIGKILL)
    running.until(lambda: json.loads(state.read_text())["pid"] != dead)
    run_id = running.ask(connection, parts=Parts.ENTITIES)
    run = running.ended(run_id)

    assert run.state is RunState.DONE
    assert any("starting it again" in line for line in running.printed)


@pytest.mark.slow
def test_a_token_of_another_app_is_synced_although_the_installations_app_has_a_secret(running):
    token, account = running.sandbox.world.token("other_app").value, running.sandbox.world.account("Corner Store 43").id

    code, told = running.cli("connect", "meta", "-w", running.workspace.name, "-a", account, stdin=token)

    connection = running.app.connections.get("Corner Store 43").connection
    run = running.ended(running.app.runs.history(connection.id)[0].id)
    running.note(connection)
    assert (code, run.state, connection.scope) == (0, RunState.DONE, f"meta:{OTHER_APP.id}")
    assert f"issued by the app {OTHER_APP.id}, not by yours" in told
    assert running.differences(connection) == []
    assert [call for call in running.remote.calls(connection.external_id) if call["status"] != 200] == []


@pytest.mark.parametrize("name", [SMALL, "Pacific Trail Outfitters"])
def test_googles_first_sync_equals_the_truth_and_a_second_writes_nothing(running, name):
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
    running.until(lambda: running.app.conversion_types.of(connection.id))  # the sweep asks for them with one call
    calls = [call for call in running.remote.calls(connection.external_id) if "customer_client" not in call["params"]["query"]]
    assert first.calls + second.calls + 1 == len(calls)  # discovery asked for clients before there was a connection


def test_the_days_of_campaigns_without_ads_add_up_to_the_campaigns_totals(running):
    connection = running.app.connections.get("Pacific Trail Outfitters").connection

    hidden = running.rows("SELECT DISTINCT campaign FROM daily WHERE level = 'unreported' AND connection_id = ?", [connection.id])
    whole = running.rows("SELECT CAST(sum(spend) * 1000000 AS BIGINT) FROM daily WHERE connection_id = ?", [connection.id])
    totals = running.rows("SELECT CAST(sum(spend) AS BIGINT) FROM platform_totals WHERE connection_id = ?", [connection.id])

    assert {name.partition(" ")[0] for (name,) in hidden} == {"MULTI_CHANNEL", "SMART"}
    assert whole == totals


@pytest.mark.slow  # schedules are the same of every platform: the test of Meta's above
def test_a_scheduled_run_of_google_fires_and_syncs(running):
    running.app.workspaces.grant_realtime(running.workspace.id)
    connection = running.connected("Pacific Trail Outfitters")
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
        hook, secret = running.app.webhooks.create(running.workspace.id, "ours", SecretStr(receiver.url), events=wanted)
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


def test_the_command_line_tells_what_happened(running):
    code, status = running.cli("status", "Corner Store 7", "--json")
    waited, told = running.cli("sync", "Corner Store 7", "--wait")

    fields = json.loads(status)
    assert (code, waited) == (0, 0)
    assert fields["sync_status"] == "idle"
    assert fields["total_syncs_attempted"] >= 1
    assert fields["last_sync_error"] is None
    assert "no change" in told or "rows changed" in told


@pytest.mark.parametrize("command", first_quick([(("status", "Nobody"),), (("sync", "Nobody"),), (("frequency", "Nobody", "5min"),)]))
def test_an_unknown_connection_is_wrong_usage(running, command):
    code, told = running.cli(*command)

    assert (code, told.count("\n")) == (2, 1)
    assert "Nobody" in told


def files_of_services(home):
    return {path: path.read_bytes() for path in [home / "web.address", *(home / "prefect").glob("*.json"), *(home / "locks").iterdir()]}


def test_the_second_is_refused_in_one_sentence_and_the_first_goes_on(running, tmp_path):
    home = running.app.settings.home
    before = files_of_services(home)
    (tmp_path / "link").symlink_to(home)

    refused = [running.cli("up"), running.cli("up", ADPULSE_HOME=str(tmp_path / "link"))]

    address = (home / "web.address").read_text()
    for code, told in refused:
        assert (code, told.count("\n")) == (1, 1)
        assert told.startswith(f"adpulse up is already running in {home} (process {running.child.pid}, since ")
        assert address in told
    assert files_of_services(home) == before
    assert requests.get(running.prefect["PREFECT_API_URL"] + "/health", timeout=30).ok


@pytest.mark.parametrize("command", ["web", "prefect-server"])
def test_what_the_first_runs_is_not_started_a_second_time(running, command):
    code, told = running.cli(command, "--port", "0")

    assert (code, told.count("\n")) == (1, 1)
    assert re.match(rf"adpulse {command} is already running in \S+ \(process \d+, since [^)]+ UTC, http://127.0.0.1:\d+\)", told)


def test_nothing_of_a_token_is_in_the_logs_or_in_prefects_database(running):
    secrets = [running.sandbox.world.token(label).value for label in ("full", "other_app")]
    files = [path for path in running.app.settings.home.rglob("*") if path.is_file()]

    assert len(files) > 5
    for secret in secrets:
        assert [str(path) for path in files if secret.encode() in path.read_bytes()] == []
        assert secret not in "\n".join(running.printed)


def test_no_other_user_of_the_machine_may_use_anything_in_the_home(running):
    """Of everything that ``adpulse up`` wrote, in a shell with the usual umask: Prefect's files, too, and logs that are open."""
    home = running.app.settings.home
    found = [path for path in [home, *home.rglob("*")] if not path.is_symlink()]

    assert {"prefect.db", "control.db", "secret.key", "worker.log", "bell"} <= {path.name for path in found}
    assert [(str(path.relative_to(home)), oct(path.stat().st_mode)) for path in found if path.stat().st_mode & 0o077] == []
