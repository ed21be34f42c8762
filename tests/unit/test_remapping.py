"""Which mapping would close the differences between an export and what is stored."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from unit.test_verification import day, exported, numbers, stored

from adpulse.conversion_types import ConversionType, ConversionTypes, KeptTypes
from adpulse.mapping import Clicks
from adpulse.platforms.meta.metrics import RULES
from adpulse.verification.comparison import Reason, compare
from adpulse.verification.reasons import differences
from adpulse.verification.remapping import closing

CHATS = "onsite_conversion.messaging_conversation_started_7d"
ALL = 20 * 10 + sum(range(10))
"""All clicks of the ten days that are stored."""


def kinds(n):
    """What is stored of a day's conversions: they are purchases and leads."""
    purchases, leads = Decimal(4 + n % 3), Decimal(7 + n % 2)
    return {"purchases": purchases, "leads": leads, "installs": Decimal(0), "visitors": Decimal(40), "conversions": purchases + leads}


def comparison(change, days=10):
    """The export says this of each day instead of what is stored."""
    own = {("1", day(n)): numbers(n) | kinds(n) for n in range(days)}
    told = {key: {metric: values[metric] for metric in numbers(0)} | change(n) for n, (key, values) in enumerate(own.items())}
    return compare(exported(told), stored(own, days=days))


def kept(clicks=None, **counts):
    types = (ConversionType(names=(name.replace("__", "."),), count=count * 1_000_000, value=None) for name, count in counts.items())
    account = ConversionTypes(types=tuple(types), clicks=clicks or {Clicks.ALL: ALL, Clicks.LINK: 120})
    return KeptTypes(since=day(0), until=day(9), read_at=datetime(2026, 9, 10, tzinfo=UTC), types=account)


def test_a_column_of_results_names_the_preset_of_results_unless_it_is_the_mapping():
    told = comparison(lambda n: {"conversions": kinds(n)["purchases"]})
    places, header = told.export.columns.places, list(told.export.columns.header)
    header[places["conversions"]] = "Results"
    told = replace(told, export=replace(told.export, columns=replace(told.export.columns, header=tuple(header))))

    assert closing(told, None, RULES) == {"conversions": "conversions=results"}
    assert closing(told, None, RULES, RULES.preset("results")) == {}


@pytest.mark.parametrize(
    ("counted", "change"),
    [
        (("purchases",), "conversions=purchases"),
        (("leads",), "conversions=leads"),
        (("purchases", "visitors"), "conversions=purchases,visitors"),
    ],
)
def test_conversions_that_equal_other_kinds_day_by_day_name_these(counted, change):
    told = comparison(lambda n: {"conversions": sum(kinds(n)[kind] for kind in counted)})

    assert closing(told, None, RULES) == {"conversions": change}
    assert {(one.metric, one.reason) for one in differences(told, closing(told, None, RULES))} == {("conversions", Reason.MAPPING)}


def test_a_type_that_no_metric_counts_is_found_by_its_total():
    told = comparison(lambda n: {"conversions": Decimal(30 + n)})

    reported = kept(link_click=900, **{CHATS.replace(".", "__"): 347}, complete_registration=90)
    assert closing(told, reported, RULES) == {"conversions": f"conversions={CHATS}"}


def test_the_widest_type_of_an_event_is_named():
    told = comparison(lambda n: {"conversions": Decimal(30 + n)})

    reported = kept(complete_registration=345, omni_complete_registration=345)
    assert closing(told, reported, RULES) == {"conversions": "conversions=omni_complete_registration"}


def test_clicks_of_the_other_kind_are_found_by_their_total():
    told = comparison(lambda _: {"clicks": Decimal(12)})

    assert closing(told, kept(), RULES) == {"clicks": "clicks=link"}


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        (lambda _: {}, kept(lead=110)),
        (lambda n: {"conversions": Decimal(30 + n)}, None),
        (lambda n: {"conversions": Decimal(30 + n)}, kept(lead=200)),
        (lambda n: {"conversions": kinds(n)["purchases"] if n < 5 else Decimal(30)}, None),
        (lambda n: {"conversions": Decimal(30)} if n < 3 else {}, kept(lead=90)),
        (lambda n: {"conversions": Decimal(30 + n)}, kept(offsite_content_view_add_meta_leads=345)),
    ],
    ids=[
        "equal",
        "types that nobody read",
        "no type is near",
        "half of the days are purchases",
        "few days differ",
        "a type that cannot be counted",
    ],
)
def test_no_mapping_is_named_without_a_pattern(change, reported):
    assert closing(comparison(change), reported, RULES) == {}


def test_totals_are_compared_only_where_the_export_has_all_days_of_the_types():
    told = comparison(lambda n: {"conversions": Decimal(30 + n)}, days=9)

    assert closing(told, kept(**{CHATS.replace(".", "__"): 306}), RULES) == {}


def in_windows(days=10):
    """What the account reported: what is stored by each ad set's own setting, and less of it in other windows."""
    purchases, leads = (int(sum(kinds(n)[kind] for n in range(days))) for kind in ("purchases", "leads"))
    revenue = int(sum(numbers(n)["revenue"] for n in range(days)))

    def by_window(total):
        return {window: total * share for window, share in (("1d_click", 700_000), ("7d_click", 900_000), ("1d_view", 60_000))}

    bought = {"value": revenue * 10**6, "values_in": by_window(revenue)}
    types = (
        ConversionType(names=("omni_purchase",), count=purchases * 10**6, counts_in=by_window(purchases), **bought),
        ConversionType(names=("lead",), count=leads * 10**6, value=None, counts_in=by_window(leads)),
    )
    account = ConversionTypes(types=types, clicks={Clicks.ALL: ALL})
    return KeptTypes(since=day(0), until=day(days - 1), read_at=datetime(2026, 9, 10, tzinfo=UTC), types=account)


def less(share):
    """An export that has this share of all conversions and their worth."""
    return comparison(lambda n: {name: (numbers(n) | kinds(n))[name] * Decimal(share) for name in ("conversions", "revenue")})


@pytest.mark.parametrize(("share", "named"), [("0.7", "1d_click"), ("0.9", "7d_click"), ("0.96", "7d_click,1d_view"), ("0.5", None)])
def test_totals_in_other_windows_name_the_windows(share, named):
    expected = dict.fromkeys(("conversions", "revenue"), f"attribution={named}") if named else {}

    assert closing(less(share), in_windows(), RULES) == expected
    assert Reason.MAPPING not in {one.reason for one in differences(less(share), expected)}
    assert named is None or {one.reason for one in differences(less(share), expected)} == {Reason.WINDOW}


def test_the_windows_by_which_the_numbers_are_stored_are_no_reason_for_a_difference():
    present = RULES.revised(RULES.default, {"attribution": ["7d_click"]})

    assert closing(less("0.9"), in_windows(), RULES, present) == {}


def test_an_export_without_conversions_names_the_windows_by_its_revenue():
    own = less("0.9")
    pairs = tuple(pair for pair in own.pairs if pair.metric != "conversions")

    assert closing(replace(own, pairs=pairs), in_windows(), RULES) == {"revenue": "attribution=7d_click"}
