"""The one table from Meta's errors to ours. Step: fetch.

Source: Marketing API error reference and the throttling pages; codes that public connectors meet in practice.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from adpulse.errors import (
    AccessBlocked,
    AccountRefused,
    AdpulseError,
    AuthExpired,
    BadRequest,
    FieldRefused,
    LoginRequired,
    MetricRefused,
    ObjectGone,
    RateLimited,
    Scope,
    StatusRefused,
    TooMuchData,
    TooOld,
    Unavailable,
    VersionSunset,
)
from adpulse.platforms.meta.meters import INSIGHTS, MANAGEMENT, wait_hint
from adpulse.platforms.meta.metrics import OPTIONAL_FIELDS
from adpulse.redact import excerpt

_APP_THROTTLE = frozenset({4})
_ACCOUNT_THROTTLE = frozenset({17, 32, 613, *range(80000, 80015)})
_MANAGEMENT_THROTTLE = 80004
"""The limit of the use case ``ads_management`` alone; reports have their own, 80000.

Sources: "Rate Limits", section "Business Use Case Rate Limits"; the error tables of the account's edges, whose 80004 points to
``rate-limiting#ads-management``.
"""

_TRANSIENT = frozenset({1, 2, 960})
_TRANSIENT_SUBCODES = frozenset({99, 1815107, 2642})
"""2642: a cursor died because its object was deleted while we paged; the next sync begins the list anew."""

_TOO_MUCH_SUBCODES = frozenset({1487534, 1504018, 1504038, 1504044})
"""Too many rows; a request that timed out (two of them); one that failed unexpectedly, and does so again until it is smaller.

Sources: Insights API, "Error Codes" (2026-05-21); the last one reported live 2026-06, with ``is_transient`` false.
"""

_AUTH = frozenset({102, 190})
_CHECKPOINT = 459
"""The token's user must log in and answer what Meta asks. Source: "Handling Errors", Authentication Error Subcodes."""

_BLOCKED = frozenset({368})
"""Temporarily blocked for policies; waiting helps. Source: "Handling Errors"."""

_APP_BLOCKED = "api access blocked"
"""With code 200: the app itself is restricted (anthropics/claude-code#91036, 2026-09)."""

_REFUSED = frozenset({3, 10, *range(200, 300)})
_SUNSET = frozenset({2635})
_WRONG = 100
_REASONED = frozenset({_WRONG}) | _AUTH | _BLOCKED | _REFUSED
_STATUS_SUBCODES = frozenset({1815001, 1487561})
_BROKEN_CREATIVE = frozenset({2446289})
"""The post behind an ad was deleted: a page of ads with their creatives is refused whole (airbyte issues 65944 and 66027)."""

_INVALID_FIELDS = re.compile(r"\(#100\) ([\w, ]+) (?:is|are) not valid for fields param")
"""How Meta names the fields that it refuses a report for (facebook-java-business-sdk issue 110, of ``results`` among others, 2017)."""

_TOO_OLD = 3018
"""A range that begins more than 37 months ago (PostHog pull request 63969)."""

_STATUS_WORDS = ("filter", "effective_status")
_GONE_SUBCODE = 33
"""On an account it means that the token must not see it, on what is inside one that it is there no more: Meta does not say which."""
_TOO_MUCH_WORDS = "reduce the amount of data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What Meta answered instead of data: HTTP status, the ``error`` object (empty when there was none), headers.

    ``of_account``: the account itself was asked, or one of its edges, not something inside it by its own id. ``use_case``: what Meta counts
    the call as.
    """

    status: int
    error: Mapping[str, Any]
    headers: Mapping[str, str]
    of_account: bool = True
    use_case: str = INSIGHTS


def from_reply(reply: Reply, account: str) -> AdpulseError:
    """Our error for an answer. ``account`` is named in the message; nothing of the request is, as it holds the token."""
    code, subcode = _int(reply.error.get("code")), _int(reply.error.get("error_subcode"))
    raw = f"{code}/{subcode}" if subcode else str(code or f"http-{reply.status}")
    reason = _reason(reply)
    if subcode in _TOO_MUCH_SUBCODES or _TOO_MUCH_WORDS in reason.lower():
        return TooMuchData(f"Meta cannot answer a request this big for {account}.", raw)
    if code in _APP_THROTTLE | _ACCOUNT_THROTTLE:
        return _throttled(reply, code, account, raw)
    if subcode == _GONE_SUBCODE and not reply.of_account:
        return ObjectGone(f"Meta no longer knows what was asked for in {account}: {reason}", raw)
    return _permanent(code, subcode, reason, raw, account) or _other(reply, code, subcode, reason, raw, account)


def _reason(reply: Reply) -> str:
    """The message, and for refusals Meta's title and text for people, which hold the reason: the message is "Invalid parameter"."""
    message = excerpt(str(reply.error.get("message", f"HTTP {reply.status}")), 200)
    if _int(reply.error.get("code")) not in _REASONED:
        return message
    title, text = (excerpt(str(reply.error.get(name) or ""), 300) for name in ("error_user_title", "error_user_msg"))
    return ". ".join(part.strip().removesuffix(".") for part in (message, title, text) if part.strip())


def _permanent(code: int | None, subcode: int | None, reason: str, raw: str, account: str) -> AdpulseError | None:
    if code in _SUNSET:
        return VersionSunset(f"Meta has ended the pinned API version ({reason}). Set ADPULSE_META_VERSION to a current one.", raw)
    refusal = _refusal(code, subcode, reason, account)
    if refusal is None:
        return None
    error, message = refusal
    return error(f"{message} Meta says: {reason}", raw)


def _refusal(code: int | None, subcode: int | None, reason: str, account: str) -> tuple[Callable[[str, str], AdpulseError], str] | None:
    """Which error a refusal of the token is, and the sentence that says what to do."""
    if code in _AUTH and subcode == _CHECKPOINT:
        message = f"Meta wants the user of the token for {account} to log in at facebook.com and do what it asks there."
        return LoginRequired, f"{message} The token works again then."
    if code in _AUTH:
        return AuthExpired, f"Meta no longer accepts the token for {account}. Connect it again with a fresh token."
    if code in _BLOCKED:
        return AccessBlocked, f"Meta has blocked the user of the token for {account}."
    if _APP_BLOCKED in reason.lower():
        message = f"Meta has blocked the app, for {account} and every other account of it. See the app's dashboard at Meta."
        return partial(AccessBlocked, scope="app"), message
    if code in _REFUSED or subcode == _GONE_SUBCODE:
        return (
            AccountRefused,
            f"Meta does not let this token read {account}. Give its user access to the account, with the permission ads_read.",
        )
    return None


def _other(reply: Reply, code: int | None, subcode: int | None, reason: str, raw: str, account: str) -> AdpulseError:
    if subcode in _STATUS_SUBCODES or (code == _WRONG and subcode is None and any(word in reason.lower() for word in _STATUS_WORDS)):
        return StatusRefused(f"Meta refused the statuses asked for in {account}: {reason}", raw)
    if subcode in _BROKEN_CREATIVE:
        return FieldRefused(f"Meta cannot read the creative of an ad of {account}: {reason}", raw)
    if (invalid := _INVALID_FIELDS.match(reason)) and invalid[1] in OPTIONAL_FIELDS:
        return MetricRefused(f"Meta does not report {invalid[1]} of {account}: {reason}", raw, field=invalid[1])
    if _is_transient(reply, code, subcode):
        return Unavailable(f"Meta failed to answer for {account} ({reason}).", raw)
    error = TooOld if code == _TOO_OLD else BadRequest
    return error(f"Meta refused a request for {account}: {reason}", raw)


def _is_transient(reply: Reply, code: int | None, subcode: int | None) -> bool:
    """Failures that pass, and codes we do not know: those are tried again once and recorded."""
    known_bad = code in (100, 2500, _TOO_OLD)
    return (
        reply.status >= 500  # noqa: PLR2004 - HTTP's server errors
        or code in _TRANSIENT
        or subcode in _TRANSIENT_SUBCODES
        or bool(reply.error.get("is_transient"))
        or not known_bad
    )


def _throttled(reply: Reply, code: int | None, account: str, raw: str) -> RateLimited:
    scope: Scope = "app" if code in _APP_THROTTLE else "account"
    if code == _MANAGEMENT_THROTTLE and reply.use_case == MANAGEMENT:
        scope = "entities"
    message = {
        "app": "Meta throttles every account of the app; its calls pause.",
        "account": f"Meta throttles {account}; its calls pause.",
        "entities": f"Meta throttles calls for campaigns and ads of {account}; they are read later, its numbers go on.",
    }[scope]
    return RateLimited(message, raw, retry_after=wait_hint(reply.headers, reply.use_case), scope=scope)


def _int(value: object) -> int | None:
    return int(value) if isinstance(value, int | str) and str(value).removeprefix("-").isdecimal() else None
