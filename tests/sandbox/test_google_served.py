"""What the sandbox refuses because its world lacks it, and what it answers beyond what sources show."""

from pathlib import Path

import pytest

from adpulse_sandbox.basis import HEADER
from adpulse_sandbox.google import served

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"

WEEK = "segments.date DURING LAST_7_DAYS"
MESSAGES = (
    "ad_group_ad.ad.app_ad.mandatory_ad_text",
    "ad_group_ad.ad.responsive_display_ad.long_headline",
    "ad_group_ad.ad.display_upload_ad.media_bundle",
    "ad_group_ad.ad.legacy_app_install_ad",
)


@pytest.mark.parametrize(
    ("query", "feature"),
    [
        ("SELECT metrics.clicks FROM geographic_view", "the resource geographic_view"),
        ("SELECT segments.product_item_id, metrics.clicks FROM shopping_performance_view", "the resource shopping_performance_view"),
        ("SELECT click_view.gclid FROM click_view WHERE segments.date DURING YESTERDAY", "the resource click_view"),
        ("SELECT user_interest.name FROM user_interest", "the resource user_interest"),
        ("SELECT carrier_constant.name FROM carrier_constant", "the resource carrier_constant"),
        ("SELECT segments.click_type, metrics.clicks FROM campaign", "the segment segments.click_type of campaign"),
        ("SELECT campaign.id FROM campaign_budget", "fields of campaign with the resource campaign_budget"),
    ],
)
def test_what_the_world_lacks_is_refused_and_counted(alpenglow, standing, query, feature):
    assert alpenglow.refused(query) == ("request_error", "UNKNOWN")
    assert ("google", "search_stream", feature) in {(gap["platform"], gap["request"], gap["feature"]) for gap in standing.gaps.as_json()}


def test_what_is_served_and_what_is_not_is_on_the_page():
    page = PAGE.read_text()
    names = (*served._VIEWS, *served._CONSTANTS, *served._UNSERVED, *served._UNSERVED_SEGMENTS)

    assert [name for name in names if f"`{name}`" not in page] == []


def test_what_no_customer_has_is_empty(alpenglow):
    queries = (
        f"SELECT ad_group.id, segments.device, metrics.clicks FROM display_keyword_view WHERE {WEEK}",
        "SELECT campaign.id, ad_group_criterion.criterion_id FROM topic_view",
        "SELECT ad_group.id, label.name FROM ad_group_ad_label",
        "SELECT audience.id, audience.exclusion_dimension FROM audience",
    )

    assert [alpenglow.rows(query) for query in queries] == [[]] * 4


def test_a_message_is_selected_as_a_whole_and_not_by_its_fields(alpenglow):
    rows = alpenglow.rows(f"SELECT {', '.join(MESSAGES)} FROM ad_group_ad LIMIT 1")

    assert rows[0].keys() == {"ad_group_ad.resource_name", "ad_group_ad.ad.resource_name"}
    assert alpenglow.refused("SELECT ad_group_ad.ad.app_ad.mandatory_ad_text.text FROM ad_group_ad") == (
        "query_error",
        "UNRECOGNIZED_FIELD",
    )


def test_the_contact_of_a_lead_is_selected_as_a_whole_and_not_by_its_fields(alpenglow):
    assert alpenglow.rows("SELECT local_services_lead.id, local_services_lead.contact_details FROM local_services_lead") == []
    assert alpenglow.refused("SELECT local_services_lead.contact_details.email FROM local_services_lead") == (
        "query_error",
        "UNRECOGNIZED_FIELD",
    )


def test_metrics_that_follow_from_others_are_computed(pacific):
    fields = "engagement_rate, metrics.engagements, metrics.impressions, metrics.trueview_average_cpv, metrics.cost_micros"
    (row,) = pacific.rows(f"SELECT metrics.{fields}, metrics.interaction_event_types, metrics.gmail_saves FROM customer WHERE {WEEK}")

    assert row["metrics.engagement_rate"] == row["metrics.engagements"] / row["metrics.impressions"] > 0
    assert row["metrics.trueview_average_cpv"] == row["metrics.cost_micros"] / row["metrics.engagements"]
    assert (len(row["metrics.interaction_event_types"]), row["metrics.gmail_saves"]) == (2, 0)


@pytest.mark.parametrize(
    ("query", "basis"),
    [
        (f"SELECT metrics.clicks, metrics.conversions FROM campaign WHERE {WEEK}", "documented"),
        (f"SELECT metrics.clicks, metrics.engagement_rate FROM campaign WHERE {WEEK}", "inferred"),
        (f"SELECT metrics.search_impression_share FROM campaign WHERE {WEEK}", "inferred"),
        ("SELECT segments.hour, metrics.clicks FROM ad_group_ad WHERE segments.date DURING TODAY", "inferred"),
        ("SELECT segments.hour, metrics.clicks FROM campaign WHERE segments.date DURING TODAY", "documented"),
    ],
)
def test_an_answer_without_a_source_is_inferred(rest, query, basis):
    assert rest.stream(query).headers[HEADER] == basis


def test_a_budget_is_not_split_by_device(alpenglow):
    query = "SELECT segments.device, metrics.clicks FROM campaign_budget"

    assert alpenglow.refused(query) == ("query_error", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE")
