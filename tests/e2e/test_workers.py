"""Real workers in trouble and in company: two at once, without a server, beside Prefect's own, behind a slow account.

The quick test of one that is told to stop is with the server of test_prefect_server.py.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from e2e.fleet import Fleet
from prefect.client.orchestration import get_client
from prefect.states import Cancelling
from running import ENDED, forget_prefect

from adpulse import orchestrator
from adpulse.errors import Unavailable
from adpulse.frequency import Frequency
from adpulse.model import Lane, RunState
from adpulse_sandbox import Sandbox
from deployments.deploy import deploy
from deployments.owner import start_ticks
from deployments.server import PrefectServer
from deployments.sweep import Sweep

ACCOUNTS = [f"Corner Store {number}" for number in range(1, 15)]
"""No two tests use the same: the sandbox logs the calls of all their installations."""
MINUTE = 60


def name_of(child):
    return f"{os.uname().nodename}-{child.pid}-{start_ticks(child.pid)}"


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start(extra=len(ACCOUNTS)) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory, prefect_home):
    before = dict(os.environ)
    with PrefectServer(prefect_home(tmp_path_factory.mktemp("server")), progress=lambda _: None) as started:
        yield started
    os.environ.clear()
    os.environ.update(before)
    forget_prefect()


@pytest.fixture
def fleet(tmp_path, sandbox, server):
    made = Fleet(tmp_path / "home", sandbox, ADPULSE_WORK_POOL=tmp_path.name)
    made.serve_with(server)
    try:
        yield made
    finally:
        sandbox.faults.clear()
        made.stop_all()
        made.delete_waiting()
        made.close()


@pytest.mark.slow  # a killed worker: tests/kills/test_kills.py; who leads: tests/unit/test_leadership.py
def test_two_workers_share_the_work_and_the_other_one_leads_when_the_leader_dies(fleet):
    connections = [fleet.connect(name) for name in ACCOUNTS[:4]]
    groups = (Frequency.EVERY_5_MIN, Frequency.EVERY_10_MIN, Frequency.EVERY_30_MIN, Frequency.HOURLY)
    for connection, frequency in zip(connections, groups, strict=True):
        fleet.app.connections.set_frequency(connection.id, frequency.value)
    fleet.remote.fault("slow", seconds=1.0)  # the four groups need more places than one worker has for schedules
    workers = {name_of(fleet.start_worker()): fleet.child for _ in range(2)}
    ticks = [fleet.tick(frequency) for frequency in groups]
    fleet.until(lambda: all(fleet.final(tick) for tick in ticks), told=fleet.told)
    fleet.remote.clear_faults()
    took = {fleet.flow_run(tick).labels["prefect.worker.name"] for tick in ticks}
    fleet.all_ended()

    leader = fleet.app.leadership.leader("sweep")
    workers[leader].kill()
    workers[leader].wait()
    fleet.until(lambda: fleet.app.leadership.leader("sweep") != leader, told=lambda: leader)
    for connection in connections:
        fleet.ask(connection)
    fleet.all_ended()

    assert took == set(workers)
    assert fleet.synced(connections)
    assert fleet.app.leadership.leader("sweep") in workers
    assert sorted(fleet.stop_all()) == [-signal.SIGKILL, 0]
    assert fleet.breaches() == []


@pytest.mark.slow  # otherwise it would look at the next poll
def test_a_worker_of_this_machine_looks_at_once_when_it_is_rung_for(fleet):
    fleet.environment["PREFECT_WORKER_QUERY_SECONDS"] = "3600"
    connection = fleet.connect(ACCOUNTS[11])
    worker = fleet.start_worker()
    fleet.until(lambda: fleet.app.leadership.leader("sweep") == name_of(worker), told=fleet.told)

    def pressed_and_ended():  # again and again: a worker that has just started does not look yet
        return fleet.app.runs.get(fleet.ask(connection)).state in ENDED or fleet.synced([connection])

    fleet.until(pressed_and_ended, told=fleet.told)


@pytest.mark.slow  # that a worker ends when it is told to: test_prefect_server.py
def test_a_worker_ends_although_the_server_takes_its_connections_and_answers_none(fleet, server):
    worker = fleet.start_worker()
    fleet.until(lambda: fleet.app.leadership.leader("sweep") == name_of(worker), told=fleet.told)
    fleet.until(lambda: asyncio.run(online(worker, fleet.environment["ADPULSE_WORK_POOL"])), told=fleet.told)
    pid = json.loads(server._state.read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert fleet.stop_all() == [0]
    finally:
        os.kill(pid, signal.SIGCONT)


async def online(worker, pool):
    """Whether the worker has reported to the server, and so sends events and logs."""
    async with get_client() as client:
        return any(each.name == name_of(worker) for each in await client.read_workers_for_work_pool(pool))


def requested(client):
    """The flow runs that no schedule made."""
    return {run.id for run in client.read_flow_runs() if not run.auto_scheduled}


@pytest.mark.slow  # what the sweep makes of it: tests/unit/test_cancelling.py
def test_cancelling_a_flow_run_that_still_waits_withdraws_its_syncs_and_a_later_request_is_served(fleet):
    connection, other = fleet.connect(ACCOUNTS[12]), fleet.connect(ACCOUNTS[13])
    asked, sweep = fleet.ask(connection), Sweep(fleet.app)
    with get_client(sync_client=True) as client:
        waiting = orchestrator.request_run("meta", Lane.ON_DEMAND, fleet.app.runs, fleet.app.wall.now())
        client.set_flow_run_state(waiting, Cancelling())
        state, before = client.read_flow_run(waiting).state, requested(client)
        sweep.once()
        withdrawn = fleet.app.runs.get(asked)
        sweep.once()
        after = requested(client)
        again = fleet.ask(other)
        fleet.start_worker()
        fleet.ended(again)

        assert state.is_cancelled()
        assert (withdrawn.state, withdrawn.resolution) == (RunState.DEAD, "cancelled")
        assert after == before
    assert fleet.app.runs.get(again).state is RunState.DONE
    assert fleet.app.runs.get(asked).state is RunState.DEAD


@pytest.mark.slow
def test_what_is_asked_while_the_server_is_down_is_done_when_it_is_back(tmp_path, sandbox):
    server = PrefectServer(tmp_path / "server", progress=lambda _: None)
    fleet = Fleet(tmp_path / "home", sandbox)
    with server:
        fleet.serve_with(server)
        connection = fleet.connect(ACCOUNTS[5])
        fleet.start_worker()
        first = fleet.ask(connection)
        fleet.ended(first)
        fleet.all_ended()
    asked, told = fleet.app.runs.request(connection.id).run_id, []
    for _ in range(3):
        with pytest.raises(Unavailable) as refused:
            orchestrator.request_run("meta", Lane.ON_DEMAND, fleet.app.runs, fleet.app.wall.now())
        told.append(str(refused.value))
        sandbox.clock.advance(20 * MINUTE)
    waiting = fleet.app.runs.get(asked)
    with server:
        fleet.ended(asked)
        fleet.all_ended()
        codes = fleet.stop_all()

    assert waiting.state is RunState.QUEUED
    assert all(sentence.endswith("Start it with: adpulse up") for sentence in told)
    assert fleet.app.runs.get(asked).state is RunState.DONE
    assert codes == [0]
    assert fleet.breaches() == []
    fleet.close()


@pytest.mark.slow  # a stock worker's runs are those of ours: tests/e2e/test_end_to_end.py
def test_prefects_own_process_pool_runs_the_same_deployments_beside_the_sweep(fleet):
    pool = "stock"
    fleet.environment["ADPULSE_WORK_POOL"] = pool
    asyncio.run(deploy(pool, "process"))
    connection = fleet.connect(ACCOUNTS[6], frequency="hourly")
    fleet.start(sys.executable, "-m", "adpulse", "sweep")
    stock = fleet.start(Path(sys.executable).with_name("prefect"), "worker", "start", "--pool", pool, "--type", "process")

    tick = fleet.tick(Frequency.HOURLY)
    fleet.until(lambda: fleet.final(tick), told=fleet.told)
    fleet.all_ended()

    assert fleet.flow_run(tick).state.is_completed()
    assert fleet.flow_run(tick).labels["prefect.worker.type"] == "process"
    assert fleet.app.runs.history(connection.id, 1)[0].state is RunState.DONE
    end_as_people_do(stock)
    fleet.stop_all()
    assert fleet.breaches() == []


def end_as_people_do(stock):
    """Prefect's own worker may go on for ever after the first signal; the second one kills it, which is its documented way."""
    stock.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        stock.wait(timeout=5)
        return
    stock.send_signal(signal.SIGTERM)
    stock.wait(timeout=90)


@contextmanager
def first_sync_under_way(fleet):
    """A 90-day first sync and an account that takes a minute a page; both are on their way while the block runs."""
    slow, big = fleet.connect(ACCOUNTS[7]), fleet.connect("Nordlicht Moebel")
    fleet.remote.fault("slow", account=slow.external_id, seconds=60.0)
    runs = [fleet.ask(each) for each in (slow, big)]
    fleet.until(lambda: all(fleet.app.runs.get(run_id).calls for run_id in runs), told=fleet.told)
    yield runs
    states = [fleet.app.runs.get(run_id).state for run_id in runs]
    assert RunState.DONE not in states
    fleet.remote.clear_faults()


@pytest.mark.slow  # it takes minutes
def test_a_slow_account_and_a_long_first_sync_keep_no_tick_waiting(fleet, sandbox):
    quick = [fleet.connect(name) for name in ACCOUNTS[8:11]]
    fleet.start_worker()
    for connection in quick:
        fleet.ask(connection)
    fleet.all_ended()
    fleet.app.workspaces.grant_realtime(fleet.workspace.id)
    for connection in quick:
        fleet.app.connections.set_frequency(connection.id, Frequency.REALTIME.value)
    fleet.tick(Frequency.REALTIME)
    fleet.until(lambda: fleet.synced_now(quick), told=fleet.told)

    with first_sync_under_way(fleet):
        for _ in range(4):
            due = [count + 1 for count in fleet.attempts(quick)]  # before the clock moves: the group's own schedule may be quicker
            sandbox.clock.advance(30)
            fleet.tick(Frequency.REALTIME)
            fleet.until(lambda: fleet.synced_now(quick), told=fleet.told)
            assert fleet.attempts(quick) == due
        fleet.child.kill()  # how it ends with a page under way is another test's: it waits for the page first
