"""How much of a day's conversions is in at which age, as a sentence and as a curve."""

from datetime import date

import pytest

from adpulse.api.pages.lag_chart import lag_chart
from adpulse.restatement import Restatement, lag_of, largest, sentence


@pytest.mark.parametrize(
    ("deltas", "words"),
    [
        ({0: 70, 1: 15, 3: 10, 9: 5}, "After 3 days 95 % of purchases are in; on the day itself 70 %."),
        ({0: 100}, "After 1 day 100 % of purchases are in; on the day itself 100 %."),
        ({0: 110, 2: -40, 5: 30}, "After 5 days 100 % of purchases are in; on the day itself 110 %."),
    ],
    ids=["late", "at once", "falls and rises"],
)
def test_the_sentence_names_the_age_from_which_on_nine_tenths_are_in_for_good(deltas, words):
    assert sentence(lag_of("purchases", 10, deltas)) == words


def test_money_is_in_and_conversions_are_in():
    assert [sentence(lag_of(metric, 1, {0: 1})).split()[6:8] for metric in ("revenue", "conversions")] == [
        ["revenue", "is"],
        ["conversions", "are"],
    ]


def test_there_is_no_curve_of_nothing():
    assert lag_of("purchases", 10, {0: 5, 1: -5}) is None
    assert lag_of("purchases", 0, {}) is None
    assert lag_chart([]) is None


def test_the_chart_and_its_table_go_to_the_oldest_age_of_any_curve():
    chart = lag_chart([lag_of("spend", 4, {0: 10}), lag_of("purchases", 4, {0: 5, 6: 5})])

    assert [age for age, _ in chart.rows] == list(range(7))
    assert [float(share) for _, (_, share) in chart.rows] == [0.5] * 6 + [1.0]


def test_the_largest_restatement_is_of_the_greatest_share_and_one_from_zero_is_larger_still():
    spend, purchases, revenue = (
        Restatement(metric=metric, before=before, after=after, restated_on=date(2026, 3, 20))
        for metric, before, after in (("spend", 100, 103), ("purchases", 10, 5), ("revenue", 0, 1))
    )

    assert largest([spend, purchases]) is purchases
    assert largest([spend, revenue, purchases]) is revenue
    assert largest([]) is None
