"""Reads metrics per leaf and day, and campaign totals. Step: fetch."""

from prefect import task

from adpulse.bootstrap import App
from adpulse.model import Fetch, Fetched, FetchKind, Heat, Lease
from tasks.batch import Batch, Outcome, during, missing, read_each
from tasks.retries import OPTIONS


@task(task_run_name="fetch · {batch.label}", **OPTIONS)
async def fetch_metrics(batch: Batch) -> list[Outcome]:
    """Stage the planned metric reads of every connection in the batch."""
    return await read_each(batch, read_metrics)


def read_metrics(app: App, lease: Lease) -> None:
    """Make the planned reads that have dates, each complete or not at all; what is staged already is not read again."""
    client = app.client(lease.connection)
    for fetch in missing(app, lease, dates=True):
        fetched_at = app.clock.now()
        with during(fetch):
            table = client.metrics(lease.connection, fetch, app.slot(lease, fetch.heat))
        app.staging.write(lease.run_id, Fetched(fetch=fetch, fetched_at=fetched_at, table=table))
    confirm_missing(app, lease)


def confirm_missing(app: App, lease: Lease) -> None:
    """Ask the platform about ads and campaigns whose stored numbers are missing from a complete answer.

    A row can be missing because the platform took the delivery back (the numbers become zero) or because the
    ad was deleted since the last walk (its history stays). Asked after the metrics, so that "it exists" is true of them;
    what could not be asked stays as it is stored, and is asked about when its day is read again.
    A platform that tells the numbers of what was removed leaves nothing to ask.
    """
    connection = lease.connection
    fetch = Fetch(kind=FetchKind.ENTITIES_CONFIRMED, heat=Heat.HOT, cost=app.account(lease).costs.lookup)
    if connection.provider.tells_removed or app.staging.has(lease.run_id, fetch):
        return
    absent = app.warehouse(connection.workspace_id).missing_entities(connection, app.staging.read(lease.run_id))
    if not absent:
        return
    fetched_at = app.clock.now()
    with during(fetch):
        found = app.client(connection).look_up(connection, absent, app.slot(lease, fetch.heat))
    app.staging.write(lease.run_id, Fetched(fetch=fetch, fetched_at=fetched_at, table=found))
