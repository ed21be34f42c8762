"""A day that is too much for one read, in parts: ranges of campaigns whose leaves and totals are read together. Pure. Step: plan.

The parts of a day are drawn when its read begins, stored, and read one after the other, over as many legs as that takes. They are drawn
anew for the next read of the day only, so that all campaigns of a read are in exactly one part. The last part is all other campaigns:
one that appears while the day is read is in it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from adpulse.campaign_range import CampaignRange, all_campaigns_but, some_campaigns
from adpulse.model import FetchKind
from adpulse.platforms.base import CALLS_PER_LEG

MOST_NAMED = 100
"""Campaigns that one request names: their ids fit into a URL, and so many rows of totals onto a page."""

MOST_CALLS = CALLS_PER_LEG
"""Most calls of a part: what is lost when its read fails or its worker dies."""

FIRST_CALLS = 10
"""Most calls for each day of an account whose size nobody knows: what they do not answer is read in parts."""

FIRST_WALK_CALLS = 20
"""Most calls of a walk through the entities of such an account."""

USUAL_LEAVES = 50
"""Leaves that a campaign is taken to have while none of them was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayPart:
    """The campaigns of a part, the calls that its leaves and its totals take, and when it was read completely (business time)."""

    campaigns: CampaignRange
    leaf_calls: int
    total_calls: int
    read_at: datetime | None = None

    @property
    def cost(self) -> int:
        """Calls to read it."""
        return self.leaf_calls + self.total_calls


DayParts = tuple[DayPart, ...]

PartsByDay = Mapping[date, DayParts]
"""The days whose read in parts has begun and is not complete."""

ReadParts = Mapping[tuple[date, CampaignRange], datetime]
"""Parts that were read, with their leaves and their totals, and when."""

PART_KINDS = (FetchKind.ADS, FetchKind.CAMPAIGNS)
"""What is read of a part."""

CallsOf = Callable[[int, int], tuple[int, int]]
"""Calls for the leaves and for the totals of so many leaves and campaigns of a day."""


def draw(leaves: Mapping[str, int], calls_of: CallsOf, campaigns: int, most: int) -> DayParts:
    """The parts of a day.

    Args:
        leaves: how many leaves each campaign has that delivered lately.
        calls_of: what a part costs.
        campaigns: how many campaigns the account has, as far as that is known.
        most: calls of a part at most, unless a single campaign takes more.
    """
    parts = [_part(group, leaves, calls_of) for group in _groups(leaves, calls_of, most)]
    return (*parts, _others(leaves, calls_of, campaigns))


def _groups(leaves: Mapping[str, int], calls_of: CallsOf, most: int) -> Iterable[list[str]]:
    group, total = list[str](), 0
    for campaign in sorted(leaves):
        if group and (len(group) == MOST_NAMED or sum(calls_of(total + leaves[campaign], len(group) + 1)) > most):
            yield group
            group, total = [], 0
        group.append(campaign)
        total += leaves[campaign]
    if group:
        yield group


def _part(group: list[str], leaves: Mapping[str, int], calls_of: CallsOf) -> DayPart:
    leaf_calls, total_calls = calls_of(sum(leaves[campaign] for campaign in group), len(group))
    return DayPart(campaigns=some_campaigns(group), leaf_calls=leaf_calls, total_calls=total_calls)


def _others(leaves: Mapping[str, int], calls_of: CallsOf, campaigns: int) -> DayPart:
    """All other campaigns. Where too many ids would have to be left out, each of its two reads begins with everybody's totals."""
    found_by_totals = len(leaves) > MOST_NAMED
    leaf_calls, total_calls = calls_of(0, max(campaigns, len(leaves)) if found_by_totals else 1)
    return DayPart(
        campaigns=all_campaigns_but(leaves), leaf_calls=leaf_calls + (total_calls if found_by_totals else 0), total_calls=total_calls
    )


def read_until(parts: DayParts) -> datetime | None:
    """Up to when the day is known once its last part was read: the earliest read of its parts. None while one is unread."""
    instants = [part.read_at for part in parts if part.read_at is not None]
    return min(instants) if parts and len(instants) == len(parts) else None


def after(parts: PartsByDay, read: ReadParts) -> dict[date, DayParts]:
    """The parts after these were read."""
    return {
        day: tuple(replace(part, read_at=read.get((day, part.campaigns), part.read_at)) for part in of_day) for day, of_day in parts.items()
    }
