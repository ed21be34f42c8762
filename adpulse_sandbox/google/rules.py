"""Compatibility of fields as the platform documents it: which resources have metrics, and which segments split which metrics."""

from collections.abc import Iterable

from adpulse_sandbox.google.fields import DATES, Field, Schema

CONVERSION_SEGMENTS = (
    "segments.conversion_action", "segments.conversion_action_category", "segments.conversion_action_name",
    "segments.external_conversion_source",
)  # fmt: skip
"""Segments that are compatible with conversion metrics only."""

_DATE_SEGMENTS = (*DATES, "segments.day_of_week", "segments.month_of_year")
_SPLITS = ("segments.device", "segments.ad_network_type")
_NOT_SPLIT = ("campaign_budget",)
"""Delivering resources without devices and networks, in the list that a public client generated from GoogleAdsFieldService for v21."""

_DELIVERING = ("customer", "campaign", "ad_group", "ad_group_ad", "campaign_budget", "bidding_strategy", "keyword_view")
_WITH_HOURS = ("customer", "campaign", "ad_group", "ad_group_ad")
_WITH_METRICS = (
    *_DELIVERING, "asset_group", "asset_group_asset", "ad_group_asset", "campaign_asset", "customer_asset", "campaign_group", "video",
    "asset_set_asset", "campaign_bid_modifier", "ad_group_bid_modifier", "campaign_search_term_insight", "customer_search_term_insight",
    "conversion_action",
)  # fmt: skip
_WITHOUT_METRICS = ("hotel_reconciliation", "call_view", "ad_group_ad_asset_combination_view", "asset_group_top_combination_view")
_CONVERSION_ONLY = ("conversion_action",)
_CONVERSION_METRICS = (
    "conversions", "conversions_value", "all_conversions", "all_conversions_value", "value_per_conversion", "value_per_all_conversions",
    "conversions_by_conversion_date", "conversions_value_by_conversion_date", "all_conversions_by_conversion_date",
    "all_conversions_value_by_conversion_date", "view_through_conversions",
)  # fmt: skip
_SPECIAL_REPORT_PREFIXES = (
    "absolute_brand", "all_value_adjustment", "asset_pinned", "auction_insight", "brand_lift", "clicks_", "control_", "conversion_l",
    "conversion_value_", "conversions_absolute", "conversions_unique", "cost_micros_", "cost_per_conversion_", "cost_per_incremental",
    "cost_per_lifted", "fractional_", "headroom_", "hotel_", "impressions_", "incremental_", "linked_", "normalized_", "organic_",
    "publisher_", "relative_", "search_lift", "search_volume", "sk_ad_network", "value_adjustment", "vertical_ads", "youtube_", "combined_",
)  # fmt: skip
"""Prefixes of metrics that belong to special reports, which the sandbox does not have."""


def has_metrics(resource: str) -> bool:
    """Whether metrics can be selected with this resource in FROM."""
    return resource in _WITH_METRICS or (resource.endswith("_view") and resource not in _WITHOUT_METRICS)


def metric_allowed(field: Field, resource: str) -> bool:
    """Whether a metric can be selected with this resource in FROM."""
    if not has_metrics(resource) or field.name.removeprefix("metrics.").startswith(_SPECIAL_REPORT_PREFIXES):
        return False
    return resource not in _CONVERSION_ONLY or is_conversion_metric(field.name)


def segment_allowed(name: str, resource: str) -> bool:
    """Whether a segment splits the rows of this resource."""
    if name in _DATE_SEGMENTS or name in CONVERSION_SEGMENTS:
        return has_metrics(resource)
    if name == "segments.hour":
        return resource in _WITH_HOURS
    splits = resource in (*_DELIVERING, "asset_group", "display_keyword_view", "topic_view") and resource not in _NOT_SPLIT
    return name in _SPLITS and splits


def is_conversion_metric(name: str) -> bool:
    """Whether a metric can be split by conversion segments."""
    return name.removeprefix("metrics.") in _CONVERSION_METRICS


def metrics_of(schema: Schema, resource: str) -> list[str]:
    """The metrics that can be selected with this resource in FROM."""
    return [field.name for field in schema.of("metrics") if metric_allowed(field, resource)]


def segments_of(schema: Schema, resource: str) -> list[str]:
    """The segments that split the rows of this resource."""
    return [field.name for field in schema.of("segments") if segment_allowed(field.name, resource)]


def splits_conversions(names: Iterable[str]) -> bool:
    """Whether any of these segments splits conversions by action or category."""
    return any(name in CONVERSION_SEGMENTS for name in names)
