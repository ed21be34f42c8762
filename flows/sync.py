"""The body all sync flows share: claim → plan → entities → fetch → diff → upsert → telemetry."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from prefect import State, task
from prefect.artifacts import acreate_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TaskRunContext
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from adpulse import bootstrap
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError, Unavailable, Usage
from adpulse.frequency import Frequency
from adpulse.model import ON_DEMAND_LANES, Lane, Lease, Parts, Provider, RunCounts, RunState
from adpulse.planner.plan import Plan
from adpulse.platforms.registry import platform_of
from adpulse.services import syncing
from flows.summary import Ended, describe, totals
from storage.control.database import INFRASTRUCTURE
from storage.control.leases import NO_FLOW_RUN, Leases
from storage.control.runs import Runs, RunView
from storage.control.unsettled import Ending
from tasks.batch import Batch, Outcome, failure
from tasks.diff import diff_metrics
from tasks.entities import sync_entities
from tasks.metrics import fetch_metrics
from tasks.planning import prepare
from tasks.settling import settle
from tasks.upsert import upsert_metrics

log = logging.getLogger(__name__)

BATCHES = 16
"""Up to this many connections each get a batch of their own, which is one task run; more share this many."""

AT_ONCE = 4
"""Batches that are on their way at once."""

PATIENCE_SECONDS = 10.0
"""How long a batch waits for its reads. A slower account leaves the batch and continues alone, next time in the background lane."""

_RENEW_SECONDS = 60.0

_PAUSES = (2.0, 4.0)
"""Seconds between the attempts at a step when our database or warehouse is locked."""

T = TypeVar("T")


@dataclass(slots=True)
class Sync:
    """One lease on its way through the steps."""

    lease: Lease
    plan: Plan | None = None
    error: AdpulseError | None = None
    counts: RunCounts = field(default_factory=RunCounts)
    run: RunView | None = None
    """The run after it was settled."""
    late: bool = False
    settled: bool = False
    ending: Ending = Ending.RELEASED
    """How its claim ends if it is not settled."""

    @property
    def is_compared(self) -> bool:
        """Whether there may be something to store; a tick that has nothing to read has nothing."""
        return self.plan is not None and bool(self.plan.fetches or self.lease.lane in ON_DEMAND_LANES)

    @property
    def ended(self) -> Ended:
        """What became of it so far, for people to read."""
        name, error, run = self.lease.connection.name, str(self.error) if self.error else None, self.run
        if run is None:
            return Ended(name=name, counts=self.counts, error=error)
        if run.state in (RunState.FAILED, RunState.DEAD):
            error = error or run.error
        calls = run.calls - self.lease.calls_before
        return Ended(name=name, counts=self.counts, calls=calls, error=error, attempt=run.attempts, next_at=run.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one flow run was started for: a tick of ``frequency``, or (None) what waits in the on-demand or background lane."""

    provider: Provider
    frequency: Frequency | None = None
    background: bool = False
    connections: Sequence[str] = ()
    parts: Parts = Parts.BOTH
    force_refresh: bool = False

    @property
    def lane(self) -> Lane:
        """The lane whose work an on-demand flow run takes."""
        return Lane.BACKGROUND if self.background else Lane.ON_DEMAND


def run_name() -> str:
    """What the running flow run is called: ``meta-5min-11-25-101500``."""
    parameters = flow_run.parameters
    trigger = parameters.get("frequency") or ("background" if parameters.get("background") else "on-demand")
    return f"{flow_run.flow_name.removesuffix('-sync')}-{trigger}-{flow_run.scheduled_start_time:%m-%d-%H%M%S}"


async def sync(request: Request) -> State[None]:
    """Sync what is due at the request's frequency, or everything that was requested.

    One failed connection never fails the others; the run fails only when every connection did.
    """
    app = await asyncio.to_thread(bootstrap.app)
    leases = await asyncio.to_thread(_claim, app, request)
    if not leases:
        return Completed(message="Nothing was due.")
    syncs = [Sync(lease=lease) for lease in leases]
    gate = asyncio.Semaphore(AT_ONCE)
    renewing = asyncio.create_task(_renew(app.leases, syncs))
    try:
        await asyncio.gather(*(_sync_batch(app, members, gate) for members in _batches(syncs)))
    except Exception:
        for member in syncs:
            member.ending = Ending.UNSETTLED
        raise
    finally:
        renewing.cancel()
        for ending in Ending:
            _give_back(app.leases, [member.lease for member in syncs if not member.settled and member.ending is ending], ending)
    await _report(request, syncs)
    await _request_next_runs(app, request.provider)
    return _final_state(syncs)


async def _renew(leases: Leases, syncs: list[Sync]) -> None:
    """Keep the leases while this flow run lives. Runs until it is cancelled."""
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        try:
            await asyncio.to_thread(leases.renew, [member.lease for member in syncs if not member.settled])
        except Exception:
            log.warning("the leases could not be renewed; the next minute tries again", exc_info=True)


def _give_back(leases: Leases, unfinished: list[Lease], ending: Ending) -> None:
    """Let others have these connections at once: the flow run was cancelled, or their syncs could not be settled."""
    if not unfinished:
        return
    try:
        leases.release(unfinished, ending)
    except Exception:  # the leases run out, or the worker gives them back when it finds that this flow run is over
        log.exception("the leases of %s connections could not be given back", len(unfinished))


def _claim(app: App, request: Request) -> list[Lease]:
    owner = str(flow_run.id or NO_FLOW_RUN)
    if request.frequency is not None:
        return app.leases.claim_due(request.provider, request.frequency, owner)
    refused = [error for reference in request.connections if (error := _request_sync(app, request, reference))]
    if refused and len(refused) == len(request.connections):
        raise refused[0]
    return app.leases.claim_waiting(request.provider, request.lane, owner)


def _request_sync(app: App, request: Request, reference: str) -> Exception | None:
    """Request the sync of a connection that the flow run was started for; returns the error if it cannot be synced."""
    try:
        connection = app.connections.get(reference).connection
        app.runs.request(connection.id, request.parts, force=request.force_refresh)
    except INFRASTRUCTURE:
        raise
    except Exception as error:
        log.warning("%s is left out: %s", reference, error, exc_info=not isinstance(error, Usage))
        return error
    return None


def _batches(syncs: list[Sync]) -> list[list[Sync]]:
    """In the order of their first syncs. Batches never span workspaces."""
    size = -(-len(syncs) // BATCHES)
    groups, batches = dict[str, list[Sync]](), list[list[Sync]]()
    for sync in syncs:
        group = groups.setdefault(sync.lease.connection.workspace_id, [])
        if not group:
            batches.append(group)
        group.append(sync)
        if len(group) == size:
            del groups[sync.lease.connection.workspace_id]
    return batches


async def _sync_batch(app: App, members: list[Sync], gate: asyncio.Semaphore) -> None:
    """Sync a batch as one task run, which begins when there is a place among the batches. Its state only shows what became of it."""
    label = _batch(members, None).label
    async with AsyncExitStack() as place:
        await place.enter_async_context(gate)
        try:
            await sync_connections(label, partial(_take_through, app, members, place.aclose))
        except Exception as error:  # Prefect could not run the task: the batch's connections fail, not the tick's
            log.exception("batch %s failed", label)
            for member in members:
                if not member.settled:
                    member.error = member.error or _as_adpulse_error(error)
                    await _settle(app, member)


@task(task_run_name="{label}", cache_policy=NO_CACHE, persist_result=False)
async def sync_connections(label: str, steps: Callable[[], Awaitable[Sequence[Ended]]]) -> State[None]:
    """Take the connections through the steps. The task run fails when one of its connections failed; the flow run goes on."""
    ended = await steps()
    for connection in ended:
        log.info("sync of %s", connection.sentence)
    sentence, has_failed = describe(ended), any(connection.error for connection in ended)
    if context := TaskRunContext.get():
        # The name goes to Prefect's server with the final state: no request of its own.
        context.task_run.name = f"{label}: failed" if has_failed else sentence
    return Failed(message=sentence) if has_failed else Completed(message=sentence)


async def _take_through(app: App, members: list[Sync], leave: Callable[[], Awaitable[None]]) -> list[Ended]:
    """All steps of a batch; slow accounts go on after it gave its place to another one."""
    for member in members:
        await _prepare(app, member)
    await _finish(app, members, PATIENCE_SECONDS)
    await leave()
    await asyncio.gather(*(_finish(app, [member], None) for member in members if member.late))
    return [member.ended for member in members]


async def _finish(app: App, members: list[Sync], patience: float | None) -> None:
    """Fetch, diff, upsert and settle all connections that are not late."""
    batch = _batch(members, patience)
    try:
        late = await _steps(batch, members)
    except Exception as error:  # a step that failed after its attempts: the batch's connections fail, not the tick's
        log.exception("batch %s failed", batch.label)
        late = set()
        for member in members:
            member.error = member.error or _as_adpulse_error(error)
    for member in members:
        member.late |= member.lease.run_id in late
        if member.lease.run_id not in late:
            await _settle(app, member)


async def _prepare(app: App, member: Sync) -> None:
    try:
        member.plan = await _patiently(partial(asyncio.to_thread, prepare, app, member.lease))
    except Exception as error:  # noqa: BLE001 - it is this connection's failure, and logged as that
        member.error = failure(member.lease.run_id, error)


async def _settle(app: App, member: Sync) -> None:
    """Close the sync. One that cannot be closed stays unsettled: its lease is given back when the flow run ends."""
    try:
        close = partial(settle, app, member.lease, member.plan, member.error, late=member.late)
        member.counts = await _patiently(partial(asyncio.to_thread, close))
        member.settled = True
    except INFRASTRUCTURE as error:
        log.warning("run %s: %s", member.lease.run_id, error, exc_info=True)
        member.error = member.error or _as_adpulse_error(error)
    except Exception as error:  # noqa: BLE001 - it is this connection's failure, and logged as that
        unsettled = failure(member.lease.run_id, error)
        member.error, member.ending = member.error or unsettled, Ending.UNSETTLED
    else:
        member.run = await _read_run(app.runs, member)


async def _read_run(runs: Runs, member: Sync) -> RunView | None:
    """The settled run, for what is shown of it."""
    try:
        return await asyncio.to_thread(runs.find, member.lease.run_id)
    except Exception:
        log.warning("run %s is shown without its calls", member.lease.run_id, exc_info=True)
        return None


async def _patiently(step: Callable[[], Awaitable[T]]) -> T:
    """The step's result; a step that meets a locked database or warehouse is tried again.

    Raises:
        one of INFRASTRUCTURE: it stayed locked. And what the step raises.
    """
    for pause in _PAUSES:
        try:
            return await step()
        except INFRASTRUCTURE as error:
            log.warning("a database or the warehouse is locked (%s); trying again in %s s", type(error).__name__, pause)
            await asyncio.sleep(pause)
    return await step()


async def _steps(batch: Batch, members: list[Sync]) -> set[str]:
    """The four steps; returns the runs whose reads go on while the others' are stored."""
    planned = batch.without({member.lease.run_id for member in members if not (member.plan and member.plan.fetches)})
    kinds = {fetch.kind for member in members if member.plan for fetch in member.plan.fetches}
    going, late = planned, set[str]()
    if going.runs and any(not kind.has_dates for kind in kinds):
        outcomes = await _patiently(partial(sync_entities, going))
        late |= _late(outcomes)
        going = going.without(_note_errors(members, outcomes) | late)
    if going.runs and any(kind.has_dates for kind in kinds):
        outcomes = await _patiently(partial(fetch_metrics, going))
        late |= _late(outcomes)
        _note_errors(members, outcomes)
    # What was read completely before an error is stored all the same: calls are scarce. A sync on demand is compared even
    # when there is no call to make: a new margin needs none.
    ready = batch.without(late | {member.lease.run_id for member in members if not member.is_compared})
    if ready.runs:
        outcomes = await _patiently(partial(diff_metrics, ready))
        _note_errors(members, outcomes)
        changed = ready.only({outcome.run_id for outcome in outcomes if outcome.changed})
        if changed.runs:
            _note_errors(members, await _patiently(partial(upsert_metrics, changed)))
    return late


def _late(outcomes: list[Outcome]) -> set[str]:
    return {outcome.run_id for outcome in outcomes if outcome.late}


def _note_errors(members: list[Sync], outcomes: list[Outcome]) -> set[str]:
    failed = {outcome.run_id: outcome.error for outcome in outcomes if outcome.error}
    for member in members:
        member.error = member.error or failed.get(member.lease.run_id)
    return set(failed)


def _as_adpulse_error(error: Exception) -> AdpulseError:
    return error if isinstance(error, AdpulseError) else Unavailable(f"A step failed after its retries: {type(error).__name__}.")


def _batch(members: list[Sync], patience: float | None) -> Batch:
    names = [member.lease.connection.name for member in members]
    return Batch(
        label=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
        workspace_id=members[0].lease.connection.workspace_id,
        runs=tuple((member.lease.run_id, member.lease.generation) for member in members),
        patience=patience,
    )


async def _report(request: Request, syncs: list[Sync]) -> None:
    """One table per tick in Prefect's UI."""
    rows = [_table_row(member) for member in syncs]
    key = f"{request.provider}-{request.frequency or request.lane}"
    try:
        await acreate_table_artifact(table=rows, key=key, description=f"Syncs of {platform_of(request.provider).label}")
    except Exception:  # what was synced is synced; only Prefect's UI lacks the table
        log.warning("the table of the syncs could not be stored", exc_info=True)


def _table_row(member: Sync) -> dict[str, str | int]:
    ended = member.ended
    return {
        "connection": ended.name,
        "calls": ended.calls,
        "fetched": ended.counts.fetched,
        "inserted": ended.counts.inserted,
        "updated": ended.counts.updated,
        "unchanged": ended.counts.unchanged,
        "outcome": ended.error or _what_is_left(member.plan),
    }


def _what_is_left(plan: Plan | None) -> str:
    """What the sync waits for, else that it is done; of one that reads a history, how much of that was left when it began."""
    reason = plan.reason if plan and plan.reason else "done"
    history = plan.history if plan else None
    return f"{reason}; {history.days} days of the history were left" if history and history.days else reason


async def _request_next_runs(app: App, provider: Provider) -> None:
    """When a sync can go on at once (first syncs do), request the next run now instead of waiting for the sweep."""
    for lane in ON_DEMAND_LANES:
        try:
            await asyncio.to_thread(syncing.request_waiting, app, provider, lane)
        except Exception:
            log.warning("the next run of %s-%s could not be requested; the sweep requests it again", provider, lane, exc_info=True)


def _final_state(syncs: list[Sync]) -> State[None]:
    ended = [member.ended for member in syncs]
    summary, errors = totals(ended), [connection.error for connection in ended if connection.error]
    if len(errors) == len(syncs):
        return Failed(message=f"{summary} {errors[0]}")
    return Completed(message=summary)
