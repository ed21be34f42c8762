"""Leaves whose conversions by kind come in an answer of their own: each half of a row is what its own last answer said."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.metrics import SPLIT_METRICS
from adpulse.model import RunCounts

HALF, FIFTH = Decimal("0.5"), Decimal("0.2")
BASE = ("impressions", "clicks", "spend", "conversions", "revenue")
ROW = {"impressions": 100, "clicks": 9, "spend": 40, "conversions": 3, "revenue": 200}
KINDS = {"leads": 1, "installs": 2, "purchases": 3, "visitors": 4}
EARNED = {"profit": 60}
"""What ``ROW`` leaves at a margin of a half."""


@pytest.fixture
def google(build):
    """Makes runs of a platform that tells the numbers of what was removed."""

    def run(*fetched, **options):
        return build.run(*fetched, **{"provider": "google", "gross_margin": HALF} | options)

    return run


def stored(workspace, **key):
    """Rows of the leaves by id, without what is zero."""
    names = (*BASE, *SPLIT_METRICS, "profit")
    where = " AND ".join(f"{name} = '{value}'" for name, value in key.items()) or "true"
    rows = workspace.rows(f"SELECT external_id, {', '.join(names)} FROM metric_facts WHERE {where} ORDER BY ALL")
    return {row[0]: {name: value for name, value in zip(names, row[1:], strict=True) if value} for row in rows}


def test_both_answers_together_make_whole_rows(workspace, build, google):
    workspace.sync(google(build.base(ROW, {**ROW, "external_id": "a2"}), build.split(KINDS)))

    assert stored(workspace) == {"a1": ROW | KINDS | EARNED, "a2": ROW | EARNED}


def test_the_order_of_the_two_answers_does_not_matter(workspace, build, google):
    workspace.sync(google(build.split(KINDS), build.base(ROW)))

    assert stored(workspace) == {"a1": ROW | KINDS | EARNED}


def test_a_first_read_without_the_split_is_stored_with_zeros(workspace, build, google):
    workspace.sync(google(build.base(ROW)))

    assert workspace.row("SELECT leads, installs, purchases, visitors FROM metric_facts") == (0, 0, 0, 0)


def test_a_first_read_of_the_split_alone_is_stored_without_delivery(workspace, build, google):
    workspace.sync(google(build.split(KINDS)))

    assert stored(workspace) == {"a1": KINDS}
    assert workspace.row("SELECT campaign_id, impressions, profit FROM metric_facts") == ("k1", 0, 0)


def test_numbers_without_the_split_keep_the_split_that_is_stored(workspace, build, google):
    workspace.sync(google(build.base(ROW), build.split(KINDS)))

    workspace.sync(google(build.base({**ROW, "spend": 50}), generation=2))

    assert stored(workspace) == {"a1": ROW | KINDS | {"spend": 50, "profit": 50}}


def test_the_split_alone_keeps_the_numbers_that_are_stored(workspace, build, google):
    workspace.sync(google(build.base(ROW, {**ROW, "external_id": "a2"}), build.split(KINDS)))

    workspace.sync(google(build.split({**KINDS, "purchases": 7}), generation=2))

    assert stored(workspace) == {"a1": ROW | KINDS | {"purchases": 7} | EARNED, "a2": ROW | EARNED}


def test_conversions_that_the_split_no_longer_tells_are_zero(workspace, build, google):
    workspace.sync(google(build.base(ROW), build.split(KINDS)))

    workspace.sync(google(build.split(), generation=2))

    assert stored(workspace) == {"a1": ROW | EARNED}


def test_a_leaf_that_the_numbers_lack_is_zero_in_every_metric(workspace, build, google):
    workspace.sync(google(build.base(ROW, {**ROW, "external_id": "a2"}), build.split(KINDS)))

    workspace.sync(google(build.base({**ROW, "external_id": "a2"}), generation=2))

    assert stored(workspace) == {"a1": {}, "a2": ROW | EARNED}
    assert workspace.value("SELECT DISTINCT cause FROM metric_changes WHERE external_id = 'a1' AND run_id = 'c1-r2'") == "vanished"


def test_a_leaf_that_was_removed_is_zero_too_once_the_platform_says_so(workspace, build, google):
    workspace.sync(google(build.base(ROW), build.split(KINDS), build.walk({"status": "REMOVED"})))

    workspace.sync(google(build.base(), build.split(), generation=2))

    assert stored(workspace) == {"a1": {}}


def test_a_leaf_that_only_the_split_tells_of_has_delivered_nothing(workspace, build, google):
    workspace.sync(google(build.base(ROW), build.split(KINDS)))

    workspace.sync(google(build.base(), build.split(KINDS), generation=2))

    assert stored(workspace) == {"a1": KINDS}


def test_days_that_only_one_of_the_answers_covers_keep_the_other_half(workspace, build, google):
    yesterday = build.today - timedelta(days=1)
    both = {"since": yesterday}
    workspace.sync(google(build.base(ROW, {**ROW, "date": yesterday}, **both), build.split(KINDS, {**KINDS, "date": yesterday}, **both)))

    workspace.sync(google(build.base({**ROW, "clicks": 10}, {**ROW, "date": yesterday}, **both), build.split({"leads": 5}), generation=2))

    assert stored(workspace, date=build.today) == {"a1": ROW | {"clicks": 10, "leads": 5} | EARNED}
    assert stored(workspace, date=yesterday) == {"a1": ROW | KINDS | EARNED}


def test_the_last_of_several_answers_about_a_day_counts(workspace, build, google):
    later = build.now + timedelta(minutes=1)

    workspace.sync(
        google(build.base(ROW), build.split(KINDS), build.split({"leads": 9}, at=later), build.base({**ROW, "clicks": 1}, at=later))
    )

    assert stored(workspace) == {"a1": ROW | {"clicks": 1, "leads": 9} | EARNED}


def test_a_row_that_came_twice_counts_once_in_either_answer(workspace, build, google):
    (change,) = workspace.warehouse.diff([google(build.base({**ROW, "clicks": 1}, ROW), build.split({"leads": 1}, KINDS))])
    workspace.apply([change])

    assert stored(workspace) == {"a1": ROW | KINDS | EARNED}
    assert change.counts == RunCounts(fetched=1, inserted=1)


def test_two_connections_in_one_batch_do_not_see_each_others_halves(workspace, build, google):
    mine, yours = {"connection_id": "c1"}, {"connection_id": "c2"}
    workspace.sync(
        google(build.base(ROW | mine), build.split(KINDS | mine)),
        google(build.base(ROW | yours), build.split(KINDS | yours), connection_id="c2", gross_margin=FIFTH),
    )

    workspace.sync(
        google(build.base({**ROW, "clicks": 1} | mine), generation=2),
        google(build.split({"leads": 8} | yours), connection_id="c2", gross_margin=FIFTH, generation=2),
    )

    assert stored(workspace, connection_id="c1") == {"a1": ROW | KINDS | EARNED | {"clicks": 1}}
    assert stored(workspace, connection_id="c2") == {"a1": ROW | {"leads": 8}}


def test_a_platform_whose_leaves_come_whole_is_untouched_by_one_whose_leaves_do_not(workspace, build, google):
    meta = build.run(build.ads(ROW | KINDS | EARNED | {"connection_id": "c2"}), connection_id="c2", gross_margin=HALF)

    workspace.sync(google(build.base(ROW)), meta)

    assert stored(workspace, connection_id="c1") == {"a1": ROW | EARNED}
    assert stored(workspace, connection_id="c2") == {"a1": ROW | KINDS | EARNED}


def test_a_new_margin_and_the_split_come_together(workspace, build, google):
    yesterday = build.today - timedelta(days=1)
    both = {"since": yesterday}
    workspace.sync(google(build.base(ROW, {**ROW, "date": yesterday}, **both), build.split(KINDS, {**KINDS, "date": yesterday}, **both)))

    workspace.sync(google(build.split({"leads": 5}), generation=2, gross_margin=FIFTH))

    assert stored(workspace, date=build.today) == {"a1": ROW | {"leads": 5}}
    assert stored(workspace, date=yesterday) == {"a1": ROW | KINDS}
    assert set(workspace.rows("SELECT date, cause FROM metric_changes WHERE run_id = 'c1-r2'")) == {
        (build.today, "platform"),
        (yesterday, "margin"),
    }


def test_the_same_answers_again_write_nothing(workspace, build, google):
    answers = build.base(ROW, {**ROW, "external_id": "a2"}), build.split(KINDS)
    workspace.sync(google(*answers))

    changes = [
        workspace.warehouse.diff([google(*told, generation=2)])[0] for told in (answers, answers[:1], answers[1:], tuple(reversed(answers)))
    ]

    assert [change.empty for change in changes] == [True] * 4
    assert [change.counts for change in changes] == [
        RunCounts(fetched=2, unchanged=2),
        RunCounts(fetched=2, unchanged=2),
        RunCounts(fetched=1, unchanged=1),
        RunCounts(fetched=2, unchanged=2),
    ]


def test_changed_rows_are_counted_once_whichever_half_changed(workspace, build, google):
    workspace.sync(google(build.base(ROW, {**ROW, "external_id": "a2"}, {**ROW, "external_id": "a3"}), build.split(KINDS)))

    (change,) = workspace.warehouse.diff(
        [
            google(
                build.base({**ROW, "clicks": 1}, ROW | {"external_id": "a2"}, ROW | {"external_id": "a3"}, ROW | {"external_id": "a4"}),
                build.split(KINDS | {"leads": 2}, {"external_id": "a2", "leads": 1}),
                generation=2,
            )
        ]
    )

    assert change.counts == RunCounts(fetched=4, inserted=1, updated=2, unchanged=1)


def test_ads_and_asset_groups_with_the_same_id_are_two_leaves(workspace, build, google):
    group = {"level": "asset_group"}

    workspace.sync(google(build.base(ROW, ROW | group | {"clicks": 1}), build.split(KINDS | group)))

    assert workspace.rows("SELECT level, external_id, clicks, leads FROM metric_facts ORDER BY ALL") == [
        ("ad", "a1", 9, 0),
        ("asset_group", "a1", 1, 1),
    ]


NUMBERS = st.integers(0, 5)
DAYS = date(2026, 3, 19), date(2026, 3, 20)
LEAVES = st.dictionaries(st.tuples(st.sampled_from(["a1", "a2", "a3"]), st.sampled_from(DAYS)), st.tuples(NUMBERS, NUMBERS), max_size=5)
STEPS = st.lists(st.tuples(st.none() | LEAVES, st.none() | LEAVES).filter(any), min_size=1, max_size=5)


@examples(3)
@given(steps=STEPS, count=st.sampled_from([2, 20_000]))
def test_any_sequence_of_halves_is_stored_as_a_dictionary_would(build, new_workspace, rows_at_once, steps, count):
    workspace, known = new_workspace(), {}
    for generation, (base, split) in enumerate(steps, 1):
        answers = []
        if base is not None:
            answers.append(build.base(*rows(base, "clicks", "revenue"), since=DAYS[0]))
        if split is not None:
            answers.append(build.split(*rows(split, "leads", "visitors"), since=DAYS[0]))

        with rows_at_once(count):
            workspace.sync(build.run(*answers, generation=generation, provider="google", gross_margin=HALF))

        known = as_told(known, base, split)
    whole = {leaf: (*first, *second) for leaf, (first, second) in known.items()}
    found = workspace.rows("SELECT external_id, date, clicks, revenue, leads, visitors, profit FROM metric_facts") if whole else []
    assert {row[:2]: row[2:6] for row in found} == whole
    assert len(found) == len(whole)
    assert all(row[6] == round(Decimal(row[3]) / 2) for row in found)


def rows(leaves, first, second):
    """The rows of an answer that tells these two metrics."""
    return [{"external_id": leaf, "date": day, first: n, second: m} for (leaf, day), (n, m) in leaves.items()]


def as_told(known, base, split):
    """Both halves of every leaf after these answers; None is no answer."""
    nothing, found = (0, 0), {}
    for leaf in known.keys() | (base or {}).keys() | (split or {}).keys():
        first, second = known.get(leaf, (nothing, nothing))
        vanished = base is not None and leaf not in base
        first = base.get(leaf, nothing) if base is not None else first
        second = split.get(leaf, nothing) if split is not None else nothing if vanished else second
        found[leaf] = first, second
    return found


def test_the_daily_view_names_what_ads_and_asset_groups_are_in(workspace, build, google):
    asset_group = {"level": "asset_group", "external_id": "s1", "campaign_id": "k2"}
    entities = build.walk(
        {"level": "campaign", "external_id": "k1", "name": "Search"},
        {"level": "campaign", "external_id": "k2", "name": "Max"},
        {"level": "ad_group", "external_id": "g1", "name": "Boots", "parent_id": "k1"},
        {"external_id": "a1", "name": "An ad", "parent_id": "g1"},
        {"level": "asset_group", "external_id": "s1", "name": "Assets", "parent_id": "k2"},
    )

    workspace.sync(
        google(build.base(ROW, ROW | asset_group), build.split(KINDS | asset_group), entities), connections=[google_connection(build)]
    )

    rows = workspace.rows("SELECT level, external_id, campaign_id, campaign, ad_set, name, clicks FROM daily ORDER BY ALL")
    assert rows == [("ad", "a1", "k1", "Search", "Boots", "An ad", 9), ("asset_group", "s1", "k2", "Max", None, "Assets", 9)]


def google_connection(build):
    return build.connection("c1", provider="google")


def test_the_daily_views_days_are_the_campaigns_totals(workspace, build, google):
    asset_group = {"level": "asset_group", "external_id": "s1", "campaign_id": "k2"}
    totals = build.totals(
        ROW | KINDS | {"profit": 60}, {"external_id": "k2", "campaign_id": "k2"} | ROW | {"clicks": 11} | KINDS | {"profit": 60}
    )

    workspace.sync(
        google(build.base(ROW, ROW | asset_group), build.split(KINDS, KINDS | asset_group), totals), connections=[google_connection(build)]
    )

    rows = workspace.rows("SELECT campaign_id, level, sum(clicks) FROM daily GROUP BY ALL HAVING sum(clicks) <> 0 ORDER BY ALL")
    assert rows == [("k1", "ad", 9), ("k2", "asset_group", 9), ("k2", "unreported", 2)]
