"""The ``actions`` and ``action_values`` of a report's rows: one event appears under several overlapping types."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from adpulse_sandbox.meta.specs import ON_META, PIXEL_PURCHASE, STORE_PURCHASE, AccountSpec

_LEADS = (
    ("lead", "onsite_conversion.lead_grouped", "offsite_conversion.fb_pixel_lead"),
    ("lead",),
    ("onsite_conversion.lead_grouped",),
    ("offsite_conversion.fb_pixel_lead",),
)
_INSTALLS = (
    ("omni_app_install", "app_install", "mobile_app_install"),
    ("app_install", "mobile_app_install"),
    ("mobile_app_install",),
    ("mobile_app_install", "omni_app_install"),
)

_STORE_DIVISOR = 10_000
"""In the recorded row of 2025-12-14 the one type was worth 1.57 and all other types of the same purchases 15742.14."""


def reported_actions(
    spec: AccountSpec, values: Mapping[str, int], windows: Sequence[str], ad: int | None, breakdowns: Sequence[str] = ("action_type",)
) -> dict[str, Any]:
    """Both lists of a row; None where there is nothing to report.

    Args:
        spec: the account.
        values: the sums of the row by quantity.
        windows: the requested attribution windows.
        ad: the index of the row's ad, which decides the mixture of types; None above the level of ads.
        breakdowns: the requested parts of an action. All actions of an account happen at one target and one destination.
    """
    flavour = ad % 4 if ad is not None else 0
    names = ("clicks", "link_clicks", "views", "purchases", "off_meta", "leads", "installs", "visitors")
    counts = {name: values[name] for name in names}
    amounts = {**counts, "purchases": values["value"], "off_meta": values["off_meta_value"], "leads": 0, "installs": 0}
    above_ads = ad is None
    actions = [
        _action(windows, kind, str(count), count)
        for kind, count in _kinds(spec, counts, flavour, all_types=above_ads)
        if count or spec.sends_zeros
    ]
    action_values = [
        _action(windows, kind, money(minor, spec.minor_units), minor)
        for kind, amount in _kinds(spec, amounts, flavour, all_types=above_ads)
        if "purchase" in kind and ((minor := amount // _STORE_DIVISOR if kind == STORE_PURCHASE else amount) or spec.sends_zeros)
    ]
    places = {"action_target_id": f"1000{spec.number:05d}", "action_destination": f"shop.example/{spec.number}"}
    parts = {name: place for name, place in places.items() if name in breakdowns}
    return {
        name: [action | parts for action in listed] or None for name, listed in (("actions", actions), ("action_values", action_values))
    }


def money(minor: int, units: int) -> str:
    """An amount as ``14.35``, without decimals for a currency that has none."""
    return str(minor) if units == 1 else f"{minor // units}.{minor % units:02d}"


def _kinds(spec: AccountSpec, values: Mapping[str, int], flavour: int, *, all_types: bool) -> Iterator[tuple[str, int]]:
    """The action types that an ad reports, with their counts. The flavour decides which of the overlapping types appear."""
    clicks, visitors = values["clicks"], values["visitors"]
    if clicks or spec.sends_zeros:
        yield "link_click", values["link_clicks"]
        # The counts of overlapping types differ, so that a client that sums them or picks the wrong one is caught.
        yield "page_engagement", clicks + 2
        yield "post_engagement", clicks + 1
        yield "video_view", values["views"]
    yield from ((kind, clicks * share // 100) for kind, share in spec.lives_from)
    yield from _purchase_kinds(spec, values["purchases"], values["off_meta"], flavour)
    yield from _lead_kinds(spec, values["leads"], flavour)
    yield from _counts_by_type(_INSTALLS[flavour], values["installs"])
    yield "landing_page_view", visitors
    if all_types or flavour % 2 == 0:
        yield "omni_landing_page_view", visitors


def _purchase_kinds(spec: AccountSpec, purchases: int, off_meta: int, flavour: int) -> Iterator[tuple[str, int]]:
    if spec.purchase_types is not None:
        counts = {PIXEL_PURCHASE: off_meta, **dict.fromkeys(ON_META, purchases - off_meta)}
        yield from ((kind, counts.get(kind, purchases)) for kind in spec.purchase_types)
        return
    if flavour == 2 and purchases == off_meta:  # noqa: PLR2004 - a flavour is a number
        yield PIXEL_PURCHASE, purchases
        return
    yield PIXEL_PURCHASE, off_meta
    yield "onsite_conversion.purchase", purchases - off_meta
    yield "purchase", purchases if flavour != 3 else off_meta  # noqa: PLR2004 - a flavour is a number
    if flavour in (0, 3):
        yield "omni_purchase", purchases


def _lead_kinds(spec: AccountSpec, leads: int, flavour: int) -> Iterator[tuple[str, int]]:
    if spec.lead_types is not None:
        yield from ((kind, leads) for kind in spec.lead_types)
        return
    if leads:
        yield "offsite_content_view_add_meta_leads", leads + 3
    yield from _counts_by_type(_LEADS[flavour], leads)


def _counts_by_type(types: Sequence[str], count: int) -> Iterator[tuple[str, int]]:
    """The count of each action type: the total for the first or the overall type, two thirds of it for the channels."""
    for place, kind in enumerate(types):
        yield kind, count if kind in ("lead", "omni_app_install") or len(types) == 1 or place == 0 else count - count // 3


def _action(windows: Sequence[str], kind: str, value: str, number: int) -> dict[str, str]:
    """An action with its ``value`` and the count of each requested attribution window."""
    action = {"action_type": kind, "value": value}
    parts = {"1d_click": number - number // 4, "7d_click": number - number // 10, "28d_click": number, "1d_view": number // 10}
    action |= {window: str(parts[window]) for window in windows if parts.get(window)}
    return action
