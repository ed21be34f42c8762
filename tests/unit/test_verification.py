"""An export beside stored numbers: what is equal, what differs, and why."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adpulse.errors import Usage
from adpulse.platforms.registry import PLATFORMS
from adpulse.verification.comparison import Reason, Stored, StoredSum, compare
from adpulse.verification.export import read_export
from adpulse.verification.reasons import EXPLANATIONS, differences

FIRST = date(2026, 9, 1)
CONVERSIONS = ("conversions", "revenue")


def day(n):
    return FIRST + timedelta(days=n)


def numbers(n, scale=1):
    """Some day's numbers; no two days are equal."""
    return {
        "impressions": Decimal(1000 + 37 * n) * scale,
        "clicks": Decimal(20 + n) * scale,
        "spend": (Decimal("12.34") + n) * scale,
        "conversions": Decimal(3 + n % 4),
        "revenue": Decimal("99.90") + n,
    }


def stored(sums=None, *, days=10, settled=10, names=None, remainders=None, currency="EUR"):
    sums = {("1", day(n)): numbers(n) for n in range(days)} if sums is None else sums
    remainders = remainders or {}
    return Stored(
        sums={key: StoredSum(total=values, remainder=remainders.get(key, {})) for key, values in sums.items()},
        names={"1": "Brand"} if names is None else names,
        days={day(n): n < settled for n in range(days)},
        currency=currency,
    )


def exported(rows, *, by_id=True, spend="Cost"):
    head = f"Day,Campaign ID,Campaign,Impr.,Clicks,{spend},Conversions,Conv. value"
    lines = [f"{when},{campaign},Brand,{','.join(f'{value}' for value in values.values())}" for (campaign, when), values in rows.items()]
    text = "\n".join([head, *lines])
    if not by_id:
        text = text.replace("Campaign ID", "Other")
    return read_export(f"{text}\n".encode(), PLATFORMS["google"].export_columns, {})


def both(change, **options):
    """What differs when the export says this of each day instead."""
    rows = {("1", day(n)): numbers(n) | change(n) for n in range(10)}
    return differences(compare(exported(rows), stored(**options)))


def reasons(found):
    return {(one.metric, one.reason) for one in found}


def test_equal_numbers_do_not_differ():
    comparison = compare(exported({("1", day(n)): numbers(n) for n in range(10)}), stored())

    assert differences(comparison) == []
    assert (len(comparison.pairs), comparison.settled) == (50, 50)


def test_a_difference_says_what_was_exported_and_what_is_stored():
    (one,) = both(lambda n: {"clicks": Decimal(99)} if n == 3 else {})

    assert (one.day, one.campaign, one.name, one.metric) == (day(3), "1", "Brand", "clicks")
    assert (one.exported, one.stored, one.amount, one.settled, one.reason) == (99, 23, -76, True, Reason.UNKNOWN)


def test_a_day_that_may_change_is_the_reason():
    assert reasons(both(lambda n: {"clicks": Decimal(99)} if n == 9 else {}, settled=9)) == {("clicks", Reason.NOT_SETTLED)}


def test_settled_differences_come_first():
    found = both(lambda n: {"clicks": Decimal(99)} if n in (2, 7) else {}, settled=5)

    assert [(one.day, one.settled) for one in found] == [(day(2), True), (day(7), False)]
    assert [one.settled for one in both(lambda n: {"clicks": Decimal(99)} if n in (2, 7) else {}, settled=0)] == [False, False]


def test_a_column_that_counts_something_else_is_the_column():
    found = both(lambda n: {"clicks": Decimal(10 + n // 2)})

    assert reasons(found) == {("clicks", Reason.COLUMN)}


def test_one_kind_of_conversions_alone_is_the_column_and_all_of_them_are_the_window():
    assert reasons(both(lambda _: {"conversions": Decimal(50)})) == {("conversions", Reason.COLUMN)}
    assert reasons(both(lambda _: dict.fromkeys(CONVERSIONS, Decimal(1)))) == {(metric, Reason.WINDOW) for metric in CONVERSIONS}


def test_conversions_of_some_days_are_the_window_where_delivery_is_equal():
    assert reasons(both(lambda n: {"conversions": Decimal(50)} if n in (1, 2) else {})) == {("conversions", Reason.WINDOW)}
    assert reasons(both(lambda n: {"conversions": Decimal(50), "clicks": Decimal(0)} if n == 1 else {})) == {
        ("conversions", Reason.UNKNOWN),
        ("clicks", Reason.UNKNOWN),
    }


def test_days_of_another_zone_are_the_zone():
    found = both(lambda n: numbers(n) | {"clicks": Decimal(20 + n + (-1) ** n * 5), "spend": Decimal("12.34") + n + (-1) ** n})

    assert reasons(found) == {("clicks", Reason.ZONE), ("spend", Reason.ZONE)}


def test_what_is_reported_for_the_campaign_alone_is_the_remainder():
    rest = {("1", day(2)): {"impressions": Decimal(40), "spend": Decimal("0.40")}}
    found = both(lambda n: {"impressions": Decimal(1034), "spend": Decimal("13.94")} if n == 2 else {}, remainders=rest)

    assert reasons(found) == {("impressions", Reason.REMAINDER), ("spend", Reason.REMAINDER)}


def test_every_reason_is_explained_in_a_sentence():
    assert set(EXPLANATIONS) == set(Reason)
    assert all(text.endswith(".") for text in EXPLANATIONS.values())


@given(st.integers(0, 10**10), st.sampled_from(["half up", "half even"]), st.integers(2, 4))
def test_an_amount_that_was_rounded_once_is_equal_and_any_other_is_not(micros, rounding, digits):
    number = Decimal(micros).scaleb(-6)
    unit = Decimal(1).scaleb(-digits)
    shown = number.quantize(unit, {"half up": "ROUND_HALF_UP", "half even": "ROUND_HALF_EVEN"}[rounding])
    own = stored({("1", FIRST): {"spend": number}})

    def differs(spend):
        return any(
            pair.differs
            for pair in compare(exported({("1", FIRST): numbers(0) | {"spend": f"{spend:f}"}}), own).pairs
            if pair.metric == "spend"
        )

    assert not differs(shown)
    assert differs(number + unit / 2 + Decimal("0.000001"))


def test_cents_are_compared_where_a_column_shows_none_but_not_of_a_currency_without_them():
    rows = {("1", FIRST): numbers(0) | {"spend": Decimal(12), "revenue": Decimal("99.90")}}
    own = {("1", FIRST): numbers(0) | {"spend": Decimal("12.34")}}

    assert reasons(differences(compare(exported(rows), stored(own)))) == {("spend", Reason.UNKNOWN)}
    assert differences(compare(exported(rows), stored(own, currency="JPY"))) == []


def test_rows_that_were_rounded_one_by_one_may_be_off_by_half_a_cent_each():
    rows = [("1", FIRST)] * 3
    head, line = "Day,Campaign ID,Cost,Clicks", f"{FIRST},1,1.00,1"
    export = read_export("\n".join([head, *[line] * len(rows), ""]).encode(), PLATFORMS["google"].export_columns, {})

    def found(spend, clicks=3):
        return differences(compare(export, stored({("1", FIRST): {"spend": Decimal(spend), "clicks": Decimal(clicks)}})))

    assert found("3.015") == found("2.985") == []
    assert [one.metric for one in found("3.016")] == ["spend"]
    assert [one.metric for one in found("3.00", clicks=4)] == ["clicks"]


def test_a_campaign_that_is_not_stored_is_missing():
    rows = {("1", FIRST): numbers(0), ("2", FIRST): numbers(1)}

    assert {(one.campaign, one.stored, one.reason) for one in differences(compare(exported(rows), stored()))} == {("2", 0, Reason.MISSING)}


def test_a_day_that_the_export_lacks_between_others_is_zero_there():
    rows = {("1", day(n)): numbers(n) for n in (0, 2)}
    found = differences(compare(exported(rows), stored()))

    assert {one.day for one in found} == {day(1)}
    assert {one.exported for one in found} == {0}


def test_a_stored_campaign_that_the_export_lacks_is_named_with_its_spend():
    sums = {(campaign, day(n)): numbers(n) for campaign in ("1", "2") for n in range(2)}
    comparison = compare(exported({("1", day(n)): numbers(n) for n in range(2)}), stored(sums))

    assert comparison.absent == {"2": Decimal("25.68")}
    assert differences(comparison) == []


def test_campaigns_are_found_by_name_where_the_export_has_no_id():
    rows = {("1", day(n)): numbers(n) for n in range(3)}

    assert differences(compare(exported(rows, by_id=False), stored())) == []


def test_campaigns_that_share_a_name_are_compared_as_one():
    sums = {("1", FIRST): numbers(0), ("2", FIRST): numbers(0)}
    comparison = compare(
        exported({("1", FIRST): numbers(0), ("2", FIRST): numbers(0)}, by_id=False), stored(sums, names={"1": "Brand", "2": "Brand"})
    )

    assert comparison.shared_names == ("Brand",)
    assert (len(comparison.pairs), differences(comparison)) == (5, [])


def test_a_blank_cell_is_zero_where_the_campaign_has_others_and_says_nothing_where_it_has_none():
    some = {("1", day(n)): numbers(n) | {"conversions": "--" if n else Decimal(3)} for n in range(3)}
    none = {key: values | {"conversions": " --"} for key, values in some.items()}

    assert {(one.day, one.exported) for one in differences(compare(exported(some), stored()))} == {(day(1), 0), (day(2), 0)}
    comparison = compare(exported(none), stored())
    assert (differences(comparison), comparison.silent) == ([], {("1", "conversions"): Decimal(3 + 4 + 5)})


def test_days_that_are_not_stored_are_named_and_not_compared():
    comparison = compare(exported({("1", day(n)): numbers(n) for n in range(10)}), stored(days=4))

    assert comparison.outside == tuple(day(n) for n in range(4, 10))
    assert {pair.day for pair in comparison.pairs} == {day(n) for n in range(4)}


def test_a_day_far_away_costs_nothing():
    rows = {("1", FIRST): numbers(0), ("1", date(1, 1, 1)): numbers(0), ("1", date(9999, 12, 31)): numbers(0)}
    comparison = compare(exported(rows), stored(days=1))

    assert (len(comparison.pairs), comparison.outside) == (5, (date(1, 1, 1), date(9999, 12, 31)))


def test_a_metric_that_was_never_read_is_not_compared():
    own = {("1", FIRST): {metric: value for metric, value in numbers(0).items() if metric != "clicks"}}
    comparison = compare(exported({("1", FIRST): numbers(0)}), stored(own))

    assert "clicks" not in {pair.metric for pair in comparison.pairs}


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        ({("1", day(20)): numbers(0)}, {}, "Nothing can be compared: the export is of 2026-09-21 to"),
        ({("1", FIRST): numbers(0)}, {"days": 0}, "and of the connection no day is stored completely"),
        ({("7", FIRST): numbers(0), ("8", FIRST): numbers(0)}, {}, "None of the export's 2 campaigns is stored"),
    ],
)  # fmt: skip
def test_nothing_to_compare_is_no_success(rows, options, told):
    with pytest.raises(Usage) as refused:
        compare(exported(rows), stored(**options))

    assert told in str(refused.value)


def test_another_currency_is_refused():
    with pytest.raises(Usage, match="The export is in USD, the connection in EUR"):
        compare(exported({("1", FIRST): numbers(0)}, spend="Cost (USD)"), stored())
