"""What the sandbox cannot answer although Google would.

An entity of which the world has none, such as a label of an ad group, is an empty answer and true. A report that splits the delivery in
a way that the world does not know, such as by place or by product, would be a false one, so it is refused.
"""

from adpulse_sandbox.google.errors import unsupported

_VIEWS = ("keyword_view", "display_keyword_view", "topic_view", "hotel_group_view", "hotel_performance_view")
"""The views that are served: keywords, and what the world's campaigns do not target (display keywords, topics, hotels), which is empty."""

_CONSTANTS = ("geo_target_constant", "language_constant", "currency_constant", "product_category_constant")
_UNSERVED = ("video", "campaign_search_term_insight", "customer_search_term_insight", "user_interest", "life_event", "detailed_demographic")
_UNSERVED_SEGMENTS = (
    "segments.click_type", "segments.slot", "segments.conversion_lag_bucket", "segments.conversion_attribution_event_type",
    "segments.budget_campaign_association_status.campaign", "segments.budget_campaign_association_status.status",
)  # fmt: skip
"""Segments that split the delivery of the world's resources on the platform; reports of public clients select them."""


def check_resource(resource: str) -> None:
    """Refuse a resource in FROM that the world has no rows of, and the platform has.

    Raises:
        AdsError: it is refused as unsupported.
    """
    view = resource.endswith("_view") and resource not in _VIEWS
    constant = resource.endswith("_constant") and resource not in _CONSTANTS
    if view or constant or resource in _UNSERVED:
        raise unsupported(f"the resource {resource}")


def check_segment(name: str, resource: str) -> None:
    """Refuse a segment by which the world's numbers are not split.

    Raises:
        AdsError: it is refused as unsupported.
    """
    if name in _UNSERVED_SEGMENTS:
        raise unsupported(f"the segment {name} of {resource}")


def check_attributed(owner: str, resource: str) -> None:
    """Refuse fields of another resource that Google joins and the world does not: the campaigns of a budget, which are several.

    Raises:
        AdsError: it is refused as unsupported.
    """
    if (resource, owner) == ("campaign_budget", "campaign"):
        raise unsupported("fields of campaign with the resource campaign_budget")
