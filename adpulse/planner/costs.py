"""The calls that reading whole days takes. Pure. Step: plan."""

from adpulse.platforms.base import Costs
from adpulse.platforms.registry import platform_of


def cost_of_days(costs: Costs, days: int) -> int:
    """Calls to read everything about these many consecutive days."""
    return sum(costs.read(kind, days) for kind in platform_of(costs.provider).metric_kinds)
