"""What a row of Google's reports must have, and what each thing that it lacks costs."""

from datetime import date, timedelta

import pyarrow as pa
import pytest

from adpulse.errors import Unreadable
from adpulse.model import Level
from adpulse.platforms.google import normalise, shapes
from adpulse.platforms.google.metrics import FIELDS
from adpulse.platforms.google.queries import ADS, HIERARCHY
from adpulse.refused_rows import LARGEST

DAY = date(2026, 3, 20)
ROW = {
    "ad_group_ad.ad.id": 1, "campaign.id": 3, "ad_group.id": 2, shapes.DATE: "2026-03-20", "metrics.impressions": 4, "metrics.clicks": 1,
    "metrics.cost_micros": 5, "metrics.conversions": 0.5, "metrics.conversions_value": 2.5,
}  # fmt: skip


def accepted(*rows, days=(DAY, DAY)):
    return shapes.accepted(ADS, pa.Table.from_pylist(list(rows)), FIELDS.values(), days, "customer 7")


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("campaign.id", 0, "campaign.id: missing"),
        ("ad_group.id", 0, "ad_group.id: missing"),
        ("metrics.impressions", -1, "metrics.impressions: not a count"),
        ("metrics.clicks", 2**63 - 1, "metrics.clicks: not a count"),
        ("metrics.cost_micros", -(2**63), "metrics.cost_micros: not a number"),
        ("metrics.conversions", float("nan"), "metrics.conversions: not a number"),
        ("metrics.conversions", float("inf"), "metrics.conversions: not a number"),
        ("metrics.conversions_value", -1e300, "metrics.conversions_value: not a number"),
        ("metrics.conversions_value", float(LARGEST), "metrics.conversions_value: not a number"),
    ],
)
def test_an_odd_value_costs_its_row(field, value, reason):
    rows, refused = accepted(ROW | {field: value}, ROW | {"ad_group_ad.ad.id": 9})

    assert rows["ad_group_ad.ad.id"].to_pylist() == [9]
    campaign = None if field == "campaign.id" else "3"
    assert refused.to_pylist() == [{"level": "ad", "external_id": "1", "campaign_id": campaign, "date": DAY, "reason": reason}]


def test_what_the_platform_takes_back_may_be_negative():
    rows, refused = accepted(ROW | {"metrics.cost_micros": -5, "metrics.conversions": -0.5})

    assert (rows.num_rows, refused.num_rows) == (1, 0)


def test_a_row_whose_entity_cannot_be_told_costs_the_read():
    with pytest.raises(Unreadable, match=r"ad_group_ad\.ad\.id in a report of customer 7"):
        accepted(ROW, ROW | {"ad_group_ad.ad.id": 0})


@pytest.mark.parametrize("day", ["", "yesterday", "2026-03-19", "2026-03-21"])
def test_a_row_whose_day_cannot_be_told_or_was_not_requested_costs_the_read(day):
    with pytest.raises(Unreadable, match="customer 7"):
        accepted(ROW, ROW | {shapes.DATE: day})


def test_every_day_that_was_requested_is_accepted():
    rows, _ = accepted(ROW, ROW | {shapes.DATE: "2026-03-19"}, days=(DAY - timedelta(days=1), DAY))

    assert rows[shapes.DATE].to_pylist() == [DAY, DAY - timedelta(days=1)]


def test_an_entity_without_id_costs_itself():
    fields = HIERARCHY[Level.AD].fields
    row = dict.fromkeys(fields.values()) | {"ad_group.id": 10, "ad_group_ad.status": "ENABLED"}
    answer = pa.Table.from_pylist([row | {"ad_group_ad.ad.id": 0}, row | {"ad_group_ad.ad.id": 9}])

    told = normalise.entities(Level.AD, answer, "g", fields)

    assert told.rows["external_id"].to_pylist() == ["9"]
    assert [(each["external_id"], each["reason"]) for each in told.refused.to_pylist()] == [(None, "ad_group_ad.ad.id: missing")]
