"""Every statement treats each of the ten metrics as its own column."""

import pytest
from columns import PARTS, changes, missing, remargined, spending, split, vanishing

from adpulse.metrics import METRICS
from storage import sql

ONLY_NAMES = {"0001_tables.sql"}
"""Files in which the order of the metrics means nothing: everything is inserted by name."""


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
@pytest.mark.parametrize("part", [changes, spending, missing, vanishing, remargined, split])
def test_each_metric_goes_through_every_statement_on_its_own(looks, part, metric):
    seen = {what: found.get(metric) for what, found, _ in looks(part)}

    assert seen == {what: expected[metric] for what, _, expected in looks(part)}


def test_every_file_that_lists_metrics_by_hand_is_gone_through():
    listing = {file.name for file in sql._FOLDER.glob("*.sql") if any(name in file.read_text() for name in ("spend", "visitors"))}

    assert listing - ONLY_NAMES == set(PARTS)
