"""What reads cost on each platform: upper bounds of calls, before they are made. Pure. Step: plan.

Meta answers in pages of rows; with Google one query is one call, whatever its size and range.
"""

from dataclasses import dataclass
from typing import Protocol

from adpulse.model import Connection, FetchKind, Provider

CALLS_PER_LEG = 40
"""Most calls for older days in one leg in the background: numbers appear as they come, and other accounts get their turn."""

LOOKUP_EDGE_CALLS, LOOKUP_BY_ID = 3, 10
"""Most calls of one lookup with Meta: for each of its three edges, and by id."""

_GROWTH = 1.05
"""Ads created since the last walk: the cost of a piece must stay an upper bound."""

_LONGEST_PIECE = 31
_MOST_ROWS = 100_000
"""Leaves times days that Google is asked for at once, and in one leg: a worker holds them in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much an account holds, as of the last full walk, or as its numbers show before the first one; None: nothing was read."""

    ads: int | None
    campaigns: int | None = None
    asset_groups: int | None = None

    @classmethod
    def of(cls, connection: Connection) -> "Size":
        """A connection's size. Before the first walk it is estimated: pages are rows with delivery, so what delivers is what costs."""
        if connection.ad_count is None:
            ads, campaigns = connection.delivering_ads, connection.delivering_campaigns
            return cls(ads=ads, campaigns=campaigns, asset_groups=connection.asset_group_count)
        return cls(ads=connection.ad_count, campaigns=connection.campaign_count, asset_groups=connection.asset_group_count)


class Costs(Protocol):
    """What one account's reads cost; every number of calls is an upper bound unless it is called an estimate."""

    @property
    def provider(self) -> Provider:
        """Whose account it is."""
        ...

    @property
    def full_walk(self) -> int:
        """Calls to read every entity."""
        ...

    @property
    def changed_walk(self) -> int:
        """Calls to read the entities that changed."""
        ...

    @property
    def usual_changed_walk(self) -> float:
        """Estimate of what reading the changed entities takes on average."""
        ...

    @property
    def lookup(self) -> int:
        """Calls to find out what became of the entities that a report lacks."""
        ...

    @property
    def per_leg(self) -> int:
        """Most calls for older days in one leg in the background."""
        ...

    def __hash__(self) -> int:
        """Equal costs are one key of what was worked out before."""
        ...

    def read(self, kind: FetchKind, days: int) -> int:
        """Calls to read these many consecutive days; 0 if the platform has no such read."""
        ...

    def longest(self, days: int, calls: int) -> int:
        """How many of ``days`` consecutive older days may be read in one piece of at most so many calls; always one."""
        ...


def whole(costs: Costs, days: int) -> int:
    """Calls to read everything about these many consecutive days."""
    return sum(costs.read(kind, days) for kind in costs.provider.metric_kinds)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaCosts:
    """Pages of one row per entity and day."""

    size: Size
    page_size: int
    provider: Provider = Provider.META
    changed_walk: int = 3
    usual_changed_walk: float = 3.0
    lookup: int = 3 * LOOKUP_EDGE_CALLS + LOOKUP_BY_ID
    per_leg: int = CALLS_PER_LEG

    @property
    def full_walk(self) -> int:
        """Campaigns, and the pages of ad sets and ads."""
        return self.changed_walk - 1 + self._pages(self.size.ads, 1) * 2

    def read(self, kind: FetchKind, days: int) -> int:
        """One page while the size is unknown."""
        if kind is FetchKind.CATEGORIES:
            return 0
        return self._pages(self.size.ads if kind is FetchKind.ADS else self.size.campaigns, days)

    def longest(self, days: int, calls: int) -> int:
        """As long as its pages allow for."""
        longest = 1
        while longest < days and whole(self, longest + 1) <= calls:
            longest += 1
        return longest

    def _pages(self, entities: int | None, days: int) -> int:
        return max(1, -(-int((entities or 0) * _GROWTH * days) // self.page_size))


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleCosts:
    """Queries: of ads and, where there are any, of asset groups; memory alone limits what one may ask for."""

    size: Size
    provider: Provider = Provider.GOOGLE
    full_walk: int = 4
    changed_walk: int = 5
    usual_changed_walk: float = 1.5
    """What changed is one query, and half of the time something did: then one more for each kind of entity."""
    lookup: int = 0
    """Nothing is looked up: reports tell the numbers of what was removed."""

    @property
    def per_leg(self) -> int:
        """As many pieces as their rows allow for."""
        pieces = _MOST_ROWS // (self._leaves * self.longest(_LONGEST_PIECE, 0))
        return whole(self, 1) * max(1, pieces)

    def read(self, kind: FetchKind, days: int) -> int:  # noqa: ARG002 - with Google a range costs what a day does
        """Campaign totals are two queries: with and without the split of conversions."""
        leaves = 1 if self.size.asset_groups == 0 else 2
        return 2 if kind is FetchKind.CAMPAIGNS else leaves

    def longest(self, days: int, calls: int) -> int:  # noqa: ARG002 - a shorter piece costs no less
        """As long as its rows allow for, a month at most."""
        return max(1, min(days, _LONGEST_PIECE, _MOST_ROWS // self._leaves))

    @property
    def _leaves(self) -> int:
        return max(1, int(((self.size.ads or 0) + (self.size.asset_groups or 0)) * _GROWTH))


def costs_of(provider: Provider, size: Size, page_size: int) -> Costs:
    """What reads of an account of this size cost; ``page_size`` is Meta's."""
    return GoogleCosts(size=size) if provider is Provider.GOOGLE else MetaCosts(size=size, page_size=page_size)
