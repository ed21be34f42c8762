"""The warehouse by example: what is written, what is left alone, and who is kept out."""

import hashlib
import os
import signal
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from adpulse.errors import WarehouseBusy, WarehouseNewer
from adpulse.metrics import METRICS, Unit
from adpulse.missing_entities import status_rows
from adpulse.model import Level, Restated, RunCounts
from storage.files import exclusive
from storage.warehouse.sql import migrations
from storage.warehouse.warehouse import Warehouse

ROOT = Path(__file__).parents[2]
TODAY = date(2026, 3, 20)
LAST_WEEK = date(2026, 3, 13)
TEN = dict(zip(METRICS, range(1, 11), strict=True))
MONEY = [name for name, metric in METRICS.items() if metric.unit is Unit.MICROS]
SPEND = "SELECT connection_id, external_id, spend FROM metric_facts ORDER BY ALL"
FACTS = "SELECT * FROM metric_facts ORDER BY ALL"


class Leases:
    """Whether a run holds its lease, question by question; the last answer stays."""

    def __init__(self, **answers):
        self._answers = {name: list(each) for name, each in answers.items()}
        self.asked = defaultdict(int)

    def __call__(self, run_id, generation):
        self.asked[run_id, generation] += 1
        left = self._answers.get(run_id, [True])
        return left.pop(0) if len(left) > 1 else left[0]


class Holder:
    """Another process that has the file open until the block ends."""

    def __init__(self, path, *, read_only):
        self._code = f"import duckdb; held = duckdb.connect({str(path)!r}, read_only={read_only}); print('open', flush=True); input()"

    def __enter__(self):
        self._process = subprocess.Popen([sys.executable, "-c", self._code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "open\n"

    def __exit__(self, *_):
        self._process.communicate("\n")


def traces(workspace):
    """Everything a write would leave behind: bytes, times, inode, and which files there are."""
    stat = workspace.path.stat()
    digest = hashlib.sha256(workspace.path.read_bytes()).hexdigest()
    return digest, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, workspace.files()


# What is written, and what is not


def test_an_identical_batch_leaves_the_file_untouched(workspace, build):
    def told(generation):
        return build.run(build.walk({}), build.ads(TEN), build.totals(TEN | {"spend": 10}), generation=generation)

    workspace.sync(told(1))
    before = traces(workspace)

    (change,) = workspace.warehouse.diff([told(2)])
    applied = workspace.apply([change])

    assert change.empty
    assert change.counts == RunCounts(fetched=2, unchanged=2)
    assert applied == {"c1-r2"}
    assert traces(workspace) == before
    assert before[-1] == ["w.duckdb", "w.lock"]


def test_an_unchanged_batch_is_done_while_another_process_reads_the_file(workspace, build):
    workspace.sync(build.run(build.ads(TEN)))

    with Holder(workspace.path, read_only=True):
        applied = workspace.sync(build.run(build.ads(TEN), generation=2))

    assert applied == {"c1-r2"}


def test_nothing_to_write_creates_no_file(workspace, build):
    applied = workspace.sync(build.run(build.ads()))

    assert applied == {"c1-r1"}
    assert not workspace.path.exists()


def test_a_warehouse_that_does_not_exist_answers_like_an_empty_one(workspace, build):
    assert workspace.warehouse.applied_since("c1-r1", 0) is None
    assert workspace.warehouse.missing_entities(build.connection(), [build.ads()]) == []
    assert not workspace.path.exists()


def test_the_file_has_the_storage_version_that_old_readers_know(workspace, build):
    workspace.sync(build.run(build.ads(TEN)))

    tags = workspace.value("SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = 'w'")

    assert tags.startswith("v1.0.0")


def test_a_first_answer_is_inserted_whole(workspace, build):
    (change,) = workspace.warehouse.diff([build.run(build.ads(TEN))])
    workspace.apply([change])

    assert change.counts == RunCounts(fetched=1, inserted=1)
    at = build.now + timedelta(minutes=1)
    row = ("c1", "ad", "a1", "k1", TODAY, *range(1, 11))
    assert workspace.row(FACTS) == (*row, at, at, "c1-r1")
    assert workspace.row("SELECT * FROM metric_changes") == (*row, 1023, "platform", at, "c1-r1", 1)
    assert workspace.row("SELECT * FROM sync_runs") == ("c1-r1", 1, "c1", at, 1, 1, 0, 0, 0)
    own = ("manual", None, "default", None, "default", None, None)
    assert workspace.row("SELECT * FROM connections") == ("c1", "meta", "11", "Account c1", "USD", "UTC", Decimal("0.300000"), *own)


@pytest.mark.parametrize(("bit", "metric"), [(metric.bit, name) for name, metric in METRICS.items()])
def test_a_change_of_one_metric_alone_is_noticed(workspace, build, bit, metric):
    workspace.sync(build.run(build.ads(TEN)))

    (change,) = workspace.warehouse.diff([build.run(build.ads(TEN | {metric: TEN[metric] + 1}), generation=2)])
    workspace.apply([change])

    assert change.counts == RunCounts(fetched=1, updated=1)
    row = workspace.row("SELECT changed, cause, run_id FROM metric_changes WHERE generation = 2")
    assert row == (bit, "margin" if metric == "profit" else "platform", "c1-r2")
    assert workspace.row(f"SELECT {', '.join(METRICS)} FROM metric_facts") == tuple((TEN | {metric: TEN[metric] + 1}).values())
    first, changed = workspace.row("SELECT first_seen_at, changed_at FROM metric_facts")
    assert (first, changed) == (build.now + timedelta(minutes=1), build.now + timedelta(minutes=2))


def test_profit_that_moves_with_another_metric_is_the_platforms_doing(workspace, build):
    workspace.sync(build.run(build.ads(TEN)))

    workspace.sync(build.run(build.ads(TEN | {"revenue": 50, "profit": 60}), generation=2))

    assert workspace.row("SELECT changed, cause FROM metric_changes WHERE generation = 2") == (16 + 512, "platform")


def test_an_ad_in_another_campaign_is_written_though_no_metric_moved(workspace, build):
    workspace.sync(build.run(build.ads(TEN)))

    (change,) = workspace.warehouse.diff([build.run(build.ads(TEN | {"campaign_id": "k2"}), generation=2)])
    workspace.apply([change])

    assert change.counts == RunCounts(fetched=1, updated=1)
    assert workspace.value("SELECT campaign_id FROM metric_facts") == "k2"
    assert workspace.row("SELECT changed, cause, campaign_id FROM metric_changes WHERE generation = 2") == (0, "platform", "k2")


def test_a_total_that_becomes_unknown_is_a_change_and_null_stays_equal_to_null(workspace, build):
    workspace.sync(build.run(build.totals(TEN)))

    (lost,) = workspace.warehouse.diff([build.run(build.totals(TEN | {"leads": None}), generation=2)])
    workspace.apply([lost])
    (same,) = workspace.warehouse.diff([build.run(build.totals(TEN | {"leads": None}), generation=3)])

    assert lost.totals.to_pylist()[0]["changed"] == 32
    assert same.counts == RunCounts(fetched=1, unchanged=1)
    assert workspace.row("SELECT leads, installs FROM platform_totals") == (None, 7)


def test_the_largest_and_smallest_numbers_are_kept_as_they_are(workspace, build):
    largest, smallest = 2**63 - 1, -(2**63)

    workspace.sync(build.run(build.ads({"spend": largest, "profit": smallest})))
    workspace.sync(build.run(build.ads({"spend": smallest, "profit": largest}), generation=2))

    assert workspace.row("SELECT spend, profit FROM metric_facts") == (smallest, largest)
    assert workspace.row("SELECT spend, profit FROM daily") == (Decimal("-9223372036854.775808"), Decimal("9223372036854.775807"))


def test_the_last_of_a_repeated_key_counts_and_is_counted_once(workspace, build):
    (change,) = workspace.warehouse.diff([build.run(build.ads({"spend": 1}, {"spend": 2}, {"external_id": "a2"}, {"spend": 3}))])
    workspace.apply([change])

    assert change.counts == RunCounts(fetched=2, inserted=2)
    assert workspace.rows(SPEND) == [("c1", "a1", 3), ("c1", "a2", 0)]


def test_a_day_asked_for_twice_is_what_the_later_answer_says(workspace, build):
    later = build.ads({"external_id": "a2", "spend": 2}, at=build.now + timedelta(minutes=1))
    earlier = build.ads({"spend": 1}, {"spend": 7, "date": date(2026, 3, 19)}, since=date(2026, 3, 19))

    workspace.sync(build.run(later, earlier))

    found = workspace.rows("SELECT external_id, date, spend FROM metric_facts ORDER BY ALL")
    assert found == [("a1", date(2026, 3, 19), 7), ("a2", TODAY, 2)]


def test_rows_lie_in_the_order_of_connection_and_day(workspace, build):
    days = [TODAY - timedelta(days=n) for n in (0, 2, 1)]
    runs = [
        build.run(build.ads(*({"connection_id": name, "date": day} for day in days), since=days[1]), connection_id=name)
        for name in ("c2", "c1")
    ]

    workspace.sync(*runs)

    assert workspace.rows("SELECT connection_id, date FROM metric_facts") == [(name, day) for name in ("c1", "c2") for day in sorted(days)]


# What the platform no longer reports


def test_a_row_that_a_living_ad_lost_becomes_zeros(workspace, build):
    workspace.sync(build.run(build.walk({}), build.ads(TEN, {"external_id": "a2"})))

    (change,) = workspace.warehouse.diff([build.run(build.ads({"external_id": "a2"}), build.confirmed({}), generation=2)])
    workspace.apply([change])

    assert change.counts == RunCounts(fetched=1, updated=1, unchanged=1)
    assert workspace.row(f"SELECT {', '.join(METRICS)} FROM metric_facts WHERE external_id = 'a1'") == (0,) * 10
    assert workspace.row("SELECT changed, cause, external_id FROM metric_changes WHERE generation = 2") == (1023, "vanished", "a1")


def test_without_a_lookup_a_lost_row_stays_though_its_ad_lived_at_the_last_walk(workspace, build):
    campaign = {"level": "campaign", "external_id": "k1"}
    workspace.sync(build.run(build.walk({}, campaign), build.ads(TEN), build.totals(TEN)))

    (change,) = workspace.warehouse.diff([build.run(build.ads(), build.totals(), build.walk({}, campaign), generation=2)])

    assert change.empty
    assert workspace.rows(SPEND) == [("c1", "a1", 3)]


def test_a_vanished_row_of_zeros_is_no_change(workspace, build):
    workspace.sync(build.run(build.walk({}), build.ads({})))

    (change,) = workspace.warehouse.diff([build.run(build.ads(), build.confirmed({}), generation=2)])

    assert change.empty
    assert change.counts == RunCounts()


def test_a_vanished_total_of_a_living_campaign_becomes_zero_where_it_was_known(workspace, build):
    campaign = {"level": "campaign", "external_id": "k1"}
    workspace.sync(build.run(build.walk(campaign), build.totals(TEN | {"leads": None})))

    workspace.sync(build.run(build.totals(), build.confirmed(campaign), generation=2))

    assert workspace.row("SELECT spend, leads, profit FROM platform_totals") == (0, None, 0)


@pytest.mark.parametrize("status", ["DELETED", "REMOVED", "GONE"])
def test_a_row_that_a_gone_ad_lost_stays(workspace, build, status):
    workspace.sync(build.run(build.walk({"status": status}), build.ads(TEN)))

    (change,) = workspace.warehouse.diff([build.run(build.ads(), generation=2)])

    assert change.empty
    assert workspace.rows(SPEND) == [("c1", "a1", 3)]


def test_a_row_that_an_unknown_ad_lost_stays(workspace, build):
    workspace.sync(build.run(build.walk({"connection_id": "c2"}), connection_id="c2"), build.run(build.ads(TEN)))

    (change,) = workspace.warehouse.diff([build.run(build.ads(), generation=2)])

    assert change.empty


def test_an_ad_found_deleted_in_the_same_batch_keeps_its_row(workspace, build):
    workspace.sync(build.run(build.walk({}), build.ads(TEN)))

    deleted = build.confirmed({"status": "DELETED"})
    workspace.sync(build.run(build.ads(), deleted, generation=2))

    assert workspace.rows(SPEND) == [("c1", "a1", 3)]


def test_an_ad_found_alive_in_the_same_batch_loses_its_row(workspace, build):
    workspace.sync(build.run(build.ads(TEN)))

    workspace.sync(build.run(build.ads(), build.confirmed({}), generation=2))

    assert workspace.rows(SPEND) == [("c1", "a1", 0)]


def test_days_that_were_not_asked_for_stay(workspace, build):
    workspace.sync(build.run(build.walk({}), build.ads(TEN | {"date": LAST_WEEK}, since=LAST_WEEK)))

    (change,) = workspace.warehouse.diff([build.run(build.ads(since=date(2026, 3, 14)), generation=2)])

    assert change.empty


@pytest.mark.parametrize("count", [1, 2, 3, 4, 20_000])
def test_days_are_changed_as_they_were_told_however_many_rows_are_taken_at_once(workspace, build, rows_at_once, count):
    days = [build.today - timedelta(days=n) for n in range(4)]
    ads = [{"external_id": name, "date": day, "clicks": 1} for day in days for name in ("a1", "a2")]
    walk = build.walk({"external_id": "a1"}, {"external_id": "a2"})
    totals = [{"date": day, "clicks": 2} for day in days]
    workspace.sync(build.run(walk, build.ads(*ads, since=days[-1]), build.totals(*totals, since=days[-1])))
    more = build.totals(*({**row, "clicks": 5} for row in totals[1:]), since=days[-1], until=days[1])

    with rows_at_once(count):
        found = build.confirmed({"external_id": "a1"}, {"external_id": "a2"})
        workspace.sync(build.run(build.ads(*ads[2:4], since=days[2]), more, found, generation=2))

    clicks = workspace.rows("SELECT date, sum(clicks)::INTEGER FROM metric_facts GROUP BY date ORDER BY date DESC")
    assert clicks == [(days[0], 0), (days[1], 2), (days[2], 0), (days[3], 2)]
    unreported = workspace.rows("SELECT date, clicks FROM unreported WHERE clicks <> 0 ORDER BY date DESC")
    assert unreported == [(days[1], 3), (days[2], 5), (days[3], 3)]


def keys(missing):
    return sorted((each.level, each.external_id) for each in missing)


def test_missing_are_those_with_numbers_that_are_not_known_to_be_gone(workspace, build):
    names = ["alive", "unknown", "zero", "deleted", "deleted-now", "answered", "other-day", "revived"]
    rows = [{"external_id": name, "clicks": 0 if name == "zero" else 1} for name in names]
    rows[6]["date"] = LAST_WEEK
    walk = build.walk(
        {"external_id": "alive"},
        {"external_id": "zero"},
        {"external_id": "deleted", "status": "DELETED"},
        {"external_id": "deleted-now"},
        {"external_id": "other-day"},
        {"external_id": "revived", "status": "REMOVED"},
    )
    workspace.sync(build.run(walk, build.ads(*rows, since=LAST_WEEK)))
    heard = build.heard({"external_id": "deleted-now", "status": "DELETED"}, {"external_id": "revived"})

    missing = workspace.warehouse.missing_entities(build.connection(), [build.ads({"external_id": "answered"}), heard])

    assert keys(missing) == [("ad", "alive"), ("ad", "revived"), ("ad", "unknown")]


def test_campaigns_whose_total_is_missing_are_told_too(workspace, build):
    workspace.sync(build.run(build.ads(TEN), build.totals(TEN, {"external_id": "k2", "campaign_id": "k2"})))

    missing = workspace.warehouse.missing_entities(build.connection(), [build.ads(), build.totals()])

    assert keys(missing) == [("ad", "a1"), ("campaign", "k1")]


def test_missing_are_told_with_their_parents_and_with_one_that_is_known_to_be_gone(workspace, build):
    rows = [TEN | {"external_id": name, "campaign_id": campaign} for name, campaign in (("a1", "k1"), ("a2", "k2"), ("a3", "k1"))]
    walk = build.walk(
        *({"external_id": name, "parent_id": parent} for name, parent in (("a1", "s1"), ("a2", "s2"), ("a3", "s3"))),
        {"level": "campaign", "external_id": "k2", "status": "DELETED"},
        {"level": "adset", "external_id": "s3", "status": "GONE"},
        {"level": "adset", "external_id": "s1"},
    )
    workspace.sync(build.run(walk, build.ads(*rows)))

    missing = workspace.warehouse.missing_entities(build.connection(), [build.ads()])

    assert [(each.external_id, each.campaign_id, each.ad_set_id, each.deleted_parent_status) for each in missing] == [
        ("a1", "k1", "s1", None),
        ("a2", "k2", "s2", "DELETED"),
        ("a3", "k1", "s3", "GONE"),
    ]


def test_missing_are_only_the_connections_own(workspace, build):
    workspace.sync(build.run(build.ads(TEN)), build.run(build.ads(TEN | {"connection_id": "c2", "external_id": "b1"}), connection_id="c2"))

    assert keys(workspace.warehouse.missing_entities(build.connection(), [build.ads()])) == [("ad", "a1")]
    assert workspace.warehouse.missing_entities(build.connection(), []) == []


# Entities


def statuses(workspace):
    return dict(workspace.rows("SELECT external_id, status FROM entities"))


def test_entities_missing_from_a_complete_walk_are_gone(workspace, build):
    account = {"level": "account", "external_id": "7"}
    workspace.sync(build.run(build.walk({}, {"external_id": "a2"}, {"external_id": "a3", "status": "DELETED"}, account)))

    (change,) = workspace.warehouse.diff([build.run(build.walk({}), generation=2)])
    workspace.apply([change])

    assert change.counts == RunCounts(entities_changed=1)
    assert statuses(workspace) == {"a1": "ACTIVE", "a2": "GONE", "a3": "DELETED", "7": "ACTIVE"}


def test_entities_missing_from_an_answer_about_changes_stay(workspace, build):
    workspace.sync(build.run(build.walk({}, {"external_id": "a2"})))

    (change,) = workspace.warehouse.diff([build.run(build.heard({}), generation=2)])

    assert change.empty


def test_an_entity_heard_of_before_the_walk_but_not_in_it_is_gone_unless_it_is_an_account(workspace, build):
    heard = build.heard({}, {"level": "account", "external_id": "7"}, {"external_id": "a3", "status": "DELETED"})
    walk = build.walk({"external_id": "a2"}, at=build.now + timedelta(minutes=1))

    workspace.sync(build.run(walk, heard))

    assert statuses(workspace) == {"a1": "GONE", "7": "ACTIVE", "a2": "ACTIVE", "a3": "DELETED"}


def test_an_entity_heard_of_after_the_walk_lives(workspace, build):
    walk = build.walk({"external_id": "a2"})
    heard = build.heard({}, at=build.now + timedelta(minutes=1))

    workspace.sync(build.run(heard, walk))

    assert statuses(workspace) == {"a1": "ACTIVE", "a2": "ACTIVE"}


@pytest.mark.parametrize("status", ["GONE", "DELETED"])
def test_entities_of_which_only_a_status_is_said_keep_what_was_known_of_them(workspace, build, status):
    known = {"name": "Spring", "parent_id": "s1", "objective": "SALES", "attributes": '{"budget":1}'}
    workspace.sync(build.run(build.walk(known)))
    gone = build.confirmed(*status_rows("c1", {(Level.AD, "a1"): status, (Level.AD, "a2"): status}).to_pylist())

    workspace.sync(build.run(gone, generation=2))
    (again,) = workspace.warehouse.diff([build.run(gone, generation=3)])

    rows = workspace.rows("SELECT external_id, parent_id, name, status, objective, attributes FROM entities ORDER BY ALL")
    assert rows == [("a1", "s1", "Spring", status, "SALES", '{"budget":1}'), ("a2", None, None, status, None, "{}")]
    assert again.empty


def test_every_row_an_entity_ever_had_is_kept(workspace, build):
    workspace.sync(build.run(build.walk({"name": "Spring"})))
    workspace.sync(build.run(build.heard({"name": "Summer"}), generation=2))
    workspace.sync(build.run(build.walk(), generation=3))

    told = workspace.rows("SELECT name, status, changed_at, run_id FROM entity_changes ORDER BY generation")

    minutes = [build.now + timedelta(minutes=n) for n in (1, 2, 3)]
    assert told == [
        ("Spring", "ACTIVE", minutes[0], "c1-r1"),
        ("Summer", "ACTIVE", minutes[1], "c1-r2"),
        ("Summer", "GONE", minutes[2], "c1-r3"),
    ]
    assert workspace.row("SELECT first_seen_at, changed_at FROM entities") == (minutes[0], minutes[2])


# Leases, repeats, and several connections


def test_a_run_that_lost_its_lease_before_is_left_out(workspace, build):
    runs = [build.run(build.ads({"connection_id": name, "spend": 1}), connection_id=name) for name in ("c1", "c2")]

    applied = workspace.sync(*runs, holds_lease=Leases(**{"c1-r1": [False]}))

    assert applied == {"c2-r1"}
    assert workspace.rows(SPEND) == [("c2", "a1", 1)]


def test_a_run_that_loses_its_lease_during_the_transaction_is_left_out(workspace, build):
    runs = [
        build.run(build.walk({"connection_id": name}), build.ads({"connection_id": name, "spend": 1}), connection_id=name)
        for name in ("c1", "c2", "c3")
    ]
    leases = Leases(**{"c1-r1": [True, False], "c3-r1": [True, True, False]})

    applied = workspace.sync(*runs, holds_lease=leases)

    assert applied == {"c2-r1"}
    assert leases.asked == {("c1-r1", 1): 2, ("c2-r1", 1): 4, ("c3-r1", 1): 3}
    assert workspace.rows(SPEND) == [("c2", "a1", 1)]
    for table in ("entities", "entity_changes", "metric_changes", "sync_runs"):
        assert workspace.rows(f"SELECT connection_id FROM {table}") == [("c2",)]


def test_a_batch_that_lost_every_lease_writes_nothing(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))
    before = workspace.rows(FACTS)

    applied = workspace.sync(build.run(build.ads({"spend": 2}), generation=2), holds_lease=Leases(**{"c1-r2": [True, False]}))

    assert applied == set()
    assert workspace.rows(FACTS) == before
    assert workspace.warehouse.applied_since("c1-r2", 0) is None


def test_an_unchanged_run_without_its_lease_does_not_count_as_applied(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))

    applied = workspace.sync(build.run(build.ads({"spend": 1}), generation=2), holds_lease=Leases(**{"c1-r2": [False]}))

    assert applied == set()


def test_a_run_applied_twice_is_written_once(workspace, build):
    changes = workspace.warehouse.diff([build.run(build.ads(TEN), build.walk({}), build.totals(TEN | {"spend": 9}))])
    tables = ("metric_facts", "platform_totals", "metric_changes", "entities", "entity_changes", "unreported", "sync_runs")

    first = workspace.apply(changes)
    before = {table: workspace.rows(f"FROM {table}") for table in tables}
    second = workspace.apply(changes)

    assert (first, second) == ({"c1-r1"}, {"c1-r1"})
    assert {table: workspace.rows(f"FROM {table}") for table in tables} == before
    assert [len(rows) for rows in before.values()] == [1] * 7


def test_an_older_generation_is_not_applied_over_a_newer_one(workspace, build):
    old = workspace.warehouse.diff([build.run(build.ads({"spend": 1}), generation=1)])
    workspace.sync(build.run(build.ads({"spend": 2}), generation=2))

    applied = workspace.apply(old)

    assert applied == set()
    assert workspace.rows(SPEND) == [("c1", "a1", 2)]


def test_a_newer_generation_of_one_connection_does_not_keep_out_another(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 2}), generation=9))

    applied = workspace.sync(build.run(build.ads({"connection_id": "c2", "spend": 1}), connection_id="c2", generation=1))

    assert applied == {"c2-r1"}


def test_a_run_that_goes_on_after_a_restart_counts_all_its_parts(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1}), generation=1, run_id="r"))
    workspace.sync(build.run(build.ads({"spend": 2}, {"external_id": "a2"}), generation=2, run_id="r"))

    whole, last = (workspace.warehouse.applied_since("r", generation) for generation in (0, 1))

    assert (whole.counts, whole.changes) == (RunCounts(fetched=3, inserted=2, updated=1), 2)
    assert (last.counts, last.changes) == (RunCounts(fetched=2, inserted=1, updated=1), 1)
    assert workspace.warehouse.applied_since("r", 2) is None


def test_a_leg_that_wrote_only_entities_is_no_change_of_metrics(workspace, build):
    workspace.sync(build.run(build.walk({}), generation=1, run_id="r"))

    applied = workspace.warehouse.applied_since("r", 0)

    assert (applied.counts.entities_changed, applied.changes, applied.changed_at) == (1, 0, None)


def test_what_a_run_changed_of_complete_days_is_restated_and_first_numbers_and_today_are_not(workspace, build):
    days, old = {"since": LAST_WEEK, "until": TODAY}, {"date": LAST_WEEK}
    workspace.sync(build.noted(build.ads({"spend": 1}, old | {"spend": 1}, **days), generation=1, run_id="r"))
    news = build.ads({"spend": 2}, old | {"spend": 2}, old | {"external_id": "a2"}, **days)
    workspace.sync(build.noted(news, generation=2, run_id="s"))

    first, second = (workspace.warehouse.applied_since(run_id, 0) for run_id in ("r", "s"))

    assert first.restated is None
    assert second.restated == Restated(rows=2, since=LAST_WEEK, until=LAST_WEEK)


def test_connections_with_equal_ad_ids_stay_separate(workspace, build):
    def told(name, spend, generation):
        row = {"connection_id": name, "spend": spend}
        return build.run(build.walk({"connection_id": name}), build.ads(row), connection_id=name, generation=generation)

    workspace.sync(told("c1", 1, 1), told("c2", 2, 1))
    workspace.sync(told("c1", 1, 2), told("c2", 5, 2))
    workspace.sync(build.run(build.walk(), build.ads(), generation=3))

    assert workspace.rows(SPEND) == [("c1", "a1", 1), ("c2", "a1", 5)]
    assert workspace.rows("SELECT connection_id, status FROM entities ORDER BY ALL") == [("c1", "GONE"), ("c2", "ACTIVE")]


def test_a_changed_connection_is_kept_beside_the_numbers(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))

    renamed = build.connection(name="New name", timezone="Europe/Berlin")
    workspace.sync(build.run(build.ads({"spend": 2}), generation=2), connections=[renamed])

    found = workspace.rows("SELECT id, name, currency, timezone, gross_margin FROM connections")
    assert found == [("c1", "New name", "USD", "Europe/Berlin", Decimal("0.300000"))]


def test_a_batch_with_a_connection_twice_is_refused(workspace, build):
    one, two = build.run(build.ads(TEN)), build.run(build.ads(TEN), generation=2)
    changes = workspace.warehouse.diff([one]) + workspace.warehouse.diff([two])

    with pytest.raises(ValueError, match=r"^A batch holds each connection once\.$"):
        workspace.warehouse.diff([one, two])
    with pytest.raises(ValueError, match=r"^A batch holds each connection once\.$"):
        workspace.apply(changes)
    assert not workspace.path.exists()


# What must not get in


def test_rows_of_another_connection_are_refused(build):
    for answer in (build.ads({}, {"connection_id": "c2"}), build.totals({"connection_id": "c2"}), build.walk({"connection_id": "c2"})):
        with pytest.raises(ValueError, match="holds rows that are not of connection c1"):
            build.run(answer)


def test_rows_of_other_days_are_refused(build):
    with pytest.raises(ValueError, match="ads-2026-03-20-2026-03-20 holds days from 2026-03-13 to 2026-03-20"):
        build.run(build.ads({"date": LAST_WEEK}, {}))


def test_other_columns_are_refused(build):
    ads, walk = build.ads({}), build.walk({})
    wrong = [
        replace(ads, table=walk.table),
        replace(walk, table=ads.table),
        replace(ads, table=ads.table.drop_columns(["profit"])),
        replace(ads, table=ads.table.set_column(7, "spend", pa.array([1.5]))),
    ]

    for answer in wrong:
        with pytest.raises(ValueError, match="has other columns than the schema of its kind"):
            build.run(answer)


def test_a_fetch_of_numbers_without_days_is_refused(workspace, build):
    with pytest.raises(ValueError, match="A fetch of kind ads needs days"):
        workspace.warehouse.diff([build.run(build.ads(since=None, until=None))])


# The schema, the lock, and failures


def test_an_older_warehouse_is_brought_to_the_schema_of_today(workspace):
    version, tables = migrations()[0]
    with duckdb.connect(workspace.path) as database:
        database.execute("CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
        database.execute(tables)
        database.execute("INSERT INTO schema_version VALUES (?, now())", [version])

    assert workspace.warehouse.applied_since("c1-r1", 0) is None
    assert workspace.rows("FROM daily") == []
    assert workspace.rows("SELECT version FROM schema_version ORDER BY 1") == [(number,) for number, _ in migrations()]


def test_a_warehouse_of_a_newer_schema_is_refused(workspace, build):
    workspace.sync(build.run(build.ads(TEN)))
    change = workspace.warehouse.diff([build.run(build.ads({}), generation=2)])
    workspace.command("INSERT INTO schema_version VALUES (99, now())")
    before, latest = traces(workspace), migrations()[-1][0]
    warehouse = Warehouse(workspace.path, workspace.published)
    everything = [
        lambda: warehouse.diff([build.run(build.ads(), generation=2)]),
        lambda: warehouse.apply(change, holds_lease=lambda *_: True, connections=[]),
        lambda: warehouse.missing_entities(build.connection(), []),
        lambda: warehouse.applied_since("r", 0),
        lambda: warehouse.publish(min_interval_seconds=0),
    ]

    for method in everything:
        with pytest.raises(
            WarehouseNewer, match=rf"^The warehouse of workspace w has schema 99, this adpulse knows {latest}\. Nothing was"
        ):
            method()
    assert traces(workspace) == before


def test_a_second_process_that_holds_the_file_is_named_as_the_reason(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))
    changes = workspace.warehouse.diff([build.run(build.ads({"spend": 2}), generation=2)])
    message = (
        "Another program has the warehouse file of workspace w open. Nothing was written. "
        f"Close it there and read the published copy instead: {workspace.published}."
    )

    with Holder(workspace.path, read_only=False), pytest.raises(WarehouseBusy) as reading:
        workspace.warehouse.applied_since("c1-r1", 0)
    with Holder(workspace.path, read_only=True), pytest.raises(WarehouseBusy) as writing:
        workspace.apply(changes)
    after = workspace.apply(changes)

    assert (str(reading.value), str(writing.value)) == (message, message)
    assert after == {"c1-r2"}
    assert workspace.rows(SPEND) == [("c1", "a1", 2)]


def test_a_lock_that_stays_taken_is_given_up_on(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))
    changes = workspace.warehouse.diff([build.run(build.ads({"spend": 2}), generation=2)])
    impatient = Warehouse(workspace.path, workspace.published, lock_timeout=0.05)
    everything = [
        lambda: impatient.applied_since("c1-r1", 0),
        lambda: impatient.apply(changes, holds_lease=lambda *_: True, connections=[build.connection()]),
        lambda: impatient.publish(min_interval_seconds=0),
    ]

    with exclusive(workspace.path.with_suffix(".lock"), 1):
        for method in everything:
            with pytest.raises(WarehouseBusy) as busy:
                method()
            assert str(busy.value) == (
                "The warehouse of workspace w was in use for 0.05 s. Nothing was written. "
                "Try again; if this repeats, end the process that hangs while it syncs this workspace."
            )

    assert [bool(impatient.applied_since(run, 0)) for run in ("c1-r1", "c1-r2")] == [True, False]
    assert workspace.rows(SPEND) == [("c1", "a1", 1)]


def test_nothing_to_apply_does_not_wait_for_the_lock(workspace, build):
    unchanged = workspace.warehouse.diff([build.run(build.ads())])
    impatient = Warehouse(workspace.path, workspace.published, lock_timeout=0)

    with exclusive(workspace.path.with_suffix(".lock"), 1):
        applied = impatient.apply(unchanged, holds_lease=lambda *_: True, connections=[])

    assert applied == {"c1-r1"}


def test_a_failed_transaction_leaves_the_old_state(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1}), build.walk({})))
    (change,) = workspace.warehouse.diff(
        [build.run(build.ads({"spend": 2}, {"external_id": "a2"}), build.walk({"name": "x"}), generation=2)]
    )
    broken = change.entities.set_column(7, "attributes", pa.array([None], pa.string()))
    before = {table: workspace.rows(f"FROM {table}") for table in ("metric_facts", "metric_changes", "entities", "sync_runs")}

    with pytest.raises(duckdb.ConstraintException):
        workspace.apply([replace(change, entities=broken)])
    found = {table: workspace.rows(f"FROM {table}") for table in before}
    applied = workspace.apply([change])

    assert found == before
    assert applied == {"c1-r2"}
    assert workspace.rows(SPEND) == [("c1", "a1", 2), ("c1", "a2", 0)]


def killed(workspace, code):
    """Run ``code`` in another process that kills itself at some point; ``warehouse`` and ``build`` are known to it."""
    setting = f"""
import importlib.util, os, signal
from pathlib import Path
from storage.warehouse.warehouse import Warehouse
spec = importlib.util.spec_from_file_location("fixtures", {str(ROOT / "tests/storage/conftest.py")!r})
fixtures = importlib.util.module_from_spec(spec)
spec.loader.exec_module(fixtures)
build = fixtures.Builder()
warehouse = Warehouse(Path({str(workspace.path)!r}), Path({str(workspace.published)!r}))
"""
    paths = {"PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(
        [sys.executable, "-c", setting + code], cwd=ROOT, env=os.environ | paths, check=False, capture_output=True, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


KILLED_BEFORE_THE_COMMIT = """
answers = iter([True])
def held(run_id, generation):
    return next(answers, None) or os.kill(os.getpid(), signal.SIGKILL)
changes = warehouse.diff([build.run(build.ads({"spend": 2}), build.walk({}), generation=2)])
warehouse.apply(changes, holds_lease=held, connections=[build.connection()])
"""


def test_a_writer_killed_before_the_commit_leaves_the_old_state(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))
    before = workspace.rows(FACTS)

    killed(workspace, KILLED_BEFORE_THE_COMMIT)
    after = workspace.rows(FACTS)
    applied = workspace.sync(build.run(build.ads({"spend": 2}), build.walk({}), generation=3))

    assert after == before
    assert applied == {"c1-r3"}
    assert workspace.rows(SPEND) == [("c1", "a1", 2)]


def test_a_killed_writer_of_the_first_file_leaves_none_without_tables(workspace, build):
    leftover = workspace.path.with_suffix(".new")
    leftover.write_bytes(b"half a file")
    leftover.with_name(f"{leftover.name}.wal").write_bytes(b"half a log")

    applied = workspace.sync(build.run(build.ads({"spend": 2})))

    assert applied == {"c1-r1"}
    assert workspace.files() == ["w.duckdb", "w.lock"]


# The views


def test_the_rows_of_a_campaign_add_up_to_its_total(workspace, build):
    total = {metric: 1_000_000 * n for n, metric in enumerate(METRICS, start=3)}
    ads = build.ads(TEN, TEN | {"external_id": "a2"}, {"external_id": "b1", "campaign_id": "k2", "spend": 4})
    totals = build.totals(total, {"external_id": "k2", "campaign_id": "k2", "spend": 4})
    names = build.walk({"name": "Ad"}, {"level": "campaign", "external_id": "k1", "name": "Spring"})

    workspace.sync(build.run(ads, totals, names))

    sums = ", ".join(f"sum({metric})" for metric in METRICS)
    expected = [total["impressions"], total["clicks"], *(Decimal(total[metric]) / 1_000_000 for metric in MONEY)]
    assert workspace.row(f"SELECT {sums} FROM daily WHERE campaign_id = 'k1'") == tuple(expected)
    found = workspace.rows("SELECT level, external_id, name, campaign, spend FROM daily ORDER BY ALL")
    assert found == [
        ("ad", "a1", "Ad", "Spring", Decimal("0.000003")),
        ("ad", "a2", None, "Spring", Decimal("0.000003")),
        ("ad", "b1", None, None, Decimal("0.000004")),
        ("unreported", "", "not reported at ad level", "Spring", Decimal("4.999994")),
    ]


def test_a_remainder_follows_its_total_and_disappears_with_it(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 2}), build.totals({"spend": 5})))

    workspace.sync(build.run(build.totals({"spend": 9}), generation=2))
    grown = workspace.rows("SELECT spend FROM daily WHERE level = 'unreported'")
    workspace.sync(build.run(build.ads({"spend": 9}), build.totals({"spend": 9}), generation=3))

    assert grown == [(Decimal("0.000007"),)]
    assert workspace.rows("SELECT level, spend FROM daily") == [("ad", Decimal("0.000009"))]


def test_a_running_day_keeps_its_remainder_between_two_reads_of_the_totals(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 2}), build.totals({"spend": 5})))

    workspace.sync(build.run(build.ads({"spend": 4}), generation=2))

    assert workspace.rows("SELECT level, spend FROM daily ORDER BY ALL") == [
        ("ad", Decimal("0.000004")),
        ("unreported", Decimal("0.000003")),
    ]


def test_a_closed_days_remainder_moves_with_its_leaves(workspace, build):
    days = {"since": LAST_WEEK, "until": LAST_WEEK}
    workspace.sync(build.run(build.ads({"spend": 2, "date": LAST_WEEK}, **days), build.totals({"spend": 5, "date": LAST_WEEK}, **days)))

    workspace.sync(build.run(build.ads({"spend": 4, "date": LAST_WEEK}, **days), generation=2))

    assert workspace.rows("SELECT level, spend FROM daily ORDER BY ALL") == [
        ("ad", Decimal("0.000004")),
        ("unreported", Decimal("0.000001")),
    ]


def test_the_first_leaves_of_a_running_day_take_their_part_of_the_remainder(workspace, build):
    workspace.sync(build.run(build.totals({"spend": 5})))

    workspace.sync(build.run(build.ads({"spend": 4}), generation=2))

    assert workspace.rows("SELECT level, spend FROM daily ORDER BY ALL") == [
        ("ad", Decimal("0.000004")),
        ("unreported", Decimal("0.000001")),
    ]


def test_a_remainder_is_unknown_where_the_total_is(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 2, "leads": 1}), build.totals({"spend": 5, "leads": None})))

    assert workspace.row("SELECT spend, leads FROM daily WHERE level = 'unreported'") == (Decimal("0.000003"), None)


def test_account_totals_are_no_campaigns_remainder(workspace, build):
    workspace.sync(build.run(build.totals({"level": "account", "external_id": "7", "campaign_id": "", "spend": 5})))

    assert workspace.rows("FROM daily") == []
    assert workspace.row("SELECT level, spend FROM platform_totals") == ("account", 5)


def test_restatements_say_from_what_to_what_and_how_late(workspace, build):
    connection = build.connection(timezone="Pacific/Auckland", currency="NZD")
    rows = [{"spend": 1_234_567, "clicks": 3}, {"spend": 1_000_000, "clicks": 3}, {"spend": 1_000_000, "clicks": 4, "profit": -1}]
    moments = [datetime(2026, 3, 20, 15, tzinfo=UTC), datetime(2026, 3, 20, 15, 30, tzinfo=UTC), datetime(2026, 3, 21, 12, tzinfo=UTC)]
    for generation, (row, now) in enumerate(zip(rows, moments, strict=True), start=1):
        read = build.noted(
            build.ads(row), build.totals(row), build.heard({"name": "Ad"}), generation=generation, now=now, connection=connection
        )
        workspace.sync(read, connections=[connection])

    found = workspace.rows(
        "SELECT connection, currency, date, changed_at, age_days, external_id, name, metric, before, after, delta "
        "FROM restatements ORDER BY changed_at, metric"
    )

    head = ("Account c1", "NZD", TODAY)
    assert found == [
        (*head, moments[1], 1, "a1", "Ad", "spend", Decimal("1.234567"), Decimal(1), Decimal("-0.234567")),
        (*head, moments[2], 2, "a1", "Ad", "clicks", Decimal(3), Decimal(4), Decimal(1)),
        (*head, moments[2], 2, "a1", "Ad", "profit", Decimal(0), Decimal("-0.000001"), Decimal("-0.000001")),
    ]


def test_a_change_made_at_the_same_instant_follows_by_its_generation(workspace, build):
    for generation in (1, 2, 3):
        workspace.sync(build.run(build.ads({"spend": generation * 10}), generation=generation, now=build.now))

    found = workspace.rows("SELECT before, after FROM changes WHERE kind = 'completion' ORDER BY after")

    assert found == [(Decimal("0.000010"), Decimal("0.000020")), (Decimal("0.000020"), Decimal("0.000030"))]


def test_intraday_is_the_running_total_at_every_change(workspace, build):
    first, second, third = ({"spend": 100_000, "impressions": 10}, {"spend": 300_001, "impressions": 12}, {"spend": 50, "impressions": 1})
    workspace.sync(build.run(build.ads(first, {"external_id": "a2", "spend": 200_000})))
    workspace.sync(build.run(build.ads(second, {"external_id": "a2", "spend": 200_000}), generation=2))
    workspace.sync(build.run(build.ads(second, third | {"external_id": "a2"}), generation=3))

    found = workspace.rows("SELECT date, changed_at, currency, impressions, spend FROM intraday ORDER BY changed_at")

    minutes = [build.now + timedelta(minutes=n) for n in (1, 2, 3)]
    assert found == [
        (TODAY, minutes[0], "USD", 10, Decimal("0.3")),
        (TODAY, minutes[1], "USD", 12, Decimal("0.500001")),
        (TODAY, minutes[2], "USD", 13, Decimal("0.300051")),
    ]


def test_intraday_does_not_add_up_two_accounts(workspace, build):
    runs = [
        build.run(build.ads({"connection_id": name, "spend": n * 10}), connection_id=name) for n, name in enumerate(("c1", "c2"), start=1)
    ]
    berlin = build.connection("c2", currency="EUR")

    workspace.sync(*runs, connections=[berlin])

    found = workspace.rows("SELECT connection_id, currency, spend FROM intraday ORDER BY ALL")
    assert found == [("c1", "USD", Decimal("0.00001")), ("c2", "EUR", Decimal("0.00002"))]


@pytest.mark.parametrize(
    ("view", "exact"),
    [
        ("daily", dict.fromkeys(MONEY, "DECIMAL(26,6)")),
        ("intraday", dict.fromkeys(MONEY, "DECIMAL(38,6)")),
        ("changes", dict.fromkeys(("before", "after", "delta"), "DECIMAL(26,6)")),
    ],
)
def test_money_in_a_view_is_decimal_and_nothing_is_a_double(workspace, build, view, exact):
    workspace.sync(build.run(build.ads(TEN)))

    types = {name: kind for name, kind, *_ in workspace.rows(f"DESCRIBE {view}")}

    assert {name: types[name] for name in exact} == exact
    assert not {"DOUBLE", "FLOAT"} & set(types.values())


def test_ten_million_cents_add_up_to_the_cent(workspace, build):
    workspace.sync(build.run(build.heard({})))
    zeros = ", ".join(f"0 AS {metric}" for metric in METRICS if metric != "spend")
    workspace.command(
        "INSERT INTO metric_facts BY NAME SELECT 'c1' AS connection_id, 'ad' AS level, (n // 1000)::VARCHAR AS external_id, "
        f"'k1' AS campaign_id, DATE '2020-01-01' + (n % 1000)::INTEGER AS date, 10_000 AS spend, {zeros}, now() AS first_seen_at, "
        "now() AS changed_at, 'r' AS run_id FROM range(100_000) numbers(n)"
    )

    found = workspace.row("SELECT count(*), sum(spend), typeof(sum(spend)) FROM daily, range(100)")

    assert found == (10_000_000, Decimal("100000.000000"), "DECIMAL(38,6)")
