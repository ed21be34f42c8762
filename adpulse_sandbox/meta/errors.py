"""Errors in the words and codes of Meta's Graph API."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from adpulse_sandbox.basis import Basis, refusal


@dataclass(slots=True)
class GraphError(Exception):
    """An error answer: HTTP status, code, subcode, and the other fields that Meta puts beside them."""

    status: int
    code: int
    message: str
    subcode: int | None = None
    transient: bool = False
    kind: str = "OAuthException"
    extra: dict[str, Any] = field(default_factory=dict)
    basis: Basis = Basis.DOCUMENTED
    feature: str = ""
    """What an unsupported request asked for."""

    def body(self, trace: str) -> dict[str, Any]:
        """The JSON body; ``trace`` becomes ``fbtrace_id``."""
        error: dict[str, Any] = {"message": self.message, "type": self.kind, "code": self.code}
        if self.subcode is not None:
            error["error_subcode"] = self.subcode
        if self.transient:
            error["is_transient"] = True
        return {"error": {**error, **self.extra, "fbtrace_id": trace}}


def _for_people(title: str, text: str) -> dict[str, Any]:
    return {"is_transient": False, "error_user_title": title, "error_user_msg": text}


_TIMED_OUT = "Your request timed out. Try a smaller date range, fetch less data, or use async jobs."
_TOO_MUCH = {
    1: GraphError(500, 1, "Please reduce the amount of data you're asking for, then retry your request"),
    1504018: GraphError(400, 100, "Invalid parameter", 1504018, extra=_for_people("Request Timed Out", _TIMED_OUT)),
    1504038: GraphError(400, 2, "Service temporarily unavailable", 1504038, extra=_for_people("Request Timed Out", _TIMED_OUT)),
    1504044: GraphError(
        400,
        2,
        "Service temporarily unavailable",
        1504044,
        extra=_for_people(
            "Unknown Error Occurred",
            "An unexpected error occurred. Please refresh the page or try again. If the issue persists, contact Meta Support",
        ),
    ),
}


def too_much_data(code: int) -> GraphError:
    """One of Meta's refusals of what is too big: code 1, the subcodes 1504018, 1504038 and 1504044, else 1487534.

    Sources: Insights API, "Error Codes" (2026-05-21); SDK issue 294 (code 1 has neither type nor subcode); the body of 1504038 was never
    seen.
    """
    return _TOO_MUCH.get(code) or GraphError(
        400,
        100,
        "Invalid parameter",
        1487534,
        extra=_for_people(
            "Too many rows",
            "The reporting data you are trying to fetch has too many rows. Please use asynchronous query or restrict amount of ad IDs or "
            "time ranges to fetch the data.",
        ),
    )


def broken_creative() -> GraphError:
    """A page of ads with their creatives, of which one belongs to a deleted post (airbyte issues 65944 and 66027)."""
    text = (
        "The post you selected for your ad is not available. It could be deleted or you might not have permissions to see it. "
        "Please check your ad creative and try again."
    )
    return GraphError(400, 100, "Invalid parameter", 2446289, extra=_for_people("Ad Creative Is Incomplete", text))


def unsupported(feature: str) -> GraphError:
    """A request that Meta serves and the sandbox does not. ``feature`` names what it asked for, without text of the client's own."""
    return GraphError(400, 100, refusal(feature), basis=Basis.UNSUPPORTED, feature=feature)


def unknown_path(path: str) -> GraphError:
    """A path that is no route of the API."""
    return GraphError(400, 2500, f"Unknown path components: /{path}")


def no_token() -> GraphError:
    """A request without any token."""
    return GraphError(400, 2500, "An active access token must be used to query information about the current user.")


def bad_token() -> GraphError:
    """A token that was never issued."""
    return GraphError(400, 190, "Invalid OAuth access token - Cannot parse access token")


def echoing_refusal(params: Mapping[str, str]) -> GraphError:
    """A refusal that repeats the request's parameters, the token included: a client that shows the message leaks the token."""
    return GraphError(400, 100, f"(#100) Invalid request: {urlencode(params)}")


def expired_token() -> GraphError:
    """A token that has expired."""
    return GraphError(400, 190, "Error validating access token: Session has expired.", 463)


def checkpoint() -> GraphError:
    """A token whose user must log in to Facebook first. Source: recorded answers of other clients."""
    return GraphError(400, 190, "You cannot access the app till you log in to www.facebook.com and follow the instructions given.", 459)


def blocked() -> GraphError:
    """A user who is blocked for a time. Source: php-graph-sdk#1047, the answer to a post; no answer to a read was recorded."""
    return GraphError(403, 368, "(#368) Temporarily blocked for policies violations", basis=Basis.INFERRED)


def app_blocked() -> GraphError:
    """An app that is restricted. Source: anthropics/claude-code#91036, 2026-09."""
    return GraphError(400, 200, "API access blocked.")


def no_permission() -> GraphError:
    """A valid token without the scope for ads."""
    message = "(#200) Ad account owner has NOT grant ads_management or ads_read permission"
    return GraphError(403, 200, message)


def needs_permission(scope: str) -> GraphError:
    """A valid token without a scope that the edge needs. Source: recorded answers of other clients."""
    return GraphError(403, 200, f"(#200) Requires {scope} permission to manage the object")


def proof_invalid() -> GraphError:
    """A proof made with another secret than that of the token's app. Source: facebook-python-business-sdk#155."""
    return GraphError(400, 100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")


def proof_missing() -> GraphError:
    """A call without a proof, for an app that requires one. Source: Meta's page "Securing Graph API Requests", reports of live calls."""
    return GraphError(400, 100, "API calls from the server require an appsecret_proof argument", kind="GraphMethodException")


def foreign_token() -> GraphError:
    """An app that inspects a token of another app. Source: jeduan/cordova-plugin-facebook4#690."""
    return GraphError(400, 100, "(#100) The App_id in the input_token did not match the Viewing App")


def not_authorized(app_id: str) -> GraphError:
    """A token that was issued to another app. That an exchange of such a token gets this answer is an assumption."""
    message = f"Error validating access token: The user has not authorized application {app_id}."
    return GraphError(400, 190, message, 458, basis=Basis.INFERRED)


def unreachable(object_id: str) -> GraphError:
    """An object that does not exist, or that the token has no access to; Meta does not distinguish the two."""
    message = (
        f"Unsupported get request. Object with ID '{object_id}' does not exist, cannot be loaded due to missing permissions, "
        "or does not support this operation."
    )
    return GraphError(400, 100, message, 33, kind="GraphMethodException")


def write_refused() -> GraphError:
    """Any write: the sandbox is read-only, like the scopes that the product asks for."""
    return needs_permission("ads_management")


def bad_param(message: str, subcode: int | None = None) -> GraphError:
    """An invalid parameter."""
    return GraphError(400, 100, f"(#100) {message}", subcode)


def deleted_requested() -> GraphError:
    """A request for deleted objects of an edge. The body was recorded live on /campaigns and /adsets, 2026-05 and 2026-10."""
    explanation = {
        "error_user_title": "Cannot Request for Deleted Objects",
        "error_user_msg": "Requesting for deleted objects is not supported in this endpoint.",
    }
    return GraphError(400, 100, "Invalid parameter", 1815001, extra=explanation)


def bad_status() -> GraphError:
    """A status that this kind of object does not have. The body is that of issue 388 of facebook-python-business-sdk."""
    explanation = {
        "is_transient": False,
        "error_user_title": "Run Status not valid",
        "error_user_msg": "Only certain values may be specified for run status.  The value specified was invalid.",
    }
    return GraphError(400, 100, "Invalid parameter", 1487561, extra=explanation)


def bad_filter(field: str) -> GraphError:
    """A filter by a field that reports cannot be filtered by."""
    return bad_param(f"Filtering field {field} with operation in is not supported")


def unknown_field(name: str, node: str) -> GraphError:
    """A field that the node does not have."""
    return GraphError(400, 100, f"(#100) Tried accessing nonexisting field ({name}) on node type ({node})")


def bad_cursor() -> GraphError:
    """A cursor of another request, or text that is no cursor."""
    return GraphError(400, 100, "(#100) Invalid cursors values", 2642)


def too_old() -> GraphError:
    """A time range that begins more than 37 months ago."""
    return GraphError(400, 3018, "(#3018) The start date of the time range cannot be beyond 37 months from the current date")


def not_ready() -> GraphError:
    """A request for the results of an async job that has not completed."""
    return GraphError(400, 2601, "Error accessing adreport job.", 1815107)
