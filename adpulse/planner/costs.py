"""The calls that reading whole days takes. Pure. Step: plan."""

from adpulse.model import Connection, FetchKind
from adpulse.platforms.base import Costs, Size
from adpulse.platforms.registry import platform_of
from adpulse.settings import Settings


def costs_of(connection: Connection, settings: Settings) -> Costs:
    """What reads of a connection cost, by what its account has and the pages that are requested."""
    platform = platform_of(connection.provider)
    return platform.costs(Size.of(connection), platform.page_size(settings.of(platform)))


def cost_of_days(costs: Costs, days: int) -> int:
    """Calls to read these many consecutive days completely."""
    return sum(costs.read(kind, days) for kind in platform_of(costs.provider).metric_kinds)


def cost_of_account(costs: Costs, days: int) -> int:
    """Calls to read the account's totals of these many consecutive days; 0 where they are not read."""
    return 0 if platform_of(costs.provider).account_totals_age is None else costs.read(FetchKind.ACCOUNT, days)


def cost_of_totals(costs: Costs, days: int) -> int:
    """Calls of an hourly read of totals: of the campaigns and, where its totals come with each of them, of the account."""
    return costs.usual(FetchKind.CAMPAIGNS, days) + (0 if _read_daily(costs) else cost_of_account(costs, days))


def cost_of_yesterday(costs: Costs) -> int:
    """Calls that the leaves of yesterday take beside those of today."""
    return costs.usual(FetchKind.ADS, 2) - costs.usual(FetchKind.ADS, 1)


def cost_of_daily_totals(costs: Costs) -> int:
    """Calls a day for today's totals of the account where they are read once a day."""
    return cost_of_account(costs, 1) if _read_daily(costs) else 0


def _read_daily(costs: Costs) -> bool:
    return bool(platform_of(costs.provider).account_totals_age)
