"""The table of deployments: provider by frequency, one interval schedule each, and one on demand.

``prefect.yaml`` says the same for Prefect's own tools; a test compares the two.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from adpulse.frequency import SCHEDULED, Frequency
from adpulse.model import Provider

QUEUES = {"realtime": 1, "on-demand": 2, "scheduled": 3, "background": 4}
"""Work queues and their priorities; the lowest number is served first."""

PROVIDERS = (Provider.META,)
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
    """One deployment; ``interval`` and ``anchor`` are None when it has no schedule."""

    name: str
    provider: Provider
    frequency: Frequency | None
    queue: str
    interval: timedelta | None
    anchor: datetime | None

    @property
    def entrypoint(self) -> str:
        """Dotted, so that the flow's module is loaded once and under its own name."""
        return f"flows.{self.provider}_sync.{self.provider}_sync"


def table() -> list[DeploymentSpec]:
    """Every deployment."""
    return [spec for provider in PROVIDERS for spec in (*(_scheduled(provider, each) for each in SCHEDULED), _on_demand(provider))]


def _scheduled(provider: Provider, frequency: Frequency) -> DeploymentSpec:
    return DeploymentSpec(
        name=f"{provider}-{frequency}",
        provider=provider,
        frequency=frequency,
        queue="realtime" if frequency is Frequency.REALTIME else "scheduled",
        interval=frequency.interval,
        anchor=_ANCHOR + timedelta(seconds=_STAGGER[frequency]),
    )


def _on_demand(provider: Provider) -> DeploymentSpec:
    return DeploymentSpec(name=f"{provider}-on-demand", provider=provider, frequency=None, queue="on-demand", interval=None, anchor=None)
