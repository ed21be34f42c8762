"""adpulse with a Prefect server that somebody else runs: one with a password, and a workspace in the manner of Prefect Cloud."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
import requests
from e2e.cloud import KEY, PATH, in_cloud
from kills.workers import Workers
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter
from running import forget_prefect
from waiting import until

from adpulse.model import RunState
from adpulse_sandbox import Sandbox

LOGIN = "team:sentinel-password"

pytestmark = pytest.mark.slow  # a server of its own; what adpulse shows to which server: tests/unit/test_prefect_server.py


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start(extra=1) as running:
        yield running


@pytest.fixture(scope="module")
def api(tmp_path_factory, prefect_home):
    """``prefect server start`` as its users start it, in a home of its own, with a password; the address of its API."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = prefect_home(tmp_path_factory.mktemp("elsewhere"))
    variables = {"PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_API_AUTH_STRING": LOGIN}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        server = subprocess.Popen(command, env=os.environ | variables, stdout=log, stderr=log, start_new_session=True)
    address = f"http://127.0.0.1:{port}/api"
    until(lambda: _answers(f"{address}/health"), lambda: (home / "server.log").read_text()[-2000:])
    yield address
    server.send_signal(signal.SIGINT)
    server.wait(60)


def _answers(url):
    try:
        return requests.get(url, timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(params=["a password", "a key"])
def remote(request, tmp_path, sandbox, api):
    """An installation whose only knowledge of the server is its address and a secret."""
    made = Workers(tmp_path / "home", sandbox, ADPULSE_WORK_POOL=f"pool-{request.param[2:]}")
    own = {"PREFECT_HOME": str(tmp_path / "prefect")}
    try:
        if request.param == "a password":
            _use(made, own | {"PREFECT_API_URL": api, "PREFECT_API_AUTH_STRING": LOGIN})
            yield made
        else:
            with in_cloud(api, LOGIN) as (workspace, address):
                cloud = {"PREFECT_CLOUD_API_URL": f"{address}/api", "PREFECT_API_URL": address + PATH, "PREFECT_API_KEY": KEY}
                _use(made, own | cloud)
                yield made
                assert workspace.events > 0
                assert [path for path in workspace.refused if not path.endswith("/flows/count")] == []  # doctor asks that without it
    finally:
        made.close()


def _use(installation, variables):
    installation.environment |= variables
    os.environ.update(variables)
    forget_prefect()


def test_it_gets_the_deployments_and_a_worker_that_beats_and_syncs(remote):
    connection = remote.connect("Corner Store 1")
    deployed = remote.cli("deploy")
    remote.start_worker()
    requested = remote.cli("sync", connection.name, "--wait")
    run = remote.app.runs.history(connection.id, 1)[0]
    remote.until(lambda: asyncio.run(_ended_tasks(run.flow_run_id)), told=remote.told)
    flow_run, workers = asyncio.run(_seen_by_prefect(run.flow_run_id, remote.app.settings.work_pool))
    doctor = remote.cli("doctor", "--production", "--json")
    code = remote.stop(signal.SIGTERM)

    assert (deployed[0], requested[0], run.state, code) == (0, 0, RunState.DONE, 0), deployed[1] + requested[1]
    assert flow_run.state.is_completed()
    assert [worker.status.value for worker in workers] == ["ONLINE"]
    assert [each["verdict"] for each in json.loads(doctor[1]) if each["about"].startswith("Prefect")] == ["ok", "ok"]
    assert "sentinel" not in "\n".join([*remote.printed, deployed[1], requested[1], doctor[1]])


async def _ended_tasks(flow_run_id):
    """Task runs of the flow run that ended: Prefect learns that from events alone."""
    async with get_client() as client:
        tasks = await client.read_task_runs(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [flow_run_id]}}))
    return [task for task in tasks if task.state and task.state.is_final()]


async def _seen_by_prefect(flow_run_id, pool):
    async with get_client() as client:
        return await client.read_flow_run(flow_run_id), await client.read_workers_for_work_pool(pool)
