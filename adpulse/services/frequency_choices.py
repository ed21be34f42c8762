"""How often a connection would really be read at each frequency, before anybody chooses it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from adpulse.bootstrap import App
from adpulse.frequency import Frequency
from adpulse.model import Connection, ConnectionStatus
from adpulse.planner.cadence import Cadence, cadence
from adpulse.planner.costs import costs_of
from adpulse.planner.demand import Demand, demand
from adpulse.planner.scopes import ScopeLimit
from adpulse.planner.shares import Shares, divide
from adpulse.platforms.base import Costs, Size
from adpulse.platforms.registry import platform_of
from adpulse.settings import Settings


def cadences_of_choices(
    app: App, connections: Iterable[Connection], frequencies: Sequence[Frequency]
) -> dict[str, dict[Frequency, Cadence]]:
    """The cadence that each connection would have at each of these frequencies while all others stay as they are, by its id.

    It is what the planner reports of the connection once the frequency is chosen: the same costs, shares and cadence.
    """
    demands, part, moved = cache(app.demands), app.parts_of_hours(), cache(_divided)

    def of(connection: Connection) -> dict[Frequency, Cadence]:
        costs, own = costs_of(connection, app.settings), part(connection.ledger_key)
        limit = app.scopes.of(connection.scope)
        if limit is None:
            return {frequency: cadence(frequency, costs, own, None) for frequency in frequencies}
        # What is divided is counted in rounded sizes, as the planner groups thousands of connections by them.
        listed, hour = _rounded_costs(app.settings, connection), app.settings.calls_per_hour
        is_counted = connection.status is ConnectionStatus.ACTIVE
        present = demand(connection.frequency, listed, hour) if is_counted else None
        groups = frozenset(demands(connection.scope).items())
        shares = {frequency: moved(limit, groups, present, demand(frequency, listed, hour)) for frequency in frequencies}
        return {frequency: cadence(frequency, costs, own, shares[frequency].of(demand(frequency, costs, own))) for frequency in frequencies}

    return {connection.id: of(connection) for connection in connections}


def _divided(limit: ScopeLimit, groups: frozenset[tuple[Demand, int]], present: Demand | None, wanted: Demand) -> Shares:
    """The limit divided after one connection changed its demand; it is a new one if it has none at present."""
    changed = Counter(dict(groups))
    if present is not None:
        changed[present] -= 1
    changed[wanted] += 1
    return divide(limit, +changed)


def _rounded_costs(settings: Settings, connection: Connection) -> Costs:
    platform = platform_of(connection.provider)
    page_size = platform.page_size(settings.of(platform))
    return platform.costs(_rounded(Size.of(connection), page_size), page_size)


def _rounded(size: Size, step: int) -> Size:
    """The size as the storage groups connections by it."""

    def up(count: int | None) -> int | None:
        return None if count is None else -(-count // step) * step

    return replace(
        size,
        ads=up(size.ads),
        campaigns=up(size.campaigns),
        asset_groups=0 if size.asset_groups == 0 else 1,
        delivering_ads=up(size.delivering_ads),
        delivering_campaigns=up(size.delivering_campaigns),
    )
