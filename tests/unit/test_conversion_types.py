"""What of an account's types a mapping counts, what another one would change, and which results count as nothing."""

import pyarrow as pa
import pytest

from adpulse.conversion_types import ConversionType, ConversionTypes, changes, counted_types, from_text, left_out, to_text, totals
from adpulse.errors import Unavailable
from adpulse.mapping import Clicks
from adpulse.platforms.google.conversion_types import conversion_types
from adpulse.platforms.google.metrics import RULES as GOOGLE
from adpulse.platforms.google.normalise import ACTION, CATEGORY
from adpulse.platforms.google.requests import ACTION_NAME, DATED_SPLIT, DATED_VALUE, SPLIT, VALUE
from adpulse.platforms.meta.action_types import action_types
from adpulse.platforms.meta.metrics import RULES as META

CHATS = "onsite_conversion.messaging_conversation_started_7d"
TWO_EVENTS = "offsite_content_view_add_meta_leads"
CLICKS = {Clicks.ALL: 90, Clicks.LINK: 60}
WITHHELD = ConversionTypes(clicks=CLICKS, withheld=True)


def meta(values=None, **counts):
    """An account of Meta: counts and values by type; two underlines stand for a point."""
    named = {name.replace("__", "."): count for name, count in counts.items()}
    worth = values or {}
    types = (
        ConversionType(names=(name,), count=count * 1_000_000, value=worth[name] * 1_000_000 if name in worth else None)
        for name, count in named.items()
    )
    return ConversionTypes(types=tuple(types), clicks=CLICKS)


def google(*rows):
    """A customer of Google: category, id of the action, conversions and value of each row."""
    return ConversionTypes(
        types=tuple(ConversionType(names=(category, action), count=count, value=value) for category, action, count, value in rows)
    )


def use_of(types, mapping, rules=META):
    return {counted.type.names[0]: (counted.metrics, counted.same_as) for counted in counted_types(types, mapping, rules)}


def test_a_type_counts_as_its_metrics_and_the_others_of_its_event_do_not_count_again():
    types = meta(omni_purchase=3, purchase=3, onsite_web_purchase=2, link_click=40)

    assert use_of(types, META.default) == {
        "link_click": ((), None),
        "omni_purchase": (("purchases", "conversions"), None),
        "purchase": ((), "omni_purchase"),
        "onsite_web_purchase": ((), "omni_purchase"),
    }


def test_a_preview_does_not_say_what_results_would_be_and_says_all_other_metrics():
    types, results = meta(omni_purchase=3, complete_registration=8), META.preset("results")

    of_conversions, *others = sorted(changes(types, META.default, results, META), key=lambda change: change.metric != "conversions")
    assert (of_conversions.metric, of_conversions.before, of_conversions.after) == ("conversions", 3_000_000, None)
    assert all(change.before == change.after for change in others)
    assert left_out(types, results, META) == []


def test_the_most_frequent_types_come_first_and_what_did_not_happen_is_left_out():
    types = meta(lead=0, omni_purchase=3, link_click=40)

    assert [counted.type.names for counted in counted_types(types, META.default, META)] == [("link_click",), ("omni_purchase",)]


def test_a_type_that_cannot_be_counted_says_why():
    (counted,) = counted_types(meta(**{TWO_EVENTS: 3}), META.default, META)

    assert "would count twice" in counted.refusal
    assert not counted.is_left_out


def test_totals_are_those_of_the_mapping():
    types = meta({"purchase": 120}, purchase=3, lead=5, **{CHATS.replace(".", "__"): 7})
    mapping = META.revised(META.default, {"leads": ["lead", CHATS], "clicks": ["link"]})

    expected = {"purchases": 3, "leads": 12, "installs": 0, "visitors": 0, "conversions": 15, "revenue": 120}
    assert totals(types, mapping, META) == {name: value * 1_000_000 for name, value in expected.items()} | {"clicks": 60}


def test_a_conversion_of_google_counts_once_by_its_category_and_its_action():
    types = google(("SIGNUP", "910003", 2_500_000, 10), ("PURCHASE", "910004", 1_000_000, 99))
    mapping = GOOGLE.revised(GOOGLE.default, {"leads": ["SIGNUP", "910003"], "conversions": ["leads", "910003"]})

    assert {name: totals(types, mapping, GOOGLE)[name] for name in ("leads", "conversions", "revenue", "clicks")} == {
        "leads": 2_500_000,
        "conversions": 2_500_000,
        "revenue": 109,
        "clicks": None,
    }
    assert totals(types, GOOGLE.default, GOOGLE)["conversions"] == 3_500_000


def test_a_preview_has_each_metric_by_both_mappings():
    types = meta(omni_purchase=3, lead=5)

    shown = {change.metric: (change.before, change.after) for change in changes(types, META.default, META.preset("purchases"), META)}
    assert shown["conversions"] == (8_000_000, 3_000_000)
    assert shown["leads"] == (5_000_000, 5_000_000)
    assert shown["clicks"] == (90, 90)


def test_what_is_withheld_is_not_zero_and_its_clicks_are_known():
    assert totals(WITHHELD, META.default, META)["conversions"] is None
    assert [change.metric for change in changes(WITHHELD, META.default, META.preset("purchases"), META)] == ["clicks"]
    assert left_out(WITHHELD, META.default, META) == []


@pytest.mark.parametrize(
    ("types", "missed"),
    [
        (meta(**{CHATS.replace(".", "__"): 7}, link_click=40, landing_page_view=9, post_engagement=50), [CHATS]),
        (meta(complete_registration=4, omni_complete_registration=5), ["omni_complete_registration"]),
        (meta(offsite_conversion__custom__147=4), ["offsite_conversion.custom.147"]),
        (meta(lead=1, complete_registration=4), []),
        (meta(link_click=40, video_view=90, view_content=3, like=5), []),
        (meta(**{TWO_EVENTS: 3}), []),
    ],
    ids=["chats", "one event", "a custom conversion", "conversions are counted", "no results", "cannot be counted"],
)
def test_results_are_missed_where_no_conversion_is_counted(types, missed):
    assert [counted.type.names[0] for counted in left_out(types, META.default, META)] == missed


def test_leads_that_are_counted_as_leads_are_not_missed_by_conversions_of_purchases():
    assert left_out(meta(lead=5), META.preset("purchases"), META) == []


@pytest.mark.parametrize("types", [meta({"purchase": 2}, purchase=3), google(("SIGNUP", "1", 2, 3)), WITHHELD])
def test_stored_types_are_read_as_they_were(types):
    assert from_text(to_text(types)) == types


def test_an_account_without_delivery_has_no_types_and_one_whose_actions_are_not_added_up_does_not_say():
    assert action_types({"data": []}, "account 1") == ConversionTypes()
    silent = action_types({"data": [{"account_id": "1", "clicks": "90", "inline_link_clicks": "60"}]}, "account 1")
    assert silent == WITHHELD


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 1e15], ids=str)
def test_a_number_of_google_that_cannot_be_stored_makes_no_list(number):
    text, numbers = (
        {name: ["x"] for name in (CATEGORY, ACTION, ACTION_NAME)},
        {SPLIT: [2.5], VALUE: [number], DATED_SPLIT: [1.0], DATED_VALUE: [7.0]},
    )

    with pytest.raises(Unavailable, match="customer 1"):
        conversion_types(pa.table(text | numbers), "customer 1")
    assert conversion_types(pa.table(text | numbers | {VALUE: [9.0]}), "customer 1").types[0].count == 2_500_000


@pytest.mark.parametrize(
    "data",
    [None, [{}, {}], ["row"], [{"actions": [{"action_type": "lead", "value": "many"}]}], [{"clicks": "-1"}]],
    ids=["no page", "two rows", "no row", "no number", "no count"],
)
def test_an_answer_that_cannot_be_read_is_no_list(data):
    with pytest.raises(Unavailable, match="account 1"):
        action_types({"data": data}, "account 1")
