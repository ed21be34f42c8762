"""Scripted faults of the Google half, as the official SDK receives them."""

import grpc
import httpx
import pytest
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.v23.errors.types.errors import GoogleAdsFailure
from google.api_core.exceptions import InternalServerError, ResourceExhausted, ServiceUnavailable
from google_sdk import Ads, code

from adpulse_sandbox.faults import Faults
from adpulse_sandbox.remote import Remote

QUERY = "SELECT ad_group_ad.ad.id, metrics.clicks FROM ad_group_ad WHERE segments.date DURING LAST_7_DAYS"


@pytest.fixture
def ads(sandbox):
    return Ads(sandbox.google)


@pytest.fixture
def fault(sandbox):
    return Remote(sandbox.control_url).fault


def failure(error):
    """The failure in the trailing metadata of an error that the SDK does not decode."""
    ((_, value),) = [pair for pair in error.response.trailing_metadata() if pair[0].endswith("googleadsfailure-bin")]
    return GoogleAdsFailure.pb(GoogleAdsFailure.deserialize(value))


@pytest.mark.parametrize(
    ("rule", "reason", "scope", "seconds"),
    [
        ({}, "RESOURCE_TEMPORARILY_EXHAUSTED", 2, 300),
        ({"reason": "RESOURCE_EXHAUSTED", "scope": "DEVELOPER", "minutes": 30}, "RESOURCE_EXHAUSTED", 3, 1800),
    ],
)
def test_a_throttled_call_says_what_is_exhausted_and_when_to_come_back(ads, fault, rule, reason, scope, seconds):
    fault("throttle", platform="google", account=ads.customer.id, count=1, **rule)

    with pytest.raises(ResourceExhausted) as caught:
        ads.stream(QUERY)

    failed = failure(caught.value)
    details = failed.errors[0].details.quota_error_details
    assert code(failed) == ("quota_error", reason)
    assert (details.rate_scope, details.retry_delay.seconds) == (scope, seconds)
    assert failed.request_id
    assert ads.stream(QUERY)


def test_a_query_over_too_many_days_is_too_heavy(ads, fault):
    fault("too_much_data", above_days=5)

    with pytest.raises(ResourceExhausted) as caught:
        ads.stream(QUERY)

    assert code(failure(caught.value)) == ("quota_error", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION")
    assert ads.stream(QUERY.replace("LAST_7_DAYS", "YESTERDAY"))


def test_a_transient_error_is_internal_and_says_that_it_is_transient(ads, fault):
    fault("transient", kind="search_stream", count=1)

    with pytest.raises(InternalServerError) as caught:
        ads.stream(QUERY)

    assert code(failure(caught.value)) == ("internal_error", "TRANSIENT_ERROR")


@pytest.mark.parametrize("action", ["server_error", "drop"])
def test_an_unavailable_service_has_no_failure(ads, fault, action):
    fault(action, account=ads.customer.id, count=1)

    with pytest.raises(ServiceUnavailable) as caught:
        ads.stream(QUERY)

    assert [key for key, _ in caught.value.response.trailing_metadata() if key.endswith("-bin")] == []


def test_a_stream_breaks_off_after_half_of_its_rows(ads, fault):
    whole, got = ads.rows(QUERY), []
    fault("drop_midway", count=1)
    stream = iter(ads.service.search_stream(customer_id=ads.customer.id, query=QUERY))

    got.append(next(stream))
    with pytest.raises(ServiceUnavailable):
        next(stream)

    assert [len(batch.results) for batch in got] == [(len(whole) + 1) // 2]


@pytest.mark.parametrize(
    ("action", "status", "expected"),
    [
        ("expired_token", "UNAUTHENTICATED", ("authentication_error", "OAUTH_TOKEN_EXPIRED")),
        ("revoked_token", "UNAUTHENTICATED", ("authentication_error", "OAUTH_TOKEN_REVOKED")),
        ("permission_lost", "PERMISSION_DENIED", ("authorization_error", "USER_PERMISSION_DENIED")),
        ("customer_closed", "PERMISSION_DENIED", ("authorization_error", "CUSTOMER_NOT_ENABLED")),
    ],
)
def test_access_is_lost(ads, fault, action, status, expected):
    fault(action, account=ads.customer.id, count=1)

    with pytest.raises(GoogleAdsException) as caught:
        ads.stream(QUERY)

    assert (caught.value.error.code().name, code(caught.value.failure)) == (status, expected)


def test_a_customer_that_was_closed_stays_closed_and_its_manager_knows(sandbox, ads, fault):
    fault("customer_closed", account=ads.customer.id, count=1)

    assert [ads.refused(QUERY)[1] for _ in range(2)] == ["CUSTOMER_NOT_ENABLED"] * 2
    manager = Ads(sandbox.google, "Summit Media Group")
    query = f"SELECT customer_client.status FROM customer_client WHERE customer_client.id = {ads.customer.id}"
    assert [row["customer_client.status"] for row in manager.rows(query)] == ["CANCELED"]


def test_a_refresh_token_is_revoked_at_the_token_endpoint(sandbox, fault):
    fault("revoked_token", kind="token")

    with pytest.raises(ServiceUnavailable, match="invalid_grant"):
        Ads(sandbox.google).stream(QUERY)

    assert sandbox.calls.calls()[0].fault == "revoked_token"


def test_the_token_endpoint_is_down(sandbox, fault):
    fault("server_error", kind="token")

    answer = httpx.post(sandbox.google.token_url, data={"grant_type": "refresh_token"}, trust_env=False)

    assert (answer.status_code, answer.json()["error"]) == (503, "backend_error")


@pytest.mark.parametrize(
    ("action", "field", "before", "after"),
    [
        ("currency_changed", "customer.currency_code", "EUR", "CHF"),
        ("time_zone_changed", "customer.time_zone", "Europe/Berlin", "Pacific/Auckland"),
    ],
)
def test_a_customer_changes_its_currency_or_its_time_zone_for_good(ads, fault, action, field, before, after):
    query = f"SELECT {field} FROM customer"
    values = [ads.rows(query)[0][field]]
    fault(action, account=ads.customer.id, count=1)
    values += [ads.rows(query)[0][field] for _ in range(2)]

    assert values == [before, before, after]


def test_a_change_of_time_zone_moves_the_days(ads, fault):
    query = "SELECT segments.date, metrics.clicks FROM customer WHERE segments.date DURING TODAY"
    fault("time_zone_changed", account=ads.customer.id, count=1)
    before = ads.rows(query)

    after = ads.rows(query)

    assert [row["segments.date"] for row in (*before, *after)] == ["2026-03-20", "2026-03-21"]


def test_a_row_comes_twice(ads, fault):
    once = ads.rows(QUERY)
    fault("duplicate_row", account=ads.customer.id)

    assert ads.rows(QUERY) == [*once, once[0]]


def test_a_message_that_is_too_large_for_the_client_is_exhausted_without_a_failure(ads, fault):
    fault("oversized", count=1)

    with pytest.raises(ResourceExhausted) as caught:
        ads.stream(QUERY)

    assert [key for key, _ in caught.value.response.trailing_metadata() or () if key.endswith("-bin")] == []


def test_a_slow_call_takes_its_time_and_answers(ads, fault, sandbox):
    fault("slow", seconds=0.3, count=1)
    ads.stream(QUERY)

    assert [(call.fault, call.status) for call in sandbox.calls.calls(ads.customer.id)] == [("slow", 0)]


def test_a_client_that_gives_up_early_gets_its_deadline(ads, fault):
    fault("slow", seconds=3.0, count=1)

    with pytest.raises(Exception, match="Deadline") as caught:
        list(ads.service.search_stream(customer_id=ads.customer.id, query=QUERY, timeout=1.5))

    assert caught.value.grpc_status_code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert ads.stream(QUERY)


def test_a_rule_for_a_page_and_with_a_skip_strikes_there(ads, fault, sandbox):
    fault("server_error", account=ads.customer.id, kind="search", skip=1, count=1)

    answered = [bool(ads.page("SELECT campaign.id FROM campaign").results)]
    with pytest.raises(ServiceUnavailable):
        ads.page("SELECT campaign.id FROM campaign")

    assert answered == [True]
    assert [call.fault for call in sandbox.calls.calls(ads.customer.id)] == [None, "server_error"]


def test_a_rule_for_a_resource_strikes_its_queries_alone(ads, fault, ask_own, sandbox):
    fault("server_error", resource="ad_group")
    account = sandbox.world.account("Harbor Outdoor").id

    assert ads.stream("SELECT campaign.id FROM campaign")
    assert ads.stream(QUERY)
    assert ask_own(f"act_{account}/adsets").status_code == 200
    with pytest.raises(ServiceUnavailable):
        ads.stream("SELECT ad_group.id FROM ad_group")


@pytest.mark.parametrize("rule", [{"platform": "meta"}, {"kind": "token"}, {"action": "html"}])
def test_a_resource_belongs_to_queries_of_google(rule):
    with pytest.raises(ValueError, match="Only queries of Google's have a resource: search, search_stream"):
        Faults().add([{"action": "throttle", "resource": "campaign", **rule}])


def test_rules_strike_only_the_platform_they_are_for(ads, fault, sandbox, ask_own):
    fault("throttle", platform="meta")
    fault("html")
    account = sandbox.world.account("Harbor Outdoor").id

    rows = ads.stream(QUERY)
    codes = [ask_own(f"act_{account}/campaigns").status_code, ask_own(f"act_{account}/campaigns").status_code]

    assert rows
    assert codes == [400, 400]


@pytest.mark.parametrize(
    "rule", [{"action": "throttle", "reason": "TIRED"}, {"action": "slow", "reason": "TRANSIENT_ERROR"}, {"scope": "WORLD"}]
)
def test_a_reason_or_a_scope_that_google_does_not_have_is_refused_at_once(rule):
    with pytest.raises(ValueError, match="Known scopes: ACCOUNT, DEVELOPER; reasons by action"):
        Faults().add([{"action": "throttle", **rule}])


def test_an_unknown_fault_names_the_actions_of_both_platforms():
    with pytest.raises(ValueError, match=r"actions: throttle, .*null_batch_item.*, revoked_token"):
        Faults().add([{"action": "unheard_of"}])


def test_a_value_of_a_row_is_rewritten(ads, fault):
    def campaigns():
        (batch,) = ads.stream("SELECT campaign.id, campaign.name, campaign.status FROM campaign")
        return [row.campaign for row in batch.results]

    right = campaigns()
    fault("rewrite", place="results[0].campaign.status", value=99, count=1)
    fault("rewrite", place="results[*].campaign.id", remove=True, count=1)

    status, ids = campaigns(), campaigns()

    assert [int(campaign.status) for campaign in status] == [99, *(campaign.status for campaign in right[1:])]
    assert {campaign.id for campaign in ids} == {0}
    assert [campaign.name for campaign in ids] == [campaign.name for campaign in right]
