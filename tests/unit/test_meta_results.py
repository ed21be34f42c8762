"""What an ad's own results are, as Meta answers them: counted where they add up, unknown where they do not."""

import pytest

from adpulse.platforms.meta.metrics import RULES, read
from adpulse.refused_rows import RowRefused

LEADS = "actions:lead"
OWN = {"attribution_windows": ["default"], "value": "4"}


def conversions(row, *, leaf=True):
    return read(row, leaf=leaf, mapping=RULES.preset("results"))["conversions"]


def result(*values, indicator=LEADS):
    return {"indicator": indicator, "values": list(values)} if values else {"indicator": indicator}


@pytest.mark.parametrize(
    ("results", "counted"),
    [
        ([result(OWN)], 4_000_000),
        ([result({"value": "4.5"})], 4_500_000),
        ([result()], 0),
        ([result({"attribution_windows": ["7d_click"], "value": "4"}, OWN)], 4_000_000),
        ([result({"attribution_windows": ["7d_click"], "value": "4"})], None),
        ([result({"value": "20875"}, indicator="reach")], None),
        ([result(indicator="reach")], None),
        ([result({"value": "57"}, indicator="total_profile_visits")], None),
        ([result(OWN), result(OWN, indicator="actions:link_click")], None),
        ([], None),
        (None, None),
    ],
    ids=[
        "its own setting", "without windows", "never", "windows count the same again", "another window alone", "reach", "nobody reached",
        "visits of a profile", "several kinds", "no kind", "absent",
    ],
)  # fmt: skip
def test_results_count_where_they_add_up_and_are_unknown_elsewhere(results, counted):
    assert conversions({"impressions": "90", "results": results}) == counted


@pytest.mark.parametrize(
    "results",
    [
        "4",
        [4],
        [{"values": []}],
        [{"indicator": LEADS, "values": "4"}],
        [{"indicator": LEADS, "values": [{}]}],
        [result({"value": "four"})],
    ],
)
def test_results_that_cannot_be_read_cost_their_row(results):
    with pytest.raises(RowRefused, match="results: not a"):
        conversions({"results": results})


def test_of_totals_results_are_unknown_and_all_other_metrics_are_as_by_the_default():
    row = {"spend": "2.50", "actions": [{"action_type": "lead", "value": "3"}]}
    by_results = read(row, leaf=False, mapping=RULES.preset("results"))

    assert by_results == read(row, leaf=False) | {"conversions": None}
    assert by_results["leads"] == 3_000_000
