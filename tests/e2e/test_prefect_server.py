"""Prefect's own server as adpulse runs it: what a page of another origin gets from it, and what ``adpulse deploy`` installs there."""

import asyncio
import base64
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests
from e2e.fleet import Fleet
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule
from prefect.events.actions import CancelFlowRun
from prefect.events.schemas.automations import AutomationCore
from pydantic import SecretStr
from running import forget_prefect
from waiting import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from adpulse import orchestrator, prefect_login, prefect_schedules
from adpulse.bootstrap import App
from adpulse.clock import SystemClock
from adpulse.errors import Unavailable
from adpulse.model import Lane, RunState
from adpulse.settings import Settings
from adpulse_sandbox import Sandbox
from deployments import automations
from deployments.deploy import deploy
from deployments.server import PrefectServer
from deployments.sweep import Sweep
from storage.control import database, migrations

ROOT = Path(__file__).parent.parent.parent
EVIL = "http://127.0.0.1:4199"
CREATE = "/deployments/{id}/create_flow_run"
SOCKETS = ("/events/in", "/events/out", "/logs/out", "/task_runs/subscriptions/scheduled", "/work_pools/adpulse/workers/connect")


@pytest.fixture(scope="module")
def server(tmp_path_factory, prefect_home):
    """A server with the deployments, and this process as its client."""
    before = dict(os.environ)
    home = prefect_home(tmp_path_factory.mktemp("server"))
    with PrefectServer(home, progress=lambda _: None, origins="http://prefect:4200") as started:
        os.environ.update(started.environment())
        forget_prefect()
        asyncio.run(deploy("adpulse"))
        yield started
    os.environ.clear()
    os.environ.update(before)
    forget_prefect()


@pytest.fixture(scope="module")
def deployment(server):  # noqa: ARG001 - it is asked
    with get_client(sync_client=True) as client:
        return client.read_deployment_by_name("meta-sync/meta-on-demand").id


def flow_runs():
    with get_client(sync_client=True) as client:
        return {run.id for run in client.read_flow_runs() if run.auto_scheduled is False}


def ask(server, path, method="GET", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body, login = {} if method == "POST" else None, tuple(server.environment()["PREFECT_API_AUTH_STRING"].split(":"))
    return requests.request(method, f"{server.ui_url}/api{path}", headers=named, auth=login, json=body, timeout=30)


def own(server):
    return server.ui_url, server.ui_url.replace("127.0.0.1", "localhost"), "http://prefect:4200"


def test_a_foreign_page_reads_nothing_and_starts_nothing(server, deployment):
    before, path = flow_runs(), CREATE.format(id=deployment)
    preflight = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "content-type"}

    answers = [
        ask(server, "/flow_runs/filter", "POST", Origin=EVIL),
        ask(server, path, "POST", Origin=EVIL),
        ask(server, path, "POST", Origin="null"),
        ask(server, path, "POST", Sec_Fetch_Site="cross-site"),
        ask(server, path, "POST", Origin=EVIL, Content_Type="text/plain"),
        ask(server, path, "OPTIONS", Origin=EVIL, **preflight),
        ask(server, "/health", Origin=EVIL),
    ]
    rebound = [ask(server, path, method, Host="evil.example:4200", Origin="http://evil.example:4200") for method in ("GET", "POST")]

    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert [answer.status_code for answer in rebound] == [421, 421]
    assert [name for answer in (*answers, *rebound) for name in answer.headers if name.lower().startswith("access-control")] == []
    assert flow_runs() == before


def test_a_page_of_the_servers_own_uses_it_and_no_answer_has_a_star(server, deployment):
    before = flow_runs()
    for origin in own(server):
        first = ask(server, "/flows/count", "OPTIONS", Origin=origin, Access_Control_Request_Method="POST")
        then = ask(server, CREATE.format(id=deployment), "POST", Origin=origin)

        assert (first.status_code, then.status_code) == (200, 201)
        assert [each.headers["Access-Control-Allow-Origin"] for each in (first, then)] == [origin, origin]
        assert "*" not in [*first.headers.values(), *then.headers.values()]
    assert len(flow_runs() - before) == 3


def test_a_link_from_elsewhere_leads_to_prefects_pages_and_no_page_frames_them(server):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Accept": "text/html"}
    link, frame = (requests.get(server.ui_url, headers=headers | {"Sec-Fetch-Dest": kind}, timeout=30) for kind in ("document", "iframe"))

    assert (link.status_code, link.headers["X-Frame-Options"], frame.status_code) == (200, "SAMEORIGIN", 403)


@pytest.mark.parametrize("path", SOCKETS)
@pytest.mark.parametrize("origin", [EVIL, "null"])
def test_a_foreign_pages_websocket_is_refused_before_it_is_accepted(server, path, origin):
    with pytest.raises(InvalidStatus) as refused, connect(f"ws{server.ui_url[4:]}/api{path}", origin=origin, subprotocols=["prefect"]):
        pass

    assert refused.value.response.status_code == 403


def test_the_websockets_of_the_servers_own_pages_and_of_programs_are_accepted(server):
    for origin in (None, *own(server)):
        with connect(f"ws{server.ui_url[4:]}/api/events/in", origin=origin, subprotocols=["prefect"]) as socket:
            socket.send(json.dumps({"type": "auth", "token": server.environment()["PREFECT_API_AUTH_STRING"]}))

            assert "auth_success" in socket.recv(timeout=30)


def test_without_the_password_only_the_health_checks_answer(server, deployment):
    before, wrong = flow_runs(), ("adpulse", "guess")
    created = [
        requests.post(f"{server.ui_url}/api{CREATE.format(id=deployment)}", json={}, auth=auth, timeout=30) for auth in (None, wrong)
    ]
    health = [requests.get(f"{server.ui_url}/api/{path}", timeout=30).status_code for path in ("health", "ready")]
    with connect(f"ws{server.ui_url[4:]}/api/events/out", subprotocols=["prefect"]) as socket:
        socket.send('{"type": "auth", "token": null}')
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=30)

    assert ([answer.status_code for answer in created], health) == ([401, 401], [200, 200])
    assert flow_runs() == before


def test_a_ticket_is_answered_with_the_password_once(server):
    login = server.environment()["PREFECT_API_AUTH_STRING"]
    ticket = prefect_login.issue_ticket(SecretStr(login), datetime.now(UTC))
    url = f"{server.ui_url}{prefect_login.TICKET_PATH}/{ticket}?next=/runs"

    first, again = requests.get(url, timeout=30), requests.get(url, timeout=30)

    assert base64.b64encode(login.encode()).decode() in first.text
    assert 'location.replace("/runs")' in first.text
    assert (first.headers["Cache-Control"], again.status_code) == ("no-store", 401)


@pytest.mark.slow
def test_prefects_own_command_line_and_ours_work(server, tmp_path):
    environment = {**os.environ, "ADPULSE_HOME": str(tmp_path)}
    without = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    own = {**without, "ADPULSE_HOME": str(server._home)}
    asked = ["adpulse", "prefect", "deployment", "ls"]
    for command, variables in ((["prefect", "deployment", "ls"], environment), (["adpulse", "deploy"], environment), (asked, own)):
        done = subprocess.run([sys.executable, "-m", *command], env=variables, capture_output=True, text=True, check=False)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "meta" in done.stdout


@pytest.mark.slow  # test_prefects_own_deploy_command_names_a_real_pool is quick; this one runs the command
@pytest.mark.usefixtures("server")
def test_prefects_own_deploy_command_leaves_the_deployments_as_adpulse_deploy_made_them(tmp_path):
    def deployed():
        with get_client(sync_client=True) as client:
            return {
                found.name: (
                    found.entrypoint,
                    found.parameters,
                    found.work_pool_name,
                    found.work_queue_name,
                    {(schedule.schedule.interval, schedule.active) for schedule in found.schedules},
                )
                for found in client.read_deployments()
            }

    before = deployed()
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(ROOT / "prefect.yaml")]
    done = subprocess.run(command, cwd=tmp_path, env=os.environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert deployed() == before != {}


# What adpulse deploy installs for operators


def installed():
    with get_client(sync_client=True) as client:
        return {each.name: each for each in client.read_automations()}


def happened(event):
    with get_client(sync_client=True) as client:
        answer = client._client.post("/events/filter", json={"filter": {"event": {"name": [event]}}, "limit": 50})
        return answer.raise_for_status().json()["events"]


@pytest.mark.usefixtures("server")
def test_the_automations_are_installed_and_again_is_harmless():
    asyncio.run(deploy("adpulse"))
    found = installed()

    assert {name: (each.trigger, each.actions, each.enabled) for name, each in found.items()} == {
        each.name: (each.trigger, each.actions, True) for each in automations.AUTOMATIONS
    }
    with get_client(sync_client=True) as client:
        assert len(client.read_automations()) == 3


@pytest.mark.usefixtures("server")
def test_what_an_operator_made_of_one_stays():
    name = automations.AUTOMATIONS[1].name
    mine, actions = installed()[name], [CancelFlowRun(type="cancel-flow-run")]  # what is a default is not sent by the client
    changed = AutomationCore(name=name, description="", trigger=mine.trigger, actions=actions, enabled=False)
    with get_client(sync_client=True) as client:
        client.update_automation(mine.id, changed)

    asyncio.run(deploy("adpulse"))

    kept = installed()[name]
    assert (kept.actions, kept.enabled, kept.description) == (actions, False, automations.AUTOMATIONS[1].description)


@pytest.mark.usefixtures("server")
def test_stale_connections_reach_the_automation():
    orchestrator.emit(orchestrator.STALE, {"connections": 2, "among_them": ["Harbor", "Acme"]})

    wanted = str(installed()[automations.AUTOMATIONS[0].name].id)

    def triggered():
        return any(wanted in str(each) for each in happened("prefect.automation.triggered"))

    until(triggered, lambda: [each["event"] for each in happened(orchestrator.STALE)], pause=0.5)
    assert len(happened(orchestrator.STALE)) == 1


@pytest.mark.usefixtures("server")
def test_a_deployment_that_is_made_later_gets_its_schedule(tmp_path):
    def backups(client):
        return client.read_deployment_by_name(orchestrator.BACKUP)

    config = Settings(home=tmp_path, backup_folder=tmp_path / "backups")
    engine = database.connect(config.control_url)
    migrations.migrate(engine)
    sweep = Sweep(App(config, engine, wall=SystemClock()))
    with get_client(sync_client=True) as client:
        client.delete_deployment(backups(client).id)
        sweep._switch_schedules()
        asyncio.run(deploy("adpulse"))
        before = backups(client).schedules[0].active
        sweep._switch_schedules()

        assert (before, backups(client).schedules[0].active) == (False, True)


def test_what_an_operator_made_of_a_schedule_lasts_over_a_new_worker_and_deploy_and_is_told(tmp_path, server):  # noqa: ARG001 - it is asked
    app, name, other = app_in(tmp_path), "meta-sync/meta-5min", "meta-sync/meta-hourly"
    prefect_schedules.switch_schedules({name: True, other: True})
    with get_client(sync_client=True) as client:
        paused, changed = (client.read_deployment_by_name(each) for each in (name, other))
        client.update_deployment_schedule(paused.id, paused.schedules[0].id, active=False)
        twenty = IntervalSchedule(interval=timedelta(minutes=20))
        client.update_deployment_schedule(changed.id, changed.schedules[0].id, schedule=twenty)

        asyncio.run(deploy("adpulse"))
        switched = prefect_schedules.switch_schedules({name: True, other: True})
        kept = client.read_deployment_by_name(other).schedules[0].schedule.interval
        app.schedule_changes.store(prefect_schedules.changes({name: True, other: True}))
        told = app.schedule_changes.sentences()
        schedule = client.read_deployment_by_name(name).schedules[0]
        client.update_deployment_schedule(paused.id, schedule.id, active=True)
        off = prefect_schedules.switch_schedules({name: False, other: False})
        on = prefect_schedules.switch_schedules({name: True, other: False})

    assert (switched.changed, schedule.active, kept) == ([], False, timedelta(minutes=20))
    assert told == [
        "The schedule of meta-5min was paused in Prefect, and nothing is synced by it. Resume it there.",
        "The schedule of meta-hourly was changed in Prefect: it runs every 20 min.",
    ]
    assert (off.changed, on.changed) == ([name, other], [name])


def app_in(home):
    config = Settings(home=home)
    engine = database.connect(config.control_url)
    migrations.migrate(engine)
    return App(config, engine, wall=SystemClock())


@pytest.mark.usefixtures("server")
def test_a_server_without_the_deployments_is_told_with_what_to_do(tmp_path, monkeypatch):
    app = app_in(tmp_path)
    monkeypatch.setattr(orchestrator, "deployment_name", lambda *_: "meta-sync/another")
    orchestrator._deployment_id.cache_clear()

    with pytest.raises(Unavailable, match=r"no deployment meta-sync/another\. Run: adpulse deploy"):
        orchestrator.request_run("meta", Lane.ON_DEMAND, app.runs, app.wall.now())


@pytest.fixture
def fleet(tmp_path, server):
    """Workers of a pool of their own at the server; its deployments are theirs from here on."""
    with Sandbox.start(extra=1) as sandbox:
        made = Fleet(tmp_path / "home", sandbox, ADPULSE_WORK_POOL=tmp_path.name)
        made.serve_with(server)
        try:
            yield made
        finally:
            made.stop_all()
            made.delete_waiting()
            made.close()


def test_a_worker_that_is_told_to_stop_gives_back_what_it_cannot_finish(fleet):
    connection = fleet.connect("Corner Store 1")
    fleet.remote.fault("slow", account=connection.external_id, seconds=300.0)
    run_id = fleet.ask(connection)
    fleet.start_worker()
    fleet.until(lambda: fleet.app.runs.get(run_id).calls, told=fleet.told)

    (code,) = fleet.stop_all()

    given_back = fleet.app.runs.get(run_id)
    leases_left = fleet.app.leases.owners()
    fleet.sandbox.faults.clear()
    fleet.start_worker()
    fleet.all_ended()
    assert code == 0
    assert (given_back.state, leases_left) == (RunState.QUEUED, set())
    assert not fleet.flow_run(given_back.flow_run_id).state.is_completed()
    assert fleet.app.runs.get(run_id).state is RunState.DONE
    fleet.stop_all()
    assert fleet.breaches() == []


# Settings of Prefect's own, slow: the server of the tests above refuses the same pages without them


@pytest.fixture(scope="module")
def changed(tmp_path_factory, prefect_home):
    """A server whose operator opened it to every origin, and switched the check against forgery on."""
    names = ("PREFECT_SERVER_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS")
    settings = dict.fromkeys(names, "*") | {"PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with PrefectServer(prefect_home(tmp_path_factory.mktemp("changed")), progress=lambda _: None) as started:
            yield started


@pytest.mark.slow
def test_what_the_check_against_forgery_refuses_has_no_star(changed):
    forged = {"Prefect_Csrf_Token": "wrong", "Prefect_Csrf_Client": "me"}

    program, page = ask(changed, "/flows/filter", "POST", **forged), ask(changed, "/flows/filter", "POST", Origin=changed.ui_url, **forged)

    assert (program.status_code, page.status_code) == (403, 403)
    assert "Invalid CSRF token" in program.text
    assert "Access-Control-Allow-Origin" not in program.headers
    assert page.headers["Access-Control-Allow-Origin"] == changed.ui_url


@pytest.mark.slow
def test_a_setting_of_prefects_does_not_open_it_again(changed):
    assert ask(changed, "/health", Origin=EVIL).status_code == 403
    assert ask(changed, "/health", Origin=changed.ui_url).headers["Access-Control-Allow-Origin"] == changed.ui_url
