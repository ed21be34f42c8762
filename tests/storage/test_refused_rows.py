"""A refused row costs its entity's day and nothing else: what is stored of it stays, and so does the remainder of its campaign."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.metrics import SPLIT_METRICS
from storage.staging import Staging

DAY = timedelta(days=1)
STORED = "SELECT external_id, spend FROM metric_facts ORDER BY ALL"
ALIVE = {"external_id": "a1"}


@pytest.fixture
def three(workspace, build):
    """Two ads of one campaign and one of another, with their totals; each campaign has something that no ad has."""
    totals = build.totals({"spend": 100}, {"spend": 50, "external_id": "k2", "campaign_id": "k2"})
    leaves = ({"spend": 60}, {"spend": 30, "external_id": "a2"}, {"spend": 40, "external_id": "a3", "campaign_id": "k2"})
    workspace.sync(build.run(build.ads(*leaves), totals, build.walk({}, {"external_id": "a2"}, {"external_id": "a3"})))
    return workspace


def test_the_neighbours_of_a_refused_row_are_stored(three, build):
    three.sync(build.run(build.refusing(build.ads({"spend": 31, "external_id": "a2"}), {}), generation=2))

    assert three.rows(STORED) == [("a1", 60), ("a2", 31), ("a3", 40)]


def test_a_refused_row_is_not_taken_for_vanished(three, build):
    answer = build.refusing(build.ads({"spend": 30, "external_id": "a2"}), {})

    three.sync(build.run(answer, build.confirmed(ALIVE, {"external_id": "a3"}), generation=2))

    assert three.rows(STORED) == [("a1", 60), ("a2", 30), ("a3", 0)]


def test_a_refused_row_is_not_zero_where_removed_entities_are_reported(three, build):
    three.sync(build.run(build.refusing(build.ads({"spend": 30, "external_id": "a2"}), {}), generation=2, provider="google"))

    assert three.rows(STORED) == [("a1", 60), ("a2", 30), ("a3", 0)]


def test_no_lookup_is_made_for_a_refused_row(three, build):
    answer = build.refusing(build.ads({"spend": 30, "external_id": "a2"}), {})

    missing = three.warehouse.missing_entities(build.connection(), [answer])

    assert [entity.external_id for entity in missing] == ["a3"]


def test_of_an_entity_with_a_good_and_a_refused_row_of_a_day_nothing_is_stored(three, build):
    answer = build.refusing(build.ads({"spend": 61}, {"spend": 30, "external_id": "a2"}), {})

    (changes,) = three.warehouse.diff([build.run(answer, generation=2)])

    assert changes.facts.num_rows == 0
    assert (changes.counts.fetched, changes.counts.unchanged) == (1, 1)


@pytest.mark.parametrize("campaign", ["k1", None])
def test_the_remainder_of_a_refused_leafs_campaign_stays(three, build, campaign):
    leaves = ({"spend": 35, "external_id": "a2"}, {"spend": 42, "external_id": "a3", "campaign_id": "k2"})
    totals = build.totals({"spend": 120}, {"spend": 50, "external_id": "k2", "campaign_id": "k2"})

    three.sync(build.run(build.refusing(build.ads(*leaves), {"campaign_id": campaign}), totals, generation=2))

    assert three.rows("SELECT campaign_id, spend FROM unreported ORDER BY ALL") == [("k1", 10), ("k2", 8)]
    assert three.rows("SELECT campaign_id, spend FROM platform_totals ORDER BY ALL") == [("k1", 120), ("k2", 50)]


def test_every_remainder_of_the_day_stays_where_the_campaign_of_a_refused_leaf_is_unknown(three, build):
    leaves = ({"spend": 60}, {"spend": 35, "external_id": "a2"}, {"spend": 42, "external_id": "a3", "campaign_id": "k2"})
    totals = build.totals({"spend": 120}, {"spend": 50, "external_id": "k2", "campaign_id": "k2"})
    unknown = {"external_id": "a9", "campaign_id": None}

    three.sync(build.run(build.refusing(build.ads(*leaves), unknown), totals, generation=2))

    assert three.rows("SELECT campaign_id, spend FROM unreported ORDER BY ALL") == [("k1", 10), ("k2", 10)]


@pytest.mark.parametrize("campaign", ["k1", None])
@pytest.mark.parametrize("was_stored", [False, True])
def test_a_campaigns_ended_day_adds_up_to_its_total_while_a_leaf_is_refused_and_after(workspace, build, campaign, was_stored):
    ended = build.today - 3 * DAY
    days, row = {"since": ended, "until": ended}, {"date": ended}
    total = build.totals({"spend": 100} | row, **days)
    if was_stored:
        leaves = build.ads({"spend": 50} | row, {"spend": 20, "external_id": "a2"} | row, **days)
        workspace.sync(build.run(leaves, build.totals({"spend": 75} | row, **days), generation=1))
    answer = build.ads({"spend": 30, "external_id": "a2"} | row, **days)
    workspace.sync(build.run(build.refusing(answer, {"day": ended, "campaign_id": campaign}), total, generation=2))
    spent = "SELECT sum(spend)::DOUBLE * 1000000 FROM daily WHERE campaign_id = 'k1'"
    refused = workspace.value(spent)

    workspace.sync(build.run(build.ads({"spend": 60} | row, {"spend": 30, "external_id": "a2"} | row, **days), generation=3))

    assert (refused, workspace.value(spent)) == (100, 100)
    assert workspace.rows("SELECT spend FROM unreported") == [(10,)]


def test_a_refused_total_of_an_ended_day_keeps_its_remainder(workspace, build):
    ended = build.today - 3 * DAY
    days, row = {"since": ended, "until": ended}, {"date": ended}
    workspace.sync(build.run(build.ads({"spend": 60} | row, **days), build.totals({"spend": 100} | row, **days)))
    totals = build.refusing(build.totals(**days), {"level": "campaign", "external_id": "k1", "day": ended})

    workspace.sync(build.run(build.ads({"spend": 65} | row, **days), totals, generation=2))

    assert workspace.rows("SELECT spend FROM unreported") == [(40,)]


def test_a_refused_total_keeps_its_remainder(three, build):
    leaves = ({"spend": 60}, {"spend": 35, "external_id": "a2"}, {"spend": 42, "external_id": "a3", "campaign_id": "k2"})
    totals = build.refusing(
        build.totals({"spend": 50, "external_id": "k2", "campaign_id": "k2"}), {"level": "campaign", "external_id": "k1"}
    )

    three.sync(build.run(build.ads(*leaves), totals, generation=2))

    assert three.rows("SELECT campaign_id, spend FROM unreported ORDER BY ALL") == [("k1", 10), ("k2", 8)]
    assert three.rows("SELECT campaign_id, spend FROM platform_totals ORDER BY ALL") == [("k1", 100), ("k2", 50)]


def test_a_remainder_that_is_held_follows_a_new_margin(workspace, build):
    row, total = {"spend": 10, "revenue": 100}, {"spend": 30, "revenue": 300}
    workspace.sync(build.run(build.ads(row), build.totals(total), gross_margin=Decimal("0.5")))
    fewer = build.totals({"spend": 20, "revenue": 100})

    workspace.sync(build.run(build.refusing(build.ads(), {}), fewer, generation=2, gross_margin=Decimal("0.2")))

    assert workspace.row("SELECT spend, revenue, profit FROM unreported") == (20, 200, 20)
    assert workspace.row("SELECT spend, profit FROM metric_facts") == (10, 10)


def test_a_split_that_is_refused_keeps_the_whole_row(workspace, build):
    kinds = dict.fromkeys(SPLIT_METRICS, 5)
    workspace.sync(build.run(build.base({"spend": 60}), build.split(kinds), provider="google"))

    workspace.sync(build.run(build.base({"spend": 61}), build.refusing(build.split(), {}), generation=2, provider="google"))

    assert workspace.row(f"SELECT spend, {', '.join(SPLIT_METRICS)} FROM metric_facts") == (60, 5, 5, 5, 5)


@pytest.mark.parametrize("heard", [False, True])
def test_an_entity_whose_row_was_refused_is_not_gone_after_a_walk(three, build, heard):
    walk = build.refusing(build.walk({"external_id": "a2"}), {})
    earlier = [build.heard({"name": "earlier"}, at=build.now - DAY)] if heard else []

    three.sync(build.run(*earlier, walk, generation=2))

    assert three.rows("SELECT external_id, status FROM entities ORDER BY ALL") == [("a1", "ACTIVE"), ("a2", "ACTIVE"), ("a3", "GONE")]


def test_after_a_walk_with_a_row_without_id_no_entity_is_gone(three, build):
    three.sync(build.run(build.refusing(build.walk({"external_id": "a2"}), {"external_id": None}), generation=2))

    assert {status for (status,) in three.rows("SELECT status FROM entities")} == {"ACTIVE"}


def test_refused_rows_wait_beside_the_rows_of_their_answer(build, tmp_path):
    answer = build.refusing(build.ads({"spend": 1}), {}, {"external_id": "a2", "campaign_id": None})
    staging = Staging(tmp_path)

    staging.write("r1", answer)

    (read,) = staging.read("r1")
    assert read.refused.equals(answer.refused)


@examples(4, deadline=None)
@given(refused=st.sets(st.tuples(st.integers(1, 4), st.integers(0, 2))), zero=st.booleans())
def test_whatever_is_refused_all_other_rows_are_those_of_an_answer_without_it(build, new_workspace, rows_at_once, refused, zero):
    """Ads 1 to 4 on three days; the refused ones have no row, and keep what was stored."""
    span = {"since": build.today - 2 * DAY, "until": build.today}
    keys = [(ad, back) for ad in range(1, 5) for back in range(3)]

    def row(ad, back, spend):
        return {"external_id": f"a{ad}", "date": build.today - back * DAY, "spend": spend}

    with rows_at_once(3):
        workspace = new_workspace()
        workspace.sync(build.run(build.ads(*(row(*key, 7) for key in keys), **span), provider="google"))
        answered = [] if zero else [key for key in keys if key not in refused]
        marks = ({"external_id": f"a{ad}", "day": build.today - back * DAY} for ad, back in refused)
        answer = build.refusing(build.ads(*(row(*key, 9) for key in answered), **span), *marks)
        workspace.sync(build.run(answer, generation=2, provider="google"))

    stored = {(external_id, day): spend for external_id, day, spend in workspace.rows("SELECT external_id, date, spend FROM metric_facts")}
    expected = {(f"a{ad}", build.today - back * DAY): 7 if (ad, back) in refused else (0 if zero else 9) for ad, back in keys}
    assert stored == expected
