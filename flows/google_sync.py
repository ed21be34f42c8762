"""The flow behind every Google Ads deployment."""

from prefect import State, flow

from adpulse.frequency import Frequency
from adpulse.model import Parts, Provider
from flows.sync import Request, run_name, sync


@flow(name="google-sync", flow_run_name=run_name, persist_result=False, validate_parameters=True)
async def google_sync(
    frequency: Frequency | None = None,
    connections: list[str] | None = None,
    parts: Parts = Parts.BOTH,
    force_refresh: bool = False,  # noqa: FBT001, FBT002 - Prefect passes flow parameters by name
    background: bool = False,  # noqa: FBT001, FBT002 - the same
) -> State[None]:
    """Sync Google Ads connections into their workspaces' DuckDB files.

    Args:
        frequency: Which group is ticking; set by the schedules. Leave empty to sync on demand.
        connections: On demand: ids or names of connections. Empty: everything that is queued.
        parts: Both halves, or only entities (campaigns, ad groups, ads, asset groups), or only metrics.
        force_refresh: Read the whole lookback of 90 days again at once; written is still only what changed.
        background: Instead of what is queued, take what goes on in the background: first syncs, older days, slow accounts.
    """
    return await sync(
        Request(
            provider=Provider.GOOGLE,
            frequency=frequency,
            connections=connections or [],
            parts=parts,
            force_refresh=force_refresh,
            background=background,
        )
    )
