"""What reads of a Meta ad account cost, in calls: pages of one row per entity and day. Pure. Step: plan."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from adpulse.model import FetchKind, Provider
from adpulse.platforms.base import CALLS_PER_LEG, GROWTH, Size

NAME = Provider("meta")
LOOKUP_EDGE_CALLS, LOOKUP_BY_ID = 3, 10
"""Most calls of one lookup: for each of the three edges, and by id."""

DELETED_CAMPAIGN_CALLS = 10
"""Most calls of one search for deleted campaigns: of the account's activities, and of each campaign by its id. No hour keeps room for them
beside that of a lookup: both are seldom, and a search takes what is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaCosts:
    """Pages of one row per entity and day; pages of ``page_size`` rows where the account has reached no size of its own."""

    size: Size
    page_size: int
    provider: Provider = NAME
    changed_walk: int = 3
    usual_changed_walk: float = 3.0
    lookup: int = 3 * LOOKUP_EDGE_CALLS + LOOKUP_BY_ID
    per_leg: int = CALLS_PER_LEG

    @property
    def full_walk(self) -> int:
        """Campaigns, and the pages of ad sets and ads."""
        return self.changed_walk - 1 + _pages(int((self.size.ads or 0) * GROWTH), self.size.page_sizes.walk or self.page_size) * 2

    def read(self, kind: FetchKind, days: int) -> int:
        """One page while the size is unknown."""
        return self._read({FetchKind.ADS: self.size.ads, FetchKind.CAMPAIGNS: self.size.campaigns}, kind, days * GROWTH)

    def usual(self, kind: FetchKind, days: int) -> int:
        """Every entity counts while it is unknown what delivers. Rows that came since are no reason to reckon with another page."""
        size = self.size
        ads = size.ads if size.delivering_ads is None else size.delivering_ads
        campaigns = size.campaigns if size.delivering_campaigns is None else size.delivering_campaigns
        return self._read({FetchKind.ADS: ads, FetchKind.CAMPAIGNS: campaigns}, kind, days)

    def _read(self, entities: Mapping[FetchKind, int | None], kind: FetchKind, days: float) -> int:
        if kind is FetchKind.CATEGORIES:
            return 0
        return _pages(int((entities.get(kind, 1) or 0) * days), self.size.page_sizes.report or self.page_size)

    def longest(self, days: int, calls: int) -> int:
        """As long as its pages allow for, which never get fewer with the days."""
        return 1 + bisect_right(range(2, days + 1), calls, key=self._both)

    def _both(self, days: int) -> int:
        return self.read(FetchKind.ADS, days) + self.read(FetchKind.CAMPAIGNS, days)


def _pages(rows: int, page: int) -> int:
    return max(1, -(-rows // page))
