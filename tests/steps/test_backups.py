"""`adpulse backup` and `adpulse restore FOLDER`: one moment, verified, and whole after a kill at any point."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from installation import Installation
from pydantic import SecretStr

from adpulse import backups, home
from adpulse.errors import Usage, WarehouseBusy
from adpulse.services.restoring_backups import restore_backup
from storage import backup_folder
from storage.control import snapshot
from storage.files import exclusive
from storage.warehouse.warehouse import Warehouse

KILLED = """
import os, signal, sys
from pathlib import Path
from adpulse import backups
from adpulse.bootstrap import app
from storage import backup_folder

def die(*arguments, **named):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(backup_folder, sys.argv[1], die)
backups.take(app(), Path(sys.argv[2]))
"""

KILLED_RESTORE = """
import os, signal, sys
from pathlib import Path
from adpulse import settings
from adpulse.services.restoring_backups import restore_backup

rename, left = Path.rename, [int(sys.argv[1])]

def counted(path, target):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return rename(path, target)

Path.rename = counted
restore_backup(settings.load(), Path(sys.argv[2]))
"""


@pytest.fixture
def backed_up(installation, tmp_path):
    """A synced connection of an installation, and a backup of it."""
    connection = installation.synced("Corner Store 1")
    return connection, backups.take(installation.app, tmp_path / "backup")


def restored_elsewhere(installation, sandbox, folder, home_folder):
    """A new home with the keys of the installation, into which a backup was restored."""
    home_folder.mkdir(exist_ok=True)
    (home_folder / "secret.key").write_bytes((installation.app.settings.home / "secret.key").read_bytes())
    done = restore_backup(installation.app.settings.model_copy(update={"home": home_folder}), folder)
    restored = Installation(home_folder, sandbox)
    restored.notes = {connection: list(notes) for connection, notes in installation.notes.items()}
    return done, restored


def child(program, *arguments):
    return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=False, capture_output=True, text=True)


def contents(folder):
    """Every file beneath a folder but locks, with its bytes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock" and "locks" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_a_backup_has_is_of_one_moment_although_a_sync_stores_while_it_is_written(installation, sandbox, tmp_path):
    connection = installation.synced("Corner Store 1")
    control = snapshot_of = installation.app.settings.home / "control.db"
    before = installation.rows("SELECT count(*), max(applied_at) FROM sync_runs")
    with ExitStack() as opened, backup_folder.building(tmp_path / "backup", "owner") as partial:
        moment = backups._moment(installation.app, snapshot_of, opened)
        sandbox.clock.set(sandbox.clock.now() + timedelta(hours=5))
        installation.sync(connection)
        moment.store(partial)
        backup_folder.seal(partial, version="0", at=installation.app.wall.now(), keys=installation.app.cipher.fingerprints)
    after = installation.rows("SELECT count(*), max(applied_at) FROM sync_runs")
    runs = "SELECT count(*) FROM sync_run"
    with closing(sqlite3.connect(control)) as live, closing(sqlite3.connect(tmp_path / "backup" / "control.db")) as copy:
        counts = live.execute(runs).fetchone(), copy.execute(runs).fetchone()

    _, restored = restored_elsewhere(installation, sandbox, tmp_path / "backup", tmp_path / "restored")
    in_backup = restored.rows("SELECT count(*), max(applied_at) FROM sync_runs")
    restored.close()

    assert in_backup == before != after
    assert counts == ((2,), (1,))
    assert moment.held < 1


def test_a_restored_backup_goes_on_to_the_truth(installation, sandbox, tmp_path, backed_up):
    connection, taken = backed_up
    sandbox.clock.set(sandbox.clock.now() + timedelta(hours=5))
    installation.sync(connection)

    done, restored = restored_elsewhere(installation, sandbox, taken.folder, tmp_path / "restored")
    restored.notes = {connection.id: installation.notes[connection.id][:1]}
    readable = restored.rows("SELECT count(*) > 0 FROM daily")
    sandbox.clock.set(sandbox.clock.now() + timedelta(days=1))
    run = restored.sync(connection)

    assert (done.missing_keys, readable) == ([], [(True,)])
    assert run.error is None
    assert restored.differences(connection) == []
    restored.close()


@pytest.mark.parametrize("point", ["seal", *(pytest.param(point, marks=pytest.mark.slow) for point in ("store", "verify"))])
def test_a_backup_that_is_killed_is_none_and_the_next_one_takes_its_place(installation, tmp_path, point):
    installation.synced("Corner Store 1")
    folder = tmp_path / "backups" / "new"

    killed = child(KILLED, point, folder)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert not folder.exists()
    with pytest.raises(Usage, match="no complete backup"):
        backup_folder.verify(folder)
    backups.take(installation.app, folder)
    assert [path.name for path in folder.parent.iterdir()] == ["new"]
    backup_folder.verify(folder)


@pytest.mark.parametrize("renames", [4, *(pytest.param(number, marks=pytest.mark.slow) for number in (0, 1, 2, 3, 5, 6))])
def test_a_restore_that_is_killed_keeps_every_command_out_until_it_is_run_again(installation, backed_up, renames):
    connection, taken = backed_up
    config = installation.app.settings
    for engine in (installation.engine, installation.app.workspaces._engine):
        engine.dispose()

    killed = child(KILLED_RESTORE, renames, taken.folder)

    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with pytest.raises(Usage, match=f"adpulse restore {taken.folder}"):
        home.make_private(config)
    restore_backup(config, taken.folder)
    home.make_private(config)
    assert installation.app.connections.get(connection.id).connection.name == connection.name
    assert installation.rows("SELECT count(*) > 0 FROM daily") == [(True,)]


def test_what_a_restore_replaces_is_kept(installation, backed_up):
    _, taken = backed_up
    config = installation.app.settings
    for engine in (installation.engine, installation.app.workspaces._engine):
        engine.dispose()
    before = contents(config.home / "warehouse")

    done = restore_backup(config, taken.folder)

    (warehouse,) = [path for path in done.set_aside if path.name.startswith("warehouse")]
    assert contents(warehouse) == before
    assert any(path.name.startswith("control.db") for path in done.set_aside)


def test_nothing_is_restored_while_another_process_works_in_the_home(installation, backed_up):
    _, taken = backed_up
    config = installation.app.settings
    program = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT 1 FROM sync_run').fetchall(); print('open', flush=True);"
        "sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(config.home / "control.db")]
    before = contents(config.home / "warehouse")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout.readline() == "open\n"
        refused = subprocess.run(
            [sys.executable, "-m", "adpulse", "restore", str(taken.folder)], check=False, capture_output=True, text=True
        )
        worker.communicate()

    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Stop adpulse up" in refused.stderr
    assert contents(config.home / "warehouse") == before
    assert [*config.home.glob("*.new"), *config.home.glob("*before-restore*")] == []
    home.make_private(config)


@pytest.mark.parametrize("file", ["control.db", "warehouse"])
def test_a_damaged_backup_is_refused_and_nothing_is_changed(installation, backed_up, file):
    _, taken = backed_up
    path = taken.folder / "control.db" if file == "control.db" else next((taken.folder / "warehouses").iterdir())
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    before = contents(installation.app.settings.home)

    with pytest.raises(Usage, match=f"damaged: .*{path.name}"):
        restore_backup(installation.app.settings, taken.folder)

    assert contents(installation.app.settings.home) == before


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"files": {"control.db": "0", "warehouses/../../evil.duckdb": "0"}}, "no file of a backup"),
        ({"files": {"control.db": "0", "/etc/passwd": "0"}}, "no file of a backup"),
        ({"files": {"warehouses/w.duckdb": "0"}}, "does not name control.db"),
        ({"files": {"control.db": 1}}, "no text"),
        ({"keys": [1]}, "no text"),
        ({"at": "yesterday"}, "when the backup was taken"),
        ({"at": "2026-03-20T12:00:00"}, "when the backup was taken"),
        ({"more": 1}, "no readable"),
        ({"files": 1}, "no readable"),
    ],
)
def test_a_list_that_no_backup_wrote_is_refused(tmp_path, change, reason):
    listed = {"adpulse": "0", "at": "2026-03-20T12:00:00+00:00", "keys": [], "files": {"control.db": "0"}}
    (tmp_path / "backup.json").write_text(json.dumps(listed | change))

    with pytest.raises(Usage, match=reason):
        backup_folder.Backup.read(tmp_path)


def test_of_two_restores_into_a_home_one_is_refused_and_disturbs_nothing(installation, backed_up):
    _, taken = backed_up
    config = installation.app.settings
    before = contents(config.home)

    with exclusive(config.home / home.LOCKS / "restore", 0), pytest.raises(Usage, match="Another restore"):
        restore_backup(config, taken.folder)

    assert contents(config.home) == before


def test_a_copy_that_cannot_be_published_now_is_waited_for(installation, monkeypatch, tmp_path):
    installation.synced("Corner Store 1")
    waits, publish = [WarehouseBusy("Another process writes it.")], Warehouse.publish

    def busy_once(warehouse, **named):
        if waits:
            raise waits.pop()
        return publish(warehouse, **named)

    monkeypatch.setattr(Warehouse, "publish", busy_once)

    backup_folder.verify(backups.take(installation.app, tmp_path / "backup").folder)


def test_a_warehouse_that_is_being_written_lets_the_others_go(installation, tmp_path, monkeypatch):
    installation.synced("Corner Store 1")
    app = installation.app
    monkeypatch.setattr(backups, "_HELD_SECONDS", 0.0)
    written = app.settings.home / "warehouse" / f"{installation.workspace.id}.lock"
    idle = app.workspaces.create("Aaa")

    with exclusive(written, 0), ExitStack() as opened:
        moment = backups._try_moment(app, app.settings.home / "control.db", opened)

    assert moment is None
    with app.warehouse(idle.id).at_rest(0):
        pass
    monkeypatch.setattr(backups, "_ATTEMPTS", 1)
    with exclusive(written, 0), pytest.raises(WarehouseBusy, match="No backup was taken"):
        backups.take(app, tmp_path / "backup")
    assert not (tmp_path / "backup").exists()


def test_daily_backups_keep_the_newest_and_touch_nothing_else(installation, tmp_path):
    parent = tmp_path / "backups"
    (parent / f".killed.{backups._owner(installation.app.settings.home)}.partial").mkdir(parents=True)
    (parent / "notes").mkdir()
    backups.take(installation.app, parent / "before-upgrade")
    (parent / "latest").symlink_to(parent / "before-upgrade")
    installation.app.settings = installation.app.settings.model_copy(update={"backup_folder": parent, "backups_kept": 2})

    taken = []
    for _ in range(3):
        installation.wall.advance(timedelta(days=1))
        taken.append(backups.take_scheduled(installation.app).folder)

    assert sorted(parent.iterdir()) == sorted([*taken[1:], *(parent / name for name in ("before-upgrade", "latest", "notes"))])
    backup_folder.verify(parent / "before-upgrade")


def test_a_backup_replaces_nothing(installation, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()

    with pytest.raises(Usage, match="not empty"):
        backups.take(installation.app, tmp_path / "full")

    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def test_without_the_keys_of_its_time_a_restore_names_them(installation, tmp_path, backed_up):
    _, taken = backed_up

    done = restore_backup(installation.app.settings.model_copy(update={"home": tmp_path / "new"}), taken.folder)

    assert done.missing_keys == list(installation.app.cipher.fingerprints)


def test_a_control_plane_in_postgresql_is_refused_with_what_to_do():
    settings = SimpleNamespace(control_url="postgresql://adpulse:secret@localhost/adpulse", database_url=SecretStr(""))

    with pytest.raises(Usage, match=r"Nothing was written\. Back it up with pg_dump"):
        backups.take(SimpleNamespace(settings=settings), None)
    with pytest.raises(Usage, match="pg_restore"):
        restore_backup(settings, None)


def test_a_backup_is_closed_to_other_users(backed_up):
    _, taken = backed_up

    assert [path for path in (taken.folder, *taken.folder.rglob("*")) if path.stat().st_mode & 0o077] == []
    assert snapshot.problem(taken.folder / "control.db") is None
    assert Path(taken.folder / "control.db").stat().st_uid == os.geteuid()
