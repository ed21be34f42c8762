"""The calls that reading whole days takes. Pure. Step: plan."""

from datetime import timedelta

from adpulse.model import FetchKind
from adpulse.platforms.base import Costs
from adpulse.platforms.registry import platform_of


def cost_of_days(costs: Costs, days: int) -> int:
    """Calls to read these many consecutive days completely."""
    return sum(costs.read(kind, days) for kind in platform_of(costs.provider).metric_kinds)


def cost_of_account(costs: Costs, days: int) -> int:
    """Calls to read the account's totals of these many consecutive days; 0 where they are not read."""
    return 0 if platform_of(costs.provider).account_totals_age is None else costs.read(FetchKind.ACCOUNT, days)


def cost_of_totals(costs: Costs, days: int) -> int:
    """Calls of an hourly read of totals: of the campaigns and, where it is not read less often, of the account."""
    age = platform_of(costs.provider).account_totals_age
    return costs.read(FetchKind.CAMPAIGNS, days) + (cost_of_account(costs, days) if age == timedelta(0) else 0)
