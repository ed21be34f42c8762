"""The ``actions`` and ``action_values`` of a report's rows: one event appears under several overlapping types."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from adpulse_sandbox.meta.specs import ON_META, PIXEL_PURCHASE, STORE_PURCHASE, AccountSpec
from adpulse_sandbox.meta.windows import SERVED

OF_ACTIONS = ("clicks", "link_clicks", "views", "purchases", "off_meta", "leads", "installs", "visitors", "value", "off_meta_value")
"""The quantities of a row that actions are made of."""

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


def in_window(quantity: str, window: str) -> str:
    """The name of a quantity as an attribution window counts it."""
    return f"{quantity}:{window}"


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
    own = {name: values[name] for name in OF_ACTIONS}
    columns = {window: {name: values[in_window(name, window)] for name in OF_ACTIONS} for window in windows if window in SERVED}

    def counts(of: Mapping[str, int]) -> dict[str, int]:
        return dict(_kinds(spec, of, own, flavour, all_types=ad is None))

    def amounts(of: Mapping[str, int]) -> dict[str, int]:
        worth = {**of, "purchases": of["value"], "off_meta": of["off_meta_value"]}
        listed = {kind: amount for kind, amount in counts(worth).items() if "purchase" in kind}
        return {kind: amount // _STORE_DIVISOR if kind == STORE_PURCHASE else amount for kind, amount in listed.items()}

    actions = list(_actions(spec, counts(own), {window: counts(of) for window, of in columns.items()}, str))
    in_money = {window: amounts(of) for window, of in columns.items()}
    action_values = list(_actions(spec, amounts(own), in_money, lambda minor: money(minor, spec.minor_units)))
    places = {"action_target_id": f"1000{spec.number:05d}", "action_destination": f"shop.example/{spec.number}"}
    parts = {name: place for name, place in places.items() if name in breakdowns}
    return {
        name: [action | parts for action in listed] or None for name, listed in (("actions", actions), ("action_values", action_values))
    }


def _actions(
    spec: AccountSpec, own: Mapping[str, int], windows: Mapping[str, Mapping[str, int]], text: Callable[[int], str]
) -> Iterator[dict[str, str]]:
    """Each type with its ``value`` and the count of each window; zeros only where the account sends them."""
    for kind, number in own.items():
        columns = {window: counts.get(kind, 0) for window, counts in windows.items()}
        if number or spec.sends_zeros:
            shown = {window: text(count) for window, count in columns.items() if count or spec.sends_zeros}
            yield {"action_type": kind, "value": text(number), **shown}


def money(minor: int, units: int) -> str:
    """An amount as ``14.35``, without decimals for a currency that has none."""
    return str(minor) if units == 1 else f"{minor // units}.{minor % units:02d}"


def _kinds(
    spec: AccountSpec, values: Mapping[str, int], own: Mapping[str, int], flavour: int, *, all_types: bool
) -> Iterator[tuple[str, int]]:
    """The action types that an ad reports, with their counts. The flavour decides which of the overlapping types appear.

    ``own`` are the counts of its own attribution setting, which decide it too; ``values`` those that are listed, of it or of a window.
    """
    clicks, visitors = values["clicks"], values["visitors"]
    if own["clicks"] or spec.sends_zeros:
        yield "link_click", values["link_clicks"]
        # The counts of overlapping types differ, so that a client that sums them or picks the wrong one is caught.
        yield "page_engagement", clicks + 2 if clicks else 0
        yield "post_engagement", clicks + 1 if clicks else 0
        yield "video_view", values["views"]
    yield from ((kind, clicks * share // 100) for kind, share in spec.lives_from)
    yield from _purchase_kinds(spec, values["purchases"], values["off_meta"], flavour, all_off_meta=own["purchases"] == own["off_meta"])
    yield from _lead_kinds(spec, values["leads"], flavour)
    yield from _counts_by_type(_INSTALLS[flavour], values["installs"])
    yield "landing_page_view", visitors
    if all_types or flavour % 2 == 0:
        yield "omni_landing_page_view", visitors


def _purchase_kinds(spec: AccountSpec, purchases: int, off_meta: int, flavour: int, *, all_off_meta: bool) -> Iterator[tuple[str, int]]:
    if spec.purchase_types is not None:
        counts = {PIXEL_PURCHASE: off_meta, **dict.fromkeys(ON_META, purchases - off_meta)}
        yield from ((kind, counts.get(kind, purchases)) for kind in spec.purchase_types)
        return
    if flavour == 2 and all_off_meta:  # noqa: PLR2004 - a flavour is a number
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
