"""How a limit that many connections share is divided among them. Pure, and as fast for thousands as for one. Step: plan.

The rule: half of the limit is shared equally by all connections. What remains goes first to realtime connections, in equal parts up to
their need, then to the others likewise. A part that a connection does not need goes to the next ones. A twentieth is reserved for
discovery and for syncs on demand.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from adpulse.frequency import Frequency
from adpulse.planner.demand import Demand
from adpulse.planner.scopes import ScopeLimit

RESERVE = 0.05
"""Part of a limit that no share is made of: discovery of accounts, syncs on demand, repeated calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The calls of one connection in the limit's window, and how many connections share the limit."""

    calls: float
    limit: ScopeLimit
    connections: int

    @property
    def per_day(self) -> float:
        """Calls a day."""
        return self.calls * self.limit.windows_per_day


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A limit divided: calls a day for every connection up to its need, on top for realtime connections and for the others, and spare."""

    limit: ScopeLimit
    connections: int
    equal: float
    realtime: float
    others: float
    spare: float

    def of(self, demand: Demand) -> Share:
        """The share of a connection with this demand."""
        base = min(demand.needed, self.equal)
        top = self.realtime if demand.frequency is Frequency.REALTIME else self.others
        calls = base + min(demand.needed - base, top) + self.spare
        return Share(calls=calls / self.limit.windows_per_day, limit=self.limit, connections=self.connections)


def divide(limit: ScopeLimit, groups: Mapping[Demand, int]) -> Shares:
    """Divide the limit among these connections: how many there are of each demand."""
    rest = limit.calls * limit.windows_per_day * (1 - RESERVE)
    equal, unused = _pour(rest / 2, [(demand.needed, count) for demand, count in groups.items()])
    rest = rest / 2 + unused
    wanting = {demand: demand.needed - min(demand.needed, equal) for demand in groups}
    levels = []
    for realtime in (True, False):
        wants = [(wanting[demand], count) for demand, count in groups.items() if (demand.frequency is Frequency.REALTIME) is realtime]
        level, rest = _pour(rest, wants)
        levels.append(level)
    connections = sum(groups.values())
    return Shares(
        limit=limit,
        connections=connections,
        equal=equal,
        realtime=levels[0],
        others=levels[1],
        spare=rest / connections if connections else rest,
    )


def _pour(amount: float, wants: Iterable[tuple[float, int]]) -> tuple[float, float]:
    """The level up to which every want is met so that ``amount`` is enough, and what is left when all are met."""
    wants = sorted(wants)
    waiting = sum(count for _, count in wants)
    for want, count in wants:
        if want * waiting > amount:
            return amount / waiting, 0.0
        amount -= want * count
        waiting -= count
    return math.inf, amount
