"""Errors in the codes of the Google Ads API: a gRPC status and one GoogleAdsError."""

from dataclasses import dataclass, replace

from adpulse_sandbox.basis import Basis, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """The details of a quota error."""

    scope: str
    name: str
    retry_seconds: int


@dataclass(slots=True)
class AdsError(Exception):
    """An error answer. ``family`` is a field of ErrorCode and ``code`` the name of its value; without family no failure is sent."""

    status: str
    family: str
    code: str
    message: str
    quota: Quota | None = None
    reason: str = ""
    """The reason of a google.rpc.ErrorInfo, which is sent instead of a failure when the call does not reach the Ads API."""
    basis: Basis = Basis.DOCUMENTED
    feature: str = ""
    """What an unsupported request asked for."""


def unsupported(feature: str) -> AdsError:
    """A request that Google serves and the sandbox does not. ``feature`` names what it asked for, without text of the client's own."""
    return AdsError("INVALID_ARGUMENT", "request_error", "UNKNOWN", refusal(feature), basis=Basis.UNSUPPORTED, feature=feature)


def query_error(code: str, message: str) -> AdsError:
    """An invalid query."""
    return AdsError("INVALID_ARGUMENT", "query_error", code, message)


def granularity_not_supported() -> AdsError:
    """Days or weeks of a time for which only longer periods are reported. The words are those of the reference of DateRangeError."""
    message = "The requested time granularity is not supported for the date range in the query."
    return AdsError("INVALID_ARGUMENT", "date_range_error", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", message)


def request_error(code: str, message: str) -> AdsError:
    """An invalid request."""
    return AdsError("INVALID_ARGUMENT", "request_error", code, message)


def unsupported_version(version: str) -> AdsError:
    """A version that has ended or does not exist yet."""
    return request_error("UNSUPPORTED_VERSION", f"Version {version} is deprecated. Requests to this version will be blocked.")


def unauthenticated(code: str, message: str) -> AdsError:
    """A missing or invalid token."""
    return AdsError("UNAUTHENTICATED", "authentication_error", code, message)


def denied(code: str, message: str) -> AdsError:
    """A valid token without permission for the call."""
    return AdsError("PERMISSION_DENIED", "authorization_error", code, message)


def user_permission_denied() -> AdsError:
    """A customer that the user has no access to in this way, or that does not exist."""
    return denied(
        "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's customer id must be "
        "set in the 'login-customer-id' header.",
    )


def customer_not_enabled() -> AdsError:
    """A customer that is not enabled yet or has been deactivated."""
    return denied("CUSTOMER_NOT_ENABLED", "The customer account can't be accessed because it is not yet enabled or has been deactivated.")


def api_disabled() -> AdsError:
    """The project has not enabled the API. Source: google-ads-php#722."""
    console = "https://console.developers.google.com/apis/api/googleads.googleapis.com/overview?project=4400"
    message = (
        f"Google Ads API has not been used in project 4400 before or it is disabled. Enable it by visiting {console} then retry. "
        "If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
    )
    return AdsError("PERMISSION_DENIED", "", "", message, reason="SERVICE_DISABLED")


def scope_missing() -> AdsError:
    """A token without the scope of the Ads API. Source: recorded answers of other Google APIs."""
    message = "Request had insufficient authentication scopes."
    return AdsError("PERMISSION_DENIED", "", "", message, reason="ACCESS_TOKEN_SCOPE_INSUFFICIENT", basis=Basis.INFERRED)


def test_accounts_only() -> AdsError:
    """A project without access to production accounts. Source: the SDK's enum, v26."""
    message = "The Google Cloud project is only approved for use with test accounts."
    return denied("CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", message)


def project_disabled() -> AdsError:
    """The project may not use the API. Source: the SDK's enum, v26."""
    message = "The Google Cloud project sent in the request does not have permission to access the api."
    return replace(denied("PROJECT_DISABLED", message), basis=Basis.INFERRED)


def terms_missing() -> AdsError:
    """The terms of service were not accepted. Source: the SDK's enum, v26."""
    place = "console.cloud.google.com/google/ads-apis/overview"
    message = f"The developer must sign the terms of service. They can be found here: {place}"
    return replace(denied("MISSING_TOS", message), basis=Basis.INFERRED)


def write_refused() -> AdsError:
    """Any write: the sandbox is read-only, like the product's use of the platform."""
    return denied("ACTION_NOT_PERMITTED", "The user does not have permission to perform this action on the resource or call a method.")


def quota_exceeded(code: str, scope: str, retry_seconds: int) -> AdsError:
    """Too many requests, of the project (scope DEVELOPER) or of the customer (scope ACCOUNT)."""
    name = "Number of operations for basic access" if scope == "DEVELOPER" else "Number of requests per customer"
    message = f"Too many requests. Retry in {retry_seconds} seconds."
    quota = Quota(scope=scope, name=name, retry_seconds=retry_seconds)
    # Answers of the scope DEVELOPER were recorded (PipedreamHQ/pipedream#21554), of the scope ACCOUNT none.
    basis = Basis.DOCUMENTED if scope == "DEVELOPER" else Basis.INFERRED
    return AdsError("RESOURCE_EXHAUSTED", "quota_error", code, message, quota, basis=basis)


def internal(code: str = "INTERNAL_ERROR") -> AdsError:
    """An internal error of the platform."""
    return AdsError("INTERNAL", "internal_error", code, "An internal error has occurred.")
