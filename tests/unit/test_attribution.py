"""Which attributions may be chosen, how they are written, and what counts by them."""

import pytest

from adpulse.attribution import columns_of
from adpulse.conversion_types import ConversionType, ConversionTypes, changes, counted_types, from_text, to_text, totals
from adpulse.errors import Usage
from adpulse.mapping import MAPPED
from adpulse.mapping import from_text as mapping_from_text
from adpulse.mapping import to_text as mapping_to_text
from adpulse.platforms.google.metrics import RULES as GOOGLE
from adpulse.platforms.meta.action_types import action_types
from adpulse.platforms.meta.metrics import RULES as META
from adpulse.platforms.meta.metrics import read


def chosen(*windows, rules=META, **changes):
    return rules.revised(rules.default, {"attribution": windows, **changes})


def counted(action, *windows):
    row = {"actions": [{"action_type": "omni_purchase", "value": "40", **action}]}
    return read(row, leaf=True, mapping=chosen(*windows))["purchases"] // 1_000_000


def test_windows_are_written_in_one_order_and_the_preset_stays():
    mapping = chosen("1d_ev", "7d_click", "1d_view")

    assert (mapping.name, mapping.attribution) == ("default", ("7d_click", "1d_view", "1d_ev"))
    assert mapping.describe().endswith(" clicks=all attribution=7d_click,1d_view,1d_ev")
    assert META.revised(mapping, {"attribution": ["default"]}) == META.default
    assert META.default.describe().endswith(" clicks=all")


@pytest.mark.parametrize("mapping", [chosen("7d_click"), chosen("28d_click", "1d_view", leads=["contact_total"])])
def test_a_stored_attribution_is_read_as_it_was_chosen(mapping):
    assert mapping_from_text(mapping_to_text(mapping, META), META) == mapping


@pytest.mark.parametrize(
    ("rules", "windows", "message"),
    [
        (META, ["7d_click", "7d_view"], "Meta ended the window 7d_view on 2026-01-12"),
        (META, ["7d_click", "28d_click"], "Choose one window after a click"),
        (META, ["1d_view"], "Choose one window after a click"),
        (META, [], "Choose one window after a click"),
        (META, ["7d_click", "default"], "'default' is no attribution window"),
        (META, ["conversion_date"], "'conversion_date' is no attribution window"),
        (GOOGLE, ["7d_click"], "not '7d_click'"),
    ],
)
def test_what_is_no_attribution_of_the_platform_is_refused_with_the_reason(rules, windows, message):
    with pytest.raises(Usage, match=message):
        chosen(*windows, rules=rules)


@pytest.mark.parametrize(
    ("columns", "windows", "count"),
    [
        ({"7d_click": "30", "1d_view": "4", "1d_ev": "2", "28d_click": "35"}, ("7d_click", "1d_view"), 34),
        ({"7d_click": "30", "1d_view": "4", "1d_ev": "2"}, ("7d_click", "1d_view", "1d_ev"), 36),
        ({"1d_view": "4"}, ("7d_click", "1d_view"), 4),
        ({"1d_click": "20"}, ("28d_click",), 20),
        ({"28d_click": "35"}, ("1d_click",), 0),
        ({}, ("7d_click",), 0),
        ({"7d_click": "30"}, ("default",), 40),
    ],
    ids=["two windows", "three", "only views", "no longer window", "only a longer window", "in other windows", "the ad set's own setting"],
)
def test_an_action_counts_what_its_columns_of_the_windows_add_up_to(columns, windows, count):
    assert counted(columns, *windows) == count


def test_the_shorter_windows_after_a_click_are_requested_beside_the_chosen_one():
    assert columns_of(("7d_click", "1d_view")) == ("1d_click", "7d_click", "1d_view")


def test_views_of_landing_pages_without_windows_are_not_lost():
    row = {"actions": [{"action_type": "landing_page_view", "value": "9"}, {"action_type": "purchase", "value": "5"}]}
    values = read(row, leaf=True, mapping=chosen("7d_click"))

    assert (values["visitors"], values["purchases"]) == (9_000_000, 0)


def test_totals_without_actions_stay_unknown_in_windows_too():
    assert read({"spend": "3"}, leaf=False, mapping=chosen("7d_click"))["conversions"] is None


TYPES = ConversionTypes(
    types=(
        ConversionType(
            names=("omni_purchase",),
            count=40,
            value=400,
            counts_in={"7d_click": 30, "1d_view": 4},
            values_in={"7d_click": 300, "1d_view": 40},
        ),
        ConversionType(names=("lead",), count=7, value=None, counts_in={"28d_click": 5}),
    )
)


def test_a_preview_counts_the_types_in_other_windows():
    shown = {change.metric: (change.before, change.after) for change in changes(TYPES, META.default, chosen("7d_click", "1d_view"), META)}

    assert (shown["purchases"], shown["revenue"], shown["leads"], shown["conversions"]) == ((40, 34), (400, 340), (7, 0), (47, 34))
    assert [kind.type.count for kind in counted_types(TYPES, chosen("7d_click"), META)] == [30]


def test_types_that_were_read_without_windows_say_nothing_of_them():
    earlier = ConversionTypes(types=(ConversionType(names=("omni_purchase",), count=40, value=400),))

    assert {name: totals(earlier, chosen("7d_click"), META)[name] for name in MAPPED} == dict.fromkeys(MAPPED)


def test_types_are_stored_with_their_windows():
    assert from_text(to_text(TYPES)) == TYPES


def test_an_account_of_mixed_settings_without_a_value_of_its_own_has_that_of_metas_default_windows():
    actions = [{"action_type": "lead", "7d_click": "5", "1d_view": "2", "28d_click": "9"}]
    (kind,) = action_types({"data": [{"actions": actions}]}, "account 1").types

    assert (kind.count, kind.counts_in["28d_click"]) == (7_000_000, 9_000_000)
