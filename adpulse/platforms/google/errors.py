"""The one table from Google's errors to ours. Step: fetch.

Source: the Google Ads API's error reference, and how the SDK raises it: a failure that the platform explains may come as the SDK's
exception, as a plain gRPC error (streams) or as one of ``google.api_core`` (single calls); all of them lead to the same call.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adpulse.errors import (
    AccountRefused,
    AdpulseError,
    AuthExpired,
    BadRequest,
    RateLimited,
    Scope,
    TooMuchData,
    TooOld,
    Unavailable,
    VersionSunset,
)
from adpulse.redact import excerpt

API_DISABLED, SCOPE_MISSING = "SERVICE_DISABLED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"
"""Reasons (google.rpc.ErrorInfo) of a PERMISSION_DENIED without a GoogleAdsFailure. Sources: google-ads-php#722, Opteo#352."""

CLOSED = "CUSTOMER_NOT_ENABLED"
"""The customer is not enabled (yet), or was closed."""

TOO_HEAVY = frozenset({"EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"})
"""The query takes too much of the platform's resources: ask for less; what cannot be less waits long."""

_LONG_WAIT = 3600.0
_REFUSED_IN_AUTHENTICATION = frozenset({"CUSTOMER_NOT_FOUND", "CLIENT_CUSTOMER_ID_INVALID"})
_MANAGER = frozenset({"REQUESTED_METRICS_FOR_MANAGER"})
_DATE_RANGE = "date_range_error"
_OF_QUERY = frozenset({"query_error", "header_error", "change_status_error", "date_error", _DATE_RANGE, "field_error", "size_limit_error"})
_TOO_OLD = {"REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED", "UNKNOWN"}
"""Single days are reported for 37 months only (reference of DateRangeError, read 2026-11-30). v23 does not know the name yet."""

_INVALID_GRANT = "invalid_grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What Google answered instead of rows. Without ``family`` Google gave no reason. ``message`` may hold anything, even a token."""

    status: str
    message: str = ""
    reason: str = ""
    """Google's word for a failure of its platform below the Ads API (``google.rpc.ErrorInfo``)."""
    family: str = ""
    code: str = ""
    scope: str = ""
    retry_seconds: float | None = None


def from_failure(failure: Failure, about: str) -> AdpulseError:
    """Our error; ``about`` names the account in the sentence. Google's message is repeated only where it is about the query."""
    if failure.family:
        return _FAMILIES.get(failure.family, _other)(failure, about)
    if _INVALID_GRANT in failure.message:  # the SDK reports a revoked token as an outage
        return _reauthorise(failure, about)
    return _STATUSES.get(failure.status, _passing)(failure, about)


def _quota(failure: Failure, about: str) -> AdpulseError:
    if failure.code in TOO_HEAVY:
        return TooMuchData(f"Google finds a query for {about} too heavy.", failure.code, pause=_LONG_WAIT)
    if failure.code == "ACCESS_PROHIBITED":  # no waiting helps
        return _refused(failure, about)
    project = failure.scope == "DEVELOPER" or (failure.scope != "ACCOUNT" and failure.code == "RESOURCE_EXHAUSTED")
    scope: Scope = "app" if project else "account"
    whom = "every account of the Google Cloud project" if project else about
    message = f"Google throttles {whom}; its calls pause."
    return RateLimited(message, failure.code, retry_after=failure.retry_seconds or None, scope=scope)


def _oversized(_: Failure, about: str) -> AdpulseError:
    """A status without a quota error comes from the gRPC client itself, which does not accept a message this big."""
    return TooMuchData(f"Google's answer for {about} is bigger than a message may be.", "message too big")


def _passing(failure: Failure, about: str) -> AdpulseError:
    return Unavailable(f"Google failed to answer for {about} ({failure.status}).", failure.status)


def _internal(failure: Failure, about: str) -> AdpulseError:
    return Unavailable(f"Google failed to answer for {about} ({failure.code}).", failure.code)


def _authentication(failure: Failure, about: str) -> AdpulseError:
    return (_refused if failure.code in _REFUSED_IN_AUTHENTICATION else _reauthorise)(failure, about)


def _reauthorise(failure: Failure, about: str) -> AdpulseError:
    message = f"Google no longer accepts the credentials for {about}. Connect it again with fresh ones."
    return AuthExpired(message, failure.code or _INVALID_GRANT)


def _denied(failure: Failure, about: str) -> AdpulseError:
    """A PERMISSION_DENIED that the Ads API itself does not explain: what is below it does."""
    if failure.reason == SCOPE_MISSING:
        message = f"The credentials for {about} were given without the permission to read Google Ads (scope adwords). Connect it again."
        return AuthExpired(message, failure.reason)
    if failure.reason == API_DISABLED:
        message = f"The Google Ads API is not enabled in the Google Cloud project that reads {about}."
        return AccountRefused(f"{message} Google says: {excerpt(failure.message, 500)}", failure.reason)
    return _refused(failure, about)


_OF_THE_PROJECT = {
    "PROJECT_DISABLED": "The Google Cloud project may not use the Google Ads API. Look at the project in the Google Cloud console.",
    "MISSING_TOS": "The terms of the Google Ads API are not accepted. Accept them in the Google Cloud console, under Google Ads API.",
}


_TEST_ACCOUNTS_ONLY = {"CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION", "DEVELOPER_TOKEN_NOT_APPROVED"}
"""A project without access to production accounts, and the word for it of versions before v25, which knew developer tokens."""


def _refused(failure: Failure, about: str) -> AdpulseError:
    if failure.code in _OF_THE_PROJECT:
        return AccountRefused(f"{_OF_THE_PROJECT[failure.code]} Until then {about} cannot be read.", failure.code)
    if failure.code == CLOSED:
        return AccountRefused(f"Google says that {about} is closed or not enabled yet. Its data stay.", failure.code)
    if failure.code in _TEST_ACCOUNTS_ONLY:
        message = f"The Google Cloud project may only read test accounts, not {about}. Apply for a higher access level."
        return AccountRefused(message, failure.code)
    message = f"Google does not let these credentials read {about}. Give their user access to it, or to a manager above it."
    reason = f" Google says: {excerpt(failure.message, 300)}" if failure.message else ""
    return AccountRefused(message + reason, failure.code or failure.status)


def _request(failure: Failure, about: str) -> AdpulseError:
    return _sunset(failure, about) if failure.code == "UNSUPPORTED_VERSION" else _bad(failure, about)


def _sunset(failure: Failure, _: str) -> AdpulseError:
    message = "Google has ended the pinned API version. Set ADPULSE_GOOGLE_VERSION to a current one."
    return VersionSunset(message, failure.code or failure.status)


def _query(failure: Failure, about: str) -> AdpulseError:
    if failure.code in _MANAGER:
        message = f"Google says that {about} is a manager account, which has no numbers of its own. Connect its clients."
        return AccountRefused(message, failure.code)
    return _bad(failure, about)


def _bad(failure: Failure, about: str) -> AdpulseError:
    error = TooOld if failure.family == _DATE_RANGE and failure.code in _TOO_OLD else BadRequest
    return error(f"Google refused a query for {about}: {excerpt(failure.message, 200)}", f"{failure.family}/{failure.code}")


def _other(failure: Failure, about: str) -> AdpulseError:
    """A family we do not know may pass; it is recorded with its code."""
    if failure.family in _OF_QUERY:
        return _bad(failure, about)
    return Unavailable(f"Google answered {failure.family}/{failure.code} for {about}.", f"{failure.family}/{failure.code}")


_FAMILIES: dict[str, Callable[[Failure, str], AdpulseError]] = {
    "quota_error": _quota,
    "internal_error": _internal,
    "authentication_error": _authentication,
    "authorization_error": _refused,
    "request_error": _request,
    "query_error": _query,
}

_STATUSES: dict[str, Callable[[Failure, str], AdpulseError]] = {
    "RESOURCE_EXHAUSTED": _oversized,
    "UNIMPLEMENTED": _sunset,
    "UNAUTHENTICATED": _reauthorise,
    "PERMISSION_DENIED": _denied,
}
"""Errors for a status without a reason; any other status may pass."""


def failure_of(error: Any, read: Callable[[bytes], Any], read_reason: Callable[[bytes], str]) -> Failure:  # noqa: ANN401 - gRPC's and the SDK's errors have no types
    """Google's answer, from any of the exceptions that carry it.

    Args:
        error: a gRPC call that failed, or an exception of the SDK or of google.api_core around one.
        read: makes a GoogleAdsFailure of bytes; None of bytes that are none.
        read_reason: the reason in a google.rpc.Status; empty of bytes that hold none.
    """
    call = next((holder for holder in (error, getattr(error, "error", None), getattr(error, "response", None)) if _is_call(holder)), None)
    if call is None:
        return Failure(status="UNKNOWN", message=type(error).__name__)
    trailing = dict(call.trailing_metadata() or ())
    reported = Failure(
        status=call.code().name, message=str(call.details()), reason=read_reason(trailing.get("grpc-status-details-bin", b""))
    )
    body = next((value for key, value in trailing.items() if key.endswith("googleadsfailure-bin")), None)
    failure = read(body) if body else None
    return reported if failure is None else _explained(reported, failure)


def _is_call(value: object) -> bool:
    return all(callable(getattr(value, name, None)) for name in ("code", "details", "trailing_metadata"))


def _explained(reported: Failure, failure: Any) -> Failure:  # noqa: ANN401 - a protobuf message
    if not failure.errors:
        return reported
    error = failure.errors[0]
    family = error.error_code.WhichOneof("error_code") or "unknown"
    field = error.error_code.DESCRIPTOR.fields_by_name.get(family)
    number = getattr(error.error_code, family, 0)
    value = field.enum_type.values_by_number.get(number) if field else None
    quota = error.details.quota_error_details
    scope = quota.DESCRIPTOR.fields_by_name["rate_scope"].enum_type.values_by_number.get(quota.rate_scope)
    return Failure(
        status=reported.status,
        message=error.message,
        family=family,
        code=value.name if value else str(number),
        scope=scope.name if scope else "",
        retry_seconds=quota.retry_delay.seconds + quota.retry_delay.nanos / 1e9 or None,
    )
