"""The flow behind the deployment of daily backups."""

import asyncio

from prefect import State, flow
from prefect.states import Completed

from adpulse import backups, bootstrap


@flow(name="backup", flow_run_name="backup", persist_result=False)
async def backup() -> State[None]:
    """Back up the control plane and all warehouses into ADPULSE_BACKUP_FOLDER; only the newest backups are kept."""
    app = await asyncio.to_thread(bootstrap.app)
    taken = await asyncio.to_thread(backups.take_scheduled, app)
    workspaces = len(taken.backup.workspaces)
    return Completed(message=f"{taken.folder}: {workspaces} warehouses, {taken.size / 1e6:.1f} MB; syncs were held for {taken.held:.2f} s.")
