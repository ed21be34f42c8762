"""What an account's spend is made of, from campaigns down to ads: each table adds up to the row above it."""

from datetime import timedelta

import pytest

from storage.warehouse.account_days import Place, read_account_days

UNIT = 1_000_000
TREE = (
    {"level": "campaign", "external_id": "k1", "name": "Spring"},
    {"level": "adset", "external_id": "s1", "parent_id": "k1", "name": "Set"},
    {"level": "ad", "external_id": "a1", "parent_id": "s1", "name": "Ad"},
    {"level": "asset_group", "external_id": "g1", "parent_id": "k1", "name": "Assets"},
)


@pytest.fixture(scope="module")
def published(new_workspace, build):
    """An ad spends 10 and an asset group 3; the campaign has 15, and the account 18. Ten days ago the ad spent 7."""
    workspace, before = new_workspace(), build.today - timedelta(days=10)
    leaves = build.ads(
        {"spend": 10 * UNIT},
        {"level": "asset_group", "external_id": "g1", "spend": 3 * UNIT},
        {"spend": 7 * UNIT, "date": before},
        since=before,
    )
    workspace.sync(build.run(leaves, build.totals({"spend": 15 * UNIT}), build.account({"spend": 18 * UNIT}), build.walk(*TREE)))
    workspace.warehouse.publish(min_interval_seconds=0)
    return workspace.published


@pytest.mark.parametrize(
    ("place", "parts"),
    [
        (Place(), {("k1", "Spring"): 15, (None, "not reported below"): 3}),
        (Place(campaign="k1"), {("s1", "Set"): 10, ("g1", "Assets"): 3, (None, "not reported below"): 2}),
        (Place(campaign="k1", ad_set="s1"), {("a1", "Ad"): 10}),
    ],
)
def test_parts_add_up_to_what_they_are_parts_of(published, build, place, parts):
    read = read_account_days(published, "c1", build.today, 7, place)

    assert {(part.id, part.name): part.numbers.spend // UNIT for part in read.parts} == parts


@pytest.mark.parametrize(("period", "before"), [(7, 7), (10, 7), (5, 0)])
def test_the_period_before_is_as_long_and_ends_where_the_period_begins(published, build, period, before):
    read = read_account_days(published, "c1", build.today, period, Place())

    assert {part.id: part.spend_before // UNIT for part in read.parts}["k1"] == before


def test_days_without_numbers_are_among_the_days(published, build):
    days = read_account_days(published, "c1", build.today, 7, Place()).days

    assert [day.numbers.spend // UNIT for day in days] == [7, *[0] * 9, 18]
    assert {day.fresh_until for day in days} == {None}, "nothing is noted as read"
