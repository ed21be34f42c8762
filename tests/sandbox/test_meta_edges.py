"""Edges beside campaigns, ad sets, ads and insights, what belongs to the token, and the requests of connectors that nobody here wrote.

The requests of connectors are after the sources of dlt's facebook_ads, MeltanoLabs/tap-facebook and airbyte-source-facebook-marketing
6.1.9: which fields they ask for, in which form, and what they send beside them.
"""

import json
from datetime import timedelta

import pytest

from adpulse_sandbox.meta.names import names_of
from adpulse_sandbox.remote import Remote

DAYS = {"since": "2026-03-18", "until": "2026-03-19"}
NEEDS_BUSINESSES = "(#200) Requires business_management permission to manage the object"


@pytest.fixture(scope="module")
def account(harbor):
    return f"act_{harbor.id}"


def test_creatives_of_an_account_are_those_of_its_ads(ask, account):
    of_ads = {
        row["creative"]["id"]
        for row in ask.rows(
            f"{account}/ads",
            fields="creative",
            limit="500",
            effective_status=["ACTIVE", "PAUSED", "ARCHIVED", "CAMPAIGN_PAUSED", "ADSET_PAUSED"],
        )
    }
    listed = {row["id"] for row in ask.rows(f"{account}/adcreatives", fields="id,name,status", limit="500")}

    assert of_ads
    assert of_ads == listed


def test_a_creative_is_a_node_of_its_own(ask, harbor):
    ad = harbor.ads[1]
    nested = ask(ad.id, fields="creative{name,object_story_spec,status}").json()["creative"]
    (of_ad,) = ask(f"{ad.id}/adcreatives", fields="name,object_story_spec,status").json()["data"]

    assert nested == of_ad == ask(nested["id"], fields="name,object_story_spec,status").json()
    assert nested["status"] == "ACTIVE"


def test_a_creative_of_an_account_out_of_reach_is_not_there(ask, standing):
    ad = standing.world.account("Nordlicht Moebel").ads[0]
    answer = ask(str(int(ad.id) + 5), token="single")

    assert answer.json()["error"]["error_subcode"] == 33


def test_the_labels_of_ads_are_the_labels_of_the_account(ask, account):
    used = {
        label["id"]: label["name"]
        for row in ask.rows(f"{account}/ads", fields="adlabels", limit="500")
        for label in row.get("adlabels", [])
    }
    listed = {row["id"]: row["name"] for row in ask.rows(f"{account}/adlabels", fields="name,account,created_time,updated_time")}

    assert used
    assert used.items() <= listed.items()


def test_a_custom_conversion_is_the_one_that_rows_count(ask, standing):
    studio = standing.world.account("Studio Fit")
    (conversion,) = ask(f"act_{studio.id}/customconversions", token="varied", fields="name,account_id,is_archived").json()["data"]
    rows = ask(f"act_{studio.id}/insights", token="varied", level="ad", fields="actions", time_range=DAYS).json()["data"]
    kinds = {action["action_type"] for row in rows for action in row.get("actions", [])}

    assert f"offsite_conversion.custom.{conversion['id']}" in kinds
    assert conversion["account_id"] == studio.id
    assert conversion["is_archived"] is False


@pytest.mark.parametrize("edge", ["adimages", "advideos", "customaudiences"])
def test_an_edge_of_which_the_world_has_nothing_is_empty(ask, account, edge):
    assert ask(f"{account}/{edge}", fields="id,name", summary="true").json() == {"data": [], "summary": {"total_count": 0}}


def test_activities_are_the_changes_of_the_entities_newest_first(ask, harbor, standing):
    now = standing.clock.now()
    since = int((now - timedelta(days=400)).timestamp())
    fields = "event_time,event_type,object_id,object_name,object_type,extra_data"
    rows = ask.rows(f"act_{harbor.id}/activities", since=str(since), fields=fields, limit="500")
    expected = sorted(change.at for entity in harbor.by_id.values() for change in entity.changes if change.at <= now)

    assert [row["event_time"] for row in rows] == [f"{at:%Y-%m-%dT%H:%M:%S%z}" for at in reversed(expected)]
    assert {row["object_type"] for row in rows} == {"CAMPAIGN", "AD_SET", "AD"}
    assert {"create_ad", "update_ad_run_status"} <= {row["event_type"] for row in rows}
    stopped = next(row for row in rows if row["event_type"] == "update_ad_run_status")
    assert json.loads(stopped["extra_data"])["old_value"] == "ACTIVE"


def test_activities_of_the_last_week_are_those_without_a_time(ask, harbor, standing):
    since = str(int((standing.clock.now() - timedelta(days=7)).timestamp()))
    fields = "event_time,object_id"

    assert ask.rows(f"act_{harbor.id}/activities", fields=fields, limit="500") == ask.rows(
        f"act_{harbor.id}/activities", fields=fields, limit="500", since=since
    )


def test_the_permissions_of_a_token_are_its_scopes(ask):
    granted = [{"permission": "ads_read", "status": "granted"}, {"permission": "business_management", "status": "granted"}]

    assert ask("me/permissions", token="agency").json()["data"] == granted
    assert ask("me/permissions", token="agency", permission="ads_read").json()["data"] == granted[:1]
    assert ask("me/permissions", token="agency", status="declined").json()["data"] == []


def test_businesses_need_their_permission(ask):
    answer = ask("me/businesses")

    assert (answer.status_code, answer.json()["error"]["message"]) == (403, NEEDS_BUSINESSES)


def test_the_accounts_of_a_business_are_its_own_and_its_clients(ask):
    (business,) = ask("me/businesses", token="agency", fields="id,name").json()["data"]
    owned, of_clients = (
        {row["id"] for row in ask.rows(f"{business['id']}/{edge}", token="agency", fields="id")}
        for edge in ("owned_ad_accounts", "client_ad_accounts")
    )
    reached = {row["id"] for row in ask.rows("me/adaccounts", token="agency")}
    owners = {row["business"]["id"] for row in ask.rows("me/adaccounts", token="agency", fields="business") if row["id"] in owned}

    assert owned
    assert of_clients
    assert owned | of_clients == reached
    assert owned & of_clients == set()
    assert owners == {business["id"]}


def test_the_tasks_of_a_person_on_an_account_are_found_through_the_business(ask, account):
    (user,) = ask("me/business_users").json()["data"]
    assigned = ask(f"{account}/assigned_users", business=user["business"]["id"]).json()["data"]

    assert [row["tasks"] for row in assigned if row["id"] == user["id"]] == [["ADVERTISE", "ANALYZE", "DRAFT"]]


@pytest.mark.parametrize(("level", "edge"), [("campaign", "campaigns"), ("adset", "adsets"), ("ad", "ads")])
def test_prefixed_filters_of_an_edge_mean_its_own_objects(ask, account, level, edge):
    since = "1773200000"
    prefixed, bare = (
        ask.rows(
            f"{account}/{edge}", fields="id", limit="500", filtering=[{"field": field, "operator": "GREATER_THAN", "value": int(since)}]
        )
        for field in (f"{level}.updated_time", "updated_time")
    )

    assert prefixed == bare
    assert len(prefixed) < len(ask.rows(f"{account}/{edge}", fields="id", limit="500"))


def test_a_filter_by_the_parents_name_leaves_its_ads(ask, account):
    rule = [{"field": "campaign.name", "operator": "CONTAIN", "value": "0002"}]
    rows = ask.rows(f"{account}/ads", fields="campaign{name}", limit="500", filtering=rule)

    assert rows
    assert all("0002" in row["campaign"]["name"] for row in rows)


def test_archived_ads_are_listed_by_their_delivery(ask, account):
    rule = [{"field": "ad.delivery_info", "operator": "IN", "value": ["active", "archived", "deleted", "permanently_deleted"]}]
    statuses = {row["effective_status"] for row in ask.rows(f"{account}/ads", fields="effective_status", limit="500", filtering=rule)}

    assert statuses == {"ACTIVE", "ARCHIVED"}


def test_a_filter_by_the_status_of_campaigns_leaves_the_status_of_their_ads_free(ask, account):
    rule = [{"field": "campaign.effective_status", "operator": "IN", "value": ["ACTIVE"]}]
    rows = ask.rows(f"{account}/ads", fields="effective_status,campaign{effective_status}", limit="500", filtering=rule)

    assert {row["campaign"]["effective_status"] for row in rows} == {"ACTIVE"}
    assert len({row["effective_status"] for row in rows}) > 1


def test_a_filter_by_delivery_is_inferred(ask, account):
    rule = [{"field": "ad.delivery_info", "operator": "IN", "value": ["active"]}]

    assert ask(f"{account}/ads", filtering=rule).headers["x-sandbox-basis"] == "inferred"


def test_a_filter_by_a_lower_level_is_refused_as_not_served(ask, account):
    answer = ask(f"{account}/campaigns", filtering=[{"field": "ad.id", "operator": "IN", "value": ["1"]}])

    assert answer.json()["error"]["message"] == "adpulse sandbox does not serve the filter by ad.id"


TAP = {
    "campaigns": ("campaign", "Campaign"),
    "adsets": ("adset", "AdSet"),
    "ads": ("ad", "Ad"),
    "adlabels": (None, "AdLabel"),
    "customconversions": (None, "CustomConversion"),
    "customaudiences": (None, "CustomAudience"),
    "adimages": (None, "AdImage"),
}


@pytest.mark.parametrize("edge", TAP)
def test_the_requests_of_a_singer_tap_are_answered(ask, account, edge):
    """Fields as a list of Python's, an order that no edge has, the cursor of the last page, and a token in a header."""
    level, kind = TAP[edge]
    fields = sorted(names_of("v25.0").nodes[kind].fields)[:60]
    rule = [{"field": f"{level}.updated_time", "operator": "GREATER_THAN", "value": 1700000000}]
    params = {"fields": str(fields), "limit": "25", "sort": "asc", "order_by": "updated_time"} | (
        {"filtering": json.dumps(rule)} if level else {}
    )
    bearer = {"authorization": f"Bearer {ask.sandbox.world.token('full').value}"}
    rows, after = 0, None
    for _ in range(20):
        answer = ask(f"{account}/{edge}", token=None, headers=bearer, **params, **({"after": after} if after else {}))
        rows += len(answer.json()["data"])
        after = answer.json().get("paging", {}).get("cursors", {}).get("after")
        if after is None:
            break

    assert after is None
    assert rows == len(ask.rows(f"{account}/{edge}", fields="id", limit="500"))


def test_the_async_report_of_a_singer_tap_is_answered(ask, account):
    names = names_of("v25.0")
    fields = [name for name in sorted(names.nodes["AdsInsights"].fields) if names.has_field("AdsInsights", name)]
    params = {
        "level": "ad", "action_breakdowns": "[]", "breakdowns": "[]", "action_report_time": "mixed", "fields": json.dumps(fields),
        "time_increment": "1", "limit": "100", "action_attribution_windows": '["1d_view","7d_click"]', "time_range": DAYS,
    }  # fmt: skip

    rows = report_of(ask, account, params)

    assert {row["date_start"] for row in rows} == {"2026-03-18", "2026-03-19"}
    assert any("7d_click" in action for row in rows for action in row.get("actions", []))


def test_the_async_report_of_dlt_is_answered(ask, account):
    windows = ["1d_click", "7d_click", "28d_click", "1d_view", "7d_view", "28d_view"]
    fields = (
        "ad_id,reach,impressions,frequency,clicks,unique_clicks,ctr,unique_ctr,cpc,cpm,cpp,spend,actions,cost_per_action_type,website_ctr"
    )
    params = {
        "level": "ad", "limit": "50", "time_increment": "1", "action_attribution_windows": windows, "fields": fields,
        "time_ranges": [{"since": "2026-03-18", "until": "2026-03-18"}],
    }  # fmt: skip

    assert {row["date_stop"] for row in report_of(ask, account, params)} == {"2026-03-18"}


def test_the_async_report_of_airbyte_is_answered(ask, account):
    params = {
        "level": "ad", "action_breakdowns": ["action_type", "action_target_id", "action_destination"], "breakdowns": [],
        "fields": ["ad_id", "spend", "actions", "conversion_rate_ranking", "video_p25_watched_actions", "wish_bid"], "time_increment": "1",
        "action_attribution_windows": ["1d_click", "7d_click", "28d_click", "1d_view"], "time_range": DAYS,
    }  # fmt: skip

    assert any(action["action_destination"] for row in report_of(ask, account, params) for action in row.get("actions", []))


def report_of(ask, account, params):
    """The rows of an async report, as the SDK reads them: without the job's parameters."""
    job = ask(f"{account}/insights", method="POST", **params).json()["report_run_id"]
    for _ in range(5):
        state = ask(job, fields="async_status,async_percent_completion").json()
        if state["async_status"] == "Job Completed":
            break
    return ask.rows(f"{job}/insights", limit="100")


def test_the_link_to_the_next_rows_of_a_job_does_not_repeat_its_parameters(ask, account):
    job = ask(f"{account}/insights", method="POST", level="ad", fields="ad_id", time_range=DAYS).json()["report_run_id"]
    for _ in range(3):
        ask(job)
    page = ask(f"{job}/insights", limit="10").json()

    assert "time_range" not in page["paging"]["next"]
    assert page["data"] != ask.http.get(page["paging"]["next"]).json()["data"]


@pytest.mark.parametrize("more", [{"fields": "spend"}, {"sort": "spend_descending"}])
def test_the_rows_of_a_job_are_those_that_it_was_started_for(ask, account, more):
    job = ask(f"{account}/insights", method="POST", level="ad", fields="ad_id", time_range=DAYS).json()["report_run_id"]
    for _ in range(3):
        ask(job)

    assert ask(f"{job}/insights", **more).json()["error"]["message"].startswith("adpulse sandbox does not serve")


def test_a_job_has_the_fields_that_are_asked_for(ask, account):
    job = ask(f"{account}/insights", method="POST", level="ad", time_range=DAYS).json()["report_run_id"]

    assert set(ask(job, fields="async_status").json()) == {"id", "async_status"}
    assert ask(job).json()["date_stop"] == "2026-03-19"
    assert ask(job, fields="banana").json()["error"]["message"].endswith("node type (AdReportRun)")


def test_what_connectors_ask_for_leaves_no_gap(sandbox, ask_own):
    account = f"act_{sandbox.world.account('Harbor Outdoor').id}"
    for edge in ("campaigns", "adsets", "ads", "adcreatives", "customconversions", "activities", "adlabels", "adimages"):
        ask_own(f"{account}/{edge}", fields="id" if edge != "activities" else "event_time", limit="100", summary="true")
    ask_own(f"{account}/insights", level="ad", breakdowns="[]", action_breakdowns="action_type", time_increment="monthly")

    assert Remote(sandbox.control_url).gaps() == []
