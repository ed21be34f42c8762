"""Google's answers as rows of ours: doubles to millionths, sums before joins, what came twice."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from connecting import unstored
from google.ads.googleads.v26.enums.types.conversion_action_category import ConversionActionCategoryEnum
from hypothesis import example, given
from hypothesis import strategies as st

from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS, MICROS
from adpulse.model import Level
from adpulse.platforms.google import normalise
from adpulse.platforms.google.metrics import FIELDS
from adpulse.platforms.google.queries import ADS, ASSET_GROUPS, CAMPAIGNS, HIERARCHY

DAY = "2026-03-20"
CONNECTION = unstored(id="g", provider="google", gross_margin=Decimal("0.5"), scope="google:1")


def micros(*values):
    return normalise.micros(pa.chunked_array([pa.array(values, pa.float64())])).to_pylist()


def exact(value):
    return round(Fraction(value) * MICROS)


@given(st.lists(st.floats(min_value=-9.2e12, max_value=9.2e12), max_size=20))
@example([0.0000005, 0.0000015, 0.0000025, -0.0000005, -0.0000015])
@example([0.5e-6, 1.5e-6, 2.5e-6, 0.1, 0.29, 1 / 3, 2 / 3, 1e-300, -0.0])
@example([9007199254.740993, 2251799813.6852485, 4503599627.370497, 9223372036854.0])
def test_any_double_is_rounded_once_from_its_exact_value(values):
    assert micros(*values) == [exact(value) for value in values]


@given(st.integers(-(2**40), 2**40), st.integers(-3, 3))
def test_a_double_next_to_the_middle_between_two_millionths_goes_to_the_right_side(whole, steps):
    value = (whole + 0.5) / MICROS
    for _ in range(abs(steps)):
        value = float(np.nextafter(value, np.inf if steps > 0 else -np.inf))

    assert micros(value) == [exact(value)]


@given(st.integers(0, 2**20), st.integers(7, 20))
def test_a_tie_goes_to_the_even_one(numerator, power):
    value = numerator / 2**power  # exact, and a tie whenever its million-fold ends in a half

    assert micros(value, -value) == [exact(value), exact(-value)]


@given(st.integers(-(2**53), 2**53))
def test_what_was_in_whole_millionths_comes_back(millionths):
    if abs(millionths / MICROS) < 2**32:
        assert micros(millionths / MICROS) == [millionths]


def test_nothing_is_no_rows():
    assert micros() == []


def told(*rows, extra=()):
    """An answer of the ads' report: (ad, ad group, campaign, impressions, cost, conversions)."""
    names = ["ad_group_ad.ad.id", "ad_group.id", "campaign.id", normalise.DATE, *FIELDS.values(), *extra]
    whole = [
        (ad, group, campaign, DAY, impressions, 1, cost, conversions, conversions * 10)
        for ad, group, campaign, impressions, cost, conversions in rows
    ]
    kinds = [pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.int64(), pa.int64(), pa.int64(), pa.float64(), pa.float64()]
    columns = list(zip(*whole, strict=True)) or [()] * len(names)
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=names)


def categories(*rows):
    """An answer about conversions by category: (ad, ad group, category, conversions)."""
    names = ["ad_group_ad.ad.id", "ad_group.id", "campaign.id", normalise.DATE, normalise.CATEGORY, "metrics.conversions"]
    kinds = [pa.int64(), pa.int64(), pa.int64(), pa.string(), pa.string(), pa.float64()]
    columns = list(zip(*[(ad, group, 3, DAY, category, count) for ad, group, category, count in rows], strict=True)) or [()] * 6
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=names)


def base(*rows):
    return normalise.base(ADS.level, told(*rows), ADS.within, ADS.fields)


def split(*rows):
    return normalise.split(ADS.level, categories(*rows), ADS.within, ADS.fields)


def test_one_ad_in_two_ad_groups_adds_up():
    (row,) = base((1, 10, 3, 100, 5_000_000, 0.5), (1, 11, 3, 40, 1_000_000, 0.25)).to_pylist()

    assert (row["external_id"], row["impressions"], row["spend"], row["conversions"], row["revenue"]) == (
        "1",
        140,
        6_000_000,
        750_000,
        7_500_000,
    )


def test_a_row_that_came_twice_counts_once_and_as_it_was_last():
    (row,) = base((1, 10, 3, 100, 5_000_000, 0.5), (1, 10, 3, 120, 6_000_000, 0.75)).to_pylist()

    assert (row["impressions"], row["spend"], row["conversions"]) == (120, 6_000_000, 750_000)


def test_ids_are_strings_and_dates_are_dates():
    (row,) = base((23_860_000_001_000_011, 10, 3, 1, 1, 0.0)).to_pylist()

    assert (row["external_id"], row["campaign_id"], row["date"]) == ("23860000001000011", "3", date(2026, 3, 20))


def test_the_base_says_nothing_of_the_split_and_the_split_of_nothing_else():
    (numbers,), (kinds,) = base((1, 10, 3, 100, 5, 1.0)).to_pylist(), split((1, 10, "PURCHASE", 1.0)).to_pylist()

    assert [numbers[name] for name in ("leads", "installs", "purchases", "visitors")] == [None] * 4
    assert [kinds[name] for name in ("impressions", "clicks", "spend", "conversions", "revenue")] == [None] * 5


@pytest.mark.parametrize(
    ("category", "metric"),
    [
        ("PURCHASE", "purchases"),
        ("SUBMIT_LEAD_FORM", "leads"),
        ("PHONE_CALL_LEAD", "leads"),
        ("MESSAGE_LEAD", "leads"),
        ("BOOK_APPOINTMENT", "leads"),
        ("REQUEST_QUOTE", "leads"),
        ("CONTACT", "leads"),
        ("DOWNLOAD", "installs"),
        ("PAGE_VIEW", "visitors"),
    ],
)
def test_a_category_counts_as_one_metric(category, metric):
    (row,) = split((1, 10, category, 1.25)).to_pylist()

    assert {name: row[name] for name in ("leads", "installs", "purchases", "visitors") if row[name]} == {metric: 1_250_000}


@pytest.mark.parametrize("category", ["IMPORTED_LEAD", "QUALIFIED_LEAD", "CONVERTED_LEAD", "SIGNUP", "DEFAULT", "UNKNOWN", ""])
def test_later_stages_of_a_lead_and_other_categories_count_as_nothing(category):
    assert split((1, 10, category, 5.0)).num_rows == 0


def test_of_all_categories_in_the_sdk_only_nine_count():
    every = [each.name for each in ConversionActionCategoryEnum.ConversionActionCategory]

    counted = [category for category in every if split((1, 10, category, 1.0)).num_rows]

    assert len(every) > 20
    leads = ["SUBMIT_LEAD_FORM", "PHONE_CALL_LEAD", "MESSAGE_LEAD", "BOOK_APPOINTMENT", "REQUEST_QUOTE", "CONTACT"]
    assert sorted(counted) == sorted(["PURCHASE", *leads, "DOWNLOAD", "PAGE_VIEW"])


def test_every_metric_is_stored_in_its_unit():
    answer = told((1, 10, 3, 100, 5_000_000, 2.5))
    kinds = categories((1, 10, "PURCHASE", 1.25), (1, 10, "CONTACT", 2.25), (1, 10, "DOWNLOAD", 3.25), (1, 10, "PAGE_VIEW", 4.25))
    parts = [normalise.base(ADS.level, answer, ADS.within, ADS.fields), normalise.split(ADS.level, kinds, ADS.within, ADS.fields)]

    (row,) = normalise.rows([normalise.joined(parts)], CONNECTION).to_pylist()

    assert {name: row[name] for name in METRICS} == {
        "impressions": 100, "clicks": 1, "spend": 5_000_000, "conversions": 2_500_000, "revenue": 25_000_000,
        "leads": 2_250_000, "installs": 3_250_000, "purchases": 1_250_000, "visitors": 4_250_000, "profit": 7_500_000,
    }  # fmt: skip


def test_categories_of_one_metric_add_up():
    (row,) = split((1, 10, "CONTACT", 1.5), (1, 10, "REQUEST_QUOTE", 0.25), (1, 11, "CONTACT", 1.0), (1, 10, "PURCHASE", 2.0)).to_pylist()

    assert (row["leads"], row["purchases"]) == (2_750_000, 2_000_000)


def test_a_category_that_came_twice_counts_once():
    (row,) = split((1, 10, "CONTACT", 1.5), (1, 10, "CONTACT", 2.5)).to_pylist()

    assert row["leads"] == 2_500_000


def test_base_and_split_of_a_campaign_are_one_row_and_what_one_lacks_is_zero():
    parts = [base((1, 10, 3, 100, 5_000_000, 2.0), (2, 10, 3, 7, 1_000_000, 0.0)), split((1, 10, "CONTACT", 1.0), (9, 10, "PURCHASE", 1.0))]

    rows = {row["external_id"]: row for row in normalise.joined(parts).to_pylist()}

    seen = {key: (row["impressions"], row["spend"], row["leads"], row["purchases"]) for key, row in rows.items()}
    assert seen == {"1": (100, 5_000_000, 1_000_000, 0), "2": (7, 1_000_000, 0, 0), "9": (0, 0, 0, 1_000_000)}


def test_rows_have_their_profit_where_the_revenue_is_told():
    table = normalise.rows([base((1, 10, 3, 1, 2_000_000, 1.0)), split((1, 10, "PURCHASE", 1.0))], CONNECTION)

    assert table.schema.equals(METRIC_SCHEMA)
    assert table["profit"].to_pylist() == [3_000_000, None]


@pytest.mark.parametrize("report", [ADS, ASSET_GROUPS, CAMPAIGNS])
def test_an_empty_answer_is_an_empty_table(report):
    names = dict.fromkeys([*report.fields.values(), report.within, normalise.DATE, *FIELDS.values()])
    kinds = {normalise.DATE: pa.string(), "metrics.conversions": pa.float64(), "metrics.conversions_value": pa.float64()}
    empty = pa.table({name: pa.array([], kinds.get(name, pa.int64())) for name in names})

    table = normalise.rows([normalise.base(report.level, empty, report.within, report.fields)], CONNECTION)

    assert (table.num_rows, table.schema) == (0, METRIC_SCHEMA)


def ad(**changed):
    fields = HIERARCHY[Level.AD].fields
    values = dict.fromkeys(fields.values()) | {"ad_group_ad.ad.id": 1, "ad_group.id": 10, "ad_group_ad.ad.name": "One"}
    return values | {"ad_group_ad.status": "ENABLED"} | changed


def entities(*rows):
    return normalise.entities(Level.AD, pa.Table.from_pylist(list(rows)), "g", HIERARCHY[Level.AD].fields).rows.to_pylist()


def test_attributes_are_what_is_set_in_the_order_of_their_names():
    (row,) = entities(
        ad(**{"ad_group_ad.ad.type": "RESPONSIVE_SEARCH_AD", "ad_group_ad.ad.final_urls": ["https://a.example"], "ad_group_ad.labels": []})
    )

    assert row["attributes"] == '{"final_urls":["https://a.example"],"type":"RESPONSIVE_SEARCH_AD"}'


def test_of_an_entity_that_came_twice_the_last_is_kept():
    rows = entities(ad(), ad(**{"ad_group_ad.ad.id": 2}), ad(**{"ad_group_ad.ad.name": "Renamed"}))

    assert [(row["external_id"], row["name"], row["parent_id"]) for row in rows] == [("1", "Renamed", "10"), ("2", "One", "10")]


@pytest.mark.parametrize(
    ("headlines", "name"),
    [(["Fresh every day", "Free returns"], "Fresh every day"), (["", "Free returns"], "Free returns"), ([], "Text ad 1")],
)
def test_an_ad_without_a_name_is_called_by_its_first_headline_else_by_its_type_and_id(headlines, name):
    unnamed = {"ad_group_ad.ad.name": "", "ad_group_ad.ad.type": "TEXT_AD", "ad_group_ad.ad.responsive_search_ad.headlines": headlines}

    (row,) = entities(ad(**unnamed))

    assert (row["name"], row["attributes"]) == (name, '{"type":"TEXT_AD"}')


@pytest.mark.parametrize(
    ("status", "manager", "enabled", "said"),
    [
        ("ENABLED", False, True, "enabled"),
        ("ENABLED", True, False, "manager account"),
        ("CANCELED", False, False, "canceled"),
        ("SUSPENDED", False, False, "suspended"),
    ],
)
def test_only_an_enabled_customer_that_is_no_manager_can_be_synced(status, manager, enabled, said):
    row = {
        "id": 5557919003,
        "descriptive_name": "",
        "currency_code": "EUR",
        "time_zone": "Europe/Berlin",
        "manager": manager,
        "status": status,
    }

    facts = normalise.account({f"customer.{name}": value for name, value in row.items()}, "customer", "1234567890")

    assert (facts.enabled, facts.status, facts.manager) == (enabled, said, manager)
    assert (facts.external_id, facts.name, facts.login_customer_id) == ("5557919003", "Customer 5557919003", "1234567890")
