"""Writes the changed rows of a batch in one transaction, and only those. Step: upsert."""

import asyncio
import logging
from functools import partial

from adpulse.bootstrap import app
from adpulse.model import Lease
from storage.warehouse.batches import RunChanges
from tasks.batch import Batch, Outcome, apply_together, attempt, for_each_lease

log = logging.getLogger(__name__)


async def upsert_metrics(batch: Batch) -> list[Outcome]:
    """Apply the batch's staged changes in one transaction; a run that cannot be applied fails alone."""
    return await asyncio.to_thread(apply_changes, batch)


def apply_changes(batch: Batch) -> list[Outcome]:
    """Apply the staged changes of every run whose lease still holds, then publish the workspace's copy; the outcomes of those runs."""
    context = app()
    warehouse = context.warehouse(batch.workspace_id)
    leases, staged, applied = dict[str, Lease](), dict[str, RunChanges](), set[str]()

    def load(lease: Lease) -> None:
        if changes := context.staging.changes(lease.run_id):
            leases[lease.run_id], staged[lease.run_id] = lease, changes

    def apply(changes: list[RunChanges]) -> None:
        connections = [leases[run_changes.run_id].connection for run_changes in changes]
        applied.update(warehouse.apply(changes, holds_lease=context.runs.is_leased, connections=connections))

    outcomes = for_each_lease(batch, load) | apply_together(staged, apply)
    outcomes |= {run_id: attempt(run_id, partial(context.runs.applied, leases[run_id])) for run_id in applied}
    try:
        warehouse.publish(min_interval_seconds=context.settings.publish_seconds)
    except Exception as error:  # what was written is written; the sweep renews the copy
        log.warning("workspace %s was not published: %s", batch.workspace_id, error, exc_info=True)
    return list(outcomes.values())
