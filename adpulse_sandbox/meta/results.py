"""The field ``results`` of insights: what an object is optimised for, and how often that happened.

One element in every row, with the indicator even of nothing: zero is an indicator without values, never "0" (a public client's 5,751 rows,
live 2026-10-03).
"""

from collections.abc import Mapping

from adpulse_sandbox.meta.specs import AccountSpec

_INDICATORS = {
    "OUTCOME_SALES": ("actions:omni_purchase", "purchases"),
    "OUTCOME_LEADS": ("actions:lead", "leads"),
    "OUTCOME_APP_PROMOTION": ("actions:omni_app_install", "installs"),
}
_OTHERS = ("actions:link_click", "link_clicks")


def results(spec: AccountSpec, objective: str, values: Mapping[str, int]) -> list[dict[str, object]]:
    """The results of an object of this account with this objective."""
    indicator, count = _result(spec, objective, values)
    if not count:
        return [{"indicator": indicator}]
    return [{"indicator": indicator, "values": [{"attribution_windows": ["default"], "value": str(count)}]}]


def cost_per_result(spec: AccountSpec, objective: str, values: Mapping[str, int], spend: float) -> list[dict[str, object]]:
    """The cost of a result, without values where there is none. Its indicator in recorded rows: ``cost_per_action_type:`` and the type."""
    indicator, count = _result(spec, objective, values)
    cost = {"values": [{"value": f"{spend / count:.6f}"}]} if count else {}
    return [{"indicator": indicator.replace("actions:", "cost_per_action_type:", 1), **cost}]


def _result(spec: AccountSpec, objective: str, values: Mapping[str, int]) -> tuple[str, int]:
    """What is counted, and how often. An account without purchases and leads is optimised for what it lives from."""
    if spec.lives_from and not spec.sells and not spec.lead_types:
        kind, share = spec.lives_from[0]
        return f"actions:{kind}", values["clicks"] * share // 100
    indicator, quantity = _INDICATORS.get(objective, _OTHERS)
    return indicator, values[quantity]
