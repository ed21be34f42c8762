"""Google's documented codes and what becomes of them."""

from importlib import import_module

import pytest
from google.ads.googleads.v26.errors.types.errors import ErrorCode, GoogleAdsFailure
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import (
    AccountRefused,
    AdpulseError,
    AuthExpired,
    BadRequest,
    RateLimited,
    TooMuchData,
    TooOld,
    Unavailable,
    VersionSunset,
)
from adpulse.platforms.google.errors import TOO_HEAVY, Failure, failure_of, from_failure
from adpulse.platforms.google.messages import error_reason, failure_reader

TABLE = [
    ("quota_error", "RESOURCE_EXHAUSTED", RateLimited),
    ("quota_error", "RESOURCE_TEMPORARILY_EXHAUSTED", RateLimited),
    ("quota_error", "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", TooMuchData),
    ("quota_error", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION", TooMuchData),
    ("quota_error", "ACCESS_PROHIBITED", AccountRefused),
    ("internal_error", "INTERNAL_ERROR", Unavailable),
    ("internal_error", "TRANSIENT_ERROR", Unavailable),
    ("internal_error", "DEADLINE_EXCEEDED", Unavailable),
    ("authentication_error", "OAUTH_TOKEN_EXPIRED", AuthExpired),
    ("authentication_error", "OAUTH_TOKEN_REVOKED", AuthExpired),
    ("authentication_error", "OAUTH_TOKEN_DISABLED", AuthExpired),
    ("authentication_error", "GOOGLE_ACCOUNT_DELETED", AuthExpired),
    ("authentication_error", "TWO_STEP_VERIFICATION_NOT_ENROLLED", AuthExpired),
    ("authentication_error", "NOT_ADS_USER", AuthExpired),
    ("authentication_error", "CUSTOMER_NOT_FOUND", AccountRefused),
    ("authentication_error", "CLIENT_CUSTOMER_ID_INVALID", AccountRefused),
    ("authorization_error", "USER_PERMISSION_DENIED", AccountRefused),
    ("authorization_error", "CUSTOMER_NOT_ENABLED", AccountRefused),
    ("authorization_error", "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", AccountRefused),
    ("authorization_error", "ACTION_NOT_PERMITTED_FOR_SUSPENDED_ACCOUNT", AccountRefused),
    ("authorization_error", "DEVELOPER_TOKEN_NOT_APPROVED", AccountRefused),
    ("request_error", "UNSUPPORTED_VERSION", VersionSunset),
    ("request_error", "INVALID_CUSTOMER_ID", BadRequest),
    ("request_error", "PAGE_SIZE_NOT_SUPPORTED", BadRequest),
    ("query_error", "REQUESTED_METRICS_FOR_MANAGER", AccountRefused),
    ("query_error", "UNRECOGNIZED_FIELD", BadRequest),
    ("query_error", "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE", BadRequest),
    ("header_error", "INVALID_LOGIN_CUSTOMER_ID", BadRequest),
    ("change_status_error", "START_DATE_TOO_OLD", BadRequest),
    ("date_range_error", "INVALID_DATE", BadRequest),
    ("date_range_error", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", TooOld),
    ("date_range_error", "UNKNOWN", TooOld),
    ("query_error", "UNKNOWN", BadRequest),
    ("size_limit_error", "RESPONSE_SIZE_LIMIT_EXCEEDED", BadRequest),
    ("database_error", "CONCURRENT_MODIFICATION", Unavailable),
    ("unheard_of_error", "WHATEVER", Unavailable),
    ("unknown", "4711", Unavailable),
]
WITHOUT_EXPLANATION = [
    ("RESOURCE_EXHAUSTED", TooMuchData),
    ("UNIMPLEMENTED", VersionSunset),
    ("UNAUTHENTICATED", AuthExpired),
    ("PERMISSION_DENIED", AccountRefused),
    ("UNAVAILABLE", Unavailable),
    ("INTERNAL", Unavailable),
    ("DEADLINE_EXCEEDED", Unavailable),
    ("ABORTED", Unavailable),
    ("CANCELLED", Unavailable),
    ("INVALID_ARGUMENT", Unavailable),
    ("UNHEARD_OF", Unavailable),
]
SECRET = "1//a-refresh-token"


class Status:
    """What gRPC calls a status."""

    def __init__(self, name):
        self.name = name


class Call(Exception):
    """A gRPC call that failed, as far as anyone looks at it: the library has no way to make one."""

    def __init__(self, status, details="said", trailing=()):
        super().__init__(details)
        self._told = status, details, trailing

    def code(self):
        return Status(self._told[0])

    def details(self):
        return self._told[1]

    def trailing_metadata(self):
        return self._told[2]


FAILURE = type(GoogleAdsFailure.pb(GoogleAdsFailure()))
READ = failure_reader("v26")


def explained(family, number, message="said"):
    """A failure as it comes beside the status."""
    failure = FAILURE()
    error = failure.errors.add(message=message)
    setattr(error.error_code, family, number)
    return (("request-id", "x"), ("google.ads.googleads.v26.errors.googleadsfailure-bin", failure.SerializeToString()))


@pytest.mark.parametrize(("family", "code", "expected"), TABLE)
def test_every_documented_code_has_its_class(family, code, expected):
    error = from_failure(Failure(status="INVALID_ARGUMENT", family=family, code=code, scope="ACCOUNT"), "customer 7")

    assert type(error) is expected
    assert "customer 7" in str(error) or expected is VersionSunset


@pytest.mark.parametrize(("status", "expected"), WITHOUT_EXPLANATION)
def test_a_status_that_nothing_explains_has_its_class(status, expected):
    error = from_failure(Failure(status=status), "customer 7")

    assert type(error) is expected


@pytest.mark.parametrize("status", [status for status, _ in WITHOUT_EXPLANATION])
def test_a_refused_refresh_token_is_known_by_its_word_whatever_the_status(status):
    said = f"Getting metadata from plugin failed with error: ('invalid_grant: {SECRET}')"

    error = from_failure(Failure(status=status, message=said), "customer 7")

    assert type(error) is AuthExpired
    assert SECRET not in f"{error}{error!r}{vars(error)}"


@pytest.mark.parametrize(
    ("code", "scope", "expected"),
    [
        ("RESOURCE_EXHAUSTED", "DEVELOPER", "app"),
        ("RESOURCE_EXHAUSTED", "ACCOUNT", "account"),
        ("RESOURCE_EXHAUSTED", "", "app"),
        ("RESOURCE_TEMPORARILY_EXHAUSTED", "DEVELOPER", "app"),
        ("RESOURCE_TEMPORARILY_EXHAUSTED", "ACCOUNT", "account"),
        ("RESOURCE_TEMPORARILY_EXHAUSTED", "", "account"),
        ("RESOURCE_EXHAUSTED", "UNKNOWN", "app"),
    ],
)
def test_a_quota_pauses_what_it_is_of(code, scope, expected):
    error = from_failure(
        Failure(status="RESOURCE_EXHAUSTED", family="quota_error", code=code, scope=scope, retry_seconds=30.5), "customer 7"
    )

    assert (error.scope, error.retry_after, error.code) == (expected, 30.5, code)


def test_a_quota_that_does_not_say_how_long_leaves_it_open():
    error = from_failure(Failure(status="RESOURCE_EXHAUSTED", family="quota_error", code="RESOURCE_EXHAUSTED"), "customer 7")

    assert error.retry_after is None


@pytest.mark.parametrize("code", sorted(TOO_HEAVY))
def test_what_is_too_heavy_and_cannot_be_less_waits_long(code):
    error = from_failure(Failure(status="RESOURCE_EXHAUSTED", family="quota_error", code=code), "customer 7").for_no_smaller()

    assert (type(error), error.retry_after, error.code) == (RateLimited, 3600, code)


def test_what_is_too_big_and_cannot_be_less_stays_too_big():
    error = TooMuchData("x", "message too big")

    assert error.for_no_smaller() is error


@pytest.mark.parametrize(("family", "code"), [("query_error", "UNRECOGNIZED_FIELD"), ("request_error", "BAD_RESOURCE_ID")])
def test_what_google_says_of_a_query_is_repeated_in_short(family, code):
    error = from_failure(
        Failure(status="INVALID_ARGUMENT", family=family, code=code, message="Unrecognized field" + "." * 500), "customer 7"
    )

    assert "Unrecognized field" in str(error)
    assert len(str(error)) < 300
    assert error.code == f"{family}/{code}"


@pytest.mark.parametrize(
    ("failure", "kind", "remedy"),
    [
        (
            Failure(status="PERMISSION_DENIED", message="Enable it by visiting https://x.example", reason="SERVICE_DISABLED"),
            AccountRefused,
            "https",
        ),
        (Failure(status="PERMISSION_DENIED", message="…", reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT"), AuthExpired, "scope adwords"),
        (Failure(status="PERMISSION_DENIED", message="Because of the moon."), AccountRefused, "Google says: Because of the moon."),
        (
            Failure(status="PERMISSION_DENIED", family="authorization_error", code="PROJECT_DISABLED"),
            AccountRefused,
            "Google Cloud console",
        ),
        (Failure(status="PERMISSION_DENIED", family="authorization_error", code="MISSING_TOS"), AccountRefused, "Accept them"),
    ],
)
def test_a_refusal_says_what_to_do(failure, kind, remedy):
    error = from_failure(failure, "customer 7")

    assert type(error) is kind
    assert "customer 7" in str(error)
    assert remedy in str(error)
    assert error.code == (failure.reason or failure.code or failure.status)


@pytest.mark.parametrize("family", ["quota_error", "internal_error", "authentication_error", "authorization_error", "unheard_of_error"])
def test_a_secret_in_what_google_says_of_anything_else_is_not_repeated(family):
    error = from_failure(Failure(status="UNAUTHENTICATED", family=family, code="X", message=SECRET), "customer 7")

    assert SECRET not in f"{error}{error!r}{vars(error)}"


@pytest.mark.parametrize("status", [status for status, _ in WITHOUT_EXPLANATION])
def test_a_secret_that_is_said_beside_a_status_is_not_repeated(status):
    error = from_failure(Failure(status=status, message=SECRET), "customer 7")

    assert SECRET not in f"{error}{error!r}{vars(error)}"


def values(module, enum):
    """Every value of one of the SDK's error enums."""
    kinds = getattr(import_module(f"google.ads.googleads.v26.errors.types.{module}"), f"{enum}Enum")
    return [(module, value.name, int(value)) for value in getattr(kinds, enum)]


EVERY = [
    *values("authentication_error", "AuthenticationError"),
    *values("authorization_error", "AuthorizationError"),
    *values("quota_error", "QuotaError"),
    *values("internal_error", "InternalError"),
    *values("request_error", "RequestError"),
    *values("query_error", "QueryError"),
    *values("header_error", "HeaderError"),
    *values("change_status_error", "ChangeStatusError"),
]
CLASSES = {
    "authentication_error": {AuthExpired, AccountRefused},
    "authorization_error": {AccountRefused},
    "quota_error": {RateLimited, TooMuchData, AccountRefused},
    "internal_error": {Unavailable},
    "request_error": {BadRequest, VersionSunset},
    "query_error": {BadRequest, AccountRefused},
    "header_error": {BadRequest},
    "change_status_error": {BadRequest},
}


@pytest.mark.parametrize(("family", "name", "number"), EVERY, ids=[f"{family}-{name}" for family, name, _ in EVERY])
def test_every_value_of_the_sdks_enums_becomes_one_of_ours(family, name, number):
    failure = failure_of(Call("INVALID_ARGUMENT", trailing=explained(family, number)), READ, error_reason)

    error = from_failure(failure, "customer 7")

    assert (failure.family, failure.code) == (family, name)
    assert type(error) in CLASSES[family]


def test_a_code_that_the_sdk_does_not_know_is_told_by_its_number():
    failure = failure_of(Call("INTERNAL", trailing=explained("internal_error", 4711)), READ, error_reason)

    assert (failure.family, failure.code) == ("internal_error", "4711")
    assert type(from_failure(failure, "customer 7")) is Unavailable


def test_a_family_that_the_sdk_does_not_know_may_pass():
    failure = FAILURE()
    failure.errors.add(message="said").error_code.SetInParent()
    call = Call("INVALID_ARGUMENT", trailing=(("googleadsfailure-bin", failure.SerializeToString()),))

    assert type(from_failure(failure_of(call, READ, error_reason), "customer 7")) is Unavailable


@pytest.mark.parametrize("trailing", [None, (), (("request-id", "x"),), (("googleadsfailure-bin", b""),)])
def test_a_call_that_explains_nothing_is_told_by_its_status(trailing):
    failure = failure_of(Call("UNAVAILABLE", "said", trailing), READ, error_reason)

    assert failure == Failure(status="UNAVAILABLE", message="said")


def test_an_explanation_that_cannot_be_read_leaves_the_status():
    failure = failure_of(Call("UNAVAILABLE", "said", (("googleadsfailure-bin", b"\xff\xff\xff"),)), READ, error_reason)

    assert failure == Failure(status="UNAVAILABLE", message="said")


@pytest.mark.parametrize("wrapped", ["error", "response"])
def test_the_call_is_found_inside_the_sdks_exceptions(wrapped):
    outer = Exception("outer")
    setattr(outer, wrapped, Call("ABORTED"))

    assert failure_of(outer, READ, error_reason).status == "ABORTED"


def test_an_exception_without_a_call_is_told_by_its_name_only():
    assert failure_of(ValueError(SECRET), READ, error_reason) == Failure(status="UNKNOWN", message="ValueError")


def test_how_long_and_of_what_a_quota_is_told():
    failure = FAILURE()
    error = failure.errors.add()
    error.error_code.quota_error = 4
    error.details.quota_error_details.rate_scope = 3
    error.details.quota_error_details.retry_delay.seconds = 12
    error.details.quota_error_details.retry_delay.nanos = 500_000_000

    told = failure_of(Call("RESOURCE_EXHAUSTED", trailing=(("googleadsfailure-bin", failure.SerializeToString()),)), READ, error_reason)

    assert (told.code, told.scope, told.retry_seconds) == ("RESOURCE_TEMPORARILY_EXHAUSTED", "DEVELOPER", 12.5)


FAMILIES = [field.name for field in ErrorCode.pb(ErrorCode()).DESCRIPTOR.fields]


@given(
    st.sampled_from(["", "unknown", *FAMILIES]),
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=20),
    st.text(max_size=300),
    st.none() | st.floats(allow_nan=True),
)
def test_whatever_google_sends_becomes_one_of_ours(family, code, status, scope, said, seconds):
    failure = Failure(status=status, message=said, family=family, code=code, scope=scope, retry_seconds=seconds)

    error = from_failure(failure, "customer 7")

    assert isinstance(error, AdpulseError)
    assert str(error)


@given(st.sampled_from(FAMILIES), st.integers(0, 2**31 - 1), st.binary(max_size=40))
def test_whatever_comes_beside_a_status_is_never_an_exception_of_its_own(family, number, noise):
    for trailing in (explained(family, number), (("googleadsfailure-bin", noise),)):
        failure = failure_of(Call("INTERNAL", trailing=trailing), READ, error_reason)

        assert isinstance(from_failure(failure, "customer 7"), AdpulseError)
