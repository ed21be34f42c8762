"""What a staged check shows: a fingerprint of each campaign and day, and campaigns of which it says nothing."""

from datetime import UTC, date, datetime

import pyarrow as pa
import pytest

from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.refused_rows import RefusedRow
from adpulse.refused_table import refused_table
from tasks.check_answers import check_answers

AT = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
FIRST, SECOND = date(2026, 3, 10), date(2026, 3, 11)


def row(campaign, day, **metrics):
    keys = {"connection_id": "c", "level": "campaign", "external_id": campaign, "campaign_id": campaign, "date": day}
    return keys | dict.fromkeys(METRICS, 1) | metrics


def shown(*rows, refused=(), told=()):
    fetch = Fetch(kind=FetchKind.RESTATEMENTS, heat=Heat.COLD, cost=9, since=FIRST, until=SECOND)
    table = pa.Table.from_pylist(list(rows), schema=METRIC_SCHEMA)
    return check_answers(FetchResult(fetch=fetch, fetched_at=AT, table=table, refused=refused_table(refused)), told)


def test_each_day_has_the_fingerprints_of_its_campaigns():
    first, second = shown(row("k1", FIRST), row("k1", SECOND), row("k2", SECOND, clicks=2))

    assert [(answer.day, answer.at) for answer in (first, second)] == [(FIRST, AT), (SECOND, AT)]
    assert first.fingerprints == {"k1": second.fingerprints["k1"]}
    assert second.fingerprints["k2"] != second.fingerprints["k1"]


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_but_the_profit_changes_a_fingerprint(metric):
    before, after = (shown(row("k1", FIRST, **{metric: number}))[0].fingerprints for number in (1, 2))

    assert (before != after) is (metric != "profit")


def test_a_campaign_that_is_silent_about_what_its_ads_report_is_unreadable_on_that_day():
    rows = row("k1", FIRST, conversions=None), row("k1", SECOND), row("k2", FIRST, clicks=None)

    assert [answer.unreadable for answer in shown(*rows, told=("conversions", "spend"))] == [{"k1"}, set()]
    assert [answer.unreadable for answer in shown(*rows)] == [set(), set()]


def test_a_campaign_whose_row_was_refused_is_unreadable_on_that_day():
    refused = RefusedRow(level="campaign", external_id="k1", campaign_id="k1", day=SECOND, reason="spend: not a number")

    assert [answer.unreadable for answer in shown(row("k1", FIRST), refused=[refused])] == [set(), {"k1"}]
