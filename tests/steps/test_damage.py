"""Trouble with the machine under a sync: damaged files, a full disk, locks that others hold, clocks that jump."""

import logging
import sqlite3
import subprocess
import sys
from datetime import timedelta

import pytest
from disk import files_no_longer_than
from installation import Installation
from repeats import first_quick

from adpulse.errors import ControlPlaneBusy, DiskFull, LeaseLost, Usage
from adpulse.frequency import Frequency
from adpulse.model import FetchKind, RunState, SyncStatus
from adpulse.planner.windows import FIRST_SYNC_DAYS
from adpulse.platforms.registry import platform_of
from adpulse.services import restoring
from deployments.sweep import Sweep
from storage.control import database, sqlite_file
from storage.warehouse import analytics
from tasks.settling import settle

DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
SPEND = "SELECT count(*), sum(spend) FROM metric_facts"


def live(installation):
    return installation.app.settings.home / "warehouse" / f"{installation.workspace.id}.duckdb"


def truncate(path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])


def calls(installation, connection):
    return len(installation.remote.calls(connection.external_id))


def go_on(installation, connection):
    """What waits is worked off to its end; the last run."""
    (run,) = [run for run in installation.work(installation.claim()) if run.connection_id == connection.id]
    return installation.finish(run)


def days_read(installation, connection):
    return {day for _, day in installation.app.partitions.ages(connection.id).days}


# Damaged files


def test_a_sync_into_a_damaged_warehouse_names_the_way_back_and_waits_longer_and_longer(installation, sandbox):
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(2 * 3600)
    truncate(live(installation))

    (first,) = installation.leg(connection)
    asked = calls(installation, connection)
    installation.advance_to(first.until)
    (second,) = installation.work(installation.claim())

    assert (first.state, second.state, second.id) == (RunState.FAILED, RunState.FAILED, first.id)
    assert timedelta(seconds=120) <= second.until - first.until <= timedelta(seconds=132)
    for told in (str(live(installation)), f"adpulse restore {installation.workspace.id}"):
        assert told in first.error
    assert second.error == first.error
    assert calls(installation, connection) == asked  # nothing is asked of the platform that could not be stored
    assert installation.app.runs.dead_letters() == []


DAMAGES = [truncate, lambda path: path.write_bytes(b""), lambda path: path.unlink()]


@pytest.mark.parametrize("damage", first_quick(DAMAGES), ids=["cut", "empty", "gone"])
def test_after_a_restore_the_sync_goes_on_from_the_copy_to_the_truth(installation, sandbox, damage):
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(2 * 3600)
    installation.sync(connection)
    damage(live(installation))
    installation.leg(connection)

    restored = restoring.restore(installation.app, None)
    kept = days_read(installation, connection)
    run = go_on(installation, connection)

    assert restored.from_copy
    assert len(kept) == FIRST_SYNC_DAYS - platform_of("meta").lookback_days - 1  # what is older than the lookback comes from the copy
    assert run.state is RunState.DONE
    assert len(days_read(installation, connection)) == FIRST_SYNC_DAYS
    assert installation.differences(connection) == []


def test_what_the_copy_never_had_is_read_again_after_a_restore(quiet, sandbox):
    connection = quiet.connect("Corner Store 1")
    (run,) = quiet.leg(connection)
    sandbox.clock.advance(60)
    assert quiet.finish(run).state is RunState.DONE
    truncate(live(quiet))

    restoring.restore(quiet.app, None)
    run = go_on(quiet, connection)
    quiet.app.warehouse(quiet.workspace.id).publish(min_interval_seconds=0)

    assert run.state is RunState.DONE
    assert quiet.differences(connection) == []


def test_without_a_copy_the_first_sync_begins_again(installation):
    connection = installation.synced("Corner Store 1")
    truncate(live(installation))
    installation.published().unlink()

    restored = restoring.restore(installation.app, "Acme")
    nothing_known = days_read(installation, connection)
    installation.notes.clear()
    run = go_on(installation, connection)

    assert (restored.from_copy, nothing_known) == (False, set())
    assert run.state is RunState.DONE
    assert installation.differences(connection) == []


def test_a_sync_under_way_while_its_warehouse_is_restored_notes_nothing_as_read(installation):
    connection = installation.synced("Corner Store 1")
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    made = installation._prepare(lease)
    installation._read(lease)
    installation._store(lease)

    restoring.restore(installation.app, None, force=True)
    settle(installation.app, lease, made, None)

    with pytest.raises(LeaseLost):
        installation.app.runs.calling(lease)
    assert FetchKind.ENTITIES_FULL not in installation.app.partitions.ages(connection.id).dateless
    assert go_on(installation, connection).state is RunState.DONE
    assert installation.differences(connection) == []


def test_a_sound_warehouse_is_not_restored_and_goes_on_being_synced(installation):
    connection = installation.synced("Corner Store 1")
    ages = installation.app.partitions.ages(connection.id)

    with pytest.raises(Usage, match="is not damaged"):
        restoring.restore(installation.app, None)

    assert installation.app.partitions.ages(connection.id) == ages
    assert installation.claim() == []


def test_a_run_adopted_from_a_dead_worker_waits_when_the_warehouse_is_damaged(installation):
    connection = installation.synced("Corner Store 1")
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    installation._prepare(lease)
    truncate(live(installation))
    installation.wall.advance(timedelta(hours=1))

    (run,) = installation.work(installation.claim("successor"))

    assert (run.id, run.state) == (lease.run_id, RunState.FAILED)
    assert "adpulse restore" in run.error


def test_the_sweep_tells_once_what_keeps_a_copy_from_being_renewed(installation, caplog):
    installation.synced("Corner Store 1")
    truncate(live(installation))
    sweep = Sweep(installation.app)

    with caplog.at_level(logging.WARNING, logger="deployments.sweep"):
        for _ in range(3):
            sweep.once()

    told = [record for record in caplog.records if "is not published" in record.getMessage()]
    assert [(record.levelname, record.exc_info) for record in told] == [("ERROR", None)]
    assert "adpulse restore" in told[0].getMessage()
    assert not [record for record in caplog.records if "duckdb" in str(record.exc_info)]


# A full disk


def full(monkeypatch, owner, name):
    """From now on the disk is full while this is done; call the result to make room again."""
    real = getattr(owner, name)

    def on_a_full_disk(*arguments, **options):
        with files_no_longer_than(100):
            return real(*arguments, **options)

    monkeypatch.setattr(owner, name, on_a_full_disk)
    return lambda: monkeypatch.setattr(owner, name, real)


@pytest.mark.parametrize("place", ["save_plan", "write", "write_changes", "apply"])
def test_a_disk_that_is_full_in_the_middle_of_a_sync_leaves_nothing_half_written(installation, sandbox, monkeypatch, place):
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(2 * 3600)
    before, ages = installation.rows(SPEND), installation.app.partitions.ages(connection.id)
    owner = installation.app.warehouse(installation.workspace.id) if place == "apply" else installation.app.staging
    room = full(monkeypatch, owner, place)

    (failed,) = installation.leg(connection)
    told = installation.app.connections.get(connection.id).last_sync_error
    after, left = installation.rows(SPEND), installation.app.staging.runs()
    same = installation.app.partitions.ages(connection.id)
    room()
    installation.advance_to(failed.until)
    run = go_on(installation, connection)

    assert (failed.state, after, same, left) == (RunState.FAILED, before, ages, [])
    assert told == failed.error
    for part in ("The disk is full", str(installation.app.settings.home), "Free some space"):
        assert part in told
    assert (run.id, run.state) == (failed.id, RunState.DONE)
    assert installation.differences(connection) == []


def test_a_disk_that_is_full_when_the_copy_is_made_does_not_fail_the_sync(installation, sandbox, monkeypatch, caplog):
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(2 * 3600)
    before = installation.rows(SPEND)
    room = full(monkeypatch, analytics, "copy")

    run = installation.sync(connection)
    kept = installation.rows(SPEND)
    room()
    Sweep(installation.app).once()

    assert (run.state, run.counts.written > 0) == (RunState.DONE, True)
    assert kept == before
    assert "The disk is full" in caplog.text
    assert installation.differences(connection) == []


# Locks that others hold


def test_a_warehouse_that_a_notebook_has_open_is_waited_for(installation, sandbox):
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(2 * 3600)
    code = f"import duckdb; held = duckdb.connect({str(live(installation))!r}); print('open', flush=True); input()"

    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as notebook:
        assert notebook.stdout.readline() == "open\n"
        (failed,) = installation.leg(connection)
        notebook.communicate("\n")
    installation.advance_to(failed.until)
    run = go_on(installation, connection)

    assert failed.state is RunState.FAILED
    assert "Close it there and read the published copy instead" in failed.error
    assert run.state is RunState.DONE
    assert installation.differences(connection) == []


def test_a_control_plane_that_stays_locked_is_told_and_nothing_was_changed(sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 0.1)
    installation = Installation(tmp_path / "home", sandbox)
    connection = installation.connect("Corner Store 1")
    file = installation.app.settings.home / "control.db"
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    with pytest.raises(ControlPlaneBusy) as told:
        installation.app.runs.request(connection.id)
    other.execute("ROLLBACK")

    assert str(told.value) == (
        f"The control plane's database {file} was locked for 0.1 s. Nothing was changed. "
        "Try again; if it stays so, end the program that has it open for writing."
    )
    assert isinstance(told.value, database.INFRASTRUCTURE)
    assert installation.app.runs.history(connection.id) == []
    assert installation.sync(connection).state is RunState.DONE
    installation.close()


def test_a_control_plane_without_space_is_told(installation):
    engine = database.connect(installation.app.settings.control_url)

    with engine.begin() as session:
        session.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(DiskFull, match="Free some space"):
            session.exec_driver_sql("CREATE TABLE notes AS SELECT randomblob(1000000) AS note")


# Clocks that jump


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day ahead", "a day back"])
def test_when_business_time_jumps_the_next_syncs_still_end_at_the_truth(installation, sandbox, jump):
    connection = installation.synced("Corner Store 1", frequency="hourly")
    sandbox.clock.set(sandbox.clock.now() + jump)
    Sweep(installation.app).once()

    (run,) = installation.tick(Frequency.HOURLY)
    run = installation.finish(run)

    now = sandbox.clock.now()
    today = connection.today(now)
    truth = installation.remote.truth_metrics(connection.external_id, since=today, until=today, as_of=now, margin=connection.gross_margin)
    stored = installation.rows("SELECT external_id, spend FROM metric_facts WHERE date = ? ORDER BY 1", [today])
    assert run.state is RunState.DONE
    assert stored == sorted((row["external_id"], row["spend"]) for row in truth.to_pylist())
    assert installation.app.partitions.ages(connection.id).days[FetchKind.ADS, today] == now


@pytest.mark.parametrize("frequency", first_quick(["hourly", "manual"]))
def test_a_wait_that_began_before_the_clock_was_set_back_does_not_last_until_then(installation, sandbox, frequency):
    connection = installation.connect("Corner Store 1", frequency=frequency)
    installation.app.client(connection)._sleep = lambda _: None
    now = sandbox.clock.now()
    sandbox.clock.set(now + DAY)
    sandbox.faults.add([{"action": "server_error", "kind": "insights"}])
    (failed,) = installation.leg(connection)
    sandbox.faults.clear()
    sandbox.clock.set(now)

    Sweep(installation.app).once()
    run = go_on(installation, connection)

    assert failed.until > now + DAY
    assert (run.id, run.state) == (failed.id, RunState.DONE)


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["a day ahead", "a day back"])
def test_when_the_wall_clock_jumps_a_sync_under_way_is_neither_lost_nor_done_twice(installation, jump):
    connection = installation.connect("Corner Store 1")
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    made = installation._prepare(lease)
    installation._read(lease)
    installation.wall.advance(jump)

    adopted = installation.claim("successor")
    installation.work(adopted)
    installation._store(lease)
    settle(installation.app, lease, made, None)
    run = installation.finish(installation.app.runs.get(lease.run_id))

    assert [each.run_id for each in adopted] == [lease.run_id]
    assert run.state is RunState.DONE
    assert installation.app.connections.get(connection.id).sync_status is SyncStatus.IDLE
    assert installation.rows("SELECT count(*) - count(DISTINCT (run_id, generation)) FROM sync_runs") == [(0,)]
    assert installation.differences(connection) == []
