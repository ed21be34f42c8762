"""The flow that compares what is stored with the platforms' totals, daily and on demand. It calls no platform."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from itertools import groupby

from prefect import State, flow
from prefect.artifacts import acreate_table_artifact
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

from adpulse import bootstrap
from adpulse.bootstrap import App
from adpulse.errors import AdpulseError
from adpulse.model import Connection, ConnectionStatus, Parts
from adpulse.services import reconciling
from adpulse.services.reconciling import Reconciled
from adpulse.services.syncing import request_sync
from storage.control.connections import Connections

log = logging.getLogger(__name__)


def run_name() -> str:
    """What the running flow run is called: ``reconcile-11-25-060000``."""
    return f"reconcile-{flow_run.scheduled_start_time:%m-%d-%H%M%S}"


@flow(name="reconcile", flow_run_name=run_name, persist_result=False, validate_parameters=True)
async def reconcile(
    connections: list[str] | None = None,
    read_again: bool = False,  # noqa: FBT001, FBT002 - Prefect passes flow parameters by name
) -> State[None]:
    """Compare stored spend with the platforms' totals of each day, store what changed, and notify of what nothing explains.

    Args:
        connections: Ids or names of connections. Empty: all.
        read_again: Also request a sync that reads the whole lookback again; its totals are in the next comparison.
    """
    app = await asyncio.to_thread(bootstrap.app)
    selected = await asyncio.to_thread(_selected, app.connections, connections or [])
    if read_again:
        await asyncio.to_thread(_request_syncs, app, selected)
    results, errors = list[Reconciled](), list[AdpulseError]()
    for workspace_id, members in _by_workspace(selected):
        try:
            results += await asyncio.to_thread(reconciling.reconcile, app, workspace_id, members)
        except AdpulseError as error:  # the other workspaces' files may be in order
            log.warning("the totals of workspace %s are not compared: %s", workspace_id, error)
            errors.append(error)
    await _report(results)
    days = sum(len(result.unexplained) for result in results)
    summary = f"{len(results)} of {len(selected)} connections compared, {days} remainders unexplained."
    return Failed(message=f"{summary} {errors[0]}") if errors else Completed(message=summary)


def _selected(store: Connections, references: Sequence[str]) -> list[Connection]:
    """The connections named, or all.

    Raises:
        UnknownConnection: there is no such connection.
    """
    views = [store.get(reference) for reference in references] or store.all()
    return [view.connection for view in views if view.connection.status is not ConnectionStatus.DELETING]


def _by_workspace(connections: Sequence[Connection]) -> Iterator[tuple[str, list[Connection]]]:
    ordered = sorted(connections, key=lambda connection: connection.workspace_id)
    for workspace_id, members in groupby(ordered, key=lambda connection: connection.workspace_id):
        yield workspace_id, list(members)


def _request_syncs(app: App, connections: Sequence[Connection]) -> None:
    for connection in connections:
        try:
            request_sync(app, connection.id, Parts.METRICS, force=True)
        except AdpulseError as error:
            log.warning("connection %s is not read again: %s", connection.name, error)


async def _report(results: Sequence[Reconciled]) -> None:
    """A row for each connection in Prefect's UI."""
    rows = [
        {
            "connection": result.connection.name,
            "remainders": len(result.remainders),
            "unexplained": len(result.unexplained),
            "changed since the last comparison": result.changed,
        }
        for result in results
    ]
    try:
        await acreate_table_artifact(table=rows, key="reconcile", description="Stored spend against the platforms' totals")
    except Exception:  # the comparison is stored; only Prefect's UI lacks the table
        log.warning("the table of the comparison could not be stored", exc_info=True)
