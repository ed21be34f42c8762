"""Meta's usage headers: which meters count for which calls, and that none costs the answer that it came with."""

import json
import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import RateLimited
from adpulse.platforms.meta.meters import INSIGHTS, MANAGEMENT, Meters, has_full_access, usage, use_case, wait_hint


def headers(**meters):
    return {name.replace("_", "-"): json.dumps(value) for name, value in meters.items()}


def of_use_cases(**percent):
    return headers(x_business_use_case_usage={"1": [{"type": kind, "call_count": value} for kind, value in percent.items()]})


@pytest.mark.parametrize(
    ("path", "params", "expected"),
    [
        ("act_7/insights", {"fields": "spend"}, INSIGHTS),
        ("660/insights", {}, INSIGHTS),
        ("660", {"fields": "async_status,async_percent_completion"}, INSIGHTS),
        ("act_7", {"fields": "name"}, MANAGEMENT),
        ("act_7/ads", {"fields": "id"}, MANAGEMENT),
        ("120210000000000001", {"fields": "id,effective_status"}, MANAGEMENT),
    ],
)
def test_each_call_has_its_use_case(path, params, expected):
    assert use_case(path, params) == expected


def test_meters_of_other_use_cases_do_not_stop_reports():
    sent = of_use_cases(custom_audience=100, ads_management=99, leadgen=100, ads_insights=5)

    assert usage(sent, INSIGHTS)["account"] == 5
    assert usage(sent, MANAGEMENT)["account"] == 99
    meters = Meters(lambda _: None)
    meters.note(sent, "account 7")
    meters.heed("account 7", INSIGHTS)
    with pytest.raises(RateLimited, match="99 % of Meta's own limit is used up for campaigns and ads of account 7") as caught:
        meters.heed("account 7", MANAGEMENT)
    assert caught.value.scope == "entities"


def test_waits_of_other_use_cases_are_not_ours():
    cases = [
        {"type": kind, "estimated_time_to_regain_access": minutes} for kind, minutes in (("custom_audience", 300), ("ads_insights", 3))
    ]

    assert wait_hint(headers(x_business_use_case_usage={"1": cases}), INSIGHTS) == 180
    assert wait_hint(headers(x_business_use_case_usage={"1": cases}), MANAGEMENT) is None


def test_a_full_meter_of_reports_stops_the_accounts_reports_once():
    meters = Meters(lambda _: None)
    meters.note(of_use_cases(ads_insights=95), "account 7")

    with pytest.raises(RateLimited, match="95 % of Meta's own limit is used up for account 7") as caught:
        meters.heed("account 7", INSIGHTS)
    assert caught.value.scope == "account"
    meters.heed("account 8", INSIGHTS)
    meters.heed("account 7", INSIGHTS)


@pytest.mark.parametrize("percent", [-5, 1e5, 1e300])
def test_a_meter_that_no_limit_can_show_is_not_believed(percent):
    assert usage(of_use_cases(ads_insights=percent), INSIGHTS) == {"account": 0, "app": 0}


def test_the_longest_hint_counts_and_without_one_nothing_is_made_up():
    hinted = headers(
        x_business_use_case_usage={"1": [{"estimated_time_to_regain_access": 3}, {"estimated_time_to_regain_access": 11}]},
        x_ad_account_usage={"reset_time_duration": 120},
    )

    assert wait_hint(hinted, INSIGHTS) == 660
    assert wait_hint({}, INSIGHTS) is None


def test_usage_is_the_fullest_meter_of_the_account_and_of_the_app():
    sent = headers(
        x_business_use_case_usage={"1": [{"call_count": 12, "total_cputime": 41, "total_time": 3}]},
        x_fb_ads_insights_throttle={"app_id_util_pct": 5, "acc_id_util_pct": 40.5},
        x_app_usage={"call_count": 3, "total_cputime": 7.5, "total_time": 6},
    )

    assert usage(sent, INSIGHTS) == {"account": 41, "app": 7.5}
    assert usage(headers(x_fb_ads_insights_throttle={"app_id_util_pct": 96, "acc_id_util_pct": 1}), INSIGHTS) == {
        "account": 1,
        "app": 96,
    }
    for nothing in ({}, {"x-ad-account-usage": "no json"}):
        assert usage(nothing, INSIGHTS) == {"account": 0, "app": 0}
    assert wait_hint({"x-ad-account-usage": "[1]"}, INSIGHTS) is None


@pytest.mark.parametrize("odd", [None, "n/a", "NaN", "-Infinity", [], {}, [7], {"value": 7}])
def test_a_meter_that_is_null_or_no_number_counts_as_absent(odd):
    case = {"call_count": odd, "total_cputime": 12, "total_time": odd, "estimated_time_to_regain_access": odd}
    sent = headers(
        x_business_use_case_usage={"1": [case, odd], "2": odd},
        x_ad_account_usage={"acc_id_util_pct": odd, "reset_time_duration": 30},
        x_fb_ads_insights_throttle={"app_id_util_pct": odd, "acc_id_util_pct": odd},
        x_app_usage={"call_count": odd, "total_cputime": odd, "total_time": 8},
    )

    assert (usage(sent, INSIGHTS), wait_hint(sent, INSIGHTS)) == ({"account": 12, "app": 8}, 30)


@pytest.mark.parametrize("seconds", [-5, 0, 1e300, 10**400])
def test_a_wait_that_no_limit_asks_for_is_no_hint(seconds):
    assert wait_hint(headers(x_ad_account_usage={"reset_time_duration": seconds}), INSIGHTS) is None


METERS = ("x-business-use-case-usage", "x-ad-account-usage", "x-fb-ads-insights-throttle", "x-app-usage")
NAMES = st.sampled_from(
    [
        "call_count",
        "total_cputime",
        "total_time",
        "acc_id_util_pct",
        "app_id_util_pct",
        "reset_time_duration",
        "estimated_time_to_regain_access",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.just("1"), inner, max_size=3),
)


@given(
    st.dictionaries(
        st.sampled_from(METERS), JSON.map(json.dumps) | st.text(max_size=10) | st.binary(max_size=10).map(lambda raw: raw.decode("latin-1"))
    )
)
def test_whatever_stands_in_a_usage_header_no_answer_is_lost_to_it(sent):
    used, wait = usage(sent, INSIGHTS), wait_hint(sent, INSIGHTS)

    assert all(math.isfinite(each) for each in used.values())
    Meters(lambda _: None).note(sent, "account 7")
    assert wait is None or 0 < wait <= timedelta(days=7).total_seconds()


LIMITED, FULL = "development_access", "standard_access"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, None),
        ({"x_ad_account_usage": {"acc_id_util_pct": 1}}, None),
        ({"x_ad_account_usage": {"ads_api_access_tier": FULL}}, True),
        ({"x_fb_ads_insights_throttle": {"ads_api_access_tier": LIMITED}}, False),
        ({"x_business_use_case_usage": {"5501": [{"type": INSIGHTS, "ads_api_access_tier": FULL}]}}, True),
        ({"x_business_use_case_usage": {"5501": [{"type": MANAGEMENT, "ads_api_access_tier": LIMITED}]}}, False),
        ({"x_ad_account_usage": {"ads_api_access_tier": FULL}, "x_fb_ads_insights_throttle": {"ads_api_access_tier": LIMITED}}, False),
        ({"x_ad_account_usage": {"ads_api_access_tier": "platinum"}}, None),
        ({"x_ad_account_usage": {"ads_api_access_tier": [FULL]}}, None),
    ],
)
def test_the_apps_tier_is_what_the_headers_name_and_the_limited_one_where_they_differ(sent, expected):
    assert has_full_access(headers(**sent)) is expected
