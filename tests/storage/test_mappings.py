"""What another mapping changes in the warehouse: which changes it is the cause of, and the record of the mappings."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adpulse.mapping import MAPPED
from adpulse.metrics import METRICS
from adpulse.planner.completeness import DayLevel, ReadDay
from adpulse.platforms.meta.metrics import RULES

CHATS = "onsite_conversion.messaging_conversation_started_7d"
CAUSES = "SELECT external_id, cause FROM {} WHERE generation = 2 ORDER BY ALL"
OWN = RULES.revised(RULES.default, {"leads": [CHATS]}, name="Chats")


def units(count):
    return {"spend": count * 1_000_000, "conversions": count * 1_000_000}


@pytest.fixture
def yesterday(build):
    return build.today - timedelta(days=1)


@pytest.fixture
def of_day(build, yesterday):
    """An answer about yesterday, of so many conversions of one leaf and its campaign."""

    def answers(leaf, total, **more):
        days = {"since": yesterday, "until": yesterday}
        return (
            build.ads(units(leaf) | {"date": yesterday} | more, **days),
            build.totals(units(total) | {"date": yesterday}, **days),
        )

    return answers


def test_a_day_read_by_another_mapping_changes_because_of_it_and_is_no_restatement(workspace, build, of_day, yesterday):
    workspace.sync(build.run(*of_day(10, 15)), connections=[build.connection()])

    second = replace(build.run(*of_day(10, 15, conversions=12_000_000), generation=2), remapped=frozenset({yesterday}))
    workspace.sync(second, connections=[build.connection()])

    assert workspace.rows(CAUSES.format("metric_changes")) == [("a1", "mapping")]
    assert workspace.rows(CAUSES.format("total_changes")) == [("k1", "mapping")]
    assert workspace.warehouse.applied_since("c1-r2", 0).restated is None


@pytest.mark.parametrize("metric", METRICS)
def test_only_what_a_mapping_decides_changes_because_of_it(workspace, build, yesterday, metric):
    days = {"since": yesterday, "until": yesterday}
    workspace.sync(build.run(build.ads({"date": yesterday}, **days)))

    run = build.run(build.ads({"date": yesterday, metric: 7_000_000}, **days), generation=2)
    workspace.sync(replace(run, remapped=frozenset({yesterday})))

    decided = metric in (*MAPPED, "revenue", "clicks")
    expected = "mapping" if decided else "margin" if metric == "profit" else "platform"
    assert workspace.rows("SELECT cause FROM metric_changes WHERE generation = 2") == [(expected,)]


def test_a_day_that_was_read_by_this_mapping_before_is_restated(workspace, build, of_day, yesterday):
    workspace.sync(build.run(*of_day(10, 15)), connections=[build.connection()])

    other = frozenset({yesterday - timedelta(days=1)})
    workspace.sync(replace(build.run(*of_day(11, 15), generation=2), remapped=other), connections=[build.connection()])

    assert workspace.rows(CAUSES.format("metric_changes")) == [("a1", "platform")]
    assert workspace.rows(CAUSES.format("total_changes")) == [("k1", "platform")]


def test_spend_that_changes_with_another_mapping_is_restated_and_what_the_mapping_decides_is_not(workspace, build):
    day = build.today - timedelta(days=5)
    days = {"since": day, "until": day}

    def run(generation, spend, leads):
        read = ReadDay(level=DayLevel.LEAF, day=day, fresh_until=build.now + timedelta(minutes=generation), settled=False)
        answer = build.ads({"date": day, "spend": spend, "leads": leads, "profit": -spend}, **days)
        return replace(build.run(answer, generation=generation), read_days=[read])

    workspace.sync(run(1, 5_000_000, 0), connections=[build.connection()])
    workspace.sync(replace(run(2, 6_000_000, 3_000_000), remapped=frozenset({day})), connections=[build.connection()])

    restated = workspace.warehouse.applied_since("c1-r2", 0).restated
    kinds = dict(workspace.rows("SELECT metric, kind FROM changes WHERE changed_at > (SELECT min(changed_at) FROM changes)"))
    assert kinds == {"spend": "restatement", "leads": "mapping", "profit": "mapping"}
    assert (restated.rows, restated.since) == (1, day)
    workspace.sync(replace(run(3, 6_000_000, 4_000_000), remapped=frozenset({day})), connections=[build.connection()])
    assert workspace.warehouse.applied_since("c1-r3", 0).restated is None


def test_every_mapping_is_recorded_with_the_instant_from_which_it_counts(workspace, build):
    chosen = build.now + timedelta(seconds=90)
    own = replace(build.connection(), mapping=replace(OWN, attribution=("7d_click", "1d_view")), mapping_since=chosen)
    for generation, connection in ((1, build.connection()), (2, build.connection()), (3, own), (4, own)):
        workspace.sync(build.run(build.ads(units(generation)), generation=generation), connections=[connection])

    first = build.now + timedelta(minutes=1)
    recorded = workspace.rows("SELECT name, since, definition FROM mappings ORDER BY since")
    assert [row[:2] for row in recorded] == [("default", first), ("Chats", chosen)]
    assert recorded[1][2] == (
        f"purchases=omni_purchase,purchase,offsite_conversion.fb_pixel_purchase leads={CHATS} "
        "installs=omni_app_install,app_install,mobile_app_install visitors=omni_landing_page_view,landing_page_view "
        "conversions=purchases,leads,installs clicks=all attribution=7d_click,1d_view"
    )
    assert workspace.rows("SELECT attribution FROM mappings ORDER BY since") == [("default",), ("7d_click,1d_view",)]
    assert workspace.rows("SELECT mapping, mapping_since, attribution FROM connections") == [("Chats", chosen, "7d_click,1d_view")]
