"""What three more metrics find in a warehouse that was made without them; ``test_more_metrics.py`` runs this in a process of its own."""

import os
from datetime import timedelta
from pathlib import Path

import pytest
from more_metrics import NAMES

from adpulse.metrics import METRICS
from storage.staging import Staging

COLUMNS = ", ".join(NAMES)
NEVER = (None, None, None)


@pytest.fixture
def old(workspace, build):
    """The warehouse of the version before."""
    return type(workspace)(Path(os.environ["OLD_WAREHOUSE"]), build)


@pytest.fixture
def yesterday(build):
    return build.today - timedelta(days=1)


@pytest.fixture
def read_again(build, yesterday):
    """Makes a run that read yesterday anew, and not today."""

    def run(told, generation):
        row = {"date": yesterday, "impressions": 500, "spend": 900_000, "profit": -900_000, **dict.fromkeys(NAMES, 0), **told}
        days = {"since": yesterday, "until": yesterday}
        answers = build.ads(row, **days), build.totals(row | {"reach": 70}, **days)
        return build.noted(*answers, generation=generation, now=build.now + timedelta(hours=generation))

    return run


def test_an_old_file_gets_the_columns_and_what_was_never_read_is_null(old, read_again):
    before = old.path.stat().st_mtime_ns

    assert old.warehouse.diff([read_again({}, 9)])

    assert old.path.stat().st_mtime_ns != before
    for table in ("metric_facts", "metric_changes", "platform_totals", "unreported"):
        assert set(old.rows(f"SELECT {COLUMNS} FROM {table}")) == {NEVER}
    assert set(old.rows(f"SELECT {COLUMNS} FROM daily")) == {NEVER}
    assert set(old.rows("SELECT views, bookings FROM intraday")) == {(None, None)}
    assert "reach" not in {name for (name,) in old.rows("SELECT column_name FROM (DESCRIBE intraday)")}
    assert old.warehouse.publish(min_interval_seconds=0)
    assert old.rows("SELECT count(*) FROM restatements") == [(0,)]


def test_a_metric_that_is_read_for_the_first_time_restates_nothing(old, build, read_again, yesterday):
    old.sync(read_again(dict.fromkeys(NAMES), 8))  # now the day is complete
    old.sync(read_again({"views": 40, "reach": 30, "bookings": 2_000_000}, 9))

    assert old.rows(f"SELECT changed, cause, {COLUMNS} FROM metric_changes WHERE generation = 9") == [
        (7168, "first read", 40, 30, 2_000_000)
    ]
    assert old.rows("SELECT * FROM restatements") == []
    assert old.warehouse.applied_since("c1-r9", 0).restated is None
    assert old.rows(f"SELECT date, {COLUMNS} FROM metric_facts ORDER BY date") == [(yesterday, 40, 30, 2_000_000), (build.today, *NEVER)]
    left = old.rows(f"SELECT impressions, {COLUMNS} FROM unreported WHERE date = ?", [yesterday])
    assert left == [(0, 0, None, 0)]
    assert old.rows(f"SELECT {COLUMNS} FROM platform_totals WHERE date = ?", [yesterday]) == [(40, 70, 2_000_000)]

    old.sync(read_again({"views": 44, "reach": 29, "bookings": 2_000_000}, 10))

    told = [("views", 40, 44), ("reach", 30, 29)]
    assert sorted(old.rows("SELECT metric, before, after FROM restatements")) == sorted(told)
    assert old.warehouse.applied_since("c1-r10", 0).restated.rows == 1


def test_a_remainder_of_a_metric_that_the_leaves_never_told_is_not_known(old, build):
    run = build.run(build.totals({"impressions": 1_000, "views": 7}), generation=9, now=build.now + timedelta(hours=9))

    old.sync(run)

    assert old.rows("SELECT impressions, views, reach FROM unreported WHERE date = ?", [build.today]) == [(900, None, None)]


def test_what_the_platform_does_not_tell_stays_null_and_what_it_stops_telling_stays_as_it_was(old, read_again, yesterday):
    silent = dict.fromkeys(NAMES)
    old.sync(read_again(silent | {"clicks": 3}, 9))
    assert old.rows(f"SELECT clicks, {COLUMNS} FROM metric_facts WHERE date = ?", [yesterday]) == [(3, *NEVER)]

    old.sync(read_again({"views": 8}, 10))
    old.sync(read_again(silent | {"clicks": 4}, 11))

    assert old.rows("SELECT clicks, views FROM metric_facts WHERE date = ?", [yesterday]) == [(4, 8)]


def test_what_the_version_before_staged_is_read_with_nulls():
    staging = Staging(Path(os.environ["OLD_STAGING"]))

    (answer,) = staging.read("c1-r2")
    changes = staging.changes("c1-r2")

    for table in (answer.table, changes.facts, changes.totals):
        assert list(METRICS) == [name for name in table.column_names if name in METRICS]
        assert {name: table[name].null_count for name in NAMES} == dict.fromkeys(NAMES, table.num_rows)
    assert answer.table["impressions"].to_pylist() == [1]
