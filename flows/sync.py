"""The body all sync flows share: claim → plan → entities → fetch → diff → upsert → telemetry."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from prefect import State
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from adpulse import bootstrap, orchestrator
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError, Unavailable
from adpulse.frequency import Frequency
from adpulse.model import Lease, Parts, Provider, RunCounts
from adpulse.planner.plan import Plan
from tasks.batch import Batch, Outcome
from tasks.diff import diff_metrics
from tasks.entities import sync_entities
from tasks.metrics import fetch_metrics
from tasks.telemetry import prepare, settle
from tasks.upsert import upsert_metrics

log = logging.getLogger(__name__)

BATCHES = 16
"""Up to this many connections each get a batch of their own; more share this many, so a tick stays under 64 task runs."""

AT_ONCE = 4


@dataclass(slots=True)
class Sync:
    """One lease on its way through the steps."""

    lease: Lease
    plan: Plan | None = None
    error: AdpulseError | None = None
    counts: RunCounts = field(default_factory=RunCounts)
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What one flow run was started for: a tick of ``frequency``, or (None) what people asked for."""

    provider: Provider
    frequency: Frequency | None = None
    connections: Sequence[str] = ()
    parts: Parts = Parts.BOTH
    force_refresh: bool = False


async def sync(request: Request) -> State[None]:
    """Sync what is due at the request's frequency, or everything that was asked for.

    One failed connection never fails the others; the run fails only when every connection did.
    """
    app = await asyncio.to_thread(bootstrap.app)
    leases = await asyncio.to_thread(_claim, app, request)
    if not leases:
        return Completed(message="Nothing was due.")
    syncs = [Sync(lease=lease) for lease in leases]
    gate = asyncio.Semaphore(AT_ONCE)
    try:
        await asyncio.gather(*(_run_batch(app, members, gate) for members in _batches(syncs)))
    finally:
        unfinished = [each.lease for each in syncs if not each.settled]
        if unfinished:  # cancelled or crashed in the middle: others may have the connections at once
            app.connections.release(unfinished)
    await _report(request, syncs)
    await _continue(app, request.provider)
    return _verdict(syncs)


def _claim(app: App, request: Request) -> list[Lease]:
    owner = str(flow_run.id or "local")
    if request.frequency is not None:
        return app.connections.claim_due(request.provider, request.frequency, owner)
    for reference in request.connections:
        connection = app.connections.get(reference).connection
        app.runs.request(connection.id, request.parts, force=request.force_refresh)
    return app.connections.claim_queued(request.provider, owner)


def _batches(syncs: list[Sync]) -> Iterable[list[Sync]]:
    """Batches never span workspaces."""
    size = -(-len(syncs) // BATCHES)
    ordered = sorted(syncs, key=lambda each: each.lease.connection.workspace_id)
    for _, members in groupby(ordered, key=lambda each: each.lease.connection.workspace_id):
        group = list(members)
        yield from (group[start : start + size] for start in range(0, len(group), size))


async def _run_batch(app: App, members: list[Sync], gate: asyncio.Semaphore) -> None:
    async with gate:
        for member in members:
            await _prepare(app, member)
        try:
            await _steps(_batch(members), members)
        except Exception as error:  # a task that failed after its retries: the batch's connections fail, not the tick's
            log.exception("batch %s failed", _batch(members).label)
            for member in members:
                member.error = member.error or _as_ours(error)
        for member in members:
            member.counts = await asyncio.to_thread(settle, app, member.lease, member.plan, member.error)
            member.settled = True


async def _prepare(app: App, member: Sync) -> None:
    try:
        member.plan = await asyncio.to_thread(prepare, app, member.lease)
    except AdpulseError as error:
        member.error = error


async def _steps(batch: Batch, members: list[Sync]) -> None:
    planned = batch.without({each.lease.run_id for each in members if not (each.plan and each.plan.fetches)})
    if not planned.runs:
        return
    kinds = {fetch.kind for each in members if each.plan for fetch in each.plan.fetches}
    going = planned
    if any(not kind.has_dates for kind in kinds):
        going = going.without(_note(members, await sync_entities(going)))
    if going.runs and any(kind.has_dates for kind in kinds):
        _note(members, await fetch_metrics(going))
    # What was read completely before an error is stored all the same: calls are scarce.
    if await diff_metrics(planned):
        await upsert_metrics(planned)


def _note(members: list[Sync], outcomes: list[Outcome]) -> set[str]:
    failed = {outcome.run_id: outcome.error for outcome in outcomes if outcome.error}
    for member in members:
        member.error = member.error or failed.get(member.lease.run_id)
    return set(failed)


def _as_ours(error: Exception) -> AdpulseError:
    return error if isinstance(error, AdpulseError) else Unavailable(f"A step failed after its retries: {type(error).__name__}.")


def _batch(members: list[Sync]) -> Batch:
    names = [each.lease.connection.name for each in members]
    return Batch(
        label=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
        workspace_id=members[0].lease.connection.workspace_id,
        runs=tuple((each.lease.run_id, each.lease.generation) for each in members),
    )


async def _report(request: Request, syncs: list[Sync]) -> None:
    """One table per tick in Prefect's UI."""
    rows = [
        {
            "connection": each.lease.connection.name,
            "fetched": each.counts.fetched,
            "inserted": each.counts.inserted,
            "updated": each.counts.updated,
            "unchanged": each.counts.unchanged,
            "outcome": str(each.error) if each.error else (each.plan.reason if each.plan and each.plan.reason else "done"),
        }
        for each in syncs
    ]
    key = f"{request.provider}-{request.frequency or 'on-demand'}"
    await acreate_table_artifact(table=rows, key=key, description=f"Syncs of {request.provider.label}")


async def _continue(app: App, provider: Provider) -> None:
    """When a sync can go on at once (first syncs do), ask for the next run now instead of waiting for the sweep."""
    if await asyncio.to_thread(app.runs.waiting, provider):
        await asyncio.to_thread(orchestrator.request_on_demand, provider, app.runs)


def _verdict(syncs: list[Sync]) -> State[None]:
    failed = [each for each in syncs if each.error]
    written = sum(each.counts.written for each in syncs)
    summary = f"{len(syncs) - len(failed)} of {len(syncs)} connections synced, {written} rows written."
    if len(failed) == len(syncs):
        return Failed(message=f"{summary} {failed[0].error}")
    return Completed(message=summary)
