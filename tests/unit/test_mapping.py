"""What a mapping may count, how it is written and stored, and that no event counts twice."""

from dataclasses import replace

import pytest
from google.ads.googleads.v26.enums.types.conversion_action_category import ConversionActionCategoryEnum
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import Usage
from adpulse.mapping import CUSTOM, MAPPED, OWN, Clicks, from_text, parse_changes, to_text
from adpulse.platforms.google.metrics import CATEGORIES
from adpulse.platforms.google.metrics import RULES as GOOGLE
from adpulse.platforms.meta.metrics import FAMILIES, read
from adpulse.platforms.meta.metrics import RULES as META

CHATS = "onsite_conversion.messaging_conversation_started_7d"


def meta(**changes):
    return META.revised(META.default, changes)


def google(**changes):
    return GOOGLE.revised(GOOGLE.default, changes)


def counted(mapping, **actions):
    row = {"actions": [{"action_type": kind.replace("__", "."), "value": str(value)} for kind, value in actions.items()]}
    return {name: value / 1_000_000 for name, value in read(row, leaf=True, mapping=mapping).items() if name in MAPPED and value}


def test_conversions_are_purchases_by_the_preset_of_that_name():
    assert counted(META.preset("purchases"), omni_purchase=3, lead=5) == {"conversions": 3, "purchases": 3, "leads": 5}


def test_types_of_one_event_count_once_and_different_events_add_up():
    mapping = meta(conversions=["complete_registration", "omni_complete_registration", "purchases", CHATS])

    actions = {"complete_registration": 4, "omni_complete_registration": 5, "purchase": 1, CHATS.replace(".", "__"): 7}
    assert counted(mapping, **actions)["conversions"] == 5 + 1 + 7


def test_a_type_that_stands_in_two_metrics_counts_once_in_conversions():
    mapping = meta(leads=["contact_total"], purchases=["contact_total"])

    assert counted(mapping, contact_total=2) == {"conversions": 2, "leads": 2, "purchases": 2}


@given(st.sampled_from(FAMILIES), st.data())
def test_no_choice_of_types_of_one_event_counts_it_twice(family, data):
    types = data.draw(st.lists(st.sampled_from(family), min_size=1))
    present = data.draw(st.lists(st.sampled_from(family), unique=True))
    row = {"actions": [{"action_type": kind, "value": "6"} for kind in present]}

    assert read(row, leaf=True, mapping=meta(conversions=types))["conversions"] in (0, 6_000_000)


def test_revenue_is_what_the_purchases_of_the_mapping_are_worth():
    row = {"action_values": [{"action_type": "subscribe_total", "value": "9.5"}, {"action_type": "purchase", "value": "2"}]}

    assert read(row, leaf=True, mapping=meta(purchases=["subscribe_total"]))["revenue"] == 9_500_000


@pytest.mark.parametrize(
    ("rules", "changes", "message"),
    [
        (META, {"revenue": ["purchase"]}, "'revenue' counts no types. These do: purchases"),
        (META, {"leads": ["Leads!"]}, "leads cannot count 'Leads!': action types are written like"),
        (META, {"conversions": ["offsite_content_view_add_meta_leads"]}, "would count twice"),
        (META, {"conversions": [OWN]}, "not on every platform"),
        (META, {"leads": ["purchases", "leads-"]}, "leads cannot count 'leads-'"),
        (META, {"clicks": ["some"]}, "clicks cannot be 'some' on this platform, which reports: all, link"),
        (GOOGLE, {"clicks": ["link"]}, "clicks cannot be 'link' on this platform, which reports: all"),
        (GOOGLE, {"leads": ["lead"]}, "neither the id of a conversion action nor a category. Categories are: DEFAULT, PAGE_VIEW"),
        (GOOGLE, {"leads": [OWN]}, "is for conversions alone"),
        (GOOGLE, {"conversions": [OWN, "SIGNUP"]}, "is for conversions alone"),
        (META, {"conversions": ["results", "lead"]}, "each ad's own results, are for conversions alone"),
        (META, {"leads": ["results"]}, "each ad's own results, are for conversions alone"),
        (GOOGLE, {"conversions": ["results"]}, "This platform does not report how often what an ad is optimised for happened"),
        (META, {"leads": [f"type_{number}" for number in range(101)]}, "100 types at most, not 101"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_the_reason(rules, changes, message):
    with pytest.raises(Usage, match=message):
        rules.revised(rules.default, changes)


def test_the_categories_are_those_of_the_sdk():
    known = {category.name for category in ConversionActionCategoryEnum.ConversionActionCategory} - {"UNSPECIFIED", "UNKNOWN"}

    assert set(CATEGORIES) == known
    assert len(CATEGORIES) == len(known)


def test_an_unknown_preset_is_refused_and_those_that_there_are_listed():
    with pytest.raises(Usage, match=r"'revenue' is no preset of a mapping here. There are: default, purchases, results."):
        META.preset("revenue")


def test_results_are_no_preset_of_a_platform_that_does_not_report_them():
    with pytest.raises(Usage, match=r"does not report how often what an ad is optimised for happened\. There are: default, purchases\."):
        GOOGLE.preset("results")


def test_results_stand_alone_and_follow_each_ads_own_attribution():
    assert meta(conversions=["results"]) == META.preset("results")
    assert META.preset("results").types("conversions") == ()
    with pytest.raises(Usage, match="as each ad's own setting attributes them"):
        META.revised(META.preset("results"), {"attribution": ["7d_click"]})


def test_changes_that_make_a_preset_are_the_preset():
    assert meta(conversions=["purchases"]) == META.preset("purchases")
    assert META.revised(META.preset("purchases"), {"conversions": ["purchases", "leads", "installs"]}) == META.default


def test_a_mapping_of_ones_own_keeps_its_name_and_cannot_take_a_presets():
    own = META.revised(META.default, {"leads": [CHATS]}, name="Chats")

    assert META.revised(own, {"clicks": ["link"]}).name == "Chats"
    assert meta(leads=[CHATS]).name == CUSTOM
    with pytest.raises(Usage, match="'purchases' is a preset that counts something else"):
        META.revised(META.default, {"leads": [CHATS]}, name="purchases")


@pytest.mark.parametrize("name", [" ", "x" * 65, "a\nb"])
def test_a_name_has_to_be_one_that_can_be_shown(name):
    with pytest.raises(Usage, match="1 to 64 printable characters"):
        META.revised(META.default, {"leads": [CHATS]}, name=name)


@pytest.mark.parametrize("mapping", [*META.presets.values(), meta(leads=[CHATS], clicks=["link"]), meta(visitors=[])])
def test_a_stored_mapping_is_read_as_it_was_chosen(mapping):
    assert from_text(to_text(mapping, META), META) == mapping


def test_a_stored_preset_follows_the_definition_of_the_version_that_reads_it():
    later = replace(META, presets={"default": replace(META.default, clicks=Clicks.LINK)})

    assert from_text(to_text(META.default, META), later).clicks is Clicks.LINK
    assert from_text(to_text(META.preset("purchases"), META), later) == later.default


def test_changes_are_read_as_people_write_them():
    assert parse_changes(["leads=lead, contact_total", "visitors=", "clicks=link"]) == {
        "leads": ("lead", " contact_total"),
        "visitors": ("",),
        "clicks": ("link",),
    }
    assert META.revised(META.default, parse_changes(["visitors= ", "leads=lead,,lead"])).leads == ("lead",)


@pytest.mark.parametrize(("texts", "message"), [(["leads"], "sets nothing"), (["leads=lead", "leads=contact_total"], "set twice")])
def test_changes_that_are_not_written_so_are_refused(texts, message):
    with pytest.raises(Usage, match=message):
        parse_changes(texts)


def test_the_conversions_of_google_are_its_own_until_somebody_counts_others():
    assert GOOGLE.default.counts_own_conversions
    assert not google(conversions=["purchases"]).counts_own_conversions
    assert google(conversions=["purchases"]) == GOOGLE.preset("purchases")
    assert google(leads=["IMPORTED_LEAD", "900004"]).metrics_of("QUALIFIED_LEAD", "900004") == ("leads",)
