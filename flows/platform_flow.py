"""One Prefect flow for each platform; they differ in name and description alone."""

from collections.abc import Coroutine
from typing import Any

from prefect import Flow, State, flow

from adpulse.frequency import Frequency
from adpulse.model import Parts, Provider
from adpulse.platforms.registry import platform_of
from flows.sync import Request, run_name, sync

_DESCRIPTION = """Sync {label} connections into their workspaces' DuckDB files.

Args:
    frequency: Which group is ticking; set by the schedules. Leave empty to sync on demand.
    connections: On demand: ids or names of connections. Empty: everything that is queued.
    parts: Both halves, or only entities ({levels}), or only metrics.
    force_refresh: Read the whole lookback of {lookback} days again at once; written is still only what changed.
    background: Instead of what is queued, take what goes on in the background: first syncs, older days, slow accounts.
"""


def platform_flow(provider: Provider) -> Flow[..., Coroutine[Any, Any, State[None]]]:
    """The flow that syncs a platform's connections: ``meta-sync``, ``google-sync``."""
    platform = platform_of(provider)

    async def sync_platform(
        frequency: Frequency | None = None,
        connections: list[str] | None = None,
        parts: Parts = Parts.BOTH,
        force_refresh: bool = False,  # noqa: FBT001, FBT002 - Prefect passes flow parameters by name
        background: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> State[None]:
        return await sync(
            Request(
                provider=provider,
                frequency=frequency,
                connections=connections or [],
                parts=parts,
                force_refresh=force_refresh,
                background=background,
            )
        )

    sync_platform.__doc__ = _DESCRIPTION.format(label=platform.label, levels=platform.levels, lookback=platform.lookback_days)
    return flow(name=f"{provider}-sync", flow_run_name=run_name, persist_result=False, validate_parameters=True)(sync_platform)
