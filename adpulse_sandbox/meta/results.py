"""The field ``results`` of insights: what an object is optimised for, and how often that happened.

One element in every row, with the indicator even of nothing: zero is an indicator without values, never "0" (a public client's 5,751 rows,
live 2026-10-03). Objects that are optimised for reach count people, without windows (rows of two public clients, 2026). Rows with several
elements were recorded nowhere: that engagement has two is inferred, so that a client shows what it makes of them.
"""

from collections.abc import Iterator, Mapping

from adpulse_sandbox.meta.specs import AccountSpec

_INDICATORS = {
    "OUTCOME_SALES": (("actions:omni_purchase", "purchases"),),
    "OUTCOME_LEADS": (("actions:lead", "leads"),),
    "OUTCOME_APP_PROMOTION": (("actions:omni_app_install", "installs"),),
    "OUTCOME_AWARENESS": (("reach", "reach"),),
    "OUTCOME_ENGAGEMENT": (("actions:link_click", "link_clicks"), ("reach", "reach")),
}
_OTHERS = (("actions:link_click", "link_clicks"),)

_OF_ACTIONS = "actions:"


def results(spec: AccountSpec, objective: str, values: Mapping[str, int]) -> list[dict[str, object]]:
    """The results of an object of this account with this objective."""
    return [_result(indicator, count) for indicator, count in _counted(spec, objective, values)]


def cost_per_result(spec: AccountSpec, objective: str, values: Mapping[str, int], spend: float) -> list[dict[str, object]]:
    """The cost of a result, without values where there is none. Its indicator in recorded rows: ``cost_per_action_type:`` and the type."""
    return [_cost(indicator, spend / count if count else None) for indicator, count in _counted(spec, objective, values)]


def _result(indicator: str, count: int) -> dict[str, object]:
    if not count:
        return {"indicator": indicator}
    windows = {"attribution_windows": ["default"]} if indicator.startswith(_OF_ACTIONS) else {}
    return {"indicator": indicator, "values": [{**windows, "value": str(count)}]}


def _cost(indicator: str, cost: float | None) -> dict[str, object]:
    values = {"values": [{"value": f"{cost:.6f}"}]} if cost is not None else {}
    return {"indicator": indicator.replace(_OF_ACTIONS, "cost_per_action_type:", 1), **values}


def _counted(spec: AccountSpec, objective: str, values: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """What is counted, and how often. An account without purchases and leads is optimised for what it lives from."""
    if spec.lives_from and not spec.sells and not spec.lead_types:
        kind, share = spec.lives_from[0]
        yield f"actions:{kind}", values["clicks"] * share // 100
        return
    yield from ((indicator, values[quantity]) for indicator, quantity in _INDICATORS.get(objective, _OTHERS))
