"""The table of deployments: provider by frequency, one interval schedule each, one on demand and one for the background.

Three more are of all platforms: one compares totals, one takes backups, one exports.
``prefect.yaml`` has the same deployments for Prefect's own tools; a test compares the two.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import ON_DEMAND_LANES, Lane, Provider
from adpulse.platforms.registry import PLATFORMS, platform_of

QUEUES = {Lane.REALTIME: 1, Lane.ON_DEMAND: 2, Lane.SCHEDULED: 3, Lane.BACKGROUND: 4}
"""Work queues, one a lane, and their priorities; the lowest number is served first."""

_ANCHOR = datetime(2026, 1, 1, tzinfo=UTC)
_STAGGER = {
    Frequency.REALTIME: 0,
    Frequency.EVERY_5_MIN: 5,
    Frequency.EVERY_10_MIN: 65,
    Frequency.EVERY_30_MIN: 125,
    Frequency.HOURLY: 185,
    Frequency.DAILY: 425,
}
"""Seconds after the grid's slot at which a group's tick starts, so that groups do not start together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentSpec:
    """One deployment; ``provider`` is None where it is for all, ``interval`` and ``anchor`` are None when it has no schedule.

    ``entrypoint`` is the dotted path of the flow, so that its module is loaded once and under its own name.
    """

    name: str
    entrypoint: str
    provider: Provider | None = None
    frequency: Frequency | None = None
    queue: Lane
    interval: timedelta | None = None
    anchor: datetime | None = None


RECONCILE = DeploymentSpec(
    name="reconcile",
    entrypoint="flows.reconcile.reconcile",
    queue=Lane.SCHEDULED,
    interval=timedelta(days=1),
    anchor=_ANCHOR + timedelta(hours=6),
)
"""Compares stored numbers with the platforms' totals. Always active, as it makes no call and does nothing without connections."""

BACKUP = DeploymentSpec(
    name="backup",
    entrypoint="flows.backup.backup",
    queue=Lane.BACKGROUND,
    interval=timedelta(days=1),
    anchor=_ANCHOR + timedelta(hours=2, minutes=32),
)
"""Backs up the installation. The worker's sweep switches it on while ADPULSE_BACKUP_FOLDER is set."""

EXPORT = DeploymentSpec(
    name="export",
    entrypoint="flows.export.export",
    queue=Lane.BACKGROUND,
    interval=timedelta(minutes=5),
    anchor=_ANCHOR + timedelta(seconds=95),
)
"""Exports what was published since its last run. The worker's sweep switches it on while ADPULSE_EXPORT_TO is set."""


def table() -> list[DeploymentSpec]:
    """Every deployment."""
    specs = []
    for provider in PLATFORMS:
        specs += [_scheduled(provider, frequency) for frequency in SCHEDULED]
        specs += [_on_demand(provider, lane) for lane in ON_DEMAND_LANES]
    return [*specs, BACKUP, EXPORT, RECONCILE]


def _scheduled(provider: Provider, frequency: Frequency) -> DeploymentSpec:
    return DeploymentSpec(
        name=f"{provider}-{frequency}",
        entrypoint=platform_of(provider).entrypoint,
        provider=provider,
        frequency=frequency,
        queue=Lane.REALTIME if frequency is Frequency.REALTIME else Lane.SCHEDULED,
        interval=frequency.interval,
        anchor=_ANCHOR + timedelta(seconds=_STAGGER[frequency]) + platform_of(provider).tick_delay,
    )


def _on_demand(provider: Provider, lane: Lane) -> DeploymentSpec:
    return DeploymentSpec(name=f"{provider}-{lane}", entrypoint=platform_of(provider).entrypoint, provider=provider, queue=lane)
