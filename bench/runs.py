"""From the creation of an on-demand flow run until it runs, and what the worker weighs: the warm worker against Prefect's own.

All workers run side by side at one embedded Prefect server, against one sandbox, and take turns: each round gives every one of
them a run, so that whatever else the machine does slows down all of them alike.

- ``warm``: ``adpulse worker``, flows run in its own process
- ``process``: ``prefect worker start --type process``, a process per run, asking for work every second as the warm one does
- ``process_stock``: the same as Prefect ships it, asking every ten seconds

The runs find nothing to do. After them two accounts of the sandbox get their first sync through each worker, and its memory is
read again; ``run_processes_mb`` is the most that processes started for runs weighed beside it.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from pydantic import SecretStr

from adpulse import bootstrap, orchestrator
from adpulse.bootstrap import App
from adpulse.cli.sandboxed import living_versions
from adpulse.model import Lane, RunState
from adpulse.services import connecting
from adpulse.services.discovering import discover
from adpulse_sandbox import Sandbox
from bench import environment
from bench.processes import descendants, resident_mb, stop

ON_DEMAND = orchestrator.deployment_name("meta", Lane.ON_DEMAND)
QUEUE = "on-demand"
RUNS = 6
ACCOUNTS = ("Harbor Outdoor", "Sakura Tea")
_READY_SECONDS = 180
_SYNC_SECONDS = 300
_POLL_SECONDS = 0.1
_SAMPLE_SECONDS = 0.25
_SPREAD = 0.618
"""Pauses between runs are spread over the worker's polling interval, so that no run starts in step with it."""

_POLLING = ("PREFECT_WORKER_QUERY_SECONDS", "PREFECT_WORKER_PREFETCH_SECONDS")
_HOURS = 2 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One worker: the pool it serves, how it is started and how often it asks for work."""

    name: str
    pool_type: str
    command: tuple[str, ...]
    query_seconds: float
    prefect_defaults: bool = False


WAYS = (
    Way(name="warm", pool_type="adpulse", command=("adpulse", "worker"), query_seconds=1),
    Way(name="process", pool_type="process", command=("prefect", "worker", "start", "--type", "process"), query_seconds=1),
    Way(
        name="process_stock",
        pool_type="process",
        command=("prefect", "worker", "start", "--type", "process"),
        query_seconds=10,
        prefect_defaults=True,
    ),
)


@dataclass(slots=True, kw_only=True)
class Worker:
    """A running worker and what was measured of it."""

    way: Way
    process: "subprocess.Popen[bytes]"
    memory: "Memory"
    idle_mb: float = 0.0
    seconds: list[float] = field(default_factory=list)


def measure() -> list[dict[str, object]]:
    """One row per worker: seconds from created to running, as multiples of the warm worker's too, and memory in MB."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sandbox = stack.enter_context(Sandbox.start())
        stack.enter_context(_installation(home, sandbox))
        asyncio.run(_deploy())
        workers = [_start(way, home, stack) for way in WAYS]
        for worker in workers:
            _created_to_running(worker)
            worker.idle_mb = resident_mb(worker.process.pid)
        for number in range(RUNS):
            for worker in workers:
                time.sleep(worker.way.query_seconds * (number * _SPREAD % 1))
                worker.seconds.append(_created_to_running(worker))
        rows = [_row(worker, sandbox) for worker in workers]
    for row in rows:
        row["median_x"] = round(row["median_s"] / rows[0]["median_s"], 1)
    return rows


@contextmanager
def _installation(home: Path, sandbox: Sandbox) -> Iterator[None]:
    """A migrated control plane and a Prefect server, named in this process's environment until the end."""
    from deployments.server import PrefectServer

    settings = environment.only(
        ADPULSE_HOME=str(home),
        ADPULSE_META_GRAPH_URL=sandbox.graph_url,
        ADPULSE_SANDBOX_URL=sandbox.control_url,
        **living_versions(sandbox.versions),
        PYTHONPYCACHEPREFIX=str(home / "bytecode"),
    )
    with settings:
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a process per run would compile Prefect anew every time
        environment.installed()
        with PrefectServer(home) as server:
            os.environ.update(server.environment())
            yield


async def _deploy() -> None:
    """All pools with their queues, and the deployments."""
    from deployments.deploy import deploy

    for way in WAYS:
        await deploy(way.name, way.pool_type)


def _start(way: Way, home: Path, stack: ExitStack) -> Worker:
    process = stack.enter_context(_process(way, home))
    return Worker(way=way, process=process, memory=stack.enter_context(Memory(process.pid)))


def _row(worker: Worker, sandbox: Sandbox) -> dict[str, Any]:
    sandbox.clock.advance(_HOURS)  # the accounts' call budgets are fresh for every worker
    worker.memory.peak_mb = 0.0
    fetched = _sync(worker, sandbox)
    return {
        "worker": worker.way.name,
        "runs": RUNS,
        "median_s": round(statistics.median(worker.seconds), 2),
        "fastest_s": round(min(worker.seconds), 2),
        "slowest_s": round(max(worker.seconds), 2),
        "idle_mb": worker.idle_mb,
        "after_sync_mb": resident_mb(worker.process.pid),
        "run_processes_mb": worker.memory.peak_mb,
        "rows_synced": fetched,
    }


@contextmanager
def _process(way: Way, home: Path) -> Iterator["subprocess.Popen[bytes]"]:
    variables = {**os.environ, "ADPULSE_WORK_POOL": way.name}
    if way.prefect_defaults:
        variables = {name: value for name, value in variables.items() if name not in _POLLING}
    pool = () if way.pool_type == "adpulse" else ("--pool", way.name)
    with (home / "logs" / f"{way.name}.log").open("wb") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", *way.command, *pool],
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield child
    finally:
        stop(child)


def _point_to(worker: Worker) -> UUID:
    """Let the on-demand deployment's next runs go to the worker's pool; its id."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentUpdate

    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name(ON_DEMAND)
        client.update_deployment(deployment.id, DeploymentUpdate(work_pool_name=worker.way.name, work_queue_name=QUEUE))
    return deployment.id


def _created_to_running(worker: Worker) -> float:
    """Create an on-demand run that finds nothing to do, and wait for its end; what Prefect itself noted as the two instants."""
    from prefect.client.orchestration import get_client

    deployment = _point_to(worker)
    deadline = time.monotonic() + _READY_SECONDS
    with get_client(sync_client=True) as client:
        run = client.create_flow_run_from_deployment(deployment)
        while run.state is None or not run.state.is_final():
            _alive(worker, deadline)
            time.sleep(_POLL_SECONDS)
            run = client.read_flow_run(run.id)
    if run.start_time is None or run.created is None or not (run.state and run.state.is_completed()):
        raise RuntimeError(f"A flow run that should have found nothing to do ended as {run.state}.")
    return (run.start_time - run.created).total_seconds()


def _sync(worker: Worker, sandbox: Sandbox) -> int:
    """The first sync of the accounts, in a workspace of its own, through the worker; how many rows were fetched."""
    _point_to(worker)
    app: App = bootstrap.app()
    token = SecretStr(sandbox.world.token("full").value)
    workspace = app.workspaces.create(worker.way.name)
    reached = discover(app, "meta", token)
    chosen = replace(reached, accounts=[account for account in reached.accounts if account.name in ACCOUNTS])
    connected = [view.connection.id for view in connecting.connect(app, workspace.id, "meta", token, chosen, "manual")]
    deadline = time.monotonic() + _SYNC_SECONDS
    while True:
        runs = [run for connection_id in connected for run in app.runs.history(connection_id, limit=100)]
        if all(run.state is RunState.DONE for run in runs):
            return sum(run.counts.fetched for run in runs)
        if any(run.state in (RunState.FAILED, RunState.DEAD) for run in runs):
            raise RuntimeError(f"A sync failed: {[run.error for run in runs]}")
        _alive(worker, deadline)
        time.sleep(_POLL_SECONDS)


def _alive(worker: Worker, deadline: float) -> None:
    if worker.process.poll() is not None:
        raise RuntimeError(f"The worker {worker.way.name} ended with code {worker.process.returncode}.")
    if time.monotonic() > deadline:
        raise RuntimeError(f"The worker {worker.way.name} did not finish a run in time.")


@dataclass(slots=True)
class Memory:
    """Looks again and again at what a worker's children weigh together; ``most`` is the highest sum, in MB."""

    pid: int
    peak_mb: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)
    _watching: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        """Begin."""
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._ended.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._ended.wait(_SAMPLE_SECONDS):
            self.peak_mb = max(self.peak_mb, round(sum(resident_mb(pid) for pid in descendants(self.pid)), 1))
