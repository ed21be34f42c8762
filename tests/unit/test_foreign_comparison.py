"""The comparison of foreign clients' rows finds a micro that differs."""

import shutil
from dataclasses import replace

import duckdb
import pytest
from foreign.comparison import META, compared_ids, compared_numbers
from foreign.rig import ACCOUNTS, Rig
from foreign.stored import synced

from adpulse_sandbox import Sandbox
from adpulse_sandbox.proxy import Proxy


@pytest.fixture(scope="module")
def rig(tmp_path_factory):
    with Sandbox.start() as sandbox, Proxy(sandbox) as proxy:
        stored = synced(sandbox, tmp_path_factory.mktemp("adpulse"), ACCOUNTS[:1])
        yield Rig(sandbox=sandbox, stored=stored, proxy=proxy, folder=tmp_path_factory.mktemp("client"))


@pytest.fixture
def rows(rig):
    """What a client reads that reads the truth."""
    truth = rig.sandbox.truth.metrics(rig.account, rig.since, rig.until, rig.sandbox.clock.now()).to_pylist()
    return [
        {
            "ad_id": row["external_id"],
            "date_start": row["date"].isoformat(),
            "spend": f"{row['spend'] / 1_000_000:.6f}",
            "impressions": row["impressions"],
            "clicks": row["clicks"],
        }
        for row in truth
    ]


def judged(rig, rows):
    return compared_numbers(rig, "ads_insights", "ad", rows, META["ad"])


def test_rows_that_are_the_truth_are_equal(rig, rows):
    assert judged(rig, rows).result == "equal"


def test_parts_of_an_ads_day_are_added_up(rig, rows):
    first, *others = rows
    halves = [{**first, "impressions": first["impressions"] - 1}, {**first, "spend": 0, "impressions": 1, "clicks": 0}]

    assert judged(rig, [*halves, *others]).result == "equal"


@pytest.mark.parametrize("change", ["a micro more", "a click less", "a missing row", "a row of another ad", "nothing at all"])
def test_what_differs_from_the_truth_is_found(rig, rows, change):
    first, *others = rows
    changed = {
        "a micro more": [{**first, "spend": str(float(first["spend"]) + 0.000001)}, *others],
        "a click less": [{**first, "clicks": first["clicks"] - 1}, *others],
        "a missing row": others,
        "a row of another ad": [*rows, {**first, "ad_id": "1"}],
        "nothing at all": [],
    }[change]

    assert judged(rig, changed).result == "different"


def test_a_micro_that_adpulse_stored_otherwise_is_found(rig, rows, tmp_path):
    changed = shutil.copy(rig.stored.published, tmp_path / "changed.duckdb")
    changed.chmod(0o600)
    with duckdb.connect(changed) as warehouse:
        of_row = [rows[0]["ad_id"], rows[0]["date_start"]]
        warehouse.execute("UPDATE raw.metric_facts SET spend = spend + 1 WHERE external_id = ? AND date = ?", of_row)

    outcome = judged(replace(rig, stored=replace(rig.stored, published=changed)), rows)

    assert outcome.result == "different"
    assert outcome.says.startswith("1 of ")
    assert "stored (" in outcome.says
    assert "true (" not in outcome.says


def test_an_entity_that_adpulse_did_not_store_is_found(rig):
    ids = [campaign.id for campaign in rig.sandbox.world.account("Lantern Books").campaigns]
    stored = replace(rig.stored, connections={rig.account: "another connection"})

    assert compared_ids(replace(rig, stored=stored), "campaigns", "campaign", ids).result == "different"


def test_ids_are_those_of_entities_that_are_neither_deleted_nor_archived(rig):
    ids = [ad.id for ad in rig.sandbox.world.account("Lantern Books").campaigns]

    assert compared_ids(rig, "campaigns", "campaign", ids).result == "equal"
    assert compared_ids(rig, "campaigns", "campaign", ids[1:]).result == "different"
