"""Every statement treats each of the ten metrics as its own column."""

import re

import pytest
from column_parts import EVERY_PART, PARTS

from adpulse.metrics import METRICS
from storage.warehouse import sql


@pytest.fixture(scope="module")
def looks(new_workspace, build):
    """What a part looks at, each part gone through once."""
    known = {}

    def through(part):
        if part not in known:
            known[part] = list(part(new_workspace(), build))
        return known[part]

    return through


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("part", EVERY_PART)
def test_each_metric_goes_through_every_statement_on_its_own(looks, part, metric):
    seen = {what: found.get(metric) for what, found, _ in looks(part)}

    assert seen == {what: expected[metric] for what, _, expected in looks(part)}


OF_SPEND_ALONE = {"0008_reconciled_days.sql", "diff_reconciled.sql"}
"""Comparisons of totals are of spend; the view reconciliation has the remainders of every metric."""


def test_every_statement_with_a_term_for_each_metric_is_gone_through():
    telling = {file.name for file in sql._FOLDER.glob("*.sql") if re.search(r"\|\s*for_each\(|\bspend\b", file.read_text())}

    assert telling - {"0001_tables.sql", *OF_SPEND_ALONE} == set(PARTS)


def test_no_statement_lists_metrics_by_hand():
    def listing(file):
        written = re.sub(r"--.*|\{\{.*?\}\}", "", file.read_text())
        return [name for name in METRICS if re.search(rf"\b{name}\b", written)]

    assert {file.name: listing(file) for file in sql._FOLDER.glob("*.sql") if listing(file)} == {
        "0001_tables.sql": list(METRICS),  # how the first version began: later metrics are added by the schema
        "0017_unknown_conversions.sql": ["conversions"],  # which a migration made nullable
        "analysis.sql": ["impressions", "spend", "conversions"],  # what delivered, the cost of a conversion, and the pace of a day
        "applied_since.sql": ["spend"],
        "diff_reconciled.sql": ["spend"],
        "views.sql": ["spend"],  # what a day's totals have beyond it, in the view completeness
    }
