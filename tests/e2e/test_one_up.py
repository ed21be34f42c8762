"""A second ``adpulse up`` after a killed one, and at the same instant; commands beside a living one: tests/e2e/test_end_to_end.py."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
import requests
from prefect.client.orchestration import get_client
from prefect.client.schemas.schedules import IntervalSchedule
from running import Running, processes_of

from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from deployments.owner import start_ticks

SECONDS = 200

pytestmark = pytest.mark.slow  # an installation of its own; who gets the lock: tests/unit/test_instance.py


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start(extra=3) as running:
        yield running


@pytest.fixture(scope="module")
def running(tmp_path_factory, sandbox, prefect_home):
    home = prefect_home(tmp_path_factory.mktemp("installation"))
    with Running(home, sandbox) as up:
        yield up
    assert processes_of(home) == []


def home_of(running):
    return running.app.settings.home


def test_a_scheduled_run_comes_and_commands_and_a_second_worker_work_beside_it(running):
    running.app.workspaces.grant_realtime(running.workspace.id)
    connection = running.connect("Harbor Outdoor", frequency="realtime")
    second = subprocess.Popen([sys.executable, "-m", "adpulse", "worker"], env=running.environment, start_new_session=True)

    running.until(lambda: running.flow_runs("meta-realtime"))
    run = running.ended(running.ask(connection))
    codes = [running.cli(*command)[0] for command in (("status",), ("connections",), ("sweep", "--once"), ("login",))]
    alive = second.poll()
    second.send_signal(signal.SIGTERM)

    assert run.state is RunState.DONE
    assert codes == [0, 0, 0, 0]
    assert alive is None
    assert second.wait(60) in (0, -signal.SIGTERM)


def test_after_a_kill_the_next_one_ends_what_is_left_and_works(running):
    """The Prefect server is stopped, so that it does not hear that it should end: it is left, and it holds its lock."""
    server = json.loads((home_of(running) / "prefect" / "server.json").read_text())["pid"]
    os.kill(server, signal.SIGSTOP)
    running.stop(signal.SIGKILL)
    left = start_ticks(server)

    running.start()
    run = running.ended(running.ask(running.connect("Sakura Tea"), force=True))

    assert left is not None
    assert start_ticks(server) != left
    assert "Stopping the prefect-server that a killed predecessor left." in running.printed
    assert run.state is RunState.DONE


def test_what_an_operator_made_of_schedules_in_prefect_lasts_over_a_restart(running):
    running.connect("Corner Store 1", frequency="5min")
    running.connect("Corner Store 2", frequency="10min")
    running.until(lambda: _schedule("meta-5min").active and _schedule("meta-10min").active)
    with get_client(sync_client=True) as client:
        paused, changed = (client.read_deployment_by_name(f"meta-sync/{name}") for name in ("meta-5min", "meta-10min"))
        client.update_deployment_schedule(paused.id, paused.schedules[0].id, active=False)
        client.update_deployment_schedule(changed.id, changed.schedules[0].id, schedule=IntervalSchedule(interval=timedelta(minutes=20)))

    code = running.stop()
    running.start()
    running.connect("Corner Store 3", frequency="hourly")
    running.until(lambda: _schedule("meta-hourly").active)  # so the new worker's sweep has gone through all schedules
    running.until(lambda: "meta-10min" in running.cli("status")[1])
    status = running.cli("status")[1]

    assert code == 0
    assert not _schedule("meta-5min").active
    assert (_schedule("meta-10min").active, _schedule("meta-10min").schedule.interval) == (True, timedelta(minutes=20))
    assert "The schedule of meta-5min was paused in Prefect" in status
    assert "The schedule of meta-10min was changed in Prefect: it runs every 20 min." in status


def _schedule(deployment):
    with get_client(sync_client=True) as client:
        (schedule,) = client.read_deployment_by_name(f"meta-sync/{deployment}").schedules
    return schedule


def test_of_two_that_start_in_the_same_instant_one_lives(tmp_path, sandbox, prefect_home):
    home = prefect_home(tmp_path / "home")
    environment = {**os.environ, "ADPULSE_HOME": str(home), "ADPULSE_SANDBOX_URL": sandbox.control_url}
    environment = {name: value for name, value in environment.items() if not name.startswith("PREFECT_")}
    children = [
        subprocess.Popen(
            [sys.executable, "-m", "adpulse", "up"],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        for _ in range(2)
    ]
    told, ready = [[], []], threading.Event()
    readers = [threading.Thread(target=_read, args=(child, lines, ready)) for lines, child in zip(told, children, strict=True)]
    for reader in readers:
        reader.start()

    assert ready.wait(SECONDS), told
    deadline = time.monotonic() + SECONDS
    while all(child.poll() is None for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    codes = [child.poll() for child in children]
    for child in children:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
            child.wait(SECONDS)
    for reader in readers:
        reader.join()

    assert sorted(codes, key=str) == [1, None], told
    assert "already running" in told[codes.index(1)][-1]
    assert processes_of(home) == []


def test_an_interrupt_before_the_worker_listens_ends_it_although_it_was_inherited_as_ignored(tmp_path, sandbox, prefect_home):
    """As a shell starts its background jobs."""
    home = prefect_home(tmp_path / "home")
    environment = {**os.environ, "ADPULSE_HOME": str(home), "ADPULSE_SANDBOX_URL": sandbox.control_url}
    command = f"trap '' INT; exec {sys.executable} -m adpulse up"
    with subprocess.Popen(["/bin/sh", "-c", command], env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True) as child:
        try:
            assert any(line.startswith("HTTP API") for line in child.stdout)
            child.send_signal(signal.SIGINT)
            child.wait(SECONDS)
        finally:
            child.kill()

    assert processes_of(home) == []


def _read(child, lines, ready):
    for line in child.stdout:
        lines.append(line.rstrip())
        if line.startswith("Ready"):
            ready.set()


@pytest.mark.parametrize("command", ["web", "prefect-server"])
def test_alone_each_runs_once_and_up_leaves_it_alone(tmp_path, sandbox, prefect_home, command):
    environment = {**os.environ, "ADPULSE_HOME": str(prefect_home(tmp_path / "home")), "ADPULSE_SANDBOX_URL": sandbox.control_url}
    subprocess.run([sys.executable, "-m", "adpulse", "migrate"], env=environment, check=True)
    port = _free_port()
    first = subprocess.Popen([sys.executable, "-m", "adpulse", command, "--port", str(port)], env=environment, start_new_session=True)
    path = "/healthz" if command == "web" else "/api/health"
    try:
        _until_it_answers(first, f"http://127.0.0.1:{port}{path}")
        refused = [
            subprocess.run([sys.executable, "-m", "adpulse", *words], env=environment, capture_output=True, text=True, check=False)
            for words in ([command, "--port", "0"], ["up"])
        ]

        assert [done.returncode for done in refused] == [1, 1]
        for done in refused:
            assert done.stderr.startswith(f"adpulse {command} is already running in {tmp_path / 'home'} (process {first.pid}, since ")
            assert done.stderr.count("\n") == 1
        assert requests.get(f"http://127.0.0.1:{port}{path}", timeout=30).ok
        assert not (tmp_path / "home" / "prefect" / "server.json").exists()
    finally:
        first.send_signal(signal.SIGTERM)
        first.wait(60)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _until_it_answers(child, url):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        assert child.poll() is None
        try:
            if requests.get(url, timeout=2).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(url)
