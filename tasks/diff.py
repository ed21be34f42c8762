"""Compares what was fetched with what is stored. Step: diff."""

import asyncio

from prefect import task

from adpulse.bootstrap import App, app
from adpulse.model import Lease
from storage.diff import RunFetch
from tasks.batch import Batch, held
from tasks.retries import OPTIONS


@task(task_run_name="diff · {batch.label}", **OPTIONS)
async def diff_metrics(batch: Batch) -> int:
    """Stage the changes of the whole batch from one join; returns how many runs have something to write."""
    return await asyncio.to_thread(stage_changes, batch)


def stage_changes(batch: Batch) -> int:
    """Write each run's changes beside what it fetched; the number of runs that differ from the warehouse."""
    context = app()
    leases = {lease.run_id: lease for lease in held(batch)}
    changes = context.warehouse(batch.workspace_id).diff([_fetched(context, lease) for lease in leases.values()])
    for change in changes:
        context.staging.write_changes(change)
        if change.empty:
            context.runs.applied(leases[change.run_id])  # the warehouse says the same already
    return sum(not change.empty for change in changes)


def _fetched(context: App, lease: Lease) -> RunFetch:
    if all(context.staging.has(lease.run_id, fetch) for fetch in context.staging.plan(lease.run_id)):
        context.runs.fetched(lease)
    return RunFetch(
        run_id=lease.run_id,
        generation=lease.generation,
        connection_id=lease.connection.id,
        now=context.clock.now(),
        fetched=context.staging.read(lease.run_id),
    )
