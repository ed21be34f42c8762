"""Conversions of an ad that are unknown: never zero, never a part of a sum, and never what is left of a campaign's total."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adpulse.planner.completeness import DayLevel, ReadDay
from storage.warehouse.account_days import Place, read_account_days
from storage.warehouse.restated_days import restatements_of
from storage.warehouse.running_days import read_running_days

UNIT = 1_000_000
LEADS, REACH = {"external_id": "a1", "campaign_id": "k1"}, {"external_id": "a2", "campaign_id": "k2"}


def numbers(conversions):
    return {"impressions": 90, "spend": 5 * UNIT, "profit": -5 * UNIT, "conversions": None if conversions is None else conversions * UNIT}


def synced(workspace, build, leads, reach, total=None, generation=1):
    """The running day of an ad of leads and of one of reach; only the total of the first one's campaign may say conversions."""
    leaves = build.ads(LEADS | numbers(leads), REACH | numbers(reach))
    totals = build.totals(LEADS | numbers(total) | {"external_id": "k1"}, REACH | numbers(None) | {"external_id": "k2"})
    days = [ReadDay(level=level, day=build.today, fresh_until=build.now, settled=False) for level in DayLevel]
    now = build.now + timedelta(minutes=generation)
    run = build.run(leaves, totals, generation=generation, now=now)
    workspace.sync(replace(run, read_days=days, conversions_may_be_unknown=True))


@pytest.fixture(scope="module")
def day(new_workspace, build):
    """A day of which one of two ads has unknown conversions, published."""
    workspace = new_workspace()
    synced(workspace, build, leads=3, reach=None)
    workspace.warehouse.publish(min_interval_seconds=0)
    return workspace


def test_an_ad_is_stored_with_null_and_the_ad_beside_it_with_its_number(day):
    query = "SELECT external_id, conversions FROM {} ORDER BY ALL"

    assert day.rows(query.format("metric_facts")) == [("a1", 3 * UNIT), ("a2", None)]
    assert day.rows(query.format("daily WHERE level = 'ad'")) == [("a1", 3), ("a2", None)]


@pytest.mark.parametrize(
    ("view", "key", "sums"),
    [
        ("campaign_day", "campaign_id", [("k1", 3), ("k2", None)]),
        ("account_day", "date", [None]),
        ("intraday", "date", [None]),
        ("intraday_points", "date", [None]),
    ],
)
def test_a_sum_with_an_unknown_part_is_unknown(day, build, view, key, sums):
    expected = sums if key == "campaign_id" else [(build.today, total) for total in sums]

    assert day.rows(f"SELECT {key}, conversions FROM {view} ORDER BY ALL") == expected
    assert day.value(f"SELECT sum(spend) FROM {view}") in (10, 10 * UNIT)


def test_completeness_says_how_many_ads_of_a_day_are_unknown(day):
    assert day.rows("SELECT level, unknown_conversions FROM completeness ORDER BY ALL") == [("campaign", 0), ("leaf", 1)]


def test_pages_say_unknown_where_the_views_do(day, build):
    account = read_account_days(day.published, "c1", build.today, 7, Place())
    (running,) = read_running_days(day.published, build.now).accounts

    assert {part.id: part.numbers.conversions for part in account.parts} == {"k1": 3 * UNIT, "k2": None}
    assert [shown.numbers.conversions for shown in account.days] == [None]
    assert (running.numbers.conversions, running.numbers.cpa, running.numbers.spend) == (None, None, 10 * UNIT)


def test_pages_have_no_cost_of_a_conversion_where_more_was_spent_on_unknown_ones(workspace, build):
    total = LEADS | numbers(None) | {"external_id": "k1", "spend": 8 * UNIT}
    workspace.sync(build.run(build.ads(LEADS | numbers(3)), build.totals(total)))
    workspace.warehouse.publish(min_interval_seconds=0)

    (account,) = read_running_days(workspace.published, build.now).accounts
    page = read_account_days(workspace.published, "c1", build.today, 7, Place())

    seen = [account.numbers, page.days[-1].numbers, *(part.numbers for part in page.parts)]
    assert [(sums.spend, sums.conversions, sums.cpa) for sums in seen] == [(8 * UNIT, 3 * UNIT, None)] * 3
    assert workspace.rows("SELECT conversions, cpa FROM account_day") == [(3, None)]


def test_what_is_left_of_a_campaigns_total_is_unknown_where_an_ad_is(workspace, build):
    synced(workspace, build, leads=None, reach=None, total=8)

    assert workspace.rows("SELECT conversions FROM unreported WHERE conversions IS NOT NULL") == []
    assert workspace.rows("SELECT remainder FROM reconciliation WHERE metric = 'conversions' AND level = 'campaign'") == [(None,)]


@pytest.mark.parametrize(("before", "after"), [(None, 0), (0, None), (None, 4), (4, None)])
def test_unknown_and_a_number_are_different_and_unknown_is_not_written_twice(workspace, build, before, after):
    for generation, reach in enumerate((before, before, after, after), start=1):
        synced(workspace, build, leads=3, reach=reach, generation=generation)

    history = workspace.rows("SELECT generation, conversions, cause FROM metric_changes WHERE external_id = 'a2' ORDER BY ALL")
    assert history == [
        (n, value if value is None else value * UNIT, cause) for n, value, cause in ((1, before, "platform"), (3, after, "unknown"))
    ]
    steps = [None if reach is None else 3 + reach for reach in (before, after)]
    assert [sums for (sums,) in workspace.rows("SELECT conversions FROM intraday ORDER BY changed_at")] == steps


def test_conversions_that_are_unknown_for_a_while_restate_nothing_and_the_changes_add_up(workspace, build):
    """Each read is of a day that was complete before; only the last one finds another number."""
    kinds, late = [], build.now + timedelta(days=2)
    for generation, conversions in enumerate((None, 3, None, 0, 4, None, 7, 8), start=1):
        answer = build.ads(LEADS | numbers(conversions))
        run = build.noted(answer, generation=generation, now=late + timedelta(hours=generation))
        workspace.sync(replace(run, conversions_may_be_unknown=True))
        kinds += workspace.rows(
            "SELECT kind FROM changes WHERE metric = 'conversions' QUALIFY row_number() OVER (ORDER BY changed_at) > ?", [len(kinds)]
        )
        assert (workspace.warehouse.applied_since(f"c1-r{generation}", 0).restated is not None) == (generation in {5, 8})
        assert workspace.value("SELECT coalesce(sum(delta), 0) FROM changes WHERE metric = 'conversions'") == (conversions or 0)

    assert [kind for (kind,) in kinds] == ["first", "unknown", "restatement", "unknown", "unknown", "restatement"]
    assert workspace.rows("SELECT before, after FROM restatements ORDER BY changed_at") == [(0, 4), (7, 8)]
    assert workspace.value("SELECT sum(delta) FROM restated_days WHERE metric = 'conversions'") == 5 * UNIT


def test_an_ad_that_vanished_has_no_unknown_conversions_and_its_campaigns_total_says_none_as_before(workspace, build):
    workspace.sync(
        replace(build.run(build.ads(REACH | numbers(None)), build.totals(REACH | numbers(None))), conversions_may_be_unknown=True)
    )
    living = build.confirmed(*({"level": level, "external_id": name} for level in ("ad", "campaign") for name in ("a2", "k2")))
    run = build.run(build.ads(), build.totals(), living, generation=2)
    workspace.sync(replace(run, conversions_may_be_unknown=True))

    assert workspace.rows("SELECT spend, conversions FROM metric_facts") == [(0, 0)]
    assert workspace.rows("SELECT spend, conversions FROM platform_totals") == [(0, None)]


def test_a_metric_that_is_unknown_now_has_no_value_that_was_restated():
    changes = {"conversions": (-4 * UNIT, None), "revenue": (UNIT, None)}

    assert [one.metric for one in restatements_of(changes, {"conversions": None, "revenue": 7 * UNIT})] == ["revenue"]


def test_a_file_of_the_version_before_takes_unknown_conversions(workspace, build):
    workspace.sync(build.run(build.ads(LEADS | numbers(3))))
    workspace.downgrade(17)
    synced(workspace, build, leads=3, reach=None, generation=2)

    assert workspace.rows("SELECT external_id, conversions FROM metric_facts ORDER BY ALL") == [("a1", 3 * UNIT), ("a2", None)]


@pytest.mark.parametrize("known", [4, None])
def test_what_an_answer_leaves_out_is_kept_where_nothing_is_unknown(workspace, build, known):
    workspace.sync(build.run(build.ads(REACH | numbers(known or 0))))
    workspace.sync(build.run(build.ads(REACH | numbers(None)), generation=2))

    assert workspace.value("SELECT conversions FROM metric_facts") == (known or 0) * UNIT
