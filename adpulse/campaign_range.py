"""Sets of campaigns: what a request asks for, what an answer covers. Pure. Steps: plan, fetch, diff."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignRange:
    """Campaigns of an account: all of them, ``only`` these, or all but these (``without``).

    A split of an account into ranges has one range ``without`` the campaigns of the others, so that a campaign that nobody knows yet is in
    it.
    """

    only: tuple[str, ...] | None = None
    without: tuple[str, ...] = ()

    def __contains__(self, campaign: str) -> bool:
        """Whether it has this campaign."""
        return (self.only is None or campaign in self.only) and campaign not in self.without

    @property
    def is_whole(self) -> bool:
        """Whether it has every campaign."""
        return self.only is None and not self.without

    @property
    def is_empty(self) -> bool:
        """Whether it has no campaign."""
        return self.only is not None and not set(self.only) - set(self.without)

    def union(self, other: "CampaignRange") -> "CampaignRange":
        """The campaigns of either."""
        named, others = _ids(self), _ids(other)
        if self.only is not None and other.only is not None:
            return some_campaigns(named | others)
        if self.only is None and other.only is None:
            return all_campaigns_but(named & others)
        return all_campaigns_but(named - others if self.only is None else others - named)

    def minus(self, other: "CampaignRange") -> "CampaignRange":
        """Its campaigns that the other does not have."""
        named, others = _ids(self), _ids(other)
        if self.only is None:
            return all_campaigns_but(named | others) if other.only is not None else some_campaigns(others - named)
        return some_campaigns(named - others if other.only is not None else named & others)

    def intersection(self, other: "CampaignRange") -> "CampaignRange":
        """The campaigns of both."""
        return self.minus(self.minus(other))


WHOLE_ACCOUNT = CampaignRange()
NO_CAMPAIGNS = CampaignRange(only=())


def some_campaigns(campaigns: Iterable[str]) -> CampaignRange:
    """These campaigns."""
    return CampaignRange(only=tuple(sorted(campaigns)))


def all_campaigns_but(campaigns: Iterable[str]) -> CampaignRange:
    """Every campaign but these."""
    return CampaignRange(without=tuple(sorted(campaigns)))


def _ids(campaigns: CampaignRange) -> frozenset[str]:
    """The campaigns that it names, to have them or to leave them out."""
    without = frozenset(campaigns.without)
    return without if campaigns.only is None else frozenset(campaigns.only) - without
