"""Writes the changed rows of a batch in one transaction, and only those. Step: upsert."""

import asyncio
import logging

from prefect import task

from adpulse.bootstrap import app
from adpulse.errors import AdpulseError
from tasks.batch import Batch, held
from tasks.retries import OPTIONS

log = logging.getLogger(__name__)


@task(task_run_name="upsert · {batch.label}", **OPTIONS)
async def upsert_metrics(batch: Batch) -> int:
    """Apply the batch's staged changes; returns how many runs were applied."""
    return await asyncio.to_thread(apply_changes, batch)


def apply_changes(batch: Batch) -> int:
    """Apply the staged changes of every run whose lease still holds, then publish the workspace's copy."""
    context = app()
    leases = held(batch)
    staged = (context.staging.changes(lease.run_id) for lease in leases)
    warehouse = context.warehouse(batch.workspace_id)
    applied = warehouse.apply(
        [changes for changes in staged if changes], held=context.runs.held, connections=[lease.connection for lease in leases]
    )
    for lease in leases:
        if lease.run_id in applied:
            context.runs.applied(lease)
    try:
        warehouse.publish(min_interval_seconds=context.settings.publish_seconds)
    except (AdpulseError, OSError) as error:  # what was written is written; the sweep renews the copy
        log.warning("workspace %s was not published: %s", batch.workspace_id, error)
    return len(applied)
