"""What Google is asked: the fields of the hierarchy and of the reports, in its query language. Pure. Step: fetch."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from adpulse.model import Connection, Level

PROFILE = ("id", "descriptive_name", "currency_code", "time_zone", "manager", "status")
"""What is asked about a customer, below ``customer`` or ``customer_client``."""

_CHANGE_OVERLAP = timedelta(minutes=5)
"""Changes show up to three minutes late."""

_CHANGES_REACH = timedelta(days=91)
_DAY = timedelta(days=1)


class Kind(NamedTuple):
    """A resource of the hierarchy, and which field is what of it; what has no other meaning is an attribute."""

    resource: str
    fields: Mapping[str, str]


HIERARCHY: Mapping[Level, Kind] = {
    Level.CAMPAIGN: Kind(
        "campaign",
        {
            "id": "campaign.id",
            "name": "campaign.name",
            "status": "campaign.status",
            "objective": "campaign.advertising_channel_type",
            "channel_sub_type": "campaign.advertising_channel_sub_type",
            "bidding_strategy_type": "campaign.bidding_strategy_type",
            "budget_micros": "campaign_budget.amount_micros",
            "primary_status": "campaign.primary_status",
            "final_url_suffix": "campaign.final_url_suffix",
            "tracking_url_template": "campaign.tracking_url_template",
            "labels": "campaign.labels",
        },
    ),
    Level.AD_GROUP: Kind(
        "ad_group",
        {
            "id": "ad_group.id",
            "parent": "campaign.id",
            "name": "ad_group.name",
            "status": "ad_group.status",
            "objective": "ad_group.type",
            "primary_status": "ad_group.primary_status",
            "cpc_bid_micros": "ad_group.cpc_bid_micros",
            "labels": "ad_group.labels",
        },
    ),
    Level.AD: Kind(
        "ad_group_ad",
        {
            "id": "ad_group_ad.ad.id",
            "parent": "ad_group.id",
            "name": "ad_group_ad.ad.name",
            "status": "ad_group_ad.status",
            "type": "ad_group_ad.ad.type",
            "primary_status": "ad_group_ad.primary_status",
            "approval_status": "ad_group_ad.policy_summary.approval_status",
            "ad_strength": "ad_group_ad.ad_strength",
            "final_urls": "ad_group_ad.ad.final_urls",
            "final_url_suffix": "ad_group_ad.ad.final_url_suffix",
            "tracking_url_template": "ad_group_ad.ad.tracking_url_template",
            "labels": "ad_group_ad.labels",
        },
    ),
    Level.ASSET_GROUP: Kind(
        "asset_group",
        {
            "id": "asset_group.id",
            "parent": "campaign.id",
            "name": "asset_group.name",
            "status": "asset_group.status",
            "primary_status": "asset_group.primary_status",
            "ad_strength": "asset_group.ad_strength",
            "final_urls": "asset_group.final_urls",
        },
    ),
}


class Report(NamedTuple):
    """Where numbers of a level come from. ``within`` tells apart rows of one entity and day that add up."""

    level: Level
    resource: str
    fields: Mapping[str, str]
    within: str


ADS = Report(Level.AD, "ad_group_ad", {"id": "ad_group_ad.ad.id", "campaign": "campaign.id"}, "ad_group.id")
ASSET_GROUPS = Report(Level.ASSET_GROUP, "asset_group", {"id": "asset_group.id", "campaign": "campaign.id"}, "asset_group.id")
CAMPAIGNS = Report(Level.CAMPAIGN, "campaign", {"id": "campaign.id", "campaign": "campaign.id"}, "campaign.id")


def leaf_reports(connection: Connection) -> Iterator[Report]:
    """What delivers below campaigns. Performance Max has no ads; without asset groups it needs no query."""
    yield ADS
    if connection.asset_group_count != 0:
        yield ASSET_GROUPS


def gaql(resource: str, fields: Iterable[str], where: str = "", limit: int | None = None) -> str:
    """A query of these fields and nothing else."""
    clauses = [
        f"SELECT {', '.join(fields)}",
        f"FROM {resource}",
        f"WHERE {where}" if where else "",
        f"LIMIT {limit}" if limit else "",
        "PARAMETERS omit_unselected_resource_names = true",
    ]
    return " ".join(filter(None, clauses))


def change_range(since: datetime, connection: Connection) -> tuple[str, str]:
    """From when to when changes are asked for, in the customer's wall clock time; the end is later than now can be.

    Where the clock is put back after the beginning, an hour is told twice: the range begins early enough for both.
    """
    begin = (since - _CHANGE_OVERLAP).astimezone(connection.zone)
    later = (since + _DAY).astimezone(connection.zone)
    put_back = max(begin.utcoffset() - later.utcoffset(), timedelta(0))  # type: ignore[operator] # both are aware
    wall = begin.replace(tzinfo=None) - put_back
    return f"{wall:%Y-%m-%d %H:%M:%S}", f"{wall + _CHANGES_REACH:%Y-%m-%d %H:%M:%S}"
