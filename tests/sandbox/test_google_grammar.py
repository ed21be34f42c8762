"""The query language: how queries parse, which are refused, and how conditions compare."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpulse_sandbox.google import gaql
from adpulse_sandbox.google.conditions import to_predicate
from adpulse_sandbox.google.days import finite_range, segment_of
from adpulse_sandbox.google.errors import AdsError
from adpulse_sandbox.google.fields import schema

WEDNESDAY = date(2026, 3, 18)
WRONG = {
    "": "EXPECTED_SELECT",
    "FROM campaign": "EXPECTED_SELECT",
    "SELECT": "UNEXPECTED_END_OF_QUERY",
    "SELECT * FROM campaign": "BAD_FIELD_NAME",
    "SELECT campaign.id, FROM campaign": "BAD_FIELD_NAME",
    "SELECT Campaign.id FROM campaign": "BAD_FIELD_NAME",
    "SELECT campaign.id": "EXPECTED_FROM",
    "SELECT campaign.id WHERE campaign.id = 1": "EXPECTED_FROM",
    "SELECT campaign.id campaign.name FROM campaign": "UNEXPECTED_INPUT",
    "SELECT campaign.id FROM": "UNEXPECTED_END_OF_QUERY",
    "SELECT campaign.id FROM 'campaign'": "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE",
    "SELECT campaign.id FROM campaign;": "UNEXPECTED_INPUT",
    "SELECT campaign.id FROM campaign, ad_group": "UNEXPECTED_INPUT",
    "SELECT campaign.id FROM campaign WHERE": "UNEXPECTED_END_OF_QUERY",
    "SELECT campaign.id FROM campaign WHERE campaign.id": "UNEXPECTED_END_OF_QUERY",
    "SELECT campaign.id FROM campaign WHERE campaign.id ~ 1": "BAD_OPERATOR",
    "SELECT campaign.id FROM campaign WHERE campaign.id IS 1": "BAD_OPERATOR",
    "SELECT campaign.id FROM campaign WHERE campaign.id CONTAINS (1)": "BAD_OPERATOR",
    "SELECT campaign.id FROM campaign WHERE campaign.id = ,": "BAD_VALUE",
    "SELECT campaign.id FROM campaign WHERE campaign.id = 1 OR campaign.id = 2": "UNEXPECTED_INPUT",
    "SELECT campaign.id FROM campaign WHERE campaign.id IN 1": "EXPECTED_LIST",
    "SELECT campaign.id FROM campaign WHERE campaign.id IN ()": "PROHIBITED_EMPTY_LIST_IN_CONDITION",
    "SELECT campaign.id FROM campaign WHERE campaign.id IN (1, 'a')": "PROHIBITED_VALUE_COMBINATION_IN_LIST",
    "SELECT campaign.id FROM campaign WHERE campaign.id IN (1": "UNEXPECTED_END_OF_QUERY",
    "SELECT campaign.id FROM campaign WHERE campaign.id = (1)": "EXPECTED_SINGLE_VALUE",
    "SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 1 2": "EXPECTED_AND",
    "SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN AND 2": "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR",
    "SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 1 AND": "EXPECTED_VALUE_WITH_BETWEEN_OPERATOR",
    "SELECT campaign.id FROM campaign WHERE campaign.id BETWEEN 1 AND 'b'": "PROHIBITED_VALUE_COMBINATION_WITH_BETWEEN_OPERATOR",
    "SELECT campaign.id FROM campaign WHERE campaign.name = 'a": "STRING_NOT_TERMINATED",
    "SELECT campaign.id FROM campaign WHERE campaign.name = 'a\nb'": "PROHIBITED_NEWLINE_IN_STRING",
    r"SELECT campaign.id FROM campaign WHERE campaign.name = 'a\q'": "BAD_ESCAPE_SEQUENCE",
    "SELECT campaign.id FROM campaign WHERE campaign.ñame = 1": "BAD_SYMBOL",
    "SELECT campaign.id FROM campaign ORDER campaign.id": "EXPECTED_BY",
    "SELECT campaign.id FROM campaign ORDER BY": "UNEXPECTED_END_OF_QUERY",
    "SELECT campaign.id FROM campaign LIMIT 0": "LIMIT_VALUE_TOO_LOW",
    "SELECT campaign.id FROM campaign LIMIT -5": "LIMIT_VALUE_TOO_LOW",
    "SELECT campaign.id FROM campaign LIMIT ten": "BAD_LIMIT_VALUE",
    "SELECT campaign.id FROM campaign LIMIT 1.5": "BAD_LIMIT_VALUE",
    "SELECT campaign.id FROM campaign LIMIT 1 WHERE campaign.id = 1": "UNEXPECTED_INPUT",
    "SELECT campaign.id FROM campaign PARAMETERS quick = true": "BAD_PARAMETER_NAME",
    "SELECT campaign.id FROM campaign PARAMETERS include_drafts = maybe": "BAD_PARAMETER_VALUE",
}
RANGES = {
    "TODAY": ("2026-03-18", "2026-03-18"),
    "YESTERDAY": ("2026-03-17", "2026-03-17"),
    "LAST_7_DAYS": ("2026-03-11", "2026-03-17"),
    "LAST_14_DAYS": ("2026-03-04", "2026-03-17"),
    "LAST_30_DAYS": ("2026-02-16", "2026-03-17"),
    "LAST_BUSINESS_WEEK": ("2026-03-09", "2026-03-13"),
    "LAST_WEEK_MON_SUN": ("2026-03-09", "2026-03-15"),
    "LAST_WEEK_SUN_SAT": ("2026-03-08", "2026-03-14"),
    "THIS_WEEK_MON_TODAY": ("2026-03-16", "2026-03-18"),
    "THIS_WEEK_SUN_TODAY": ("2026-03-15", "2026-03-18"),
    "THIS_MONTH": ("2026-03-01", "2026-03-18"),
    "LAST_MONTH": ("2026-02-01", "2026-02-28"),
}


@pytest.fixture(scope="module")
def fields():
    return schema("v23").fields


def refusal(make):
    with pytest.raises(AdsError) as caught:
        make()
    assert (caught.value.status, caught.value.family) == ("INVALID_ARGUMENT", "query_error")
    return caught.value.code


def predicates_of(fields, text, today=WEDNESDAY):
    """The predicates of a WHERE clause."""
    query = gaql.parse(f"SELECT campaign.id FROM campaign WHERE {text}")
    return [to_predicate(condition, fields[condition.field], today) for condition in query.where]


@pytest.mark.parametrize(("query", "code"), WRONG.items())
def test_what_does_not_parse_is_refused_with_the_platforms_code(query, code):
    assert refusal(lambda: gaql.parse(query)) == code


def test_every_clause_is_parsed_in_any_case_and_with_any_space():
    query = gaql.parse(
        "select campaign.id,metrics.clicks\nFROM campaign where campaign.name not like 'a\\'%' AND campaign.id IN (1,-2) "
        "and campaign.status is not null AND segments.date between '2026-03-01' and \"2026-03-02\" "
        "order by campaign.id, metrics.clicks desc limit 7 parameters omit_unselected_resource_names = TRUE"
    )

    assert (query.select, query.resource, query.limit) == (("campaign.id", "metrics.clicks"), "campaign", 7)
    assert [(condition.field, condition.operator, [value.text for value in condition.values]) for condition in query.where] == [
        ("campaign.name", "NOT LIKE", ["a'%"]),
        ("campaign.id", "IN", ["1", "-2"]),
        ("campaign.status", "IS NOT NULL", []),
        ("segments.date", "BETWEEN", ["2026-03-01", "2026-03-02"]),
    ]
    assert [(ordering.field, ordering.descending) for ordering in query.order_by] == [("campaign.id", False), ("metrics.clicks", True)]
    assert query.parameters == {"omit_unselected_resource_names": True}


@given(st.text(alphabet="SELECTFROMWHRBYANDI campaign.id,()='\"\\\n0123456789<>!=%é", max_size=60))
def test_any_text_parses_or_is_refused(text):
    try:
        family = gaql.parse(f"SELECT campaign.id {text}") and "query_error"
    except AdsError as error:
        family = error.family

    assert family == "query_error"


@pytest.mark.parametrize(("name", "days"), RANGES.items())
def test_a_named_range_is_these_days(fields, name, days):
    (predicate,) = predicates_of(fields, f"segments.date DURING {name}")

    assert predicate.operands == days


def test_an_unknown_range_is_refused(fields):
    assert refusal(lambda: predicates_of(fields, "segments.date DURING LAST_90_DAYS")) == "INVALID_VALUE_WITH_DURING_OPERATOR"


@pytest.mark.parametrize(
    ("text", "value", "accepted"),
    [
        ("campaign.name = 'Ab'", "Ab", True),
        ("campaign.name = 'ab'", "Ab", False),
        ("campaign.name LIKE 'a%'", "Ab", True),
        ("campaign.name LIKE 'a_c'", "ABC", True),
        ("campaign.name LIKE '[%]%'", "%x", True),
        ("campaign.name LIKE '[%]%'", "x", False),
        ("campaign.name NOT LIKE 'a%'", "Ab", False),
        ("campaign.name REGEXP_MATCH 'A.*'", "Ab", True),
        ("campaign.name REGEXP_MATCH 'A'", "Ab", False),
        ("campaign.name REGEXP_MATCH '(?i)ab'", "Ab", True),
        ("campaign.name NOT REGEXP_MATCH 'A'", "Ab", True),
        ("campaign.name IN ('a', 'Ab')", "Ab", True),
        ("campaign.name NOT IN ('Ab')", "Ab", False),
        ("campaign.name IS NULL", None, True),
        ("campaign.name IS NOT NULL", None, False),
        ("campaign.id BETWEEN 1 AND 3", 3, True),
        ("campaign.id > 3", 3, False),
        ("campaign.id >= 3", 3, True),
        ("campaign.id < '4'", 3, True),
        ("campaign.id <= 2", 3, False),
        ("campaign.id != 3", 3, False),
        ("campaign.status = ENABLED", "ENABLED", True),
        ("campaign.status != 'ENABLED'", "ENABLED", False),
        ("campaign.status = 'UNSPECIFIED'", None, True),
        ("customer.manager = TRUE", True, True),
        ("customer.manager = false", None, True),
        ("campaign.labels CONTAINS ANY ('a', 'b')", ["b", "c"], True),
        ("campaign.labels CONTAINS ALL ('a', 'b')", ["b", "c"], False),
        ("campaign.labels CONTAINS NONE ('a')", ["b", "c"], True),
        ("campaign.labels IS NULL", [], True),
    ],
)
def test_a_condition_is_met_or_not(fields, text, value, accepted):
    (predicate,) = predicates_of(fields, text)

    assert predicate.accepts(value) is accepted


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("campaign.id LIKE '1%'", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.name > 'a'", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.name DURING TODAY", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.status LIKE 'E%'", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.status CONTAINS ANY (ENABLED)", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.labels = 'a'", "OPERATOR_FIELD_MISMATCH"),
        ("customer.manager > TRUE", "OPERATOR_FIELD_MISMATCH"),
        ("campaign.status = ACTIVE", "BAD_ENUM_CONSTANT"),
        ("campaign.id = abc", "BAD_NUMBER"),
        ("campaign.id = 1.5", "BAD_NUMBER"),
        ("customer.manager = 1", "BAD_VALUE"),
        ("campaign.name = abc", "INVALID_STRING_VALUE"),
        ("campaign.name LIKE 5", "INVALID_VALUE_WITH_LIKE_OPERATOR"),
        ("campaign.name REGEXP_MATCH '('", "BAD_VALUE"),
        ("segments.date = '20260301'", "INVALID_DATE_FORMAT"),
        ("segments.date = '2026-02-30'", "INVALID_DATE_FORMAT"),
        ("segments.date BETWEEN 'a' AND 'b'", "INVALID_VALUE_WITH_BETWEEN_OPERATOR"),
    ],
)
def test_an_operator_or_value_that_does_not_suit_the_field_is_refused(fields, text, code):
    assert refusal(lambda: predicates_of(fields, text)) == code


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("segments.date = '2026-03-05'", date(2026, 3, 5), date(2026, 3, 5)),
        ("segments.date > '2026-03-05' AND segments.date < '2026-03-09'", date(2026, 3, 6), date(2026, 3, 8)),
        ("segments.date >= '2026-03-05' AND segments.date <= '2026-03-09'", date(2026, 3, 5), date(2026, 3, 9)),
        ("segments.date IN ('2026-03-05', '2026-03-01')", date(2026, 3, 1), date(2026, 3, 5)),
        ("segments.week = '2026-03-02'", date(2026, 3, 2), date(2026, 3, 8)),
        ("segments.month BETWEEN '2026-01-01' AND '2026-02-01'", date(2026, 1, 1), date(2026, 2, 28)),
        ("segments.quarter <= '2026-01-01' AND segments.date > '2026-03-01'", date(2026, 3, 2), date(2026, 3, 31)),
        ("segments.year = 2025", date(2025, 1, 1), date(2025, 12, 31)),
        ("segments.month > '2026-01-01' AND segments.year = 2026", date(2026, 2, 1), date(2026, 12, 31)),
    ],
)
def test_filters_on_dates_leave_a_finite_range(fields, text, first, last):
    assert finite_range(predicates_of(fields, text)) == (first, last)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("segments.date >= '2026-03-05'", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("segments.date <= '2026-03-05'", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("segments.date != '2026-03-05'", "EXPECTED_FILTERS_ON_DATE_RANGE"),
        ("segments.date BETWEEN '2026-03-05' AND '2026-03-01'", "DATE_RANGE_TOO_NARROW"),
        ("segments.week = '2026-03-05'", "MISALIGNED_DATE_FOR_FILTER"),
        ("segments.quarter >= '2026-02-01'", "MISALIGNED_DATE_FOR_FILTER"),
        ("segments.year = 0", "BAD_VALUE"),
    ],
)
def test_a_range_that_is_open_empty_or_misaligned_is_refused(fields, text, code):
    assert refusal(lambda: finite_range(predicates_of(fields, text))) == code


@given(st.dates(date(2020, 1, 1), date(2030, 12, 31)))
def test_a_day_belongs_to_the_periods_that_hold_it(day):
    week, month, quarter = (date.fromisoformat(segment_of(f"segments.{name}", day)) for name in ("week", "month", "quarter"))

    assert (week.weekday(), (day - week).days in range(7)) == (0, True)
    assert (month.day, month.month, quarter.day, quarter.month % 3) == (1, day.month, 1, 1)
    assert quarter <= month <= day
    assert segment_of("segments.year", day) == day.year
