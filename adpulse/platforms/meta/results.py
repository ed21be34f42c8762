"""What an ad is optimised for, and how often that happened: the field ``results`` of insights. Pure. Step: normalise.

A row has one element, such as ``[{"indicator": "actions:lead", "values": [{"attribution_windows": ["default"], "value": "4"}]}]``; nothing
is an indicator without values, never "0" (5,751 rows of a public client, live 2026-10-03). Of the windows in ``values`` each counts the
same results again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from adpulse.platforms.meta.shapes import Row
from adpulse.refused_rows import RowRefused

FIELD = "results"
OF_ACTIONS = "actions:"
"""How an indicator begins that counts actions, which add up over ads and days.

Others do not: ``reach`` counts people, each once in the row (rows of public clients, 2026); of ``total_profile_visits`` and
``profile_visit_view`` no document says it.
"""

_OWN_SETTING: tuple[list[str] | None, ...] = (None, [], ["default"])


def count(row: Row) -> object:
    """How often the results of an ad's row happened, as it was sent, "0" for never; None where that is unknown.

    It is unknown where the row does not say it, where it has several kinds of results, and where its results do not add up.

    Raises:
        RowRefused: it is no list of results.
    """
    listed = row.get(FIELD)
    if listed is None:
        return None
    if not _is_list_of_results(listed):
        raise RowRefused(f"{FIELD}: not a list of results")
    if len(listed) != 1 or not listed[0]["indicator"].startswith(OF_ACTIONS):
        return None
    values: Sequence[Mapping[str, Any]] = listed[0].get("values") or ()
    own = [value["value"] for value in values if value.get("attribution_windows") in _OWN_SETTING]
    if values and len(own) != 1:
        return None
    return own[0] if values else "0"


def _is_list_of_results(listed: object) -> bool:
    return isinstance(listed, list) and all(
        isinstance(result, Mapping) and isinstance(result.get("indicator"), str) and _are_values(result.get("values")) for result in listed
    )


def _are_values(values: object) -> bool:
    return values is None or (
        isinstance(values, list) and all(isinstance(value, Mapping) and value.get("value") is not None for value in values)
    )
