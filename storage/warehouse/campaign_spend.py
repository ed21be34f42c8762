"""What chosen campaigns spent by day, read from a published copy: current numbers, never the history. For budgets."""

from collections.abc import Collection
from datetime import date
from pathlib import Path

from storage.warehouse.analytics import read_together
from storage.warehouse.kept_answers import kept_for_each_copy

_SPEND = """
    SELECT connection_id, campaign_id, date, sum(spend)::BIGINT AS spend
    FROM (
        SELECT connection_id, campaign_id, date, spend FROM metric_facts
        UNION ALL
        SELECT connection_id, campaign_id, date, spend FROM unreported
    )
    WHERE date >= ? AND list_contains(?, connection_id || ' ' || campaign_id)
    GROUP BY ALL
"""
_NAMES = """
    SELECT connection_id, external_id AS campaign_id, any_value(name) AS name
    FROM known_entities
    WHERE level = 'campaign' AND list_contains(?, connection_id || ' ' || external_id)
    GROUP BY ALL
"""

Campaign = tuple[str, str]
"""A connection's id and the campaign's."""


def read_campaign_spend(
    published: Path, campaigns: Collection[Campaign], since: date
) -> tuple[dict[Campaign, dict[date, int]], dict[Campaign, str]]:
    """The campaigns' spend of each day from ``since`` on, in micros, and their names; nothing before the first publication.

    Raises:
        Usage: an older adpulse published the copy.
        WarehouseDamaged: the copy cannot be read.
    """
    return _read(published, frozenset(campaigns), since) if campaigns and published.exists() else ({}, {})


@kept_for_each_copy
def _read(published: Path, campaigns: frozenset[Campaign], since: date) -> tuple[dict[Campaign, dict[date, int]], dict[Campaign, str]]:
    keys = [" ".join(campaign) for campaign in campaigns]
    spend, names = (table.to_pylist() for table in read_together(published, ((_SPEND, [since, keys]), (_NAMES, [keys]))))
    by_day: dict[Campaign, dict[date, int]] = {campaign: {} for campaign in campaigns}
    for row in spend:
        by_day[row["connection_id"], row["campaign_id"]][row["date"]] = row["spend"] or 0
    return by_day, {(row["connection_id"], row["campaign_id"]): row["name"] for row in names if row["name"]}
