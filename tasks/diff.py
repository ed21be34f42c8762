"""Compares what was fetched with what is stored. Step: diff."""

import asyncio

from prefect import task

from adpulse.bootstrap import app
from storage.diff import RunFetch
from tasks.batch import Batch
from tasks.retries import OPTIONS


@task(task_run_name="diff · {batch.label}", **OPTIONS)
async def diff_metrics(batch: Batch) -> int:
    """Stage the changes of the whole batch from one join; returns how many rows would be written."""
    return await asyncio.to_thread(stage_changes, batch)


def stage_changes(batch: Batch) -> int:
    """Write each run's changes beside what it fetched; the number of rows that differ."""
    context = app()
    leases = [context.runs.lease(run_id, generation) for run_id, generation in batch.runs]
    fetched = [
        RunFetch(
            run_id=lease.run_id,
            generation=lease.generation,
            connection_id=lease.connection.id,
            now=context.clock.now(),
            fetched=context.staging.read(lease.run_id),
        )
        for lease in leases
    ]
    changes = context.warehouse(batch.workspace_id).diff(fetched)
    for change in changes:
        context.staging.write_changes(change)
    return sum(change.counts.written for change in changes if not change.empty)
