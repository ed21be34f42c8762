"""More metrics than there are: in processes of their own, as a metric is declared before anything is imported."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from repeats import first_quick

from adpulse.errors import WarehouseNewer
from adpulse.metrics import METRICS
from storage.staging import Staging
from storage.warehouse import schema

HERE = Path(__file__).parent


def checked(*arguments, **variables):
    """Run tests with the plugin; what they printed."""
    paths = os.pathsep.join((str(HERE.parent), str(HERE)))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "more_metrics", "-p", "no:cacheprovider", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": paths, **{name: str(value) for name, value in variables.items()}}
    done = subprocess.run(command, env=environment, cwd=HERE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr
    return done.stdout


@pytest.fixture
def old(workspace, build):
    """Two days of a leaf and its campaign, which has more impressions, as this version stores them."""
    yesterday = build.today - timedelta(days=1)
    rows = [{"impressions": 100, "spend": 400_000}, {"date": yesterday, "impressions": 500, "spend": 900_000}]
    days = {"since": yesterday, "until": build.today}
    totals = [row | {"impressions": row["impressions"] + 50} for row in rows]
    workspace.sync(build.run(build.ads(*rows, **days), build.totals(*totals, **days)))
    workspace.warehouse.publish(min_interval_seconds=0)
    return workspace


@pytest.mark.parametrize("parts", first_quick(["delivered or changes", "not delivered and not changes"]))  # as those that there are
def test_every_statement_takes_each_of_them_as_its_own(parts):
    assert "0 failed" not in checked(HERE / "test_columns.py", "-k", f"goes_through and ({parts})")


@pytest.mark.parametrize(
    "check",
    first_quick(
        [
            "an_old_file_gets_the_columns",
            "restates_nothing",
            "the_leaves_never_told",
            "what_the_platform_does_not_tell",
        ]
    ),
)
def test_a_warehouse_without_them_gets_them(old, check):
    checked(HERE / "check_more_metrics.py", "-k", check, OLD_WAREHOUSE=old.path.parent)


def test_what_was_staged_without_them_is_read(tmp_path, workspace, build):
    run = build.run(build.ads({"impressions": 1}), generation=2)
    staging = Staging(tmp_path / "staging")
    staging.write(run.run_id, run.fetched[0])
    staging.write_changes(workspace.warehouse.diff([run])[0])

    checked(HERE / "check_more_metrics.py", "-k", "staged", OLD_STAGING=tmp_path / "staging")


@pytest.mark.slow
def test_a_file_with_metrics_of_a_newer_version_is_left_alone(old, build):
    checked(HERE / "check_more_metrics.py", "-k", "gets_the_columns", OLD_WAREHOUSE=old.path.parent)
    before = old.path.read_bytes()

    with pytest.raises(WarehouseNewer, match=r"has a metric that this adpulse does not know: bookings, reach, views\. Nothing was"):
        old.warehouse.diff([build.run()])

    assert old.path.read_bytes() == before


def test_views_are_made_anew_when_their_text_has_changed_and_only_then(old, build, monkeypatch):
    def as_it_opens():
        old.warehouse._last_fingerprint = ()
        old.warehouse.diff([build.run(generation=5)])
        return old.path.stat().st_mtime_ns

    before = as_it_opens()
    assert as_it_opens() == before

    text = schema.query("views")
    monkeypatch.setattr(schema, "query", lambda _: text + "CREATE OR REPLACE VIEW extra AS SELECT 42 AS answer;")

    assert as_it_opens() > before
    assert old.value("SELECT answer FROM extra") == 42
    assert old.warehouse.publish(min_interval_seconds=0)


def test_bits_are_written_numbers():
    """What is stored in ``changed`` means the same for ever: a number that was given is not given to another metric."""
    assert {metric.bit: name for name, metric in METRICS.items()} == {
        1: "impressions", 2: "clicks", 4: "spend", 8: "conversions", 16: "revenue",
        32: "leads", 64: "installs", 128: "purchases", 256: "visitors", 512: "profit",
    }  # fmt: skip
