"""The copy for readers: equal to the warehouse, read-only, and never taken from under anyone."""

import hashlib
import os
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest
from disk import files_no_longer_than

from adpulse.errors import DiskFull, Usage
from storage.warehouse import analytics
from storage.warehouse.analytics import is_due, read, read_together
from storage.warehouse.kept_answers import kept_for_each_copy, newest_kept_for_each_copy
from storage.warehouse.schema import find_tables

TABLES = ("connections", "metric_facts", "platform_totals", "unreported", "metric_changes", "entities", "entity_changes", "sync_runs")
HOUR = 3600.0


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def content(path):
    """Every row of every table and view; instants as UTC."""
    with duckdb.connect(path, read_only=True) as database:
        database.execute("SET TimeZone = 'UTC'")
        find_tables(database)
        views = ("daily", "intraday", "changes")
        return {name: database.execute(f"FROM {name} ORDER BY ALL").fetchall() for name in (*TABLES, *views)}


def spend_of(published):
    return read(published, "SELECT sum(spend) AS spend FROM metric_facts").to_pylist()[0]["spend"]


class Reader:
    """Another process with the copy open; answers the same question as often as asked."""

    CODE = """
import sys, duckdb
copy = duckdb.connect(sys.argv[1], read_only=True)
for _ in sys.stdin:
    print(copy.sql("SELECT sum(spend) FROM raw.metric_facts").fetchall()[0][0], flush=True)
"""

    def __init__(self, path):
        self._process = subprocess.Popen(
            [sys.executable, "-c", self.CODE, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def spend(self):
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.communicate()


@pytest.fixture
def spend(workspace, build):
    """Syncs a sum of money; each call is a newer run."""
    done = []

    def sync(amount):
        done.append(amount)
        workspace.sync(build.run(build.ads({"spend": amount}), generation=len(done)))

    return sync


def test_the_copy_equals_the_warehouse(workspace, build):
    totals = build.totals({"spend": 9}, {"level": "account", "external_id": "7", "campaign_id": "", "spend": 9})
    workspace.sync(build.run(build.walk({"name": "Été"}), build.ads({"spend": 5}), totals))
    workspace.sync(build.run(build.ads({"spend": 6}), generation=2))

    renewed = workspace.warehouse.publish(min_interval_seconds=0)

    assert renewed
    assert content(workspace.published) == content(workspace.path)
    assert digest(workspace.published) == digest(workspace.path)
    assert {name: len(rows) for name, rows in content(workspace.published).items()} == {
        "connections": 1,
        "metric_facts": 1,
        "platform_totals": 2,
        "unreported": 1,
        "metric_changes": 2,
        "entities": 1,
        "entity_changes": 1,
        "sync_runs": 2,
        "daily": 2,
        "intraday": 2,
        "changes": 3,
    }


def test_only_the_copy_is_left_in_its_folder(workspace, spend):
    for amount in (1, 2):
        spend(amount)
        workspace.warehouse.publish(min_interval_seconds=0)

    assert [path.name for path in workspace.published.parent.iterdir()] == ["w.duckdb"]
    assert workspace.files() == ["published", "w.duckdb", "w.lock"]


def test_leftovers_of_a_killed_copy_do_not_matter(workspace, spend):
    spend(1)
    workspace.published.parent.mkdir()
    leftover = workspace.published.with_name(".w.duckdb.new")
    leftover.write_bytes(b"half a copy")
    leftover.chmod(0o444)

    renewed = workspace.warehouse.publish(min_interval_seconds=0)

    assert renewed
    assert spend_of(workspace.published) == 1
    assert not leftover.exists()


def test_the_copy_may_only_be_read_and_only_by_its_owner(workspace, spend):
    spend(1)

    workspace.warehouse.publish(min_interval_seconds=0)

    assert workspace.published.stat().st_mode & 0o777 == 0o400


def test_an_open_reader_keeps_its_copy_while_a_new_one_is_put_in_place(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)

    with Reader(workspace.published) as reader:
        before = reader.spend()
        spend(2)
        renewed = workspace.warehouse.publish(min_interval_seconds=0)
        kept = reader.spend()
        with Reader(workspace.published) as later:
            new = later.spend()

    assert renewed
    assert (before, kept, new) == (1, 1, 2)
    assert spend_of(workspace.published) == 2


def test_an_open_reader_of_the_copy_does_not_keep_out_a_sync(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)

    with Reader(workspace.published) as reader:
        reader.spend()
        spend(2)

    assert workspace.value("SELECT spend FROM metric_facts") == 2


def test_nothing_is_copied_when_nothing_changed(workspace, build, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    before = workspace.published.stat()

    workspace.sync(build.run(build.ads({"spend": 1}), generation=2))
    renewed = workspace.warehouse.publish(min_interval_seconds=0)

    after = workspace.published.stat()
    assert not renewed
    assert (after.st_ino, after.st_mtime_ns, after.st_ctime_ns) == (before.st_ino, before.st_mtime_ns, before.st_ctime_ns)


def test_nothing_is_copied_when_there_is_no_warehouse(workspace):
    renewed = workspace.warehouse.publish(min_interval_seconds=0)

    assert not renewed
    assert not workspace.path.exists()
    assert not workspace.published.exists()


def test_the_first_copy_does_not_wait_for_the_interval(workspace, spend):
    spend(1)

    renewed = workspace.warehouse.publish(min_interval_seconds=HOUR)

    assert renewed
    assert spend_of(workspace.published) == 1


def test_a_copy_is_not_renewed_before_the_interval_is_over(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    spend(2)

    early = workspace.warehouse.publish(min_interval_seconds=HOUR)
    kept = spend_of(workspace.published)
    at_last = workspace.warehouse.publish(min_interval_seconds=0)

    assert (early, kept, at_last) == (False, 1, True)
    assert spend_of(workspace.published) == 2


def test_a_copy_is_renewed_once_the_interval_is_over(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    spend(2)
    put_there = workspace.published.stat().st_ctime
    while time.time() - put_there < 0.1:
        time.sleep(0.01)

    renewed = workspace.warehouse.publish(min_interval_seconds=0.1)

    assert renewed
    assert spend_of(workspace.published) == 2


def test_how_old_a_copy_is_counts_from_when_it_was_put_there_not_from_the_warehouses_time(workspace, spend):
    spend(1)
    long_ago = workspace.path.stat().st_mtime - 10 * HOUR
    os.utime(workspace.path, (long_ago, long_ago))
    workspace.warehouse.publish(min_interval_seconds=0)
    os.utime(workspace.path, (long_ago + 1, long_ago + 1))

    early = is_due(workspace.path, workspace.published, HOUR)
    later = is_due(workspace.path, workspace.published, 0)

    assert (early, later) == (False, True)


def test_a_warehouse_put_back_from_a_backup_is_published_though_it_is_older(workspace, spend):
    spend(1)
    backup, moment = workspace.path.read_bytes(), workspace.path.stat().st_mtime_ns
    spend(2)
    workspace.warehouse.publish(min_interval_seconds=0)
    workspace.path.write_bytes(backup)
    os.utime(workspace.path, ns=(moment, moment))

    renewed = workspace.warehouse.publish(min_interval_seconds=0)

    assert renewed
    assert spend_of(workspace.published) == 1


def test_what_a_killed_writer_had_committed_is_published(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    code = (
        "import os, sys, duckdb; file = duckdb.connect(sys.argv[1]); file.execute('UPDATE raw.metric_facts SET spend = 2'); "
        "os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(workspace.path)], check=False)
    log = workspace.path.with_name("w.duckdb.wal")
    log_was_left = log.exists()

    renewed = workspace.warehouse.publish(min_interval_seconds=0)
    again = workspace.warehouse.publish(min_interval_seconds=0)

    assert log_was_left
    assert (renewed, again) == (True, False)
    assert spend_of(workspace.published) == 2
    assert not log.exists()


def test_a_copy_that_cannot_be_written_leaves_the_one_before(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    spend(2)

    with files_no_longer_than(4096), pytest.raises(DiskFull, match="Free some space"):
        workspace.warehouse.publish(min_interval_seconds=0)
    assert [path.name for path in workspace.published.parent.iterdir()] == ["w.duckdb"]
    kept = spend_of(workspace.published)
    renewed = workspace.warehouse.publish(min_interval_seconds=0)

    assert kept == 1
    assert renewed
    assert spend_of(workspace.published) == 2


def test_reading_takes_parameters_and_answers_with_a_table(workspace, spend):
    spend(1_500_000)
    workspace.warehouse.publish(min_interval_seconds=0)

    found = read(workspace.published, "SELECT external_id, spend::VARCHAR AS spend FROM daily WHERE external_id = ?", ["a1"])

    assert found.to_pylist() == [{"external_id": "a1", "spend": "1.500000"}]


def test_reading_cannot_write(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)

    with pytest.raises(duckdb.InvalidInputException, match="read-only"):
        read(workspace.published, "DELETE FROM metric_facts")

    assert spend_of(workspace.published) == 1


def test_reading_without_a_copy_says_what_to_do(workspace, spend):
    spend(1)

    with pytest.raises(Usage) as refused:
        read(workspace.published, "SELECT 1")

    assert str(refused.value) == "Nothing was published yet: there is no w.duckdb. Sync a connection of the workspace first."


def test_a_new_copy_is_read_although_somebody_has_the_one_before_open(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    with duckdb.connect(workspace.published, read_only=True):
        spend(7)
        workspace.warehouse.publish(min_interval_seconds=0)

        assert read(workspace.published, "SELECT sum(spend) AS spend FROM metric_facts").to_pylist() == [{"spend": 7}]


def test_readers_at_once_leave_four_instances_idle(workspace, spend):
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    queries = [("SELECT sum(spend) AS spend FROM metric_facts", ())] * 3
    with ThreadPoolExecutor(9) as threads:
        answers = list(threads.map(lambda _: read_together(workspace.published, queries), range(36)))

    assert {table.to_pylist()[0]["spend"] for answer in answers for table in answer} == {1}
    assert 1 <= len(analytics.IDLE) <= analytics.MOST_IDLE


class Answer:
    """Something that a test can see go."""


@pytest.mark.parametrize("keeping", [kept_for_each_copy, newest_kept_for_each_copy])
def test_answers_about_an_older_copy_go_with_the_first_about_a_newer(workspace, spend, keeping):
    @keeping
    def answer(published, _number):
        return published.exists() and Answer()

    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    of_older = weakref.ref(answer(workspace.published, 1))
    spend(7)
    workspace.warehouse.publish(min_interval_seconds=0)
    answer(workspace.published, 2)

    assert of_older() is None


def test_of_a_question_about_now_only_the_last_answer_is_kept(workspace, spend):
    asked = []

    @newest_kept_for_each_copy
    def answer(_, number):
        asked.append(number)
        return number

    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)

    assert [answer(workspace.published, number) for number in (1, 1, 2, 2, 1)] == [1, 1, 2, 2, 1]
    assert asked == [1, 2, 1]


def test_an_answer_is_kept_until_another_copy_is_published_and_never_from_before_the_first(workspace, spend):
    asked = []

    @kept_for_each_copy
    def spend_of_copy(published, number):
        asked.append(number)
        return (number, read(published, "SELECT sum(spend) AS spend FROM metric_facts").to_pylist()[0]["spend"])

    with pytest.raises(Usage):
        spend_of_copy(workspace.published, 1)
    spend(1)
    workspace.warehouse.publish(min_interval_seconds=0)
    first = [spend_of_copy(workspace.published, number) for number in (1, 2, 1)]
    spend(7)
    workspace.warehouse.publish(min_interval_seconds=0)

    assert first == [(1, 1), (2, 1), (1, 1)]
    assert spend_of_copy(workspace.published, 1) == (1, 7)
    assert asked == [1, 1, 2, 1], "once before there was a copy, once for each question and copy"
