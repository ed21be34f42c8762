"""Google's REST interface: the same answers as over gRPC, as JSON."""

import json
from contextlib import suppress
from datetime import date

import grpc
import httpx
import pytest
from google.ads.googleads.v23.services.types.google_ads_service import SearchGoogleAdsStreamRequest
from google.protobuf import json_format
from google_rest import QUERY, Rest
from google_sdk import Ads

from adpulse_sandbox import Sandbox
from adpulse_sandbox.basis import HEADER
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.remote import Remote

YESTERDAY = date(2026, 3, 19)
FAILURE = "type.googleapis.com/google.ads.googleads.v23.errors.GoogleAdsFailure"


@pytest.fixture
def own_rest(sandbox):
    client = Rest(sandbox.google)
    yield client
    client.http.close()


@pytest.fixture
def fault(sandbox):
    return Remote(sandbox.control_url).fault


def failure_of(answer):
    """The status, and the code of the only error of an answer's failure."""
    body = answer.json()
    error = (body[0] if isinstance(body, list) else body)["error"]
    (detail,) = error["details"]
    assert (detail["@type"], detail["requestId"]) == (FAILURE, answer.headers["request-id"])
    return answer.status_code, error["status"], *detail["errors"][0]["errorCode"].values()


def test_a_stream_has_the_rows_of_grpc_to_the_micro(rest, alpenglow):
    (batch,) = rest.stream().json()

    (expected,) = alpenglow.stream(QUERY)
    parsed = json_format.ParseDict(batch, type(expected)())
    assert len(parsed.results) > 100
    assert list(parsed.results) == list(expected.results)


def test_the_cost_of_a_stream_is_the_truth(rest, standing):
    rows = rest.stream("SELECT campaign.id, metrics.cost_micros FROM campaign WHERE segments.date DURING YESTERDAY").json()[0]["results"]

    truth = standing.google.truth.totals(rest.customer, YESTERDAY, YESTERDAY, standing.clock.now())
    costs = {row["campaign"]["id"]: int(row["metrics"]["costMicros"]) for row in rows if int(row["metrics"]["costMicros"])}
    assert costs == {row["external_id"]: row["spend"] for row in truth.to_pylist() if row["spend"]}


def test_names_are_lower_camel_case_and_int64_is_text_and_enums_are_names(rest):
    answer = rest.stream()

    (batch,) = answer.json()
    row = batch["results"][0]
    assert (type(row["metrics"]["costMicros"]), type(row["metrics"]["conversions"])) == (str, float)
    assert row["adGroupAd"]["ad"]["type"] == "RESPONSIVE_SEARCH_AD"
    assert row["adGroupAd"]["ad"]["resourceName"] == f"customers/{rest.customer}/ads/{row['adGroupAd']['ad']['id']}"
    assert batch["fieldMask"] == (
        "adGroupAd.ad.id,adGroupAd.ad.type,segments.date,metrics.costMicros,metrics.impressions,metrics.conversions"
    )
    assert batch["requestId"] == answer.headers["request-id"]
    assert answer.headers["content-type"] == "application/json; charset=UTF-8"


def test_a_stream_without_rows_is_one_batch_with_its_field_mask(rest, alpenglow):
    query = "SELECT campaign.id FROM campaign WHERE campaign.id = 1"
    (batch,) = rest.stream(query).json()

    assert (batch["fieldMask"], "results" in batch) == ("campaign.id", False)
    assert [list(answer.results) for answer in alpenglow.stream(query)] == [[]]


def test_pages_follow_one_another_and_their_size_is_fixed():
    with Sandbox.start(google=Options(page_rows=10)) as sandbox:
        rest = Rest(sandbox.google)
        query, ids, token = "SELECT ad_group_ad.ad.id FROM ad_group_ad", [], ""
        while token is not None:
            page = rest.search(query, pageToken=token).json()
            ids += [row["adGroupAd"]["ad"]["id"] for row in page["results"]]
            token = page.get("nextPageToken")
        rest.http.close()
        whole = [row["ad_group_ad.ad.id"] for row in Ads(sandbox.google).rows(query)]

    assert ids == [str(ad) for ad in whole]


def test_a_summary_row_and_the_number_of_rows_can_be_requested(rest):
    page = rest.search(searchSettings={"returnSummaryRow": True, "returnTotalResultsCount": True, "omitResults": True}).json()

    assert ("results" in page, int(page["totalResultsCount"]) > 100, int(page["summaryRow"]["metrics"]["costMicros"]) > 0) == (
        False,
        True,
        True,
    )


def test_accessible_customers_and_fields_are_listed(rest, standing):
    customers = rest.http.get("/v23/customers:listAccessibleCustomers").json()
    field = rest.http.get("/v23/googleAdsFields/metrics.cost_micros").json()
    fields = rest.http.post("/v23/googleAdsFields:search", json={"query": "SELECT name WHERE name = 'campaign.id'"}).json()

    assert customers == {"resourceNames": [f"customers/{customer}" for customer in standing.google.world.credentials["full"].customers]}
    assert (field["resourceName"], field["category"], field["dataType"]) == ("googleAdsFields/metrics.cost_micros", "METRIC", "INT64")
    assert [match["name"] for match in fields["results"]] == ["campaign.id"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"query": "SELECT banana FROM campaign"}, (400, "INVALID_ARGUMENT", "UNRECOGNIZED_FIELD")),
        ({"pageSize": 10_000}, (400, "INVALID_ARGUMENT", "PAGE_SIZE_NOT_SUPPORTED")),
        ({"method": "searchStream", "query": "SELECT"}, (400, "INVALID_ARGUMENT", "UNEXPECTED_END_OF_QUERY")),
        ({"customer": "12-34"}, (400, "INVALID_ARGUMENT", "INVALID_CUSTOMER_ID")),
        ({"customer": "1"}, (403, "PERMISSION_DENIED", "USER_PERMISSION_DENIED")),
    ],
)
def test_a_refusal_has_its_http_status_and_a_failure(rest, options, expected):
    answer = rest.search(**options)

    assert failure_of(answer) == expected
    assert isinstance(answer.json(), list) is (options.get("method") == "searchStream")


def test_without_a_token_a_call_is_unauthenticated(standing):
    path = "/v23/customers:listAccessibleCustomers"

    assert failure_of(httpx.get(standing.google.rest_url + path, trust_env=False))[:2] == (401, "UNAUTHENTICATED")


def test_a_version_that_is_not_served_and_a_write_are_refused(rest):
    ended = rest.search(version="v22").json()["error"]
    write = rest.http.post(f"/v23/customers/{rest.customer}/campaigns:mutate", json={"operations": []})

    assert ended["details"][0]["errors"][0]["errorCode"] == {"requestError": "UNSUPPORTED_VERSION"}
    assert failure_of(write) == (403, "PERMISSION_DENIED", "ACTION_NOT_PERMITTED")


def test_a_body_that_is_no_request_is_refused_before_the_ads_api(rest):
    answers = [rest.search(page_rows=5), rest.http.post(f"/v23/customers/{rest.customer}/googleAds:search", content=b"{")]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert answers[0].json()["error"] == {
        "code": 400,
        "message": 'Invalid JSON payload received. Unknown name "page_rows": Cannot find field.',
        "status": "INVALID_ARGUMENT",
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        ("[]", 'Unknown name "": Root element must be a message.'),
        ("null", 'Unknown name "": Root element must be a message.'),
        ('"query"', 'Unknown name "": Root element must be a message.'),
        ("[" * 100_000, "Unexpected token or value."),
        ('{"searchSettings":' * 300 + "1" + "}" * 300, "Unexpected token or value."),
        ('{"query": ["SELECT"]}', "Unexpected token or value."),
        ("\u00ff", "Unexpected token or value."),
    ],
    ids=["array", "null", "text", "deep", "deep message", "another type", "no JSON"],
)
def test_json_that_is_no_request_is_refused_in_words(rest, body, detail):
    answer = rest.http.post(f"/v23/customers/{rest.customer}/googleAds:search", content=body.encode("latin-1"))

    message = f"Invalid JSON payload received. {detail}"
    assert (answer.status_code, answer.json()) == (400, {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}})


def test_an_address_outside_the_api_is_not_found(rest):
    assert rest.http.get("/customers").status_code == 404


@pytest.mark.parametrize(
    ("action", "rule", "expected"),
    [
        ("throttle", {}, (429, "RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED")),
        ("transient", {}, (500, "INTERNAL", "TRANSIENT_ERROR")),
        ("too_much_data", {"above_days": 5}, (429, "RESOURCE_EXHAUSTED", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION")),
        ("expired_token", {}, (401, "UNAUTHENTICATED", "OAUTH_TOKEN_EXPIRED")),
        ("permission_lost", {}, (403, "PERMISSION_DENIED", "USER_PERMISSION_DENIED")),
        ("customer_closed", {}, (403, "PERMISSION_DENIED", "CUSTOMER_NOT_ENABLED")),
    ],
)
def test_a_fault_is_a_failure_with_its_http_status(own_rest, fault, action, rule, expected):
    fault(action, platform="google", **rule)

    assert [failure_of(own_rest.search()), failure_of(own_rest.stream())] == [expected] * 2


def test_faults_that_are_no_failure(own_rest, fault, sandbox):
    whole = own_rest.stream().json()[0]["results"]
    for action, rule in (("duplicate_row", {}), ("server_error", {}), ("permission_lost", {"reason": "SERVICE_DISABLED"})):
        fault(action, platform="google", kind="search_stream", count=1, **rule)
    twice, unavailable, disabled = own_rest.stream().json(), own_rest.stream().json(), own_rest.stream().json()

    assert twice[0]["results"] == [*whole, whole[0]]
    assert unavailable == [{"error": {"code": 503, "message": "The service is currently unavailable.", "status": "UNAVAILABLE"}}]
    assert disabled[0]["error"]["details"][0]["reason"] == "SERVICE_DISABLED"
    fault("rewrite", kind="search_stream", place="results[0].ad_group_ad.ad.type_", value=999, count=1)
    fault("rewrite", kind="search_stream", place="field_mask.paths[0]", value="half\ud83d", count=1)
    assert own_rest.stream().json()[0]["results"][0]["adGroupAd"]["ad"]["type"] == 999
    assert "half\\ud83d" in own_rest.stream().text
    assert [call.fault for call in sandbox.calls.calls() if call.kind == "search_stream"] == [
        None, "duplicate_row", "server_error", "permission_lost", "rewrite", "rewrite",
    ]  # fmt: skip


def test_a_stream_that_breaks_off_is_no_json(own_rest, fault):
    """A client that accepts a body that is shorter than announced still cannot read it."""
    fault("drop_midway", platform="google", count=1)
    received, path = bytearray(), f"/v23/customers/{own_rest.customer}/googleAds:searchStream"
    with own_rest.http.stream("POST", path, json={"query": QUERY}) as answer, suppress(httpx.RemoteProtocolError):
        for piece in answer.iter_raw():
            received += piece

    assert received.startswith(b'[{"results"')
    with pytest.raises(ValueError, match="delimiter"):
        json.loads(received)


@pytest.mark.parametrize("action", ["drop", "drop_midway"])
def test_a_connection_breaks_off(own_rest, fault, action):
    fault(action, platform="google", count=1)

    with pytest.raises(httpx.RemoteProtocolError):
        own_rest.stream()
    assert own_rest.stream().status_code == 200


def test_the_call_log_has_the_address_and_the_kind_of_grpc(own_rest, sandbox):
    own_rest.search()
    own_rest.search("SELECT")

    answered, refused = [call for call in sandbox.calls.calls() if call.kind == "search"]
    assert (answered.method, answered.path, answered.status) == ("POST", f"v23/customers/{own_rest.customer}/googleAds:search", 200)
    assert (answered.account, answered.rows > 100, refused.status) == (own_rest.customer, True, 400)
    assert answered.params["query"] == QUERY


def test_a_field_mask_may_name_any_field(rest):
    query = "SELECT conversion_action.google_analytics_4_settings.event_name FROM conversion_action"

    assert rest.stream(query).json()[0]["fieldMask"] == "conversionAction.googleAnalytics4Settings.eventName"


def test_an_answer_names_its_basis(own_rest, sandbox):
    answers = [own_rest.search(), own_rest.search("SELECT"), own_rest.http.post("/v23/customers/1/audienceInsights:generate", json={})]
    filtered = own_rest.http.post(f"/v23/customers/{own_rest.customer}/googleAds:search?fields=results", json={"query": QUERY})

    assert [answer.headers[HEADER] for answer in (*answers, filtered)] == ["documented", "documented", "unsupported", "unsupported"]
    assert failure_of(answers[2]) == (400, "INVALID_ARGUMENT", "UNKNOWN")
    assert answers[2].json()["error"]["details"][0]["errors"][0]["message"].startswith("adpulse sandbox does not serve")
    assert [(gap["platform"], gap["feature"], gap["count"]) for gap in sandbox.gaps.as_json()] == [
        ("google", "the method POST customers/{id}/audienceInsights.Generate", 1),
        ("google", "parameters in the address of REST calls other than alt, prettyPrint and quotaUser", 1),
    ]


def test_grpc_names_the_basis_in_its_trailing_metadata(rest):
    """Without the SDK, whose streams return the initial metadata in place of the trailing ones."""
    credentials = grpc.ssl_channel_credentials((rest.google.files / "ca.pem").read_bytes())
    with grpc.secure_channel(rest.google.endpoint, credentials) as channel:
        stream = channel.unary_stream("/google.ads.googleads.v23.services.GoogleAdsService/SearchStream")
        request = SearchGoogleAdsStreamRequest.serialize(SearchGoogleAdsStreamRequest(customer_id=rest.customer, query=QUERY))
        answers = stream(request, metadata=[("authorization", rest.http.headers["authorization"]), ("login-customer-id", rest.customer)])

        assert len(list(answers)) == 1
        assert dict(answers.trailing_metadata())[HEADER] == "documented"
