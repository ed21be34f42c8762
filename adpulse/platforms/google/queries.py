"""The queries to Google: fields of the hierarchy and of the reports, in its query language. Pure. Step: fetch."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from adpulse.metrics_request import MetricsRequest
from adpulse.model import Connection, Level

PROFILE = ("id", "descriptive_name", "currency_code", "time_zone", "manager", "status")
"""The fields of a customer, below ``customer`` or ``customer_client``."""

_CHANGE_OVERLAP = timedelta(minutes=5)
"""Changes show up to three minutes late."""

_DAY = timedelta(days=1)

BUDGET = "campaign_budget"
"""What campaigns spend: a resource of its own, whose changes have a type of their own (ChangeStatusResourceType in the SDK)."""


class Kind(NamedTuple):
    """A resource of the hierarchy and its fields by their meaning; a field without a column of its own is an attribute."""

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
            "headlines": "ad_group_ad.ad.responsive_search_ad.headlines",
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
    """Where numbers of a level come from: of the whole account where no field is the ``campaign``.

    ``within`` tells apart rows of one entity and day that add up.
    ``named``: whose names may be selected beside them: the resource itself and its attributed resources.
    """

    level: Level
    resource: str
    fields: Mapping[str, str]
    within: str
    named: tuple[Level, ...]

    @property
    def name_fields(self) -> list[str]:
        """The fields with the names of its entities and of their parents."""
        kinds = (HIERARCHY[level].fields for level in self.named)
        return [fields[name] for fields in kinds for name in ("id", "parent", "name") if name in fields]


ADS = Report(
    Level.AD,
    "ad_group_ad",
    {"id": "ad_group_ad.ad.id", "campaign": "campaign.id"},
    "ad_group.id",
    (Level.AD, Level.AD_GROUP, Level.CAMPAIGN),
)
ASSET_GROUPS = Report(
    Level.ASSET_GROUP,
    "asset_group",
    {"id": "asset_group.id", "campaign": "campaign.id"},
    "asset_group.id",
    (Level.ASSET_GROUP, Level.CAMPAIGN),
)
CAMPAIGNS = Report(Level.CAMPAIGN, "campaign", {"id": "campaign.id", "campaign": "campaign.id"}, "campaign.id", (Level.CAMPAIGN,))
ACCOUNT = Report(Level.ACCOUNT, "customer", {"id": "customer.id"}, "customer.id", ())
"""The resource ``customer`` has the numbers that the account performance report had (page "Mapping reports to query fields")."""


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


def metrics_condition(request: MetricsRequest) -> str:
    """The condition of a report: its days, and the campaigns if it is not of all of them."""
    days = f"segments.date BETWEEN '{request.since}' AND '{request.until}'"
    campaigns = request.campaigns
    if campaigns.is_whole:
        return days
    operator, ids = ("NOT IN", campaigns.without) if campaigns.only is None else ("IN", campaigns.only)
    return f"{days} AND campaign.id {operator} ({', '.join(ids)})"


def changes(since: datetime, now: datetime, connection: Connection) -> tuple[list[str], str]:
    """Fields and condition of the query for what changed: entities, and the budgets that campaigns spend.

    The range must be finite, and the query limited (ChangeStatusError in the SDK).
    """
    resources = [*(kind.resource for kind in HIERARCHY.values()), BUDGET]
    types = ", ".join(f"'{resource.upper()}'" for resource in resources)
    begin, end = change_range(since, now, connection)
    where = f"change_status.last_change_date_time BETWEEN '{begin}' AND '{end}' AND change_status.resource_type IN ({types})"
    names = [f"change_status.{resource}" for resource in resources]
    return ["change_status.last_change_date_time", *names, "change_status.resource_type"], where


def change_range(since: datetime, now: datetime, connection: Connection) -> tuple[str, str]:
    """The first and last instant of the changes to query, in the customer's wall clock time.

    The range ends a day after ``now``: it must lie within the past 90 days (page "Change Status"), and the SDK's own sample
    ``get_change_details.py`` ends it tomorrow. What happens with later ends is not documented.
    Where the clock is put back after the beginning, an hour occurs twice: the range begins early enough for both.
    """
    begin = (since - _CHANGE_OVERLAP).astimezone(connection.zone)
    later = (since + _DAY).astimezone(connection.zone)
    put_back = max(begin.utcoffset() - later.utcoffset(), timedelta(0))  # type: ignore[operator] # both are aware
    wall = begin.replace(tzinfo=None) - put_back
    return f"{wall:%Y-%m-%d %H:%M:%S}", f"{(now + _DAY).astimezone(connection.zone):%Y-%m-%d %H:%M:%S}"
