"""Answers to queries of the official SDK: the selected fields, and the true numbers."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta

import pytest
from google.ads.googleads.errors import GoogleAdsException
from google_sdk import Ads, client, code, fields_of
from hypothesis import given, settings
from hypothesis import strategies as st

from adpulse_sandbox import Sandbox
from adpulse_sandbox.google import rules
from adpulse_sandbox.google.fields import DATES, schema
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.meta.world import Change

YESTERDAY = date(2026, 3, 19)
WEEK = "segments.date BETWEEN '2026-03-13' AND '2026-03-19'"
RESOURCES = (
    "customer", "customer_client", "campaign", "campaign_budget", "campaign_criterion", "campaign_label", "ad_group", "ad_group_ad",
    "ad_group_criterion", "keyword_view", "asset", "asset_group", "asset_group_asset", "bidding_strategy", "conversion_action", "label",
    "geo_target_constant", "language_constant", "product_category_constant", "user_list", "recommendation", "topic_view",
    "ad_group_ad_label",
)  # fmt: skip
METRICS = ("impressions", "clicks", "cost_micros", "conversions", "conversions_value", "ctr", "average_cpc", "search_impression_share")
ALWAYS_SET = {f"metrics.{name}" for name in METRICS[:7]}


def micros(value):
    return round(value * 1_000_000)


def truth(ads, since=YESTERDAY, until=YESTERDAY, level="metrics"):
    now = ads.google.truth, ads.customer.id, since, until, datetime(2026, 3, 20, 15, tzinfo=UTC)
    return getattr(now[0], level)(*now[1:]).to_pylist()


def numbers(row):
    """A row's metrics as the truth has them."""
    names = {"impressions": "impressions", "clicks": "clicks", "spend": "cost_micros"}
    floats = {"conversions": "conversions", "revenue": "conversions_value"}
    whole = {metric: row[f"metrics.{field}"] for metric, field in names.items()}
    return whole | {metric: micros(row[f"metrics.{field}"]) for metric, field in floats.items()}


def test_each_day_of_each_ad_and_asset_group_has_the_truths_numbers(alpenglow):
    fields = "segments.date, metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value"
    ads = alpenglow.rows(f"SELECT ad_group_ad.ad.id, campaign.id, {fields} FROM ad_group_ad WHERE {WEEK}")
    groups = alpenglow.rows(f"SELECT asset_group.id, campaign.id, {fields} FROM asset_group WHERE {WEEK}")

    got = {(str(row["ad_group_ad.ad.id"]), str(row["campaign.id"]), row["segments.date"]): numbers(row) for row in ads}
    got |= {(str(row["asset_group.id"]), str(row["campaign.id"]), row["segments.date"]): numbers(row) for row in groups}
    names = ("impressions", "clicks", "spend", "conversions", "revenue")
    rows = truth(alpenglow, date(2026, 3, 13), YESTERDAY)
    assert got == {(row["external_id"], row["campaign_id"], str(row["date"])): {name: row[name] for name in names} for row in rows}
    assert len(got) == len(ads) + len(groups) > 300


def test_campaigns_of_all_channels_sum_to_the_customer_and_to_the_truths_totals(pacific):
    fields = "metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions, metrics.conversions_value"
    rows = pacific.rows(
        f"SELECT campaign.id, campaign.advertising_channel_type, {fields} FROM campaign WHERE segments.date DURING YESTERDAY"
    )
    (whole,) = pacific.rows(f"SELECT {fields} FROM customer WHERE segments.date DURING YESTERDAY")

    got = {str(row["campaign.id"]): numbers(row) for row in rows if numbers(row)["impressions"]}
    sums = Counter()
    for values in got.values():
        sums.update(values)
    expected = {row["external_id"]: row for row in truth(pacific, level="totals")}
    assert got == {campaign: {name: expected[campaign][name] for name in got[campaign]} for campaign in expected}
    assert dict(sums) == numbers(whole)
    assert {row["campaign.advertising_channel_type"] for row in rows} == {
        "SEARCH", "DEMAND_GEN", "VIDEO", "SHOPPING", "MULTI_CHANNEL", "SMART", "PERFORMANCE_MAX",
    }  # fmt: skip


def test_numbers_without_ad_rows_are_in_campaigns_only(pacific):
    spent = "metrics.cost_micros FROM {} WHERE segments.date DURING YESTERDAY"
    in_ads = {row["campaign.id"] for row in pacific.rows("SELECT segments.date, campaign.id, " + spent.format("ad_group_ad"))}
    in_groups = {row["campaign.id"] for row in pacific.rows("SELECT segments.date, campaign.id, " + spent.format("ad_group"))}
    channels = {
        row["campaign.id"]: row["campaign.advertising_channel_type"]
        for row in pacific.rows("SELECT segments.date, campaign.id, campaign.advertising_channel_type, " + spent.format("campaign"))
    }

    assert {channels[campaign] for campaign in channels.keys() - in_ads} == {"MULTI_CHANNEL", "SMART", "PERFORMANCE_MAX"}
    assert {channels[campaign] for campaign in channels.keys() - in_groups} == {"SMART", "PERFORMANCE_MAX"}


@pytest.mark.parametrize(
    "segment", ["segments.hour", "segments.device", "segments.ad_network_type", "segments.week", "segments.day_of_week"]
)
def test_segments_split_the_numbers_without_segments(pacific, segment):
    query = (
        "SELECT {} campaign.id, metrics.impressions, metrics.clicks, metrics.cost_micros, metrics.conversions FROM campaign WHERE " + WEEK
    )
    split, whole = Counter(), Counter()
    for row in pacific.rows(query.format(segment + ",")):
        split.update({(row["campaign.id"], name): micros(value) for name, value in row.items() if name.startswith("metrics.")})
    for row in pacific.rows(query.format("")):
        whole.update({(row["campaign.id"], name): micros(value) for name, value in row.items() if name.startswith("metrics.")})

    assert split == +whole
    assert sum(split.values()) > 0


def test_conversions_by_category_sum_to_the_conversions_and_give_the_truths_four(alpenglow):
    query = (
        f"SELECT segments.date, segments.conversion_action_category, ad_group_ad.ad.id, metrics.conversions FROM ad_group_ad WHERE {WEEK}"
    )
    conversions = Counter()
    for row in alpenglow.rows(query):
        conversions[str(row["ad_group_ad.ad.id"]), row["segments.date"], row["segments.conversion_action_category"]] += micros(
            row["metrics.conversions"]
        )

    leads = ("SUBMIT_LEAD_FORM", "PHONE_CALL_LEAD")
    for row in truth(alpenglow, date(2026, 3, 13), YESTERDAY):
        if row["level"] == "ad":
            by_category = {key[2]: value for key, value in conversions.items() if key[:2] == (row["external_id"], str(row["date"]))}
            assert sum(by_category.values()) == row["conversions"]
            assert sum(by_category.get(name, 0) for name in leads) == row["leads"]
            assert [by_category.get(name, 0) for name in ("PURCHASE", "DOWNLOAD", "PAGE_VIEW")] == [
                row[metric] for metric in ("purchases", "installs", "visitors")
            ]
    assert {"PURCHASE", "PAGE_VIEW", "QUALIFIED_LEAD", *leads} <= {key[2] for key in conversions}


def test_conversions_are_fractional_and_secondary_actions_count_in_all_conversions_only(pacific):
    (row,) = pacific.rows(f"SELECT metrics.conversions, metrics.all_conversions FROM customer WHERE {WEEK}")
    rows = pacific.rows(f"SELECT segments.conversion_action_name, metrics.conversions, metrics.all_conversions FROM customer WHERE {WEEK}")

    assert row["metrics.conversions"] % 1
    assert row["metrics.all_conversions"] > row["metrics.conversions"]
    assert {part["segments.conversion_action_name"] for part in rows if not part["metrics.conversions"]} == {
        "Page view",
        "Add to cart",
    }


def test_rows_of_zeros_are_omitted_only_from_segmented_queries(pacific):
    query = "SELECT {} campaign.id, metrics.clicks FROM campaign WHERE segments.date = '2024-01-01'"

    assert pacific.rows(query.format("segments.date,")) == []
    whole = pacific.rows(query.format(""))
    assert len(whole) == len(pacific.customer.existing("campaign", datetime(2026, 3, 20, 15, tzinfo=UTC)))
    assert {row["metrics.clicks"] for row in whole} == {0}


def test_rows_without_any_selected_metric_are_omitted_from_segmented_queries(alpenglow):
    query = f"SELECT {{}} segments.date, metrics.conversions FROM ad_group_ad WHERE {WEEK}"
    rows, delivered = alpenglow.rows(query.format("")), alpenglow.rows(query.format("metrics.impressions,"))

    assert 0 not in {row["metrics.conversions"] for row in rows}
    assert len(rows) < len(delivered)


def test_segments_without_metrics_have_rows_where_there_was_delivery(alpenglow):
    rows = alpenglow.rows("SELECT segments.hour FROM customer WHERE segments.date DURING TODAY")

    assert sorted(row["segments.hour"] for row in rows) == list(range(16))  # it is 16:00 in Berlin


def test_conversion_segments_without_metrics_have_rows_where_there_were_conversions(pacific):
    rows = pacific.rows(f"SELECT campaign.advertising_channel_type, segments.conversion_action_name FROM campaign WHERE {WEEK}")

    channels = {row["campaign.advertising_channel_type"] for row in rows if row["segments.conversion_action_name"] == "First open"}
    assert channels == {"MULTI_CHANNEL"}


def test_what_delivers_nothing_has_none_of_the_numbers_of_others(alpenglow):
    rows = alpenglow.rows(f"SELECT bidding_strategy.name, metrics.clicks FROM bidding_strategy WHERE {WEEK}")

    assert [(row["bidding_strategy.name"], row["metrics.clicks"] > 0) for row in rows] == [("Portfolio", True), ("Unused portfolio", False)]


def test_removed_entities_keep_their_numbers():
    with Sandbox.start() as sandbox:
        ads = Ads(sandbox.google, "Grand Catalogue")
        fields = "ad_group_ad.ad.id, metrics.impressions"
        rows = ads.rows(f"SELECT {fields} FROM ad_group_ad WHERE ad_group_ad.status = 'REMOVED' AND metrics.impressions > 0")

        assert len(rows) > 50


def test_resource_names_are_returned_with_selected_fields_unless_omitted(alpenglow):
    (row,) = alpenglow.rows("SELECT ad_group_ad.status, campaign.id FROM ad_group_ad LIMIT 1")
    (bare,) = alpenglow.rows("SELECT campaign.id FROM ad_group_ad LIMIT 1 PARAMETERS omit_unselected_resource_names = true")

    assert row.keys() == {"ad_group_ad.resource_name", "ad_group_ad.status", "campaign.resource_name", "campaign.id"}
    assert bare.keys() == {"campaign.id"}


def test_conditions_orderings_and_limits_are_kept(alpenglow):
    query = (
        "SELECT campaign.name, metrics.cost_micros FROM campaign WHERE segments.date DURING LAST_7_DAYS AND campaign.name LIKE 'search%' "
        "AND metrics.cost_micros > 0 AND campaign_budget.amount_micros > 0 ORDER BY metrics.cost_micros DESC, campaign.name"
    )
    rows = alpenglow.rows(query)

    costs = [row["metrics.cost_micros"] for row in rows]
    assert all(row["campaign.name"].startswith("SEARCH") for row in rows)
    assert costs == sorted(costs, reverse=True)
    assert [row["metrics.cost_micros"] for row in alpenglow.rows(query + " LIMIT 3")] == costs[:3]


def test_a_stream_comes_in_several_messages_and_pages_hold_the_same_rows():
    with Sandbox.start(google=Options(page_rows=500)) as sandbox:
        ads = Ads(sandbox.google, "Grand Catalogue")
        query = "SELECT ad_group_ad.ad.id, ad_group.id FROM ad_group_ad"
        messages = ads.stream(query)
        streamed = [row.ad_group_ad.ad.id for message in messages for row in message.results]
        paged = [row.ad_group_ad.ad.id for row in ads.service.search(customer_id=ads.customer.id, query=query)]

        assert [len(message.results) for message in messages] == [500] * (len(messages) - 1) + [len(messages[-1].results)]
        assert len({message.request_id for message in messages}) == 1
        assert len(messages) > 9
        assert paged == streamed
        assert len(set(streamed)) == len(streamed)


def test_pages_of_one_request_have_the_numbers_of_the_first_pages_instant():
    with Sandbox.start(google=Options(page_rows=5)) as sandbox:
        ads = Ads(sandbox.google)
        query = "SELECT campaign.id, metrics.clicks FROM campaign WHERE segments.date DURING TODAY"
        whole = [row.metrics.clicks for row in ads.service.search(customer_id=ads.customer.id, query=query)]
        pages = ads.service.search(customer_id=ads.customer.id, query=query).pages
        rows = [row.metrics.clicks for row in next(pages).results]
        sandbox.clock.advance(3600)
        rows += [row.metrics.clicks for page in pages for row in page.results]

        assert rows == whole
        assert [row.metrics.clicks for row in ads.service.search(customer_id=ads.customer.id, query=query)] != whole


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        ({"page_token": "nonsense"}, ("request_error", "INVALID_PAGE_TOKEN")),
        ({"page_size": 100}, ("request_error", "PAGE_SIZE_NOT_SUPPORTED")),
        ({"validate_only": True, "page_token": "x"}, ("request_error", "VALIDATE_ONLY_REQUEST_HAS_PAGE_TOKEN")),
        (
            {"search_settings": {"return_summary_row": True}},
            ("request_error", "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS"),
        ),
    ],
)
def test_settings_of_search_that_do_not_fit_are_refused(alpenglow, request_, expected):
    with pytest.raises(GoogleAdsException) as caught:
        alpenglow.page("SELECT campaign.id FROM campaign", **request_)

    assert code(caught.value.failure) == expected


def test_a_page_token_is_refused_for_another_query_and_when_it_is_old():
    with Sandbox.start(google=Options(page_rows=5)) as sandbox:
        ads = Ads(sandbox.google)
        token = ads.page("SELECT campaign.id FROM campaign").next_page_token
        codes = []
        for query, hours in (("SELECT campaign.name FROM campaign", 0), ("SELECT campaign.id FROM campaign", 3)):
            sandbox.clock.advance(hours * 3600)
            with pytest.raises(GoogleAdsException) as caught:
                ads.page(query, page_token=token)
            codes.append(code(caught.value.failure)[1])

        assert codes == ["INVALID_PAGE_TOKEN", "EXPIRED_PAGE_TOKEN"]


def test_search_returns_the_summary_and_the_count_and_can_omit_the_rows(alpenglow):
    query = f"SELECT campaign.id, metrics.clicks, metrics.conversions FROM campaign WHERE {WEEK} LIMIT 2"
    settings_ = {"omit_results": True, "return_summary_row": True, "return_total_results_count": True}
    page = alpenglow.page(query, search_settings=settings_)
    (only,) = alpenglow.stream(query, summary_row_setting="SUMMARY_ROW_ONLY")
    (whole,) = alpenglow.rows(f"SELECT metrics.clicks, metrics.conversions FROM customer WHERE {WEEK}")

    all_campaigns = len(list(alpenglow.rows(query.removesuffix(" LIMIT 2"))))
    assert (len(page.results), page.total_results_count, all_campaigns > 2) == (0, all_campaigns, True)
    assert (
        fields_of(page.summary_row.metrics)
        == fields_of(only.summary_row.metrics)
        == {name[8:]: whole[name] for name in whole if "metrics." in name}
    )


def test_a_stream_has_no_summary_without_metrics(alpenglow):
    with pytest.raises(GoogleAdsException) as caught:
        alpenglow.stream("SELECT campaign.id FROM campaign", summary_row_setting="SUMMARY_ROW_WITH_RESULTS")

    assert code(caught.value.failure)[1] == "CANNOT_RETURN_SUMMARY_ROW_FOR_REQUEST_WITHOUT_METRICS"


def test_validate_only_checks_and_returns_no_rows(alpenglow):
    assert len(alpenglow.page("SELECT campaign.id FROM campaign", validate_only=True).results) == 0
    with pytest.raises(GoogleAdsException):
        alpenglow.page("SELECT campaign.nothing FROM campaign", validate_only=True)


def test_change_status_has_the_latest_change_of_each_resource_after_three_minutes():
    with Sandbox.start() as sandbox:
        ads = Ads(sandbox.google, "Grand Catalogue")
        query = (
            "SELECT change_status.last_change_date_time, change_status.resource_type, change_status.resource_status, "
            "change_status.ad_group_ad, campaign.name FROM change_status WHERE change_status.last_change_date_time DURING LAST_7_DAYS "
            "AND change_status.resource_type = 'AD_GROUP_AD' ORDER BY change_status.last_change_date_time LIMIT 10000"
        )
        change_at = min(change.at for ad in ads.customer.of("ad_group_ad") for change in ad.changes if change.at > sandbox.clock.now())
        sandbox.clock.set(change_at + timedelta(minutes=2, seconds=50))
        before = ads.rows(query)
        sandbox.clock.advance(20)
        tomorrow = query.replace("DURING LAST_7_DAYS", ">= '2026-03-13' AND change_status.last_change_date_time <= '2026-03-22'")
        after = ads.rows(tomorrow)

        assert len({row["change_status.ad_group_ad"] for row in after}) == len(after) > len(before)
        last = after[-1]
        assert last["change_status.last_change_date_time"] == change_at.astimezone(ads.customer.zone).strftime("%Y-%m-%d %H:%M:%S.%f")
        assert {row["change_status.resource_status"] for row in after} == {"CHANGED", "REMOVED"}


def test_a_new_budget_is_a_change_of_the_budget_alone():
    with Sandbox.start() as sandbox:
        ads = Ads(sandbox.google, "Grand Catalogue")
        sandbox.clock.advance(60 * 86_400)
        budget = ads.customer.of("campaign_budget")[0]
        object.__setattr__(budget, "changes", (Change(at=sandbox.clock.now(), amount_micros=5_000_000),))
        sandbox.clock.advance(180)
        today = "DURING TODAY ORDER BY {0} LIMIT 10000"
        status = "SELECT change_status.resource_type, change_status.campaign_budget FROM change_status WHERE {0} "
        fields = "change_event.change_resource_type, change_event.changed_fields, change_event.new_resource"
        event = f"SELECT {fields} FROM change_event WHERE {{0}} "

        (changed,) = ads.rows((status + today).format("change_status.last_change_date_time"))
        (happened,) = ads.rows((event + today).format("change_event.change_date_time"))

        assert changed["change_status.resource_type"] == happened["change_event.change_resource_type"] == "CAMPAIGN_BUDGET"
        assert changed["change_status.campaign_budget"].endswith(f"/campaignBudgets/{budget.id}")
        assert list(happened["change_event.changed_fields"].paths) == ["amount_micros"]
        assert happened["change_event.new_resource"].campaign_budget.amount_micros == 5_000_000
        (row,) = ads.rows(f"SELECT campaign_budget.amount_micros FROM campaign_budget WHERE campaign_budget.id = {budget.id}")
        assert row["campaign_budget.amount_micros"] == 5_000_000


def test_change_events_have_the_changed_fields_and_their_new_values():
    with Sandbox.start() as sandbox:
        ads = Ads(sandbox.google, "Grand Catalogue")
        sandbox.clock.advance(2 * 86_400)
        names = "change_resource_type, change_resource_name, resource_change_operation, changed_fields, new_resource, change_date_time"
        fields = ", ".join(f"change_event.{name}" for name in names.split(", "))
        where = "change_event.change_date_time DURING LAST_7_DAYS AND change_event.change_resource_type = 'AD_GROUP'"
        query = f"SELECT {fields} FROM change_event WHERE {where} ORDER BY change_event.change_date_time DESC LIMIT 100"
        rows = ads.rows(query)

        renamed = [row for row in rows if list(row["change_event.changed_fields"].paths) == ["name"]]
        assert {row["change_event.resource_change_operation"] for row in rows} <= {"CREATE", "UPDATE", "REMOVE"}
        assert renamed
        for row in renamed:
            group = row["change_event.new_resource"].ad_group
            assert group.resource_name == row["change_event.change_resource_name"]
            assert group.name.endswith(" v2")


def test_entities_have_their_fields_as_of_now_and_change_with_the_clock():
    with Sandbox.start() as sandbox:
        ads = Ads(sandbox.google, "Grand Catalogue")
        fields = "ad_group_ad.ad.id, ad_group_ad.ad.name, ad_group_ad.status, ad_group_ad.primary_status, ad_group_ad.ad.final_urls"
        for hours in (0, 30):
            sandbox.clock.advance(hours * 3600)
            now = sandbox.clock.now()
            rows = ads.rows(f"SELECT {fields}, campaign.status, ad_group.name FROM ad_group_ad")

            entities = {row["external_id"]: row for row in sandbox.google.truth.entities(ads.customer.id, now).to_pylist()}
            assert {str(row["ad_group_ad.ad.id"]) for row in rows} == {
                entity_id for entity_id, row in entities.items() if row["level"] == "ad"
            }
            for row in rows:
                entity = entities[str(row["ad_group_ad.ad.id"])]
                assert (row["ad_group_ad.ad.name"], row["ad_group_ad.status"]) == (entity["name"], entity["effective_status"])
            assert {row["ad_group_ad.primary_status"] for row in rows} >= {"ELIGIBLE", "PAUSED", "REMOVED", "NOT_ELIGIBLE"}


def test_a_campaign_has_its_budget_its_labels_and_its_portfolio(alpenglow):
    fields = "campaign.campaign_budget, campaign_budget.amount_micros, campaign.labels, campaign.bidding_strategy, bidding_strategy.name"
    rows = alpenglow.rows(f"SELECT {fields}, campaign.bidding_strategy_type, campaign_budget.resource_name FROM campaign")

    assert all(row["campaign.campaign_budget"] == row["campaign_budget.resource_name"] for row in rows)
    assert all(row["campaign_budget.amount_micros"] % 1_000_000 == 0 for row in rows)
    shared = [row for row in rows if "campaign.bidding_strategy" in row]
    assert {row["bidding_strategy.name"] for row in shared} == {"Portfolio"}
    label = alpenglow.rows("SELECT label.resource_name FROM label WHERE label.name = 'Brand'")[0]["label.resource_name"]
    labelled = alpenglow.rows(f"SELECT campaign.id, campaign.labels FROM campaign WHERE campaign.labels CONTAINS ANY ('{label}')")
    assert [row["campaign.labels"] for row in labelled] == [[label]] * sum(label in row.get("campaign.labels", []) for row in rows) != []


def test_numbers_of_keywords_assets_and_actions_relate_to_their_parents_as_on_the_platform(alpenglow):
    """Keywords have some of their ad group's numbers, each asset all of its asset group's, conversion actions those of all campaigns."""
    query = "SELECT {} metrics.clicks FROM {} WHERE segments.date DURING LAST_7_DAYS"
    clicks = {name: sum(row["metrics.clicks"] for row in alpenglow.rows(query.format("", name))) for name in (
        "keyword_view", "ad_group", "asset_group", "asset_group_asset", "campaign", "campaign_budget",
    )}  # fmt: skip
    counted = "SELECT metrics.all_conversions FROM {} WHERE segments.date DURING LAST_7_DAYS"
    conversions = {
        name: sum(micros(row["metrics.all_conversions"]) for row in alpenglow.rows(counted.format(name)))
        for name in ("conversion_action", "campaign")
    }

    assert 0.7 < clicks["keyword_view"] / clicks["ad_group"] < 0.9
    assert clicks["asset_group_asset"] == 2 * clicks["asset_group"]
    assert clicks["campaign_budget"] == clicks["campaign"] == clicks["ad_group"] + clicks["asset_group"]
    assert conversions["conversion_action"] == conversions["campaign"] > 0


def test_ratios_are_computed_from_the_sums(alpenglow):
    names = ("impressions", "clicks", "cost_micros", "conversions", "ctr", "average_cpc", "average_cpm", "cost_per_conversion")
    query = f"SELECT {', '.join(f'metrics.{name}' for name in names)} FROM campaign WHERE {WEEK} AND metrics.conversions > 0"
    rows = alpenglow.rows(query)

    assert rows
    for row in rows:
        impressions, clicks, cost, conversions, *ratios = (row[f"metrics.{name}"] for name in names)

        assert ratios == pytest.approx([clicks / impressions, cost / clicks, cost * 1000 / impressions, cost / conversions])


@pytest.mark.parametrize(
    ("rest", "family", "expected"),
    [
        ("LIMIT 5", "change_status_error", "CHANGE_DATE_RANGE_INFINITE"),
        ("WHERE {} >= '2026-03-01' LIMIT 5", "change_status_error", "CHANGE_DATE_RANGE_INFINITE"),
        ("WHERE {} BETWEEN '2026-03-09' AND '2026-03-01' LIMIT 5", "change_status_error", "CHANGE_DATE_RANGE_NEGATIVE"),
        ("WHERE {} BETWEEN '2025-12-19' AND '2026-03-01' LIMIT 5", "change_status_error", "START_DATE_TOO_OLD"),
        ("WHERE {} DURING LAST_7_DAYS", "change_status_error", "LIMIT_NOT_SPECIFIED"),
        ("WHERE {} DURING LAST_7_DAYS LIMIT 10001", "change_status_error", "INVALID_LIMIT_CLAUSE"),
    ],
)
def test_changes_are_refused_without_a_finite_recent_range_and_a_limit(alpenglow, rest, family, expected):
    query = "SELECT change_status.resource_type FROM change_status " + rest.format("change_status.last_change_date_time")

    assert alpenglow.refused(query) == (family, expected)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT campaign.nothing FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.network_settings FROM campaign", "UNRECOGNIZED_FIELD"),
        ("SELECT campaign.id FROM campaigns", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT metrics.clicks FROM metrics", "PROHIBITED_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        ("SELECT ad_group.id FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign WHERE ad_group.id = 1", "PROHIBITED_RESOURCE_TYPE_IN_WHERE_CLAUSE"),
        ("SELECT bidding_strategy.id FROM asset_group", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
        ("SELECT label.id, metrics.clicks FROM label", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT campaign.id, metrics.hotel_eligible_impressions FROM campaign", "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT asset_group.id, segments.hour FROM asset_group", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT segments.product_item_id FROM ad_group_ad", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
        ("SELECT label.id FROM label WHERE segments.date DURING TODAY", "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
        (
            "SELECT segments.conversion_action_category, metrics.clicks FROM campaign",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        (
            "SELECT segments.conversion_action_category, metrics.conversions FROM campaign WHERE metrics.clicks > 0",
            "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
        ),
        ("SELECT campaign.id FROM campaign WHERE segments.device = MOBILE", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign ORDER BY metrics.clicks", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.id FROM campaign ORDER BY customer.id", "EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE"),
        ("SELECT campaign.labels FROM campaign ORDER BY campaign.labels", "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE"),
        ("SELECT change_event.old_resource FROM change_event WHERE change_event.old_resource IS NULL", "PROHIBITED_FIELD_IN_WHERE_CLAUSE"),
        ("SELECT campaign.id, segments.date FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("SELECT campaign.id FROM campaign WHERE segments.date > '2026-01-01'", "EXPECTED_FILTERS_ON_DATE_RANGE"),
    ],
)
def test_an_invalid_query_is_refused_with_the_platforms_code(alpenglow, query, expected):
    assert alpenglow.refused(query) == ("query_error", expected)


def test_dates_may_be_filtered_without_being_selected_and_metrics_too(alpenglow):
    assert alpenglow.rows("SELECT campaign.id FROM campaign WHERE segments.date DURING YESTERDAY AND metrics.clicks > 0")


def test_single_days_are_reported_for_37_months_and_longer_periods_for_longer(newest):
    alpenglow = Ads(newest.google, version="v24")  # v23 has no name for it
    query = "SELECT campaign.id, {} metrics.clicks FROM campaign WHERE segments.date BETWEEN '{}' AND '2023-12-01'"
    too_old = ("date_range_error", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED")

    assert alpenglow.refused(query.format("segments.date,", "2023-10-19")) == too_old
    assert alpenglow.refused(query.format("segments.week,", "2023-10-16")) == too_old
    assert alpenglow.rows(query.format("segments.date,", "2023-10-20")) == []
    assert alpenglow.rows(query.format("segments.month,", "2023-09-01")) == []
    assert alpenglow.rows(query.format("", "2023-09-01"))


@pytest.mark.parametrize("version", ["v23", "v24", "v25", "v26"])
@pytest.mark.parametrize("plus", [True, False])
def test_every_version_of_the_sdk_can_list_search_and_stream_with_and_without_proto_plus(newest, version, plus):
    sdk = client(newest.google, version=version, plus=plus)
    service, customer = sdk.get_service("GoogleAdsService"), newest.google.world.customer("Alpenglow Reisen")
    accessible = sdk.get_service("CustomerService").list_accessible_customers()
    query = "SELECT ad_group.id, ad_group.type, campaign.status, metrics.clicks FROM ad_group WHERE segments.date DURING YESTERDAY"
    rows = list(service.search(customer_id=customer.id, query=query))
    streamed = [row for batch in service.search_stream(customer_id=customer.id, query=query) for row in batch.results]

    assert list(accessible.resource_names) == [
        f"customers/{customer_id}" for customer_id in newest.google.world.credentials["full"].customers
    ]
    assert [row.ad_group.id for row in rows] == [group.id for group in customer.of("ad_group")]
    assert rows == streamed
    assert {(row.ad_group.type_, row.campaign.status) for row in rows} >= {(2, 2)}


def test_sixteen_threads_of_one_client_get_the_same_answer_from_a_fresh_sandbox():
    with Sandbox.start() as sandbox, ThreadPoolExecutor(16) as pool:
        ads = Ads(sandbox.google, "Pacific Trail Outfitters")
        query = f"SELECT campaign.id, ad_group.id, metrics.clicks, metrics.conversions FROM ad_group WHERE {WEEK}"
        answers = list(pool.map(lambda _: ads.rows(query), range(48)))

        assert all(answer == answers[0] for answer in answers)
        assert sum(row["metrics.clicks"] for row in answers[0]) > 0
        assert len(sandbox.calls.calls(ads.customer.id)) == 48


def test_a_manager_has_its_clients_two_levels_deep_and_no_metrics(standing):
    manager = Ads(standing.google, "Summit Media Group")
    rows = manager.rows("SELECT customer_client.id, customer_client.level, customer_client.status FROM customer_client")
    inner = Ads(standing.google, "Pacific Trail Outfitters", login="Summit Media West")

    names = {int(customer.id): customer.spec.name for customer in standing.google.world.customers.values()}
    assert {names[row["customer_client.id"]]: (row["customer_client.level"], row["customer_client.status"]) for row in rows} == {
        "Summit Media Group": (0, "ENABLED"),
        "Summit Media West": (1, "ENABLED"),
        "Alpenglow Reisen": (1, "ENABLED"),
        "Closed Bakery": (1, "CANCELED"),
        "Pacific Trail Outfitters": (2, "ENABLED"),
        "Grand Catalogue": (2, "ENABLED"),
    }
    assert manager.rows("SELECT campaign.id FROM campaign") == []
    assert manager.refused("SELECT metrics.clicks FROM customer") == ("query_error", "REQUESTED_METRICS_FOR_MANAGER")
    assert inner.rows("SELECT customer.currency_code, customer.time_zone FROM customer")[0]["customer.time_zone"] == "America/Los_Angeles"


def test_a_day_on_which_the_clocks_change_has_its_hours(pacific):
    query = "SELECT segments.hour, metrics.impressions FROM customer WHERE segments.date = '2026-03-08'"
    hours = [row["segments.hour"] for row in pacific.rows(query)]

    assert sorted(hours) == [hour for hour in range(24) if hour != 2]


@st.composite
def queries(draw):
    """A valid query, drawn from the schema and the compatibility rules of its resource."""
    known_schema = schema("v23")
    resource = draw(st.sampled_from(RESOURCES))
    owners = [resource, *known_schema.attributed[resource]]
    attributes = [field for owner in owners for field in known_schema.of(owner)]
    chosen = draw(st.lists(st.sampled_from(attributes), min_size=1, max_size=6, unique_by=lambda field: field.name))
    names = [field.name for field in chosen]
    where, dated = [], False
    if rules.has_metrics(resource):
        segments = draw(st.lists(st.sampled_from(rules.segments_of(known_schema, resource)), max_size=2, unique=True))
        split = rules.splits_conversions(segments)
        if resource == "conversion_action":
            segments = [name for name in segments if name in DATES]
            split = True
        metrics = ["conversions", "all_conversions"] if split else METRICS
        names += segments + [f"metrics.{name}" for name in draw(st.lists(st.sampled_from(metrics), max_size=3, unique=True))]
        dated = any(name in DATES for name in segments) or draw(st.booleans())
    if dated:
        where.append(draw(st.sampled_from(["segments.date DURING YESTERDAY", WEEK, "segments.month = '2026-03-01'"])))
    where += [f"{field.name} IS NOT NULL" for field in chosen if field.filterable and draw(st.integers(0, 9)) == 0]
    ordered = [field.name for field in chosen if field.sortable][:1] if draw(st.booleans()) else []
    text = f"SELECT {', '.join(draw(st.permutations(names)))} FROM {resource}"
    text += f" WHERE {' AND '.join(where)}" if where else ""
    text += f" ORDER BY {ordered[0]} DESC" if ordered else ""
    return text + (f" LIMIT {draw(st.integers(1, 50))}" if draw(st.booleans()) else ""), names


@given(drawn=queries())
@settings(max_examples=250)
def test_an_allowed_query_is_answered_with_exactly_the_fields_it_selects(alpenglow, drawn):
    query, names = drawn

    messages = alpenglow.stream(query)

    owners = {name.split(".")[0] for name in names} - {"metrics", "segments"}
    resource = query.split(" FROM ")[1].split()[0]
    owners |= {"ad_group_ad.ad" for name in names if name.startswith("ad_group_ad.ad.")}
    implied = {f"{owner}.resource_name" for owner in {*owners, resource}}
    always = {name for name in names if name.startswith("segments.")} | {name for name in names if name in ALWAYS_SET}
    for message in messages:
        assert list(message.field_mask.paths) == list(dict.fromkeys(_in_order(query)))
        for row in message.results:
            set_fields = fields_of(row).keys()
            assert always <= set_fields <= {*names, *implied}


def _in_order(query):
    return [name.strip() for name in query.removeprefix("SELECT ").split(" FROM ")[0].split(",")]


BROKEN = {
    "field": (lambda query: query.replace("SELECT ", "SELECT campaign.unheard_of, ", 1), "UNRECOGNIZED_FIELD"),
    "resource": (
        lambda query: query.replace("SELECT ", "SELECT shared_set.id, ", 1),
        "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE",
    ),
    "segment": (lambda query: query.replace("SELECT ", "SELECT segments.hotel_class, ", 1), "PROHIBITED_SEGMENT_IN_SELECT_OR_WHERE_CLAUSE"),
    "metric": (lambda query: query.replace("SELECT ", "SELECT metrics.organic_clicks, ", 1), "PROHIBITED_METRIC_IN_SELECT_OR_WHERE_CLAUSE"),
    "from": (lambda query: query.replace(" FROM ", " FROM x_", 1), "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
    "end": (lambda query: query + " OR", "UNEXPECTED_INPUT"),
    "star": (lambda query: query.replace("SELECT ", "SELECT *, ", 1), "BAD_FIELD_NAME"),
}


@given(drawn=queries(), broken=st.sampled_from(sorted(BROKEN)))
@settings(max_examples=100)
def test_an_allowed_query_with_one_thing_wrong_is_refused_for_that(alpenglow, drawn, broken):
    spoil, expected = BROKEN[broken]

    assert alpenglow.refused(spoil(drawn[0])) == ("query_error", expected)
