"""A connection leaves its workspace's file without a trace, the others stay as they are, and a kill in the middle loses nothing."""

import os
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
from disk import files_no_longer_than

from adpulse.errors import DiskFull, WarehouseDamaged
from storage.warehouse.erasure import Contents

_HISTORIES = ("metric_changes", "total_changes", "entity_changes")
TABLES = ("metric_facts", "platform_totals", "unreported", *_HISTORIES, "entities", "sync_runs", "connections")


def rows_of(workspace, table):
    """Every row of a table, as text, by connection."""
    column = "id" if table == "connections" else "connection_id"
    return {key: sorted(map(str, rows)) for key, rows in _grouped(workspace.rows(f"SELECT {column}, * FROM {table}"))}


def _grouped(rows):
    found = {}
    for key, *row in rows:
        found.setdefault(key, []).append(row)
    return found.items()


def test_what_a_connection_has_is_counted_in_the_published_copy(three, build):
    found = three.warehouse.contents("c2")

    assert (found.rows, found.days, found.since, found.entities) == (6, 3, build.today - timedelta(days=2), 1)
    assert found.changes == three.value("SELECT count(*) FROM metric_changes WHERE connection_id = 'c2'") + three.value(
        "SELECT count(*) FROM entity_changes WHERE connection_id = 'c2'"
    )
    assert three.warehouse.contents("nobody") == Contents()


def test_nothing_was_published_so_nothing_is_counted(workspace):
    assert workspace.warehouse.contents("c1") == Contents()


def test_a_copy_that_cannot_be_read_is_told(three):
    three.published.chmod(0o644)
    three.published.write_bytes(b"notes of somebody")

    with pytest.raises(WarehouseDamaged, match="the next sweep puts a new one there"):
        three.warehouse.contents("c2")


def test_a_connection_is_erased_and_the_others_keep_every_row(three):
    before = {table: rows_of(three, table) for table in TABLES}
    assert all("c2" in rows for rows in before.values())

    three.warehouse.erase("c2")

    assert {table: rows_of(three, table) for table in TABLES} == {
        table: {key: rows for key, rows in found.items() if key != "c2"} for table, found in before.items()
    }
    with duckdb.connect(three.published, read_only=True) as copy:
        assert copy.sql("SELECT DISTINCT connection_id FROM daily ORDER BY ALL").fetchall() == [("c1",), ("c3",)]


def test_nothing_of_it_is_left_in_the_bytes(three):
    name = three.value("SELECT name FROM entities WHERE connection_id = 'c2'").encode()
    assert name in three.path.read_bytes()

    three.warehouse.erase("c2")

    left = [path.name for path in three.path.parent.rglob("*") if path.is_file() and name in path.read_bytes()]
    assert left == []


def test_the_file_can_be_written_and_read_as_before(three, build):
    three.warehouse.erase("c2")

    key = {"connection_id": "c1", "spend": 99}
    assert three.sync(build.run(build.ads(key), generation=3, connection_id="c1")) == {"c1-r3"}
    assert three.value("SELECT count(*) FROM metric_facts WHERE connection_id = 'c1' AND spend = 99") == 1
    assert three.value("SELECT max(version) FROM schema_version") > 0


def test_erasing_again_or_what_is_not_there_writes_nothing(three):
    three.warehouse.erase("c2")
    before = three.path.stat().st_mtime_ns, three.published.stat().st_ino

    three.warehouse.erase("c2")
    three.warehouse.erase("nobody")

    assert (three.path.stat().st_mtime_ns, three.published.stat().st_ino) == before


def test_a_workspace_without_a_file_has_nothing_to_erase(workspace):
    workspace.warehouse.erase("c1")

    assert not workspace.path.exists()


def test_what_only_the_log_holds_is_not_lost(three):
    """A writer killed after its commit leaves what it wrote beside the file."""
    program = (
        "import duckdb, os, sys\n"
        "file = duckdb.connect(sys.argv[1])\n"
        "file.execute(\"INSERT INTO raw.metric_facts SELECT * REPLACE ('from the log' AS external_id) FROM raw.metric_facts "
        "WHERE connection_id = 'c1' LIMIT 1\")\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, three.path], check=True)
    assert three.path.with_name(f"{three.path.name}.wal").exists()

    three.warehouse.erase("c2")

    assert three.value("SELECT count(*) FROM metric_facts WHERE external_id = 'from the log'") == 1
    assert three.value("SELECT count(*) FROM metric_facts WHERE connection_id = 'c2'") == 0


@pytest.mark.parametrize("where", ["before the new file takes its place", "after it", "before the copy is renewed"])
def test_a_process_killed_in_the_middle_is_followed_by_one_that_finishes(three, where):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from storage.warehouse import analytics, warehouse\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace, where = warehouse.replace, sys.argv[3]\n"
        "if where == 'before the new file takes its place': warehouse.replace = die\n"
        "if where == 'after it': warehouse.replace = lambda *paths: (replace(*paths), die())\n"
        "if where == 'before the copy is renewed': analytics.publish = die\n"
        "warehouse.Warehouse(Path(sys.argv[1]), Path(sys.argv[2])).erase('c2')\n"
    )
    root = Path(__file__).parents[2]
    died = subprocess.run(
        [sys.executable, "-c", program, three.path, three.published, where],
        cwd=root,
        check=False,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    others = "SELECT count(*) FROM metric_facts WHERE connection_id <> 'c2'"

    three.warehouse.erase("c2")

    assert died.returncode == -signal.SIGKILL
    assert three.value(others) == 6
    assert three.value("SELECT count(*) FROM metric_facts WHERE connection_id = 'c2'") == 0
    assert three.warehouse.contents("c2") == Contents()
    assert three.warehouse.contents("c1").rows == 6


def test_a_full_disk_is_not_kept_full_by_what_was_begun(three):
    """People delete to have space again."""
    before = three.value("SELECT count(*) FROM metric_facts")

    with files_no_longer_than(64 * 1024), pytest.raises(DiskFull):
        three.warehouse.erase("c2")

    assert [path.name for path in three.path.parent.iterdir() if ".new" in path.name] == []
    assert three.value("SELECT count(*) FROM metric_facts") == before
    three.warehouse.erase("c2")
    assert three.warehouse.contents("c2") == Contents()
