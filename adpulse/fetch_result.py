"""What a fetch brought. Steps: fetch, diff."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa

from adpulse import entity_names, refused_table
from adpulse.campaign_range import NO_CAMPAIGNS, CampaignRange
from adpulse.model import CompleteRead, Fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """The answer of a fetch that began at ``fetched_at``: METRIC_SCHEMA rows (with ``names``) or ENTITY_SCHEMA rows.

    It is complete for the campaigns of the fetch on each of its days but those in ``unread``; of these it is complete for the campaigns in
    ``parts``. Beyond that rows are stored as well, but a row that is missing says nothing.
    ``refused`` are rows of the answer that are not in the table: what is stored of them stays.
    """

    fetch: Fetch
    fetched_at: datetime
    table: pa.Table
    names: pa.Table = field(default_factory=entity_names.SCHEMA.empty_table)
    refused: pa.Table = field(default_factory=refused_table.SCHEMA.empty_table)
    unread: frozenset[date] = frozenset()
    parts: Mapping[date, CampaignRange] = field(default_factory=dict)

    @property
    def coverage(self) -> dict[date, CampaignRange]:
        """The days, oldest first, and the campaigns of each that it is complete for; none for a fetch without dates."""
        ranges = {day: self.parts.get(day, NO_CAMPAIGNS) if day in self.unread else self.fetch.campaigns for day in self.fetch.days}
        return {day: campaigns for day, campaigns in ranges.items() if not campaigns.is_empty}

    @property
    def days(self) -> tuple[date, ...]:
        """The days that it is complete for with every campaign, oldest first; none for a fetch without dates."""
        return tuple(day for day, campaigns in self.coverage.items() if campaigns.is_whole)

    @property
    def complete(self) -> CompleteRead:
        """What of it was read completely, with every campaign."""
        return CompleteRead(self.fetch.kind, self.days, self.fetched_at)
