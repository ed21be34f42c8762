"""Meta's usage headers: how much of its limits is used up, and how long to wait. Step: fetch.

Every answer has them, failures too. ``X-Business-Use-Case-Usage`` has a meter for each kind of calls ("Rate Limits", section "Business Use
Case Rate Limits"): reports and their runs are counted as ``ads_insights``, an account and its campaigns, ad sets and ads as
``ads_management``, as the errors 80000 and 80004 of those edges show (airbyte PR 3996 and issue 8773). Others, such as
``custom_audience``, limit calls that adpulse does not make. A header that cannot be read is no header.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from adpulse.errors import RateLimited, Scope

INSIGHTS, MANAGEMENT = "ads_insights", "ads_management"

SLOW_DOWN_PERCENT, STOP_PERCENT = 75.0, 95.0
_SLOW_DOWN_SECONDS = 2.0
_TIER, _LIMITED_TIER, _FULL_TIER = "ads_api_access_tier", "development_access", "standard_access"
_METERS = ("call_count", "total_cputime", "total_time")
_LONGEST_WAIT = 7 * 86_400.0
"""Seconds; far beyond the windows of Meta's limits, which are hours. A longer hint is not believed."""

_LARGEST_PERCENT = 10_000.0
"""A meter beyond this is not believed."""


def use_case(path: str, params: Mapping[str, Any]) -> str:
    """What Meta counts a call as: reports and the states of their runs, or everything else that is read."""
    of_report = path.rpartition("/")[2] == "insights" or "async_status" in str(params.get("fields", ""))
    return INSIGHTS if of_report else MANAGEMENT


def usage(headers: Mapping[str, str], of_use_case: str) -> dict[Scope, float]:
    """How much of Meta's own limits is used up, in percent: the fullest of the account's meters, and of the app's; 0 if it does not say."""
    account, insights = (_json(headers, name) for name in ("x-ad-account-usage", "x-fb-ads-insights-throttle"))
    account_meters = [_percent(account, "acc_id_util_pct")]
    account_meters += [_percent(case, name) for case in _cases(headers, of_use_case) for name in _METERS]
    if of_use_case == INSIGHTS:
        account_meters.append(_percent(insights, "acc_id_util_pct"))
    apps = _json(headers, "x-app-usage")
    app_meters = [_percent(insights, "app_id_util_pct"), *(_percent(apps, name) for name in _METERS)]
    return {"account": max(account_meters), "app": max(app_meters)}


def wait_hint(headers: Mapping[str, str], of_use_case: str) -> float | None:
    """Seconds until Meta says calls of this use case are welcome again; None when it does not say."""
    minutes = [_number(case, "estimated_time_to_regain_access") for case in _cases(headers, of_use_case)]
    seconds = _number(_json(headers, "x-ad-account-usage"), "reset_time_duration")
    waits = [minute * 60 for minute in minutes] + [seconds]
    return max((wait for wait in waits if 0 < wait <= _LONGEST_WAIT), default=None)


def has_full_access(headers: Mapping[str, str]) -> bool | None:
    """Whether the app is of the full tier, which the limit of 60 points in 300 s is not for; None when no header names a tier.

    ``ads_api_access_tier`` is ``development_access`` or ``standard_access``, which Meta's pages call limited and full access since 2026-05
    ("Authorization", section "Marketing API Access Tier overview"). Where two headers differ the limited tier counts.
    """
    meters = [_json(headers, name) for name in ("x-ad-account-usage", "x-fb-ads-insights-throttle")]
    tiers = [meter.get(_TIER) for meter in (*meters, *_cases(headers, INSIGHTS), *_cases(headers, MANAGEMENT))]
    known = [tier for tier in tiers if tier in (_FULL_TIER, _LIMITED_TIER)]
    return all(tier == _FULL_TIER for tier in known) if known else None


class Meters:
    """What the last answers said, by account and use case: calls slow down before Meta blocks them, and stop just before."""

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._stop: dict[tuple[str, str], RateLimited] = {}
        self._used: dict[tuple[str, str], float] = {}
        self._app_used = 0.0

    def heed(self, about: str, of_use_case: str) -> None:
        """Wait a little before a call, or refuse it once, when the last answer said that the limit is nearly used up.

        Raises:
            RateLimited: the account's reports, only its other calls, or every call of the app must rest.
        """
        stop = self._stop.pop((about, of_use_case), None)
        if stop:
            raise stop
        if max(self._used.get((about, of_use_case), 0.0), self._app_used) >= SLOW_DOWN_PERCENT:
            self._sleep(_SLOW_DOWN_SECONDS)

    def note(self, headers: Mapping[str, str], about: str) -> None:
        """Take over what an answer says of both use cases, whichever it is of."""
        for each in (INSIGHTS, MANAGEMENT):
            used = usage(headers, each)
            self._used[about, each], self._app_used = used["account"], used["app"]
            self._stop.pop((about, each), None)  # what an earlier answer said of calls that were not made since
            if used["account"] >= STOP_PERCENT:
                self._stop[about, each] = _spent(used["account"], about, each, wait_hint(headers, each))
            if used["app"] >= STOP_PERCENT:
                message = f"{used['app']:.0f} % of Meta's own limit is used up for every account of the app; its calls pause."
                self._stop[about, each] = RateLimited(message, "usage", retry_after=wait_hint(headers, each), scope="app")


def _spent(percent: float, about: str, of_use_case: str, wait: float | None) -> RateLimited:
    """An account's limit is nearly used up. Without campaigns and ads its numbers go on, so those are merely read later."""
    spent = f"{percent:.0f} % of Meta's own limit is used up for"
    if of_use_case == INSIGHTS:
        return RateLimited(f"{spent} {about}; its calls pause.", "usage", retry_after=wait, scope="account")
    return RateLimited(f"{spent} campaigns and ads of {about}; they are read later.", "usage", retry_after=wait, scope="entities")


def _cases(headers: Mapping[str, str], of_use_case: str) -> list[dict[str, Any]]:
    """The meters of a use case, and those that name none, of every account that the header names."""
    accounts = _json(headers, "x-business-use-case-usage").values()
    cases = [case for uses in accounts if isinstance(uses, list) for case in uses if isinstance(case, dict)]
    return [case for case in cases if case.get("type") in (None, of_use_case)]


def _percent(meters: Mapping[str, Any], name: str) -> float:
    value = _number(meters, name)
    return value if value <= _LARGEST_PERCENT else 0.0


def _number(meters: Mapping[str, Any], name: str) -> float:
    """A meter's value; 0 when it is absent, null or no number: an answer is not lost because its meter cannot be read."""
    try:
        value = float(meters[name])
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
    return value if math.isfinite(value) else 0.0


def _json(headers: Mapping[str, str], name: str) -> dict[str, Any]:
    for key, value in headers.items():
        if key.lower() == name:
            try:
                meters = orjson.loads(value)
            except orjson.JSONDecodeError:
                return {}
            return meters if isinstance(meters, dict) else {}
    return {}
