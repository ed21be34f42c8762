"""A file whose tables are in ``main`` is written anew, once: no row is lost, a kill leaves the old file, and what people had goes on."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from disk import files_no_longer_than
from repeats import first_quick

from adpulse.errors import DiskFull, WarehouseDamaged
from storage.warehouse import alert_query, damage
from storage.warehouse.erasure import Contents
from storage.warehouse.schema import find_tables
from storage.warehouse.sql import migrations

ALERT = "SELECT connection_id, spend FROM metric_facts WHERE spend > 0 ORDER BY ALL"
"""As somebody wrote it when the table was where the views are."""

OLD_FILES = sorted((Path(__file__).parent / "old_files").glob("*.sql"), reverse=True)


@pytest.fixture
def old(three):
    """Three connections in a file of version 18."""
    three.downgrade(18)
    return three


def tables(workspace):
    """Every table's rows, as text, without the column and the table that versions after the rewriting add."""
    condition = "table_name NOT LIKE 'schema_%' AND table_name <> 'budgets'"
    names = workspace.rows(f"SELECT schema_name, table_name FROM duckdb_tables() WHERE {condition} ORDER BY ALL")
    columns = {"connections": "COLUMNS(lambda name: name <> 'status')"}
    return {name: sorted(map(str, workspace.rows(f"SELECT {columns.get(name, '*')} FROM {schema}.{name}"))) for schema, name in names}


def places(workspace):
    return dict(workspace.rows("SELECT table_name, schema_name FROM duckdb_tables()"))


def touch(workspace):
    """Let the process that this test is open the file as a sync does."""
    workspace.warehouse.campaigns("c1")


def test_every_row_is_there_again_in_the_schema_raw(old):
    before = tables(old)
    assert set(places(old).values()) == {"main"}

    touch(old)

    assert tables(old) == before
    assert all(rows for name, rows in before.items() if name in ("metric_facts", "metric_changes", "total_changes", "entities"))
    in_main = {name for name, schema in places(old).items() if schema == "main"}
    assert in_main == {"schema_version", "schema_views"}
    assert old.value("SELECT max(version) FROM schema_version") == migrations()[-1][0]
    assert old.files() == ["published", "w.duckdb", "w.lock"]


def test_no_name_has_two_units(old):
    """Amounts are micros in ``raw`` and units in ``main``, where no table of metrics is found."""
    old.warehouse.publish(min_interval_seconds=0)

    with duckdb.connect(old.published, read_only=True) as copy:
        assert copy.sql("SELECT max(spend) FROM raw.metric_facts").fetchall() == [(20_000_000,)]
        assert copy.sql("SELECT max(spend) FROM daily WHERE level = 'ad'").fetchall() == [(20,)]
        with pytest.raises(duckdb.CatalogException, match=r"raw\.metric_facts"):
            copy.sql("FROM metric_facts")


@pytest.fixture
def wrote(workspace):
    """The workspace whose live and published files are what an older adpulse wrote: a script of ``old_files``."""

    def write(script):
        workspace.published.parent.mkdir()
        with duckdb.connect(workspace.path) as database:
            database.execute("SET TimeZone = 'UTC'")
            database.execute(script.read_text())
            find_tables(database)
            database.execute("CREATE VIEW main.daily AS SELECT spend / 1000000 AS spend FROM metric_facts")  # one for all of its views
        workspace.published.write_bytes(workspace.path.read_bytes())
        return workspace

    return write


@pytest.mark.parametrize("script", first_quick(OLD_FILES, 2), ids=lambda script: script.stem)
def test_a_file_of_every_version_answers_alerts_is_pulled_erased_from_and_restored_before_and_after(wrote, script, build):
    old = wrote(script)
    before = old.rows(ALERT)
    assert before == [("c1", 20_000_000), ("c1", 20_000_000), ("c2", 20_000_000), ("c2", 20_000_000)]
    assert (damage.newer_parts(old.published), damage.is_whole(old.published)) == ("", True)  # what a pull asks

    assert [tuple(row) for row in alert_query.run_query(old.published, ALERT).rows] == before
    assert old.warehouse.contents("c1").rows == 4
    old.path.write_bytes(b"not a database")
    assert old.warehouse.restore(lambda _: None).from_copy
    old.warehouse.erase("c2")
    old.sync(build.run(build.ads({"spend": 30_000_000}), build.totals({"spend": 40_000_000}), generation=3))
    old.warehouse.publish(min_interval_seconds=0)

    assert [tuple(row) for row in alert_query.run_query(old.published, ALERT).rows] == [("c1", 20_000_000), ("c1", 30_000_000)]
    assert (old.warehouse.contents("c1").rows, old.warehouse.contents("c2")) == (4, Contents())
    assert old.rows("SELECT sum(spend), sum(conversions) FROM daily") == [(80, 4)]
    assert old.rows("SELECT count(*), count(DISTINCT run_id) FROM raw.metric_changes WHERE connection_id = 'c1'") == [(5, 3)]
    assert (damage.newer_parts(old.published), damage.is_whole(old.published)) == ("", True)


def test_views_that_were_made_anew_are_described_when_the_file_is_published(wrote):
    old = wrote(OLD_FILES[0])
    touch(old)

    old.warehouse.publish(min_interval_seconds=0)

    assert old.rows("SELECT count(*) FROM duckdb_views() WHERE NOT internal")[0][0] > 10
    assert old.rows("SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL") == []


def test_every_version_that_was_ever_used_has_a_file():
    """11, 12 and 17 came together with the version after them; 1 with 2, and 2 and 3 left later, so that some files have 1 and 4 alone."""
    numbers = {number for number, _ in migrations()}

    assert {int(script.stem[:2]) for script in OLD_FILES} == numbers - {1, 11, 12, 17} | {2, 3}, "run tests/storage/write_old_file.py"


@pytest.mark.parametrize("where", ["after a table", "before the new file takes its place", "after it"])
def test_a_kill_leaves_the_old_file_or_the_new_one(old, where):
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from storage.warehouse import copying, warehouse\n"
        "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "replace, where = warehouse.replace, sys.argv[3]\n"
        "if where == 'after a table': copying._digest = die\n"
        "if where == 'before the new file takes its place': warehouse.replace = die\n"
        "if where == 'after it': warehouse.replace = lambda *paths: (replace(*paths), die())\n"
        "warehouse.Warehouse(Path(sys.argv[1]), Path(sys.argv[2])).campaigns('c1')\n"
    )
    root, before = Path(__file__).parents[2], tables(old)
    command = [sys.executable, "-c", program, old.path, old.published, where]
    died = subprocess.run(command, cwd=root, check=False, env={**os.environ, "PYTHONPATH": str(root)})
    left = tables(old)

    touch(old)

    assert died.returncode == -signal.SIGKILL
    assert (left, tables(old)) == (before, before)
    assert old.files() == ["published", "w.duckdb", "w.lock"]


def test_without_space_for_a_second_file_the_old_one_stays(old):
    before = tables(old)

    with files_no_longer_than(old.path.stat().st_size // 2), pytest.raises(DiskFull):
        touch(old)

    assert tables(old) == before
    assert set(places(old).values()) == {"main"}
    assert old.files() == ["published", "w.duckdb", "w.lock"]


def test_nothing_is_begun_when_a_second_file_has_no_space(old, monkeypatch):
    size, inode = old.path.stat().st_size, old.path.stat().st_ino
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10 * size, 9 * size + 1, size - 1))

    with pytest.raises(DiskFull):
        touch(old)

    assert old.path.stat().st_ino == inode
    assert set(places(old).values()) == {"main"}


def test_a_damaged_old_file_is_told_before_anything_is_written(old):
    data = bytearray(old.path.read_bytes())
    quarter = len(data) // 4  # some blocks in between may be free
    data[quarter : 3 * quarter] = b"?" * (2 * quarter)
    old.path.write_bytes(data)

    with pytest.raises(WarehouseDamaged):
        touch(old)

    assert old.path.read_bytes() == data


def test_a_file_is_written_anew_once(old):
    touch(old)
    inode = old.path.stat().st_ino

    touch(old)
    old.warehouse.publish(min_interval_seconds=0)

    assert old.path.stat().st_ino == inode
