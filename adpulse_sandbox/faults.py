"""Scripted faults: rules that make matching calls fail, with a given error and a given number of times."""

import random
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

from adpulse_sandbox.meta.errors import (
    GraphError,
    app_blocked,
    bad_filter,
    blocked,
    checkpoint,
    deleted_requested,
    expired_token,
    invalid_fields,
    no_permission,
    too_much_data,
)
from adpulse_sandbox.rewriting import is_place

ACTIONS = (
    "throttle", "expired_token", "permission_lost", "transient", "server_error", "drop", "drop_midway", "truncated", "html", "html_success",
    "no_error_body", "empty_page", "endless", "duplicate_row", "slow", "too_much_data", "null_batch_item", "job_fails", "refused",
    "filter_refused", "auto_upgrade", "checkpoint", "blocked", "app_blocked", "broken_creative", "field_refused", "rewrite",
)  # fmt: skip
GOOGLE_ACTIONS = (
    "throttle", "expired_token", "revoked_token", "permission_lost", "customer_closed", "transient", "server_error", "drop", "drop_midway",
    "duplicate_row", "slow", "too_much_data", "oversized", "currency_changed", "time_zone_changed",
    "rewrite",
)  # fmt: skip
REASONS = {
    "throttle": ("RESOURCE_EXHAUSTED", "RESOURCE_TEMPORARILY_EXHAUSTED"),
    "transient": ("INTERNAL_ERROR", "TRANSIENT_ERROR", "DEADLINE_EXCEEDED"),
    "permission_lost": ("SERVICE_DISABLED", "ACCESS_TOKEN_SCOPE_INSUFFICIENT", "PROJECT_DISABLED", "MISSING_TOS"),
}
"""Google's error codes for an action, where there are several."""

SCOPES = ("ACCOUNT", "DEVELOPER")
QUERIES = ("search", "search_stream")
"""Google's kinds of calls that query a resource."""

_REFUSED_FIELD = "results"
_EXACT_FIELDS = ("account", "kind", "resource", "page")
_ACTIONS_OF_PLATFORM = {"meta": ACTIONS, "google": GOOGLE_ACTIONS}
_MESSAGES = {
    4: "Application request limit reached",
    17: "User request limit reached",
    613: "Calls to this api have exceeded the rate limit.",
    80004: "There have been too many calls to this ad-account. Wait a bit and try again.",
}
THROTTLES = {4: 1504022, 17: 2446079, 613: 1487742, 80004: 2446079}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A scripted fault. A field that is None matches every call.

    The first ``skip`` matching calls pass, then ``count`` calls fail (None: all of them).
    """

    action: str
    platform: str | None = None
    account: str | None = None
    kind: str | None = None
    resource: str | None = None
    page: int | None = None
    count: int | None = None
    skip: int = 0
    probability: float = 1.0
    code: int = 17
    minutes: int = 5
    seconds: float = 1.0
    above_limit: int | None = None
    above_days: int | None = None
    reason: str | None = None
    scope: str = "ACCOUNT"
    value: Any = None
    place: str | None = None
    """The place in the answer that ``rewrite`` writes ``value`` to."""
    remove: bool = False
    """Whether ``rewrite`` removes what is at the place instead."""
    day: str | None = None
    """Only reports whose range of days has this one, as ISO text."""
    campaign: str | None = None
    """Only reports that have rows of this campaign."""
    above_fields: int | None = None
    above_campaigns: int | None = None
    """Only reports that have rows of more campaigns than this, of those that the account ever had."""

    def breaks_creative(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of ads has the creative that the fault ``broken_creative`` is about."""
        return self.action == "broken_creative" and "creative" in row and self.value in (None, row.get("id"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The properties of a call that rules are matched against."""

    account: str
    kind: str
    page: int
    limit: int
    days: int
    platform: str = "meta"
    resource: str = ""
    """The resource of a Google query, the name after FROM."""
    span: tuple[date, date] | None = None
    """The first and last day of a report's range."""
    fields: int = 0
    report_fields: Collection[str] = ()
    """The fields of a report of Meta's."""
    has_campaign: Callable[[str], bool] | None = None
    """Whether a report's filter leaves a campaign in; None for other requests."""
    count_campaigns: Callable[[], int] = lambda: 0
    """Counts the account's campaigns that a report's filter leaves in; called only for a rule that bounds them."""
    filtering: str = ""
    """The parameter ``filtering`` of a call to Meta, as it was sent."""
    named_only: bool = False
    """Whether only rules that name this kind apply, so that a general rule does not break logins."""


@dataclass(slots=True)
class _Armed:
    rule: Rule
    matched: int = 0
    struck: int = 0


@dataclass(slots=True)
class Faults:
    """The armed rules. Thread-safe; probabilities are drawn from a seeded generator."""

    seed: int = 1
    _armed: list[_Armed] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _random: random.Random = field(init=False)

    def __post_init__(self) -> None:
        """Seed the random generator."""
        self._random = random.Random(self.seed)  # noqa: S311 - scripted faults, no secrets

    def add(self, rules: list[dict[str, Any]]) -> None:
        """Arm rules, all of them or none.

        Raises:
            ValueError: an unknown action, field, scope, reason, resource or place; the message lists the allowed ones.
        """
        armed = []
        for fields in rules:
            unknown = set(fields) - set(Rule.__dataclass_fields__)
            if unknown or fields.get("action") not in (*ACTIONS, *GOOGLE_ACTIONS):
                actions = ", ".join(dict.fromkeys((*ACTIONS, *GOOGLE_ACTIONS)))
                names = ", ".join(Rule.__dataclass_fields__)
                raise ValueError(f"This is not a fault: {fields}. Known actions: {actions}; fields: {names}.")
            rule = Rule(**fields)
            if rule.scope not in SCOPES or rule.reason not in (None, *REASONS.get(rule.action, ())):
                raise ValueError(f"This is not a fault: {fields}. Known scopes: {', '.join(SCOPES)}; reasons by action: {REASONS}.")
            if rule.day is not None and not _is_day(rule.day):
                raise ValueError(f"This is not a fault: {fields}. A day is written like 2026-03-20.")
            if rule.resource is not None and not _applies_to_queries(rule):
                raise ValueError(f"This is not a fault: {fields}. Only queries of Google's have a resource: {', '.join(QUERIES)}.")
            if (rule.action == "rewrite") != (rule.place is not None) or (rule.place is not None and not is_place(rule.place)):
                places = "data[0].campaign_id or headers.x-app-usage"
                raise ValueError(f"This is not a fault: {fields}. Only rewrite has a place, such as {places}.")
            armed.append(_Armed(rule))
        with self._lock:
            self._armed += armed

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._armed.clear()

    def as_json(self) -> list[dict[str, Any]]:
        """The rules as JSON objects, with how often each struck."""
        with self._lock:
            return [{**asdict(armed.rule), "struck": armed.struck} for armed in self._armed]

    def strike(self, request: Request) -> Rule | None:
        """The first rule that applies to this request, counted as a strike; None if no rule applies."""
        with self._lock:
            for armed in self._armed:
                if self._matches(armed, request):
                    armed.struck += 1
                    return armed.rule
        return None

    def _matches(self, armed: _Armed, request: Request) -> bool:
        rule = armed.rule
        if rule.action not in _ACTIONS_OF_PLATFORM[request.platform] or rule.platform not in (None, request.platform):
            return False
        if request.named_only and rule.kind is None:
            return False
        if any(getattr(rule, name) not in (None, getattr(request, name)) for name in _EXACT_FIELDS):
            return False
        bounds = ((rule.above_limit, request.limit), (rule.above_days, request.days), (rule.above_fields, request.fields))
        meant = _is_within(rule, request) and (rule.above_campaigns is None or request.count_campaigns() > rule.above_campaigns)
        if not (_is_requested(rule, request) and meant) or any(bound is not None and actual <= bound for bound, actual in bounds):
            return False
        # Only calls that match in everything count towards ``skip``.
        armed.matched += 1
        if armed.matched <= rule.skip or (rule.count is not None and armed.struck >= rule.count):
            return False
        return self._random.random() < rule.probability


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _is_within(rule: Rule, request: Request) -> bool:
    """Whether the request is for the day and the campaign that the rule names."""
    if rule.day is not None and (request.span is None or not request.span[0].isoformat() <= rule.day <= request.span[1].isoformat()):
        return False
    return rule.campaign is None or (request.has_campaign is not None and request.has_campaign(rule.campaign))


def _is_requested(rule: Rule, request: Request) -> bool:
    """Whether a report has the filter, or the field, that the rule refuses; other rules refuse neither."""
    if rule.action == "filter_refused":
        return (rule.value or "effective_status") in request.filtering
    return rule.action != "field_refused" or (rule.value or _REFUSED_FIELD) in request.report_fields


def _applies_to_queries(rule: Rule) -> bool:
    return rule.action in GOOGLE_ACTIONS and rule.platform in (None, "google") and rule.kind in (None, *QUERIES)


def error_of(rule: Rule) -> GraphError | None:
    """The Graph error that a rule produces; None for faults that are not a well-formed error."""
    if rule.action == "throttle":
        message = f"(#{rule.code}) {_MESSAGES.get(rule.code, _MESSAGES[17])}"
        return GraphError(400, rule.code, message, THROTTLES.get(rule.code), transient=True)
    if rule.action == "transient":
        return GraphError(
            500,
            rule.code if rule.code in (1, 2) else 2,
            "An unexpected error has occurred. Please retry your request later.",
            transient=True,
        )
    if rule.action == "too_much_data":
        return too_much_data(rule.code)
    if rule.action == "filter_refused":
        return deleted_requested() if rule.value == "DELETED" else bad_filter(rule.value or "effective_status")
    if rule.action == "field_refused":
        return invalid_fields([rule.value or _REFUSED_FIELD])
    simple = {
        "expired_token": expired_token,
        "permission_lost": no_permission,
        "checkpoint": checkpoint,
        "blocked": blocked,
        "app_blocked": app_blocked,
    }
    return simple[rule.action]() if rule.action in simple else None
