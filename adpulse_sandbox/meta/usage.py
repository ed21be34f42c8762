"""Usage headers of the Graph API, which Meta sends with successes and failures alike."""

import json
from collections.abc import Sequence

OF_APP = {"x-app-usage": '{"call_count":1,"total_cputime":1,"total_time":1}'}
_HOURLY_CALLS = 600
"""The hourly limit of a limited-tier app; usage headers are percentages of it."""

_REPORTS = ("", "insights", "insights_job", "job", "job_insights")
_APP_THROTTLE = 4
_FIRST_OF_USE_CASES = 80000
"""Codes from here on are limits of one use case each ("Rate Limits", section "Business Use Case Rate Limits")."""

_SPENT, _OTHERS_MINUTES = 100, 30


def usage_headers(
    account: str,
    kind: str,
    calls: int,
    throttle: tuple[int, int] | None,
    others: Sequence[tuple[str, int]] = (),
    *,
    limited_tier: bool = False,
) -> dict[str, str]:
    """The headers of a call of this kind.

    Args:
        account: the account of the call; empty if it concerns none.
        kind: the kind of the call.
        calls: the account's calls within the hour.
        throttle: the code and minutes of a throttled call.
        others: meters of use cases of other calls, with their per cent. The header has one entry per use case ("Rate Limits", section
            "Business Use Case Rate Limits"); the limit of one says nothing about calls of another.
        limited_tier: whether the app is of the limited tier, or of the full one.
    """
    if not account:
        return dict(OF_APP)
    code, minutes = throttle or (0, 0)
    called = min(100, 100 * calls // _HOURLY_CALLS)
    percent = 100 if throttle else called
    of_use_case = code >= _FIRST_OF_USE_CASES
    account_percent, account_minutes = (called, 0) if of_use_case else (percent, minutes)
    tier = {"ads_api_access_tier": "development_access" if limited_tier else "standard_access"}
    usage = {
        "type": "ads_insights" if kind in _REPORTS else "ads_management",
        "call_count": percent,
        "total_cputime": percent // 3,
        "total_time": percent // 4,
    }
    cases = [{**usage, "estimated_time_to_regain_access": minutes, **tier}, *(_other_case(name, used) for name, used in others)]
    business_use_case = {account: cases}
    insights_throttle = {"app_id_util_pct": percent if code == _APP_THROTTLE else 1, "acc_id_util_pct": account_percent, **tier}
    of_account = {"acc_id_util_pct": account_percent, "reset_time_duration": account_minutes * 60, **tier}
    return {
        "x-business-use-case-usage": json.dumps(business_use_case),
        "x-fb-ads-insights-throttle": json.dumps(insights_throttle),
        "x-ad-account-usage": json.dumps(of_account),
        **OF_APP,
    }


def _other_case(name: str, percent: int) -> dict[str, object]:
    waits = _OTHERS_MINUTES if percent >= _SPENT else 0
    return {"type": name, "call_count": percent, "total_cputime": 1, "total_time": 1, "estimated_time_to_regain_access": waits}
