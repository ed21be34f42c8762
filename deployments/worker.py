"""The warm worker: a Prefect worker that runs flows in its own process, where SDKs, clients and flows stay loaded.

Each run gets a thread with its own event loop, so a slow run never keeps the worker from polling. The worker cancels runs
itself, drains when it is stopped, and at its start settles the runs of a predecessor that died.
"""

import asyncio
import contextlib
import logging
import os
import signal
import threading
from collections import Counter
from concurrent.futures import CancelledError as FutureCancelled
from concurrent.futures import Future
from datetime import datetime, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, cast
from uuid import UUID

import anyio.abc
import httpx
from prefect import Flow
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowRunFilter, WorkPoolFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.context import SettingsContext, get_settings_context
from prefect.flow_engine import run_flow_async
from prefect.settings import PREFECT_CLIENT_MAX_RETRIES, get_current_settings
from prefect.settings import Settings as PrefectSettings
from prefect.states import Cancelled, Crashed
from prefect.workers.base import BaseJobConfiguration, BaseVariables, BaseWorker, BaseWorkerResult

from adpulse import bootstrap, logs
from adpulse.model import Lane
from adpulse.orchestrator import GIVEN_BACK
from adpulse.settings import Settings
from deployments.alerts import run_alerts_until
from deployments.deliver import deliver_until
from deployments.flush import flush
from deployments.owner import has_died, this_process
from deployments.sweep import sweep_until
from storage.control.database import INFRASTRUCTURE
from storage.control.unsettled import Ending

log = logging.getLogger(__name__)

LANES = {Lane.REALTIME: 4, Lane.ON_DEMAND: 3, Lane.SCHEDULED: 3, Lane.BACKGROUND: 2}
"""How many flow runs of each lane run at once: slow runs of one lane take no place of another."""

DRAIN_SECONDS, GIVE_BACK_SECONDS = 18.0, 7.0
"""At SIGTERM: how long flow runs may continue to their end, and then how long giving their leases back may take."""

_AFTER_SLOT_SECONDS = 0.02
_BELL_SECONDS = 0.05
_CANCEL_POLL_SECONDS = 1.0
_LOOP_END_SECONDS = 1.0
_OUTAGE_SECONDS = 5.0
_SERVER_ERROR = 500
_SETTLE_SECONDS = 15.0
_UNLABELLED_AFTER = timedelta(seconds=30)  # a worker labels a run it takes within a second
_ALIVE = [StateType.RUNNING, StateType.PENDING, StateType.CANCELLING]


class WarmResult(BaseWorkerResult):
    """The result of a run in this process; Prefect has its state already."""


class _Execution:
    """One flow run in a thread of its own."""

    def __init__(self, flow_run: FlowRun) -> None:
        self.flow_run = flow_run
        self.cancelled = False
        self.cancellation = GIVEN_BACK
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        """Run to the end, in a daemon thread: a run that hangs must not keep the worker from ending."""
        ended: Future[None] = Future()
        threading.Thread(target=self._run, args=(ended,), name=f"flow-{self.flow_run.name}", daemon=True).start()
        await asyncio.shield(asyncio.wrap_future(ended))

    def _run(self, ended: Future[None]) -> None:
        try:
            asyncio.run(self._main())
        except (asyncio.CancelledError, FutureCancelled):
            self.cancelled = True
        except BaseException as error:  # noqa: BLE001 - it is raised in the waiting task
            ended.set_exception(error)
            return
        ended.set_result(None)

    async def _main(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with get_client() as client:
            deployment = await client.read_deployment(self.flow_run.deployment_id) if self.flow_run.deployment_id else None
        if deployment is None or deployment.entrypoint is None:
            raise RuntimeError("the flow run has no deployment with an entrypoint")
        await run_flow_async(
            load_flow(deployment.entrypoint), flow_run=self.flow_run, parameters=self.flow_run.parameters, return_type="state"
        )

    def cancel(self) -> None:
        """Stop at the next await: the flow's own clean-up gives its leases back."""
        self.cancelled = True
        if self._loop and self._task and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)


class WarmWorker(BaseWorker[BaseJobConfiguration, BaseVariables, WarmResult]):
    """Runs flows in this process."""

    type = "adpulse"
    job_configuration = BaseJobConfiguration

    def __init__(self, work_pool_name: str, **options: Any) -> None:
        super().__init__(work_pool_name=work_pool_name, name=this_process(), **options)
        self.executions: dict[UUID, _Execution] = {}
        self._lanes: dict[UUID, str] = {}
        self.draining = False
        self.heartbeat_file: Path | None = None

    async def get_and_submit_flow_runs(self) -> list[FlowRun]:
        """Take new runs, unless the worker is about to stop."""
        if self.draining:
            return []
        try:
            return await super().get_and_submit_flow_runs()
        except httpx.HTTPError as error:
            await self._wait_out(error)
            return []

    async def sync_with_backend(self) -> None:
        """Send the heartbeat: touch the heartbeat file, and report to Prefect."""
        if self.heartbeat_file:
            self.heartbeat_file.touch()
        try:
            with self._single_attempts():
                await super().sync_with_backend()
        except httpx.HTTPError as error:
            await self._wait_out(error)

    def _single_attempts(self) -> SettingsContext:
        """Prefect's settings without retries of its client, for a block."""
        return SettingsContext(profile=get_settings_context().profile, settings=self._without_retries)

    @cached_property
    def _without_retries(self) -> PrefectSettings:
        # Made once: it reads the environment and validates every setting anew, which was half of what an idle worker computed.
        return get_current_settings().copy_with_update(updates={PREFECT_CLIENT_MAX_RETRIES: 0})

    async def _wait_out(self, error: httpx.HTTPError) -> None:
        """Wait while the server is down, without a limit.

        Raises:
            httpx.HTTPStatusError: the server answers and refuses the worker.
        """
        if isinstance(error, httpx.HTTPStatusError) and error.response.status_code < _SERVER_ERROR:
            raise error
        log.warning("Prefect does not answer (%s); trying again", type(error).__name__)
        await asyncio.sleep(_OUTAGE_SECONDS)

    async def _get_scheduled_flow_runs(self) -> list[WorkerFlowRunResponse]:
        """The runs whose lane has a free place, most urgent first; the others stay scheduled until a place is free."""
        alive = {*self.executions, *self._submitting_flow_run_ids}
        self._lanes = {run_id: lane for run_id, lane in self._lanes.items() if run_id in alive}
        places = Counter({lane.value: count for lane, count in LANES.items()})
        places.subtract(self._lanes.values())
        with self._single_attempts():  # the next poll is a second later anyway
            scheduled = await super()._get_scheduled_flow_runs()
        chosen = []
        for response in scheduled:
            lane = response.flow_run.work_queue_name or Lane.SCHEDULED.value
            if response.flow_run.id not in self._lanes and places[lane] > 0:
                places[lane] -= 1
                self._lanes[response.flow_run.id] = lane
                chosen.append(response)
        return chosen

    async def run(
        self,
        flow_run: FlowRun,
        configuration: BaseJobConfiguration,  # noqa: ARG002 - nothing to configure in one's own process
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> WarmResult:
        """Run one flow run to its end in a thread."""
        execution = self.executions[flow_run.id] = _Execution(flow_run)
        if task_status:
            task_status.started(os.getpid())
        await _until(flow_run.expected_start_time, bootstrap.app().wall.now())
        try:
            await execution.start()
            if execution.cancelled:
                await self.client.set_flow_run_state(flow_run.id, Cancelled(message=execution.cancellation), force=True)
        finally:
            self.executions.pop(flow_run.id, None)
        return WarmResult(status_code=0, identifier=str(os.getpid()))

    async def watch_bell(self, bell: Path) -> None:
        """Poll at once when a process on this machine touched the bell file. Runs until it is cancelled itself."""
        last_touched = _touched(bell)
        while True:
            await asyncio.sleep(_BELL_SECONDS)
            if (touched := _touched(bell)) != last_touched:
                last_touched = touched
                with contextlib.suppress(Exception):  # the next poll reports the error
                    await self.get_and_submit_flow_runs()

    async def watch_cancellations(self) -> None:
        """Cancel runs that were cancelled in Prefect's UI, and withdraw their syncs. Runs until it is cancelled itself."""
        while True:
            await asyncio.sleep(_CANCEL_POLL_SECONDS)
            running = list(self.executions)
            if not running:
                continue
            try:
                cancelling = FlowRunFilter.model_validate({"id": {"any_": running}, "state": {"type": {"any_": [StateType.CANCELLING]}}})
                for flow_run in await self.client.read_flow_runs(flow_run_filter=cancelling):
                    if execution := self.executions.get(flow_run.id):
                        await asyncio.to_thread(bootstrap.app().leases.cancel_all, str(flow_run.id))
                        execution.cancellation = "Cancelled; its syncs were withdrawn."
                        execution.cancel()
            except Exception:  # any error: it is tried again in a second
                log.exception("could not look for cancelled runs")

    async def drain(self) -> None:
        """Take nothing new, let running runs end for a while, then cancel them, which gives their leases back. Within 30 s."""
        self.draining = True
        await self._ended(DRAIN_SECONDS)
        for execution in list(self.executions.values()):
            execution.cancel()
        await self._ended(GIVE_BACK_SECONDS)

    async def _ended(self, seconds: float) -> None:
        for _ in range(int(seconds * 10)):
            if not self.executions:
                return
            await asyncio.sleep(0.1)


def _touched(bell: Path) -> int:
    """When the file was touched last, in nanoseconds; 0 if it does not exist."""
    try:
        return bell.stat().st_mtime_ns
    except OSError:
        return 0


async def _until(slot: datetime | None, now: datetime) -> None:
    """Wait for the run's slot: Prefect hands runs out early, and a tick that starts before its slot finds nothing due."""
    if slot is not None:
        await asyncio.sleep(max(0.0, (slot - now).total_seconds() + _AFTER_SLOT_SECONDS))


def load_flow(entrypoint: str) -> Flow[..., Any]:
    """The flow at a dotted entrypoint, from the regularly imported module."""
    module, _, name = entrypoint.rpartition(".")
    return cast("Flow[..., Any]", getattr(import_module(module), name))


async def settle(pool: str) -> int:
    """Set runs that a dead worker of this machine left Running, Pending or Cancelling to Crashed; returns how many.

    Leases of flow runs that ended, these and others, are given back, so that the syncs continue at once instead of after their expiry.
    """
    crashed = 0
    async with get_client() as client:
        flow_runs = await client.read_flow_runs(
            work_pool_filter=WorkPoolFilter.model_validate({"name": {"any_": [pool]}}),
            flow_run_filter=FlowRunFilter.model_validate({"state": {"type": {"any_": _ALIVE}}}),
        )
        for flow_run in flow_runs:
            if _abandoned(flow_run, bootstrap.app().wall.now()):
                await client.set_flow_run_state(flow_run.id, Crashed(message="Its worker ended while it ran."), force=True)
                crashed += 1
        if owners := await asyncio.to_thread(bootstrap.app().leases.owners):
            flow_runs = await client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": sorted(owners)}}))
            states = {str(flow_run.id): flow_run.state_type for flow_run in flow_runs}
            for owner in owners:
                if states.get(owner) not in _ALIVE:
                    await asyncio.to_thread(_give_back, owner, states.get(owner))
    return crashed


def _give_back(owner: str, ended: StateType | None) -> None:
    """Give back the leases of a flow run that ended; if it crashed with leases, its process has died."""
    app = bootstrap.app()
    ending = Ending.WORKER_DIED if ended is StateType.CRASHED else Ending.RELEASED
    try:
        app.leases.release(app.runs.leases_of_owner(owner), ending)
    except INFRASTRUCTURE:
        raise
    except Exception:
        log.exception("the leases of flow run %s could not be given back; they run out", owner)


def _abandoned(flow_run: FlowRun, now: datetime) -> bool:
    worker = str(flow_run.labels.get("prefect.worker.name", ""))
    since = flow_run.state.timestamp if flow_run.state else now
    return has_died(worker) if worker else now - since > _UNLABELLED_AFTER


async def _settled(pool: str, stop: asyncio.Event) -> bool:
    """Settle the runs of predecessors, as soon as Prefect answers; False when ``stop`` is set before that."""
    while not stop.is_set():
        try:
            if crashed := await settle(pool):
                log.warning("%s runs of a worker that died were set to Crashed", crashed)
        except (httpx.HTTPError, OSError, RuntimeError, *INFRASTRUCTURE) as error:
            log.warning("Prefect or the control plane does not answer yet (%s)", type(error).__name__)
            await _pause(stop, _OUTAGE_SECONDS)
        else:
            return True
    return False


async def _keep_settled(pool: str, stop: asyncio.Event) -> None:
    """Settle runs that other workers leave from now on, and runs that looked alive at the start."""
    while not stop.is_set():
        await _pause(stop, _SETTLE_SECONDS)
        with contextlib.suppress(httpx.HTTPError, OSError, RuntimeError, *INFRASTRUCTURE):  # the worker's own polling logs it
            await settle(pool)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


def serve(config: Settings) -> None:
    """Run the worker, its sweep, deliveries and alerts until SIGINT or SIGTERM."""
    logs.to_file(config.home / "logs" / "worker.log")
    asyncio.run(_serve(config))
    flush()  # now, while the server still answers


async def _serve(config: Settings) -> None:
    bootstrap.app()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if not await _settled(config.work_pool, stop):
        return
    ended = threading.Event()
    loops = {"sweep": sweep_until, "deliver": deliver_until, "alerts": run_alerts_until}
    beside = [threading.Thread(target=loop, args=(ended,), name=name, daemon=True) for name, loop in loops.items()]
    for thread in beside:
        thread.start()
    worker = WarmWorker(config.work_pool)
    worker.heartbeat_file = config.heartbeat_file
    working = asyncio.create_task(worker.start(printer=log.info))
    watching = asyncio.create_task(worker.watch_cancellations())
    listening = asyncio.create_task(worker.watch_bell(bootstrap.app().bell))
    settling = asyncio.create_task(_keep_settled(config.work_pool, stop))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
    ended.set()
    if not working.done():
        await worker.drain()
    for thread in beside:  # deliveries that were just sent should be noted, so that they are not sent again
        await asyncio.to_thread(thread.join, _LOOP_END_SECONDS)
    tasks = (watching, listening, settling, stopping, working)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
