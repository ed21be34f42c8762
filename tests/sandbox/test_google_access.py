"""Access: OAuth, managers, versions and methods that are not served; and the field service."""

import json
import time

import grpc
import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.ads.googleads.client import GoogleAdsClient
from google.ads.googleads.errors import GoogleAdsException
from google.ads.googleads.v23.errors.types.errors import GoogleAdsFailure
from google.api_core.exceptions import ServiceUnavailable
from google.auth import crypt, jwt
from google_sdk import Ads, client, code, fields_of

from adpulse_sandbox.google import oauth, rules
from adpulse_sandbox.google.certificate import key_and_certificate
from adpulse_sandbox.google.fields import schema

QUERY = "SELECT customer.id FROM customer"


@pytest.fixture(scope="module")
def google(standing):
    return standing.google


@pytest.fixture(scope="module")
def channel(google):
    """A bare gRPC channel, for calls that the SDK would not make."""
    with grpc.secure_channel(google.endpoint, grpc.ssl_channel_credentials(key_and_certificate()[1])) as opened:
        yield opened


def refused(ads, query=QUERY):
    with pytest.raises(GoogleAdsException) as caught:
        ads.stream(query)
    assert caught.value.request_id.startswith("sandbox-")
    return caught.value.error.code().name, code(caught.value.failure)


def bare(channel, path, *metadata, body=b""):
    """The status of a bare call, its failure's code if it has one, and the failure's key."""
    call = channel.unary_unary(path)
    with pytest.raises(grpc.RpcError) as caught:
        call(body, metadata=metadata, timeout=30)
    failures = [(key, value) for key, value in caught.value.trailing_metadata() if key.endswith("failure-bin")]
    codes = [(code(GoogleAdsFailure.pb(GoogleAdsFailure.deserialize(value)))[1], key) for key, value in failures]
    return caught.value.code().name, *(codes or [(None, None)])[0]


def grant(google, **form):
    return httpx.post(google.token_url, data=form, trust_env=False)


def refresh(google, label, **changed):
    token = google.world.credentials[label].refresh_token if label in google.world.credentials else label
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": oauth.CLIENT_ID, "client_secret": oauth.CLIENT_SECRET}
    return grant(google, **{**form, **changed})


def test_a_refresh_token_is_exchanged_for_an_access_token(google):
    resource = refresh(google, "full").json()

    assert resource.keys() == {"access_token", "expires_in", "token_type", "scope"}
    assert (resource["token_type"], resource["expires_in"] > 3000) == ("Bearer", True)


@pytest.mark.parametrize(
    ("label", "changed", "status", "error"),
    [
        ("revoked", {}, 400, "invalid_grant"),
        ("never-issued", {}, 400, "invalid_grant"),
        ("full", {"client_secret": "wrong"}, 401, "invalid_client"),
        ("full", {"grant_type": "password"}, 400, "unsupported_grant_type"),
        ("full", {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}, 400, "invalid_grant"),
        ("full", {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer"}, 400, "invalid_grant"),
    ],
)
def test_other_grants_are_refused(google, label, changed, status, error):
    answer = refresh(google, label, **changed)

    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_revoked_refresh_token_looks_transient_to_the_sdk(google):
    with pytest.raises(ServiceUnavailable, match="invalid_grant"):
        Ads(google, label="revoked").stream(QUERY)


def test_a_service_account_by_configuration_file_reaches_what_the_full_user_reaches(google, monkeypatch):
    monkeypatch.setenv("GOOGLE_ADS_CONFIGURATION_FILE_PATH", google.environment["GOOGLE_ADS_CONFIGURATION_FILE_PATH"])
    sdk = GoogleAdsClient.load_from_storage(version="v23")

    names = sdk.get_service("CustomerService").list_accessible_customers().resource_names

    assert [name.removeprefix("customers/") for name in names] == list(google.world.credentials["full"].customers)


def asserted(google, key=None, **changed):
    """The token endpoint's answer to a service account's assertion."""
    own = json.loads((google.files / "service-account.json").read_text())
    claims = {"iss": own["client_email"], "aud": own["token_uri"], "iat": int(time.time()), "exp": int(time.time()) + 600, **changed}
    assertion = jwt.encode(crypt.RSASigner.from_string(key or own["private_key"]), claims).decode()
    answer = grant(google, grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=assertion)
    return answer.json().get("error")


def test_an_assertion_must_be_signed_by_the_account_name_it_and_not_be_over(google):
    other = rsa.generate_private_key(65_537, 2_048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    resource = [asserted(google), asserted(google, key=other), asserted(google, iss="a@b"), asserted(google, exp=int(time.time()) - 1)]

    assert resource == [None, "invalid_grant", "invalid_grant", "invalid_grant"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"label": "expired"}, ("UNAUTHENTICATED", ("authentication_error", "OAUTH_TOKEN_EXPIRED"))),
        ({"label": "test_only"}, ("PERMISSION_DENIED", ("authorization_error", "DEVELOPER_TOKEN_NOT_APPROVED"))),
        ({"label": "none", "login": None}, ("PERMISSION_DENIED", ("authorization_error", "USER_PERMISSION_DENIED"))),
        ({"label": "single"}, ("PERMISSION_DENIED", ("authorization_error", "USER_PERMISSION_DENIED"))),
        (
            {"customer": "Pacific Trail Outfitters", "login": None},
            ("PERMISSION_DENIED", ("authorization_error", "USER_PERMISSION_DENIED")),
        ),
        (
            {"customer": "Pacific Trail Outfitters", "login": "Alpenglow Reisen"},
            ("PERMISSION_DENIED", ("authorization_error", "USER_PERMISSION_DENIED")),
        ),
        ({"customer": "Closed Bakery"}, ("PERMISSION_DENIED", ("authorization_error", "CUSTOMER_NOT_ENABLED"))),
        ({"customer": "Closed Bakery", "login": None}, ("PERMISSION_DENIED", ("authorization_error", "CUSTOMER_NOT_ENABLED"))),
    ],
)
def test_a_customer_that_is_not_reached_is_refused(google, options, expected):
    assert refused(Ads(google, **options)) == expected


def test_the_newest_version_has_another_word_for_a_project_that_reaches_test_accounts_only(newest):
    assert refused(Ads(newest.google, label="test_only", version="v26"))[1][1] == "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION"


@pytest.mark.parametrize(
    "options",
    [
        {"label": "single", "login": None},
        {"login": "Alpenglow Reisen"},
        {"customer": "Pacific Trail Outfitters", "login": "Summit Media West"},
        {"customer": "Pacific Trail Outfitters"},
    ],
)
def test_a_customer_is_reached_directly_or_through_a_manager(google, options):
    ads = Ads(google, **options)

    assert ads.rows(QUERY) == [{"customer.resource_name": f"customers/{ads.customer.id}", "customer.id": int(ads.customer.id)}]


def test_a_customer_id_must_be_digits(google):
    ads = Ads(google)
    with pytest.raises(GoogleAdsException) as caught:
        list(ads.service.search_stream(customer_id="555-791-9003", query=QUERY))

    assert code(caught.value.failure) == ("request_error", "INVALID_CUSTOMER_ID")


def test_a_user_without_customers_gets_not_ads_user(google):
    with pytest.raises(GoogleAdsException) as caught:
        client(google, label="none", login=None).get_service("CustomerService").list_accessible_customers()

    assert code(caught.value.failure) == ("authentication_error", "NOT_ADS_USER")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ([], "AUTHENTICATION_ERROR"),
        ([("authorization", "Bearer made-up")], "OAUTH_TOKEN_INVALID"),
        ([("authorization", "made-up")], "OAUTH_TOKEN_HEADER_INVALID"),
    ],
)
def test_a_call_without_a_valid_token_is_refused(channel, header, expected):
    status, error_code, _ = bare(channel, "/google.ads.googleads.v23.services.CustomerService/ListAccessibleCustomers", *header)

    assert (status, error_code) == ("UNAUTHENTICATED", expected)


@pytest.mark.parametrize("version", ["v1", "v22", "v99"])
def test_an_unsupported_version_is_refused_with_a_failure_of_that_version(channel, version):
    answer = bare(channel, f"/google.ads.googleads.{version}.services.GoogleAdsService/Search")

    assert answer == ("INVALID_ARGUMENT", "UNSUPPORTED_VERSION", f"google.ads.googleads.{version}.errors.googleadsfailure-bin")


def test_writes_are_refused_and_methods_that_the_sandbox_lacks_are_refused_as_its_own_gaps(google, standing):
    sdk = client(google, plus=True)
    operation = sdk.get_type("CampaignOperation")
    operation.remove = "customers/1/campaigns/1"
    with pytest.raises(GoogleAdsException) as caught:
        sdk.get_service("CampaignService").mutate_campaigns(customer_id="5557919003", operations=[operation])
    with pytest.raises(GoogleAdsException, match="adpulse sandbox does not serve the method KeywordPlanIdeaService") as missing:
        sdk.get_service("KeywordPlanIdeaService").generate_keyword_historical_metrics(request={"customer_id": "5557919003"})

    assert code(caught.value.failure) == ("authorization_error", "ACTION_NOT_PERMITTED")
    assert (missing.value.error.code().name, code(missing.value.failure)) == ("INVALID_ARGUMENT", ("request_error", "UNKNOWN"))
    assert [dict(error.value.error.trailing_metadata())["x-sandbox-basis"] for error in (caught, missing)] == ["documented", "unsupported"]
    assert "the method KeywordPlanIdeaService.GenerateKeywordHistoricalMetrics" in [gap["feature"] for gap in standing.gaps.as_json()]
    assert [call.kind for call in standing.calls.calls()[-2:]] == ["mutate_campaigns", "generate_keyword_historical_metrics"]


def test_a_developer_token_is_neither_needed_nor_looked_at(google):
    ads = Ads(google)
    ads.sdk.developer_token = "whatever"

    assert Ads(google).rows(QUERY) == [
        fields_of(row) for row in ads.sdk.get_service("GoogleAdsService").search(customer_id=ads.customer.id, query=QUERY)
    ]


def test_every_call_is_logged_with_its_customer_its_rows_and_its_status(sandbox):
    ads = Ads(sandbox.google)
    ads.stream("SELECT campaign.id FROM campaign LIMIT 3")
    ads.refused("SELECT campaign.unheard_of FROM campaign")

    token, good, bad = sandbox.calls.calls()
    manager = sandbox.google.world.customer("Summit Media Group").id
    assert (token.kind, token.status, token.params) == ("token", 200, {"grant_type": "refresh_token"})
    assert (good.account, good.kind, good.rows, good.status) == (ads.customer.id, "search_stream", 3, 0)
    assert good.path == "v23/GoogleAdsService/SearchStream"
    assert good.params == {"query": "SELECT campaign.id FROM campaign LIMIT 3", "login-customer-id": manager}
    assert (bad.account, bad.rows, bad.status) == (ads.customer.id, None, 3)
    assert sandbox.calls.within_hour(ads.customer.id, sandbox.clock.now()) == 2


@pytest.fixture(scope="module")
def field_service(google):
    return client(google).get_service("GoogleAdsFieldService")


def test_the_field_service_lists_the_fields_that_are_compatible_with_a_resource(field_service):
    resource = field_service.get_google_ads_field(resource_name="googleAdsFields/asset_group")

    assert (resource.name, resource.category, list(resource.attribute_resources)) == ("asset_group", 2, ["campaign", "customer"])
    assert "metrics.cost_micros" in resource.metrics
    assert {"segments.date", "segments.conversion_action_category"} <= set(resource.segments)
    assert "segments.hour" not in resource.segments


def test_the_field_service_lists_exactly_the_fields_that_queries_accept(field_service, alpenglow):
    resource = field_service.get_google_ads_field(resource_name="googleAdsFields/ad_group")

    for name in resource.segments:
        metric = "metrics.conversions" if name in rules.CONVERSION_SEGMENTS else "metrics.clicks"
        assert alpenglow.stream(f"SELECT {name}, {metric} FROM ad_group WHERE segments.date DURING YESTERDAY"), name


def test_fields_are_searched_with_a_query_without_from(field_service):
    query = "SELECT name, data_type, enum_values, is_repeated WHERE name IN ('campaign.status', 'campaign.labels', 'metrics.clicks')"
    rows = list(field_service.search_google_ads_fields(query=query))

    types = {row.name: (fields_of(row)["data_type"], row.is_repeated) for row in rows}
    assert types == {"campaign.labels": ("RESOURCE_NAME", True), "campaign.status": ("ENUM", False), "metrics.clicks": ("INT64", False)}
    assert list(next(row for row in rows if row.name == "campaign.status").enum_values) == ["UNKNOWN", "ENABLED", "PAUSED", "REMOVED"]


def test_fields_come_in_pages_and_in_order(field_service):
    request = {"query": "SELECT name WHERE category = 'METRIC' ORDER BY name DESC", "page_size": 50}
    pages = list(field_service.search_google_ads_fields(request=request).pages)

    names = [row.name for page in pages for row in page.results]
    assert [len(page.results) for page in pages][:2] == [50, 50]
    assert names == sorted((field.name for field in schema("v23").of("metrics")), reverse=True)
    assert pages[0].total_results_count == len(names)
    limited = field_service.search_google_ads_fields(query="SELECT name WHERE category = 'METRIC' LIMIT 3")
    assert (len(list(limited)), limited.total_results_count) == (3, len(names))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT name FROM campaign", "UNEXPECTED_FROM_CLAUSE"),
        ("SELECT unheard_of", "UNRECOGNIZED_FIELD"),
        ("SELECT name WHERE category LIKE 'A'", "OPERATOR_FIELD_MISMATCH"),
        ("SELECT name ORDER BY metrics", "PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE"),
    ],
)
def test_wrong_queries_for_fields_are_refused(field_service, query, expected):
    with pytest.raises(GoogleAdsException) as caught:
        list(field_service.search_google_ads_fields(query=query))

    assert code(caught.value.failure) == ("query_error", expected)


def test_a_field_that_does_not_exist_is_not_found(field_service):
    with pytest.raises(GoogleAdsException) as caught:
        field_service.get_google_ads_field(resource_name="googleAdsFields/campaign.unheard_of")

    assert code(caught.value.failure) == ("request_error", "RESOURCE_NOT_FOUND")
