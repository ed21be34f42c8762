"""Campaigns whose numbers only the account's totals hold: what is asked about them, and what was answered. Pure. Step: fetch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import pyarrow as pa

from adpulse.entity_names import MetricsAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedSearch:
    """Which campaigns are asked for by their ids, in at most so many ``calls``.

    ``known`` are stored campaigns that the reports leave out, most likely first; of those in ``settled`` it is known that they were
    deleted. ``listed`` are those that the reports have. ``since``: from when on the account's changes are read for the ids of campaigns
    that nobody stored; None where they are not. ``unlisted_statuses``: those of campaigns that reports leave out.
    """

    known: Sequence[str]
    settled: frozenset[str]
    listed: frozenset[str]
    unlisted_statuses: frozenset[str]
    since: datetime | None
    calls: int


class DeletedCampaigns(NamedTuple):
    """ENTITY_SCHEMA rows of what was found, and the totals of its days."""

    entities: pa.Table
    totals: MetricsAnswer | None
