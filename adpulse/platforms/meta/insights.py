"""The parameters of Meta's insights reports. Pure. Step: fetch."""

from typing import Any

from adpulse.attribution import columns_of
from adpulse.campaign_range import CampaignRange
from adpulse.metrics_request import FieldGroup, MetricsRequest
from adpulse.model import Connection, FetchKind, Level
from adpulse.platforms.meta.metrics import RULES, action_fields, delivery_fields
from adpulse.platforms.meta.statuses import report_filter

EDGE = "insights"
_IDS = {
    Level.ACCOUNT: "account_id",
    Level.CAMPAIGN: "campaign_id,campaign_name",
    Level.AD: "ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name",
}


def level_of(kind: FetchKind) -> Level:
    """Of what the rows are."""
    return {FetchKind.ADS: Level.AD, FetchKind.CAMPAIGNS: Level.CAMPAIGN, FetchKind.ACCOUNT: Level.ACCOUNT}[kind]


def parameters(connection: Connection, request: MetricsRequest) -> dict[str, Any]:
    """Everything but the page. The names cost no call (Insights API, "Fields": ``ad_name``, ``adset_name``, ``campaign_name``)."""
    level = level_of(request.kind)
    mapping = connection.mapping or RULES.default
    delivery = () if request.fields is FieldGroup.ACTIONS else delivery_fields(mapping)
    refused = connection.filters.refused_fields
    actions = () if request.fields is FieldGroup.DELIVERY else action_fields(mapping, leaf=level is Level.AD, refused=refused)
    params: dict[str, Any] = {
        "level": level.value,
        "fields": ",".join((_IDS[level], *delivery, *actions)),
        "time_increment": 1,
        "time_range": {"since": request.since.isoformat(), "until": request.until.isoformat()},
    }
    if actions and mapping.attribution:
        # Without ``default`` among them, campaigns and accounts of mixed settings have actions too (page "Ads Action Stats").
        params["action_attribution_windows"] = list(columns_of(mapping.attribution))
    # An account's totals contain objects of every status, deleted ones too (page "Manage your ad object's status", issue 269 of
    # facebook-python-business-sdk; the probe compares both levels); a filter would take them out.
    by_status = [] if level is Level.ACCOUNT else report_filter(level, connection.filters.of(level))
    filters = [*by_status, *_campaign_filter(request.campaigns)]
    return params | ({"filtering": filters} if filters else {})


def _campaign_filter(campaigns: CampaignRange) -> list[dict[str, Any]]:
    if campaigns.is_whole:
        return []
    operator, ids = ("NOT_IN", campaigns.without) if campaigns.only is None else ("IN", campaigns.only)
    return [{"field": "campaign.id", "operator": operator, "value": list(ids)}]
