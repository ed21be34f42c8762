"""Invalid requests and Meta's answer to each: HTTP status, code, subcode and message."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

TODAY = '{"since":"2026-03-20","until":"2026-03-20"}'


@dataclass(frozen=True)
class CursorOf:
    """A placeholder for the cursor after the first row of another request."""

    path: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Wrong:
    label: str
    path: str
    expected: tuple[int, int, int | None, str]
    params: Mapping[str, Any] = field(default_factory=dict)
    method: str = "GET"
    token: str | None = "full"
    version: str = "v25.0"


INSIGHTS, ADS = "{harbor}/insights", "{harbor}/ads"
UNREACHABLE = "does not exist, cannot be loaded due to missing permissions"
NO_SCOPE = "Ad account owner has NOT grant ads_management or ads_read permission"
NO_WRITE = "Requires ads_management permission to manage the object"


def param(label, path, message, subcode=None, **params):
    """A request with an invalid parameter, which is always refused with 400/100."""
    return Wrong(label, path, (400, 100, subcode, message), params)


def filtering(label, message, condition, path=INSIGHTS):
    return param(label, path, message, filtering=condition)


def write(label, method, path, **params):
    return Wrong(label, path, (403, 200, None, NO_WRITE), params, method=method)


def filtering_status(label, level, status):
    return param(label, INSIGHTS, "Invalid parameter", 1487561, filtering=rule(f"{level}.effective_status", "IN", ["ACTIVE", status]))


def field_of(label, path, name, node, fields="id", **params):
    return param(label, path, f"Tried accessing nonexisting field ({name}) on node type ({node})", fields=fields, **params)


def rule(name, operator, value):
    return [{"field": name, "operator": operator, "value": value}]


VERSIONS = [
    Wrong("version that has ended", "me", (400, 2635, None, "deprecated version of the Ads API"), version="v24.0"),
    Wrong("version that never was", "me", (400, 2635, None, "latest version: v25.0."), version="v99.0"),
]
TOKENS = [
    Wrong("no token", "me", (400, 2500, None, "An active access token must be used"), token=None),
    Wrong("token that never was one", "me", (400, 190, None, "Invalid OAuth access token"), token="EAAnosuchtoken"),
    Wrong("expired token", "me", (400, 190, 463, "Session has expired"), token="expired"),
    Wrong("expired token for an account", INSIGHTS, (400, 190, 463, "Session has expired"), token="expired"),
    Wrong("token without scope asks for insights", INSIGHTS, (403, 200, None, NO_SCOPE), token="unscoped"),
    Wrong("token without scope asks for ads", ADS, (403, 200, None, NO_SCOPE), token="unscoped"),
    Wrong("token without scope lists accounts", "me/adaccounts", (403, 200, None, NO_SCOPE), token="unscoped"),
    param("proof of another secret", "me", "Invalid appsecret_proof", appsecret_proof="0" * 64),
]
OBJECTS = [
    Wrong("account the token does not reach", "{berlin}/insights", (400, 100, 33, UNREACHABLE), token="single"),
    Wrong("ad of an account the token does not reach", "{berlin_ad}", (400, 100, 33, UNREACHABLE), token="single"),
    Wrong("account that does not exist", "act_4711/insights", (400, 100, 33, "Object with ID 'act_4711'")),
    Wrong("account id without act_", "{harbor_number}/insights", (400, 100, 33, UNREACHABLE)),
    Wrong("object that does not exist", "23860999", (400, 100, 33, "Object with ID '23860999'")),
    Wrong("ad that is not created yet", "{future_ad}", (400, 100, 33, UNREACHABLE)),
    Wrong("job that does not exist", "6000999999999", (400, 100, 33, UNREACHABLE)),
    Wrong("one of several ids unreachable", "", (400, 100, 33, "Object with ID '4711'"), {"ids": "{ad},4711"}),
    Wrong("no path at all", "", (400, 2500, None, "Unknown path components: /")),
    Wrong("path that is no id", "banana", (400, 2500, None, "Unknown path components: /banana")),
    field_of("unknown edge of an account", "{harbor}/bananas", "bananas", "AdAccount"),
    field_of("unknown edge of a campaign", "{campaign}/bananas", "bananas", "Campaign"),
    field_of("unknown edge of the user", "me/pages", "pages", "User"),
]
FIELDS = [
    field_of("unknown field of an ad", ADS, "banana", "Ad", "id,banana"),
    field_of("unknown field of one ad", "{ad}", "banana", "Ad", "banana"),
    field_of("unknown field of an account", "{harbor}", "banana", "AdAccount", "name,banana"),
    field_of("unknown field in the list of accounts", "me/adaccounts", "banana", "AdAccount", "banana"),
    field_of("unknown field of several ids", "", "banana", "Ad", "banana", ids="{ad}"),
    field_of("ad set's field asked of an ad", ADS, "daily_budget", "Ad", "daily_budget"),
    field_of("ad's field asked of a campaign", "{harbor}/campaigns", "adset_id", "Campaign", "id,adset_id"),
    field_of("campaign's field asked of an ad set", "{harbor}/adsets", "objective_type", "AdSet", "objective_type"),
    field_of("unknown field of the campaign inside an ad", ADS, "banana", "Campaign", "campaign{banana}"),
    field_of("unknown field of the creative inside an ad", ADS, "banana", "AdCreative", "creative{banana}"),
    param("brace never closed", ADS, "missing }", fields="id,creative{id"),
    param("brace never opened", ADS, "unexpected }", fields="id}"),
    param("unknown insights field", INSIGHTS, "banana is not valid for fields param", fields="spend,banana"),
    param("insights field that ended", INSIGHTS, "labels is not valid for fields param after V19.0", fields="spend,labels"),
    param("unknown level", INSIGHTS, "level must be one of the following values: account, campaign, adset, ad", level="banana"),
]
RANGES = [
    param("range that is not JSON", INSIGHTS, "param time_range must be valid JSON", time_range="yesterday"),
    param("range that is a list", INSIGHTS, "param time_range must be an object", time_range=["2026-03-20", "2026-03-20"]),
    param("range without until", INSIGHTS, "must have since and until", time_range={"since": "2026-03-20"}),
    param("range with a third key", INSIGHTS, "must have since and until", time_range={"since": "x", "until": "y", "of": "z"}),
    param("date with slashes", INSIGHTS, "in the format YYYY-MM-DD", 1487568, time_range={"since": "2026/03/20", "until": "2026/03/20"}),
    param("date without dashes", INSIGHTS, "in the format YYYY-MM-DD", 1487568, time_range={"since": "20260320", "until": "20260320"}),
    param("date as a number", INSIGHTS, "in the format YYYY-MM-DD", 1487568, time_range={"since": 20260320, "until": 20260320}),
    param("day that never was", INSIGHTS, "in the format YYYY-MM-DD", 1487568, time_range={"since": "2026-02-30", "until": "2026-03-01"}),
    param(
        "range backwards", INSIGHTS, "before or equal to the end date", 1487755, time_range={"since": "2026-03-20", "until": "2026-03-19"}
    ),
    param("range into the future", INSIGHTS, "cannot be in the future", 1487569, time_range={"since": "2026-03-20", "until": "2026-03-22"}),
    Wrong(
        "range that begins too long ago",
        INSIGHTS,
        (400, 3018, None, "cannot be beyond 37 months"),
        {"time_range": {"since": "2023-02-19", "until": "2023-02-20"}},
    ),
    param("unknown preset", INSIGHTS, "date_preset must be one of the following values: today, yesterday", date_preset="lifetime"),
    param("increment of no days", INSIGHTS, "time_increment must be an integer between 1 and 90", time_increment="0"),
    param("increment above the bound", INSIGHTS, "time_increment must be an integer between 1 and 90", time_increment="91"),
    param("increment that is a word", INSIGHTS, "time_increment must be an integer between 1 and 90", time_increment="weekly"),
]
WINDOWS = [
    param(
        "unknown window",
        INSIGHTS,
        "action_attribution_windows[1] must be one of",
        action_attribution_windows=["1d_click", "7d_view_1d_click"],
    ),
    param("windows that are not a list", INSIGHTS, "must be an array", action_attribution_windows={"1d_click": True}),
    param("breakdown that ended", INSIGHTS, "dma breakdown is no longer supported", breakdowns="dma"),
    param("breakdown that never was", INSIGHTS, "banana is not valid for breakdowns param", breakdowns="age,banana"),
    param("breakdown not served", INSIGHTS, "adpulse sandbox does not serve the breakdown age", breakdowns=["age"]),
    param("action breakdown not served", INSIGHTS, "adpulse sandbox does not serve", action_breakdowns="action_type,action_device"),
    param("action breakdown that never was", INSIGHTS, "action_breakdowns[0] must be one of", action_breakdowns="banana"),
    param("window not served", INSIGHTS, "adpulse sandbox does not serve the attribution", action_attribution_windows="incrementality"),
    param("report time that never was", INSIGHTS, "action_report_time must be one of", action_report_time="banana"),
    param("flag that is none", INSIGHTS, "default_summary must be a boolean", default_summary="perhaps"),
    param("ranges that are no list", INSIGHTS, "param time_ranges must be an array", time_ranges={"since": "2026-03-20"}),
]
FILTERS = [
    filtering("filter that is not JSON", "param filtering must be valid JSON", "spend>1"),
    filtering("filter that is no list", "param filtering must be an array", {"field": "spend", "operator": "EQUAL", "value": 1}),
    filtering("filter without a value", "array of objects with field, operator and value", [{"field": "spend", "operator": "EQUAL"}]),
    filtering("filter of words", "array of objects with field, operator and value", ["spend"]),
    filtering("filter by an unknown field", "field banana with operation equal is not supported", rule("banana", "EQUAL", 1)),
    filtering("entity filter by a metric", "field spend with operation equal is not supported", rule("spend", "EQUAL", 1), ADS),
    filtering("operator not served", "does not serve the operator ANY of filters", rule("ad.id", "ANY", ["1"])),
    filtering("unknown operator", "[operator] must be one of the following values: IN", rule("ad.id", "LIKE", "1")),
    filtering("IN without a list", "[value] must be an array", rule("ad.id", "IN", "1")),
    filtering("metric compared with a word", "[value] must be a number to compare spend with", rule("spend", "GREATER_THAN", "much")),
    filtering(
        "time compared with a date", "must be a number to compare updated_time", rule("updated_time", "LESS_THAN", "2026-03-20"), ADS
    ),
    param("statuses that are no list", ADS, "param effective_status must be", effective_status="ACTIVE"),
]
STATUSES = [
    *(
        param(f"deleted {edge}", f"{{harbor}}/{edge}", "Invalid parameter", 1815001, effective_status=["ACTIVE", "DELETED"])
        for edge in ("campaigns", "adsets", "ads")
    ),
    param("deleted ads of a campaign", "{campaign}/ads", "Invalid parameter", 1815001, effective_status=["DELETED"]),
    param("deleted ads by a filter", ADS, "Invalid parameter", 1815001, filtering=rule("effective_status", "IN", ["DELETED"])),
    param("all but deleted ads", ADS, "Invalid parameter", 1815001, filtering=rule("effective_status", "NOT_IN", ["DELETED"])),
    param("unknown status", ADS, "Invalid parameter", 1487561, effective_status=["BANANA"]),
    param("ad's status of ad sets", "{harbor}/adsets", "Invalid parameter", 1487561, effective_status=["PENDING_REVIEW"]),
    param("ad set's status of campaigns", "{harbor}/campaigns", "Invalid parameter", 1487561, effective_status=["CAMPAIGN_PAUSED"]),
    param(
        "ad's status of campaigns by a filter",
        "{harbor}/campaigns",
        "Invalid parameter",
        1487561,
        filtering=rule("effective_status", "EQUAL", "ADSET_PAUSED"),
    ),
    filtering_status("report by an ad's status at the level of campaigns", "campaign", "ADSET_PAUSED"),
    filtering_status("report by an ad's status at the level of ad sets", "adset", "DISAPPROVED"),
    filtering_status("report by an unknown status", "ad", "BANANA"),
]
PAGES = [
    param("limit of nothing", INSIGHTS, "limit must be an integer between 1 and 5000", limit="0"),
    param("limit below nothing", ADS, "limit must be an integer between 1 and 5000", limit="-1"),
    param("limit above the bound", INSIGHTS, "limit must be an integer between 1 and 5000", limit="5001"),
    param("limit that is a word", "me/adaccounts", "limit must be an integer between 1 and 5000", limit="many"),
    param("cursor that is none", ADS, "Invalid cursors values", 2642, after="banana"),
    param("cursor of another edge", ADS, "Invalid cursors values", 2642, after=CursorOf("{harbor}/adsets")),
    param("cursor of another account", ADS, "Invalid cursors values", 2642, after=CursorOf("{berlin}/ads")),
    param("cursor of another filter", ADS, "Invalid cursors values", 2642, after=CursorOf(ADS, {"effective_status": ["ACTIVE"]})),
    param(
        "cursor of another level",
        INSIGHTS,
        "Invalid cursors values",
        2642,
        after=CursorOf(INSIGHTS, {"level": "ad", "time_range": TODAY}),
        level="campaign",
        time_range=TODAY,
    ),
    param(
        "cursor of another day",
        INSIGHTS,
        "Invalid cursors values",
        2642,
        after=CursorOf(INSIGHTS, {"level": "ad", "time_range": TODAY}),
        level="ad",
        time_range={"since": "2026-03-19", "until": "2026-03-19"},
    ),
]
WRITES = [
    write("campaign made", "POST", "{harbor}/campaigns", name="New", objective="OUTCOME_SALES"),
    write("campaign paused", "POST", "{campaign}", status="PAUSED"),
    write("account renamed", "POST", "{harbor}", name="Mine"),
    write("ad deleted", "DELETE", "{ad}"),
    write("ad put", "PUT", "{ad}", status="PAUSED"),
    write("user changed", "POST", "me", name="Me"),
    write("account added to the user", "POST", "me/adaccounts", id="act_1"),
]
JOBS_AND_BATCHES = [
    Wrong("job for an unknown field", INSIGHTS, (400, 100, None, "banana is not valid"), {"fields": "banana"}, method="POST"),
    Wrong("job for a range backwards", INSIGHTS, (400, 100, 1487755, "before or equal"), method="POST", params={
        "time_range": {"since": "2026-03-20", "until": "2026-03-19"},
    }),
    Wrong("job without the scope", INSIGHTS, (403, 200, None, NO_SCOPE), method="POST", token="unscoped"),
    Wrong("batch of 51", "", (400, 100, None, "Maximum batch size is 50"), {"batch": [{"relative_url": "me"}] * 51}, method="POST"),
    Wrong("batch that is not JSON", "", (400, 100, None, "param batch must be valid JSON"), {"batch": "me"}, method="POST"),
    Wrong("batch that is no list", "", (400, 100, None, "param batch must be an array"), {"batch": {"relative_url": "me"}}, method="POST"),
    Wrong("batch of words", "", (400, 100, None, "an array of objects"), {"batch": ["me"]}, method="POST"),
    Wrong("batch to an ended version", "", (400, 2635, None, "deprecated version"), {"batch": []}, method="POST", version="v23.0"),
]  # fmt: skip
REQUESTS = [*VERSIONS, *TOKENS, *OBJECTS, *FIELDS, *RANGES, *WINDOWS, *FILTERS, *STATUSES, *PAGES, *WRITES, *JOBS_AND_BATCHES]
wrong_requests = pytest.mark.parametrize("wrong", REQUESTS, ids=[request.label for request in REQUESTS])


@pytest.fixture
def send(standing, ask, harbor):
    berlin, now = standing.world.account("Nordlicht Moebel"), standing.clock.now()
    names = {
        "harbor": f"act_{harbor.id}",
        "harbor_number": harbor.id,
        "berlin": f"act_{berlin.id}",
        "berlin_ad": berlin.ads[0].id,
        "campaign": harbor.campaigns[0].id,
        "ad": harbor.ads[0].id,
        "future_ad": next(ad.id for ad in harbor.ads if ad.created_at > now),
    }

    def filled(name, value):
        if isinstance(value, CursorOf):
            page = ask(value.path.format(**names), limit="1", **value.params).json()
            return page["paging"]["cursors"]["after"]
        return value.format(**names) if name == "ids" else value

    def sent(wrong):
        params = {name: filled(name, value) for name, value in wrong.params.items()}
        return ask(wrong.path.format(**names), method=wrong.method, token=wrong.token, version=wrong.version, **params)

    return sent


def test_the_table_of_requests_is_long_enough_and_has_no_duplicates():
    labels = [wrong.label for wrong in REQUESTS]

    assert len(labels) == len(set(labels))
    assert len(labels) >= 35


@wrong_requests
def test_a_wrong_request_is_refused_with_metas_code(send, wrong):
    answer = send(wrong)

    error = answer.json()["error"]
    status, code, subcode, message = wrong.expected
    assert (answer.status_code, error["code"], error.get("error_subcode")) == (status, code, subcode)
    assert message in error["message"]


@wrong_requests
def test_an_error_has_the_shape_of_metas(send, wrong):
    answer = send(wrong)

    body = answer.json()
    _, code, subcode, _ = wrong.expected
    expected = {"message", "type", "code", "fbtrace_id"} | ({"error_subcode"} if subcode else set())
    expected |= {"error_user_title", "error_user_msg"} if subcode in (1815001, 1487561) else set()
    expected |= {"is_transient"} if subcode == 1487561 else set()
    assert set(body) == {"error"}
    assert set(body["error"]) == expected
    method = (code, subcode) == (100, 33) or "appsecret_proof" in body["error"]["message"]
    assert body["error"]["type"] == ("GraphMethodException" if method else "OAuthException")
    assert body["error"]["fbtrace_id"]
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


@wrong_requests
def test_a_refusal_has_the_usage_headers_too(send, wrong):
    answer = send(wrong)

    assert answer.json()["error"]["code"] == wrong.expected[1]
    assert set(json.loads(answer.headers["x-app-usage"])) == {"call_count", "total_cputime", "total_time"}


def test_a_refusal_that_concerns_an_account_has_the_accounts_usage(ask, harbor):
    answer = ask(f"act_{harbor.id}/insights", fields="banana")

    (use,) = json.loads(answer.headers["x-business-use-case-usage"])[harbor.id]
    assert answer.status_code == 400
    assert use["type"] == "ads_insights"
    assert set(json.loads(answer.headers["x-ad-account-usage"])) == {"acc_id_util_pct", "reset_time_duration", "ads_api_access_tier"}
    assert set(json.loads(answer.headers["x-fb-ads-insights-throttle"])) == {"app_id_util_pct", "acc_id_util_pct", "ads_api_access_tier"}


def test_a_token_expires_while_the_clock_runs(sandbox, ask_own):
    before = ask_own("me", token="expiring")
    sandbox.clock.advance(2 * 3600 - 1)
    just_before = ask_own("me", token="expiring")
    sandbox.clock.advance(1)

    after = ask_own("me", token="expiring")

    assert (before.status_code, just_before.status_code, after.status_code) == (200, 200, 400)
    assert (after.json()["error"]["code"], after.json()["error"]["error_subcode"]) == (190, 463)


def test_a_range_may_begin_exactly_37_months_ago(ask, harbor):
    allowed = ask(f"act_{harbor.id}/insights", time_range={"since": "2023-02-20", "until": "2023-02-21"})

    refused = ask(f"act_{harbor.id}/insights", time_range={"since": "2023-02-19", "until": "2023-02-21"})

    assert (allowed.status_code, allowed.json()) == (200, {"data": []})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, 3018)


def test_a_job_of_another_token_is_out_of_reach(ask, harbor):
    job = ask(f"act_{harbor.id}/insights", method="POST").json()["report_run_id"]

    answer = ask(job, token="single")

    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["error_subcode"]) == (400, 100, 33)


def test_a_job_cannot_be_written_to(ask, harbor):
    job = ask(f"act_{harbor.id}/insights", method="POST").json()["report_run_id"]

    answer = ask(job, method="DELETE")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, 200)
    assert NO_WRITE in answer.json()["error"]["message"]


def test_a_refused_write_changes_nothing(ask, harbor):
    before = ask(harbor.ads[0].id, fields="name,status,updated_time").json()

    refused = ask(harbor.ads[0].id, method="DELETE")

    assert refused.status_code == 403
    assert ask(harbor.ads[0].id, fields="name,status,updated_time").json() == before
