"""Reports of Meta as clients ask for them: periods, order, pages in both directions, summaries, filters, windows and metrics."""

import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adpulse_sandbox.basis import HEADER
from adpulse_sandbox.meta.conditions import Condition
from adpulse_sandbox.meta.errors import GraphError
from adpulse_sandbox.meta.periods import periods
from adpulse_sandbox.meta.report import unique_people
from adpulse_sandbox.meta.truth import Truth

FRIDAY = datetime(2026, 3, 20, 15, tzinfo=UTC)
WEEK = {"since": "2026-03-10", "until": "2026-03-16"}
DAY = {"since": "2026-03-16", "until": "2026-03-16"}


@pytest.fixture(scope="module")
def path(harbor):
    return f"act_{harbor.id}/insights"


@pytest.fixture(scope="module")
def lantern(standing):
    return standing.world.account("Lantern Books")


def days_of(*pairs):
    return tuple((date.fromisoformat(since), date.fromisoformat(until)) for since, until in pairs)


@pytest.mark.parametrize(
    ("preset", "since", "until"),
    [
        ("today", "2026-03-20", "2026-03-20"),
        ("yesterday", "2026-03-19", "2026-03-19"),
        ("this_month", "2026-03-01", "2026-03-20"),
        ("last_month", "2026-02-01", "2026-02-28"),
        ("this_quarter", "2026-01-01", "2026-03-20"),
        ("last_quarter", "2025-10-01", "2025-12-31"),
        ("this_year", "2026-01-01", "2026-03-20"),
        ("last_year", "2025-01-01", "2025-12-31"),
        ("this_week_mon_today", "2026-03-16", "2026-03-20"),
        ("this_week_sun_today", "2026-03-15", "2026-03-20"),
        ("last_week_mon_sun", "2026-03-09", "2026-03-15"),
        ("last_week_sun_sat", "2026-03-08", "2026-03-14"),
        ("last_3d", "2026-03-17", "2026-03-19"),
        ("last_7d", "2026-03-13", "2026-03-19"),
        ("last_14d", "2026-03-06", "2026-03-19"),
        ("last_28d", "2026-02-20", "2026-03-19"),
        ("last_30d", "2026-02-18", "2026-03-19"),
        ("last_90d", "2025-12-20", "2026-03-19"),
        ("maximum", "2023-02-20", "2026-03-20"),
        ("data_maximum", "2023-02-20", "2026-03-20"),
        (None, "2026-02-18", "2026-03-19"),
    ],
)
def test_a_preset_is_a_range_of_the_accounts_days(harbor, preset, since, until):
    assert periods(harbor, {"date_preset": preset} if preset else {}, FRIDAY) == days_of((since, until))


@pytest.mark.parametrize(
    ("increment", "expected"),
    [
        ("all_days", [("2026-01-30", "2026-03-02")]),
        ("90", [("2026-01-30", "2026-03-02")]),
        ("14", [("2026-01-30", "2026-02-12"), ("2026-02-13", "2026-02-26"), ("2026-02-27", "2026-03-02")]),
        ("monthly", [("2026-01-30", "2026-01-31"), ("2026-02-01", "2026-02-28"), ("2026-03-01", "2026-03-02")]),
    ],
)
def test_an_increment_divides_the_range(harbor, increment, expected):
    params = {"time_range": json.dumps({"since": "2026-01-30", "until": "2026-03-02"}), "time_increment": increment}

    assert periods(harbor, params, FRIDAY) == days_of(*expected)


def test_ranges_overrule_range_preset_and_increment(harbor):
    ranges = [WEEK, {"since": "2026-03-15", "until": "2026-03-15"}]
    params = {"time_ranges": json.dumps(ranges), "time_range": json.dumps(DAY), "date_preset": "today", "time_increment": "1"}

    assert periods(harbor, params, FRIDAY) == days_of(("2026-03-10", "2026-03-16"), ("2026-03-15", "2026-03-15"))


def test_each_of_several_ranges_is_checked(harbor):
    params = {"time_ranges": json.dumps([WEEK, {"since": "2026-03-16", "until": "2026-03-15"}])}

    with pytest.raises(GraphError, match="before or equal to the end date"):
        periods(harbor, params, FRIDAY)


def test_people_of_several_days_are_fewer_than_those_of_each_day_together():
    assert unique_people(10, 20) == 14
    assert unique_people(10, 10) == 10


@example([[1, 1, 1]] * 4)
@given(st.lists(st.lists(st.integers(0, 500), min_size=1, max_size=6), min_size=1, max_size=8))
def test_people_are_at_least_those_of_the_largest_part_and_at_most_those_of_all_parts(parts):
    """However the cells are divided: days of a week, ads of a campaign."""
    of_parts = [unique_people(max(cells), sum(cells)) for cells in parts]
    whole = [cell for cells in parts for cell in cells]
    people = unique_people(max(whole), sum(whole))

    assert max(of_parts) <= people <= sum(of_parts)


@pytest.mark.parametrize("level", ["account", "campaign", "adset", "ad"])
def test_the_people_of_a_week_are_between_its_largest_day_and_the_sum_of_its_days(ask, path, level):
    fields = f"{'account' if level == 'account' else level}_id,reach,unique_clicks,impressions,frequency"
    shared = {"level": level, "fields": fields, "time_range": WEEK, "limit": "2000"}
    whole = {row[f"{level}_id"]: row for row in ask(path, **shared).json()["data"]}
    days = {}
    for row in ask(path, **shared, time_increment="1").json()["data"]:
        days.setdefault(row[f"{level}_id"], []).append(row)

    assert whole.keys() == days.keys()
    for key, row in whole.items():
        for metric in ("reach", "unique_clicks"):
            of_days = [int(day.get(metric, 0)) for day in days[key]]
            assert max(of_days) <= int(row.get(metric, 0)) <= sum(of_days)
        assert int(row["reach"]) <= int(row["impressions"])
        assert int(row.get("unique_clicks", 0)) <= int(row["reach"])
        assert row["frequency"] == f"{int(row['impressions']) / int(row['reach']):.6f}"


@pytest.mark.parametrize("minutes", [0, 7, 45, 200, 700, 1439])
def test_no_ad_costs_anything_or_is_clicked_without_impressions(standing, harbor, minutes):
    midnight = datetime(2026, 3, 12, tzinfo=harbor.zone)
    day = Truth(standing.world, refresh_seconds=60).day_of(harbor.id, midnight.date(), midnight + timedelta(minutes=minutes))
    idle = day.impressions == 0

    assert not np.any(idle & ((day.spend > 0) | (day.clicks > 0) | (day.visitors > 0)))


@pytest.mark.parametrize("direction", ["ascending", "descending"])
def test_rows_are_sorted_by_a_metric(ask, path, direction):
    rows = ask(path, level="ad", fields="spend", time_range=DAY, limit="200", sort=f"spend_{direction}").json()["data"]
    spend = [float(row["spend"]) for row in rows]

    assert len(spend) > 50
    assert spend == sorted(spend, reverse=direction == "descending")


def test_rows_are_sorted_by_the_only_value_of_a_list(ask, path):
    rows = ask(path, level="ad", fields="outbound_clicks", time_range=DAY, limit="200", sort="outbound_clicks_descending").json()["data"]
    counts = [int(row["outbound_clicks"][0]["value"]) if "outbound_clicks" in row else 0 for row in rows]

    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1]


def test_rows_are_sorted_by_an_action_and_then_by_a_name(ask, path):
    rows = ask(
        path,
        level="ad",
        fields="ad_name,actions",
        time_range=DAY,
        limit="200",
        sort='["actions:link_click_descending","ad_name_ascending"]',
    )
    counts = [
        (-sum(int(action["value"]) for action in row.get("actions", []) if action["action_type"] == "link_click"), row["ad_name"])
        for row in rows.json()["data"]
    ]

    assert counts == sorted(counts)


@pytest.mark.parametrize("sort", ["banana_descending", "actions_descending"])
def test_an_order_that_is_no_value_of_a_row_is_refused_as_inferred(ask, path, sort):
    answer = ask(path, sort=sort)

    assert (answer.status_code, answer.headers[HEADER]) == (400, "inferred")


@pytest.mark.parametrize("edge", ["insights", "ads"])
def test_pages_are_walked_backwards(ask, harbor, edge):
    params = {"level": "ad", "fields": "ad_id", "time_range": DAY} if edge == "insights" else {"fields": "id"}
    pages = [ask(f"act_{harbor.id}/{edge}", **params, limit="40").json()]
    assert "previous" not in pages[0]["paging"]
    while "next" in pages[-1]["paging"]:
        pages.append(ask.http.get(pages[-1]["paging"]["next"]).json())
    backwards = [pages[-1]]
    while "previous" in backwards[-1]["paging"]:
        backwards.append(ask.http.get(backwards[-1]["paging"]["previous"]).json())

    assert len(pages) > 2
    assert [page["data"] for page in reversed(backwards)] == [page["data"] for page in pages]


def test_a_page_up_to_a_cursor_ends_before_it(ask, harbor):
    whole = ask(f"act_{harbor.id}/ads", limit="10").json()
    second = ask(
        f"act_{harbor.id}/ads", limit="5", after=ask(f"act_{harbor.id}/ads", limit="5").json()["paging"]["cursors"]["after"]
    ).json()
    first = ask(f"act_{harbor.id}/ads", limit="2", before=second["paging"]["cursors"]["before"]).json()

    assert first["data"] == whole["data"][3:5]


def test_a_summary_adds_up_what_adds_up(ask, path):
    answer = ask(
        path, level="ad", fields="spend,impressions,reach,ad_id", time_range=WEEK, time_increment="1", limit="2000", default_summary="true"
    )
    rows, summary = answer.json()["data"], answer.json()["summary"]

    assert int(summary["impressions"]) == sum(int(row["impressions"]) for row in rows)
    assert float(summary["spend"]) == pytest.approx(sum(float(row["spend"]) for row in rows), abs=0.001)
    assert max(int(row["reach"]) for row in rows) <= int(summary["reach"]) <= sum(int(row["reach"]) for row in rows)
    assert "ad_id" not in summary
    assert (summary["date_start"], summary["date_stop"]) == (WEEK["since"], WEEK["until"])


def test_a_summary_is_of_the_rows_that_the_filters_leave(ask, path):
    rule = [{"field": "impressions", "operator": "GREATER_THAN", "value": 1500}]
    answer = ask(
        path, level="ad", fields="impressions", time_range=WEEK, time_increment="1", limit="2000", summary="impressions", filtering=rule
    )
    rows, summary = answer.json()["data"], answer.json()["summary"]

    assert all(int(row["impressions"]) > 1500 for row in rows)
    assert int(summary["impressions"]) == sum(int(row["impressions"]) for row in rows)


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"field": "ad.name", "operator": "CONTAIN", "value": "AD 001"}, lambda row: "Ad 001" in row["ad_name"]),
        ({"field": "ad.name", "operator": "NOT_CONTAIN", "value": "001"}, lambda row: "001" not in row["ad_name"]),
        (
            {"field": "campaign.name", "operator": "STARTS_WITH", "value": "campaign 0001"},
            lambda row: row["campaign_name"].startswith("Campaign 0001"),
        ),
        ({"field": "impressions", "operator": "GREATER_THAN_OR_EQUAL", "value": 500}, lambda row: int(row["impressions"]) >= 500),
        ({"field": "ad.impressions", "operator": "LESS_THAN_OR_EQUAL", "value": "500"}, lambda row: int(row["impressions"]) <= 500),
        ({"field": "spend", "operator": "IN_RANGE", "value": [5, 10]}, lambda row: 5 <= float(row["spend"]) <= 10),
        ({"field": "ctr", "operator": "GREATER_THAN", "value": 2}, lambda row: float(row["ctr"]) > 2),
    ],
    ids=lambda value: value["field"] + " " + value["operator"] if isinstance(value, dict) else "",
)
def test_a_filter_leaves_the_rows_that_satisfy_it(ask, path, rule, holds):
    shared = {"level": "ad", "fields": "ad_id,ad_name,campaign_name,impressions,spend,ctr", "time_range": DAY, "limit": "500"}
    whole = ask(path, **shared).json()["data"]
    rows = ask(path, **shared, filtering=[rule]).json()["data"]

    assert 0 < len(rows) < len(whole)
    assert rows == [row for row in whole if holds({"ctr": "0", **row})]


@pytest.mark.parametrize(
    ("operator", "value", "satisfied"),
    [
        ("GREATER_THAN", 5, [6]),
        ("GREATER_THAN_OR_EQUAL", "5", [5, 6]),
        ("LESS_THAN", 5, [4]),
        ("LESS_THAN_OR_EQUAL", 5, [4, 5]),
        ("IN_RANGE", [5, 6], [5, 6]),
        ("NOT_IN_RANGE", [5, 6], [4]),
        ("EQUAL", "5.0", [5]),
        ("NOT_EQUAL", 5, [4, 6]),
        ("IN", ["4", "6"], [4, 6]),
        ("NOT_IN", ["4", "6"], [5]),
    ],
)
def test_an_operator_compares_with_its_bound(operator, value, satisfied):
    assert [number for number in (4, 5, 6) if Condition("spend", operator, value).holds(number)] == satisfied


def test_archived_ads_have_rows_when_the_filter_names_their_delivery(ask, path):
    shared = {"level": "ad", "fields": "ad_id", "time_range": {"since": "2026-01-10", "until": "2026-01-16"}, "limit": "500"}
    everything = [{"field": "ad.delivery_info", "operator": "IN", "value": ["active", "inactive", "archived", "deleted"]}]
    only = [{"field": "ad.delivery_info", "operator": "IN", "value": ["archived"]}]
    visible, whole, archived = (
        {row["ad_id"] for row in ask(path, **shared, **more).json()["data"]}
        for more in ({}, {"filtering": everything}, {"filtering": only})
    )

    assert archived
    assert whole - visible == archived


def test_a_metric_of_another_level_is_no_filter_that_is_served(ask, path):
    answer = ask(path, level="ad", filtering=[{"field": "campaign.spend", "operator": "GREATER_THAN", "value": 1}])

    assert answer.json()["error"]["message"].startswith("adpulse sandbox does not serve the filter by campaign.spend")


def test_windows_that_ended_are_accepted_and_have_no_counts(ask, lantern):
    shared = {"level": "ad", "fields": "actions", "time_range": WEEK, "token": "varied"}
    rows = ask(f"act_{lantern.id}/insights", **shared, action_attribution_windows='["7d_click","7d_view","28d_view"]').json()["data"]
    keys = {key for row in rows for action in row.get("actions", []) for key in action}

    assert keys == {"action_type", "value", "7d_click"}


def test_an_action_has_its_target_and_destination_when_they_are_asked_for(ask, lantern):
    shared = {"level": "ad", "fields": "actions", "time_range": WEEK, "token": "varied"}
    plain = ask(f"act_{lantern.id}/insights", **shared)
    whole = ask(f"act_{lantern.id}/insights", **shared, action_breakdowns='["action_type","action_target_id","action_destination"]')
    actions = [action for row in whole.json()["data"] for action in row["actions"]]

    assert whole.headers[HEADER] == "inferred"
    assert all({"action_target_id", "action_destination"} <= set(action) for action in actions)
    assert [{key: action[key] for key in ("action_type", "value")} for action in actions] == [
        action for row in plain.json()["data"] for action in row["actions"]
    ]


def test_the_metrics_of_a_row_are_those_of_its_counts(ask, lantern):
    fields = (
        "spend,impressions,reach,clicks,unique_clicks,inline_link_clicks,outbound_clicks,unique_ctr,cpp,cost_per_unique_click,"
        "inline_link_click_ctr,cost_per_inline_link_click,outbound_clicks_ctr,cost_per_outbound_click,website_ctr,actions,action_values,"
        "cost_per_action_type,purchase_roas,website_purchase_roas,results,cost_per_result,video_play_actions,video_p100_watched_actions,"
        "cost_per_thruplay,video_thruplay_watched_actions,quality_ranking,attribution_setting"
    )
    rows = ask(f"act_{lantern.id}/insights", token="varied", level="ad", fields=fields, time_range=WEEK).json()["data"]
    row = next(row for row in rows if row["results"][0].get("values"))
    spend, reach, clicks = float(row["spend"]), int(row["reach"]), int(row["clicks"])
    links, people = int(row["inline_link_clicks"]), int(row["unique_clicks"])
    outbound = int(row["outbound_clicks"][0]["value"])
    count = {action["action_type"]: int(action["value"]) for action in row["actions"]}
    cost = {action["action_type"]: action["value"] for action in row["cost_per_action_type"]}
    worth = {action["action_type"]: float(action["value"]) for action in row["action_values"]}

    assert row["cpp"] == f"{1000 * spend / reach:.6f}"
    assert row["unique_ctr"] == f"{100 * people / reach:.6f}"
    assert row["cost_per_unique_click"] == f"{spend / people:.6f}"
    assert row["cost_per_inline_link_click"] == f"{spend / links:.6f}"
    assert row["outbound_clicks_ctr"] == [{"action_type": "outbound_click", "value": f"{100 * outbound / int(row['impressions']):.6f}"}]
    assert row["website_ctr"][0]["value"] == row["inline_link_click_ctr"]
    assert outbound <= links == count["link_click"] <= clicks
    assert cost == {kind: f"{spend / number:.6f}" for kind, number in count.items() if number}
    assert row["purchase_roas"] == [{"action_type": "omni_purchase", "value": f"{worth['omni_purchase'] / spend:.6f}"}]
    assert row["results"] == [
        {"indicator": "actions:omni_purchase", "values": [{"attribution_windows": ["default"], "value": str(count["omni_purchase"])}]}
    ]
    assert row["cost_per_result"] == [{"indicator": "cost_per_action_type:omni_purchase", "values": [{"value": cost["omni_purchase"]}]}]
    assert int(row["video_p100_watched_actions"][0]["value"]) < int(row["video_play_actions"][0]["value"])
    assert row["cost_per_thruplay"][0]["value"] == f"{spend / int(row['video_thruplay_watched_actions'][0]['value']):.6f}"
    assert row["quality_ranking"] in {"ABOVE_AVERAGE", "AVERAGE", "BELOW_AVERAGE_35", "BELOW_AVERAGE_20", "BELOW_AVERAGE_10", "UNKNOWN"}
    assert row["attribution_setting"] in {"1d_view_7d_click", "1d_click"}


def test_counts_of_ads_add_up_to_those_of_the_account(ask, lantern):
    fields = "impressions,clicks,inline_link_clicks,outbound_clicks,video_play_actions,video_p75_watched_actions"
    shared = {"token": "varied", "fields": fields, "time_range": WEEK, "limit": "500"}
    (whole,) = ask(f"act_{lantern.id}/insights", level="account", **shared).json()["data"]
    statuses = [{"field": "ad.effective_status", "operator": "IN", "value": ["ACTIVE", "PAUSED", "ARCHIVED", "DELETED"]}]
    campaigns = ask(f"act_{lantern.id}/insights", level="campaign", **shared).json()["data"]

    def total(rows, name):
        return sum(int(row[name][0]["value"] if isinstance(row[name], list) else row[name]) for row in rows if name in row)

    assert {name: total(campaigns, name) for name in fields.split(",")} == {name: total([whole], name) for name in fields.split(",")}
    assert total(ask(f"act_{lantern.id}/insights", level="ad", **shared, filtering=statuses).json()["data"], "clicks") <= int(
        whole["clicks"]
    )


def test_a_field_of_a_lower_level_is_absent_from_a_higher_one(ask, path):
    answer = ask(path, level="campaign", fields="campaign_id,adset_id,ad_id,ad_name,quality_ranking", time_range=DAY)
    (row, *_) = answer.json()["data"]

    assert answer.headers[HEADER] == "inferred"
    assert set(row) == {"campaign_id", "date_start", "date_stop"}


def test_results_come_under_their_name_when_objective_results_are_asked_for(ask, path):
    rows = ask(path, level="ad", fields="objective_results", time_range=DAY).json()["data"]

    assert all(set(row) == {"results", "date_start", "date_stop"} for row in rows)
