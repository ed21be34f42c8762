"""A warehouse file that is not what was written: told, never written to, kept aside, and replaced by the published copy."""

import subprocess
import sys

import duckdb
import pytest
from disk import files_no_longer_than

from adpulse.errors import DiskFull, Usage, WarehouseBusy, WarehouseDamaged
from storage.warehouse.warehouse import Warehouse

SPEND = "SELECT connection_id, external_id, spend FROM metric_facts ORDER BY ALL"
KILLED = """
import os, sys, duckdb
warehouse = duckdb.connect(sys.argv[1])
warehouse.execute("SET wal_autocheckpoint = '1TB'")
for _ in range(100):
    warehouse.execute("INSERT INTO schema_version VALUES (1, now())")
os._exit(0)
"""


def zero_bytes(path):
    path.write_bytes(b"")


def garbage(path):
    path.write_bytes(b"notes of somebody\n" * 5000)


def truncated(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def overwritten_in_the_middle(path):
    content = bytearray(path.read_bytes())
    quarter = len(content) // 4  # some blocks in between may be free
    content[quarter : 3 * quarter] = b"?" * (2 * quarter)
    path.write_bytes(content)


def gone(path):
    path.unlink()


def another_database(path):
    path.unlink()
    with duckdb.connect(path) as other:
        other.execute("CREATE TABLE notes AS SELECT 1")


def a_damaged_log(path):
    """A worker was killed after its commits, and then the log it left was damaged."""
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=True)
    log = path.with_name("w.duckdb.wal")
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 255
    log.write_bytes(content)


def damaged_by(*damages):
    return pytest.mark.parametrize("damage", damages, ids=lambda damage: damage.__name__)


def unexpected(_):
    raise AssertionError("nothing may be forgotten")


def fill_lost(workspace, build):
    many = [{"external_id": f"a{n}", "spend": n} for n in range(1, 3000)]
    workspace.sync(build.run(build.ads(*many)))
    workspace.warehouse.publish(min_interval_seconds=0)
    workspace.sync(build.run(build.ads(*many, {"external_id": "a1", "spend": 7}), generation=2))


@pytest.fixture
def lost(filled, tmp_path):
    """A warehouse with a published copy, and then one run more."""
    return filled(fill_lost, tmp_path)


def files(workspace):
    """Name and content of everything in the warehouse's folder."""
    return {path.name: path.read_bytes() for path in workspace.path.parent.iterdir() if path.is_file()}


def everything(warehouse, changes, build):
    return [
        lambda: warehouse.diff([build.run(build.ads({"spend": 9}), generation=3)]),
        lambda: warehouse.apply(changes, holds_lease=lambda *_: True, connections=[build.connection()]),
        lambda: warehouse.applied_since("c1-r1", 0),
    ]


@damaged_by(zero_bytes, garbage, truncated, gone, another_database, a_damaged_log)
def test_a_damaged_file_is_told_with_the_way_back_and_never_written(lost, build, damage):
    changes = lost.warehouse.diff([build.run(build.ads({"spend": 9}), generation=3)])
    damage(lost.path)
    before = files(lost)
    anew = Warehouse(lost.path, lost.published)

    for method in everything(anew, changes, build):
        with pytest.raises(WarehouseDamaged) as told:
            method()
        assert str(lost.path) in str(told.value)
        assert "adpulse restore w" in str(told.value)

    assert files(lost) == before | {"w.lock": b""}


@damaged_by(zero_bytes, truncated, a_damaged_log)
def test_a_damaged_warehouse_does_not_take_the_place_of_its_copy(lost, damage):
    published = lost.published.read_bytes()
    damage(lost.path)

    with pytest.raises(WarehouseDamaged):
        lost.warehouse.publish(min_interval_seconds=0)

    assert lost.published.read_bytes() == published
    assert [path.name for path in lost.published.parent.iterdir()] == ["w.duckdb"]


def test_what_was_found_damaged_is_known_until_the_file_is_another(lost):
    lost.warehouse.require_sound()
    sound = lost.path.read_bytes()
    truncated(lost.path)
    lost.warehouse.require_sound()  # only asks the file system
    with pytest.raises(WarehouseDamaged) as found:
        lost.warehouse.applied_since("c1-r1", 0)

    with pytest.raises(WarehouseDamaged) as known:
        lost.warehouse.require_sound()
    lost.path.write_bytes(sound)
    lost.warehouse.require_sound()

    assert str(known.value) == str(found.value)


@damaged_by(zero_bytes, garbage, truncated, overwritten_in_the_middle, gone, another_database, a_damaged_log)
def test_restoring_keeps_the_damaged_file_and_goes_on_from_the_copy(lost, build, damage):
    damage(lost.path)
    before, forgotten = files(lost), []

    restored = lost.warehouse.restore(forgotten.append)

    assert restored.from_copy
    assert forgotten == [{"c1": build.run().now}]
    assert lost.rows(SPEND)[0] == ("c1", "a1", 1)
    kept = {name: content for name, content in files(lost).items() if ".damaged-" in name}
    assert sorted(kept.values()) == sorted(content for name, content in before.items() if name in ("w.duckdb", "w.duckdb.wal"))
    assert (restored.set_aside is None) == (damage is gone)
    lost.sync(build.run(build.ads({"spend": 9}), generation=3))
    assert lost.rows(SPEND)[0] == ("c1", "a1", 9)
    assert lost.warehouse.publish(min_interval_seconds=0)


def test_what_was_read_is_forgotten_before_the_file_changes(lost):
    """Killed in between, too much is read again; the other way round, days would be missing for good."""
    truncated(lost.path)
    before = lost.path.read_bytes()

    lost.warehouse.restore(lambda _: before == lost.path.read_bytes() or pytest.fail("too late"))

    assert lost.path.read_bytes() != before


def test_without_a_copy_restoring_begins_anew(workspace, build):
    workspace.sync(build.run(build.ads({"spend": 1})))
    truncated(workspace.path)
    forgotten = []

    restored = workspace.warehouse.restore(forgotten.append)
    workspace.sync(build.run(build.ads({"external_id": "a2"}), generation=2))

    assert (restored.from_copy, restored.set_aside.exists(), forgotten) == (False, True, [None])
    assert workspace.rows(SPEND) == [("c1", "a2", 0)]


def test_a_sound_file_is_only_replaced_by_force(lost):
    with pytest.raises(Usage, match="is not damaged"):
        lost.warehouse.restore(unexpected)
    untouched = lost.rows(SPEND)[0]

    restored = lost.warehouse.restore(lambda _: None, force=True)

    assert (untouched, lost.rows(SPEND)[0]) == (("c1", "a1", 7), ("c1", "a1", 1))
    with duckdb.connect(restored.set_aside, read_only=True) as kept:
        assert kept.execute(SPEND.replace("FROM ", "FROM raw.")).fetchone() == ("c1", "a1", 7)


@damaged_by(garbage, truncated)
def test_a_copy_that_is_damaged_too_is_only_given_up_by_force(lost, damage):
    truncated(lost.path)
    lost.published.chmod(0o644)
    damage(lost.published)
    before = files(lost)

    with pytest.raises(Usage) as told:
        lost.warehouse.restore(unexpected)
    unchanged = files(lost)
    forgotten = []
    restored = lost.warehouse.restore(forgotten.append, force=True)

    assert "cannot be read either" in str(told.value)
    assert str(lost.published) in str(told.value)
    assert unchanged == before
    assert (restored.from_copy, forgotten) == (False, [None])
    assert restored.set_aside.read_bytes() == before["w.duckdb"]


def test_a_file_that_another_program_has_open_is_not_restored(lost):
    code = f"import duckdb; held = duckdb.connect({str(lost.path)!r}); print('open', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "open\n"

        with pytest.raises(WarehouseBusy, match="has the warehouse file of workspace w open"):
            lost.warehouse.restore(unexpected)
        holder.communicate("\n")


def test_a_disk_too_full_for_the_copy_changes_nothing(lost):
    truncated(lost.path)
    before = files(lost)

    with files_no_longer_than(8192), pytest.raises(DiskFull):
        lost.warehouse.restore(unexpected)

    assert files(lost) == before


def test_a_disk_that_is_full_while_the_warehouse_is_written_leaves_what_was_there(lost, build):
    many = [{"external_id": f"b{n}", "spend": n} for n in range(30_000)]
    changes = lost.warehouse.diff([build.run(build.ads(*many), generation=3)])
    before = lost.rows(SPEND)

    with files_no_longer_than(lost.path.stat().st_size), pytest.raises(DiskFull, match="Free some space"):
        lost.apply(changes)
    after = lost.rows(SPEND)
    applied = lost.apply(changes)

    assert after == before
    assert applied == {"c1-r3"}
    assert len(lost.rows(SPEND)) > 30_000


def test_a_disk_that_is_full_before_the_first_write_leaves_no_warehouse(workspace, build):
    changes = workspace.warehouse.diff([build.run(build.ads({"spend": 1}))])

    with files_no_longer_than(4096), pytest.raises(DiskFull):
        workspace.apply(changes)
    left = workspace.path.exists()
    workspace.apply(changes)

    assert not left
    assert workspace.rows(SPEND) == [("c1", "a1", 1)]
