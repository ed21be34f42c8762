"""The errors that fault rules produce for calls of the Google Ads API."""

from collections.abc import Callable

from adpulse_sandbox.faults import Rule
from adpulse_sandbox.google import errors
from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.google.oauth import expired_token

_SECONDS_PER_MINUTE = 60
_PERMISSIONS: dict[str | None, Callable[[], AdsError]] = {
    None: errors.user_permission_denied,
    "SERVICE_DISABLED": errors.api_disabled,
    "ACCESS_TOKEN_SCOPE_INSUFFICIENT": errors.scope_missing,
    "PROJECT_DISABLED": errors.project_disabled,
    "MISSING_TOS": errors.terms_missing,
}


def error_of(rule: Rule) -> AdsError | None:
    """The error that a rule produces; None for faults that change the answer instead."""
    if rule.action == "throttle":
        return errors.quota_exceeded(rule.reason or "RESOURCE_TEMPORARILY_EXHAUSTED", rule.scope, rule.minutes * _SECONDS_PER_MINUTE)
    if rule.action == "transient":
        return errors.internal(rule.reason or "TRANSIENT_ERROR")
    if rule.action == "permission_lost":
        return _PERMISSIONS[rule.reason]()
    simple = {
        "server_error": AdsError("UNAVAILABLE", "", "", "The service is currently unavailable."),
        "drop": AdsError("UNAVAILABLE", "", "", "Connection reset by peer"),
        "expired_token": expired_token(),
        "revoked_token": errors.unauthenticated("OAUTH_TOKEN_REVOKED", "OAuth token in the header has been revoked."),
        "customer_closed": errors.customer_not_enabled(),
        "too_much_data": errors.quota_exceeded(
            "EXCESSIVE_SHORT_TERM_QUERY_RESOURCE_CONSUMPTION", "ACCOUNT", rule.minutes * _SECONDS_PER_MINUTE
        ),
    }
    return simple.get(rule.action)
