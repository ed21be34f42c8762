"""Names that come with the numbers: shown while no walk has told one, never instead of a walk's, never a change of an entity."""

from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse import entity_names
from storage.warehouse import schema
from storage.warehouse.sql import migrations

MINUTE = timedelta(minutes=1)


def named(build, clicks=1, ad="Ad", ad_set="Set", campaign="Spring", **when):
    told = {("ad", "a1"): ("s1", ad), ("adset", "s1"): ("k1", ad_set), ("campaign", "k1"): (None, campaign)}
    return replace(build.ads({"clicks": clicks}, **when), names=entity_names.names_table(told))


def walked(build, name="Walked", **when):
    rows = (
        {"external_id": "a1", "parent_id": "s1", "name": f"{name} ad"},
        {"level": "adset", "external_id": "s1", "parent_id": "k1", "name": f"{name} set"},
        {"level": "campaign", "external_id": "k1", "name": f"{name} campaign"},
    )
    return build.walk(*rows, **when)


def daily(workspace):
    return workspace.row("SELECT name, ad_set_id, ad_set, campaign FROM daily WHERE level = 'ad'")


def test_an_ad_that_no_walk_has_read_is_called_as_its_numbers_call_it(workspace, build):
    workspace.sync(build.run(named(build)))

    assert daily(workspace) == ("Ad", "s1", "Set", "Spring")


def test_a_campaign_without_rows_of_ads_is_called_as_its_totals_call_it(workspace, build):
    totals = replace(build.totals({"clicks": 2}), names=entity_names.names_table({("campaign", "k1"): (None, "Spring")}))
    workspace.sync(build.run(build.ads(), totals))

    assert workspace.row("SELECT name, campaign FROM daily WHERE level = 'unreported'") == ("not reported at ad level", "Spring")


def test_a_name_is_no_change_of_an_entity_and_no_row_written(workspace, build):
    (first,) = workspace.warehouse.diff([build.run(named(build))])
    workspace.apply([first])
    (renamed,) = workspace.warehouse.diff([build.run(named(build, ad="Renamed", at=build.now + MINUTE), generation=2)])
    workspace.apply([renamed])

    assert (first.counts.entities_changed, first.counts.written) == (0, 1)
    assert (renamed.counts.entities_changed, renamed.counts.written, renamed.empty) == (0, 0, False)
    assert workspace.value("SELECT count(*) FROM entities") == workspace.value("SELECT count(*) FROM entity_changes") == 0
    assert workspace.warehouse.applied_since("c1-r2", 0).changes == 0
    assert daily(workspace)[0] == "Renamed"


def test_an_unchanged_name_is_not_written_again(workspace, build):
    workspace.sync(build.run(named(build)))

    (again,) = workspace.warehouse.diff([build.run(named(build, at=build.now + MINUTE), generation=2)])

    assert again.empty


def test_a_walks_name_stays_whatever_the_numbers_call_it(workspace, build):
    workspace.sync(build.run(named(build)))
    workspace.sync(build.run(walked(build, at=build.now + MINUTE), generation=2))
    after_the_walk = daily(workspace)

    (later,) = workspace.warehouse.diff([build.run(named(build, ad="Other", at=build.now + 2 * MINUTE), generation=3)])

    assert after_the_walk == ("Walked ad", "s1", "Walked set", "Walked campaign")
    assert later.empty
    assert workspace.value("SELECT count(*) FROM seen_names") == 0


def test_the_walk_of_the_same_sync_wins(workspace, build):
    workspace.sync(build.run(walked(build), named(build, at=build.now + MINUTE)))

    assert daily(workspace) == ("Walked ad", "s1", "Walked set", "Walked campaign")
    assert workspace.value("SELECT count(*) FROM seen_names") == 0


def test_the_name_of_a_deleted_ad_that_no_walk_has_read_stays(workspace, build):
    """The platform no longer knows it, so the lookup has no name to tell."""
    workspace.sync(build.run(named(build)))
    workspace.sync(build.run(build.confirmed({"status": "GONE", "name": None}, at=build.now + MINUTE), generation=2))

    assert daily(workspace)[:3] == ("Ad", "s1", "Set")
    assert workspace.value("SELECT status FROM daily") == "GONE"


def test_of_two_answers_the_later_one_names(workspace, build):
    late, early = named(build, ad="Late", at=build.now + MINUTE), named(build, ad="Early", at=build.now)
    workspace.sync(build.run(late, early))

    assert daily(workspace)[0] == "Late"


def test_a_restatement_is_told_with_the_name(workspace, build):
    workspace.sync(build.noted(named(build), now=build.now + timedelta(days=2)))
    workspace.sync(build.noted(named(build, clicks=2, at=build.now + MINUTE), generation=2, now=build.now + timedelta(days=3)))

    assert workspace.row("SELECT name, before, after FROM restatements WHERE metric = 'clicks'") == ("Ad", 1, 2)


def test_erasing_a_connection_erases_what_it_was_called(workspace, build):
    workspace.sync(build.run(named(build)))

    workspace.warehouse.erase("c1")

    assert workspace.value("SELECT count(*) FROM seen_names") == 0


def test_a_file_from_before_goes_on_and_gets_names(workspace, build):
    workspace.path.parent.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(workspace.path) as old:
        old.execute("CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
        for version, statements in migrations():
            if version < 4:
                old.execute(statements)
        for view in ("daily", "intraday", "restatements"):
            old.execute(f"CREATE VIEW {view} AS SELECT name FROM entities")
        old.execute("INSERT INTO schema_version VALUES (3, now())")

    workspace.sync(build.run(named(build)))

    assert daily(workspace) == ("Ad", "s1", "Set", "Spring")
    assert workspace.value("SELECT max(version) FROM schema_version") == schema.latest()


@examples(3)
@given(steps=st.lists(st.tuples(st.sampled_from(["numbers", "walk"]), st.sampled_from(["A", "B", "C"])), min_size=1, max_size=6))
def test_the_last_walks_name_is_shown_and_before_any_walk_the_last_numbers_name(new_workspace, build, steps):
    workspace = new_workspace()
    for generation, (kind, name) in enumerate(steps, 1):
        at = build.now + generation * MINUTE
        answer = walked(build, name, at=at) if kind == "walk" else named(build, ad=f"{name} ad", at=at)
        workspace.sync(build.run(answer, build.ads({"clicks": 1}, at=at), generation=generation))
    walks = [name for kind, name in steps if kind == "walk"]

    assert daily(workspace)[0] == f"{(walks or [name for _, name in steps])[-1]} ad"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_names_survive_the_staging(tmp_path, build, count):
    from storage.staging import Staging  # noqa: PLC0415 - beside its use

    told = entity_names.names_table({("ad", f"a{n}"): ("s1", f"Ad {n}") for n in range(count)})
    staging = Staging(tmp_path)
    staging.write("r1", replace(build.ads({"clicks": 1}), names=told))

    (answer,) = staging.read("r1")

    assert answer.names.equals(told)
