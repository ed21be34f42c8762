"""The parameters of Meta's insights reports. Pure. Step: fetch."""

from typing import Any

from adpulse.metrics_request import CampaignRange, FieldGroup, MetricsRequest
from adpulse.model import Connection, FetchKind, Level
from adpulse.platforms.meta.metrics import ACTION_FIELDS, DELIVERY_FIELDS
from adpulse.platforms.meta.statuses import report_filter

EDGE = "insights"
_FIELDS = {
    FieldGroup.ALL: (*DELIVERY_FIELDS, *ACTION_FIELDS),
    FieldGroup.DELIVERY: DELIVERY_FIELDS,
    FieldGroup.ACTIONS: ACTION_FIELDS,
}


def level_of(kind: FetchKind) -> Level:
    """Of what the rows are."""
    return Level.AD if kind is FetchKind.ADS else Level.CAMPAIGN


def parameters(connection: Connection, request: MetricsRequest) -> dict[str, Any]:
    """Everything but the page. The names cost no call (Insights API, "Fields": ``ad_name``, ``adset_name``, ``campaign_name``)."""
    level = level_of(request.kind)
    ids = "campaign_id,campaign_name"
    if level is Level.AD:
        ids = f"ad_id,ad_name,adset_id,adset_name,{ids}"
    params = {
        "level": level.value,
        "fields": ",".join((ids, *_FIELDS[request.fields])),
        "time_increment": 1,
        "time_range": {"since": request.since.isoformat(), "until": request.until.isoformat()},
    }
    filters = [*report_filter(level, connection.filters.of(level)), *_campaign_filter(request.campaigns)]
    return params | ({"filtering": filters} if filters else {})


def _campaign_filter(campaigns: CampaignRange) -> list[dict[str, Any]]:
    if campaigns.is_whole:
        return []
    operator, ids = ("NOT_IN", campaigns.without) if campaigns.only is None else ("IN", campaigns.only)
    return [{"field": "campaign.id", "operator": operator, "value": list(ids)}]
