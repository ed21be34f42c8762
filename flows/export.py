"""The flow that exports what was published since its last run. It calls no platform."""

import asyncio

from prefect import State, flow
from prefect.states import Completed, Failed

from adpulse import bootstrap
from adpulse.services import exporting


@flow(name="export", flow_run_name="export", persist_result=False)
async def export() -> State[None]:
    """Export the changed rows of every workspace to ADPULSE_EXPORT_TO; a workspace that cannot be exported holds up no other."""
    app = await asyncio.to_thread(bootstrap.app)
    exported = await asyncio.to_thread(exporting.export_all, app)
    if exported.failed:
        return Failed(message=" ".join(exported.failed.values()))
    return Completed(message=f"{len(exported.manifests)} workspaces had changes, {exported.unchanged} had none.")
