"""What reads of a Google Ads customer cost, in calls: one query is one call, whatever its size and range. Pure. Step: plan."""

from dataclasses import dataclass

from adpulse.model import FetchKind, Provider
from adpulse.platforms.base import GROWTH, Size

_LONGEST_PIECE = 31
_MOST_ROWS = 100_000
"""Most leaves times days in one query, and in one leg: a worker holds them in memory."""

NAME = Provider("google")
_DATED = (FetchKind.ADS, FetchKind.CATEGORIES, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleCosts:
    """Queries: of ads and, where there are any, of asset groups; memory alone limits what one may ask for."""

    size: Size
    provider: Provider = NAME
    full_walk: int = 4
    changed_walk: int = 5
    usual_changed_walk: float = 1.5
    """What changed is one query, and half of the time something did: then one more for each kind of entity."""
    lookup: int = 0
    """Nothing is looked up: reports contain removed entities."""

    @property
    def per_leg(self) -> int:
        """As many pieces as their rows allow for."""
        pieces = _MOST_ROWS // (self._leaves * self.longest(_LONGEST_PIECE, 0))
        return sum(self.read(kind, 1) for kind in _DATED) * max(1, pieces)

    def read(self, kind: FetchKind, days: int) -> int:  # noqa: ARG002 - with Google a range costs what a day does
        """Campaign totals are two queries, with and without the split of conversions; account totals are one, without it."""
        if kind is FetchKind.ACCOUNT:
            return 1
        leaves = 1 if self.size.asset_groups == 0 else 2
        return 2 if kind is FetchKind.CAMPAIGNS else leaves

    def usual(self, kind: FetchKind, days: int) -> int:
        """What delivers makes no difference."""
        return self.read(kind, days)

    def longest(self, days: int, calls: int) -> int:  # noqa: ARG002 - a shorter piece costs no less
        """As long as its rows allow for, a month at most."""
        return max(1, min(days, _LONGEST_PIECE, _MOST_ROWS // self._leaves))

    @property
    def _leaves(self) -> int:
        return max(1, int(((self.size.ads or 0) + (self.size.asset_groups or 0)) * GROWTH))
