"""A damaged control.db is one sentence from every command, which says what to do."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from adpulse import bootstrap

COMMANDS = [
    ("status",),
    ("workspace", "list"),
    ("migrate",),
    ("web",),
    ("login", "--url", "http://localhost:8400"),
    ("backup", "new"),
    ("secrets", "status"),
    ("keys", "list"),
]
PAGE = 4096


@pytest.fixture
def control(installation):
    """The file of a control plane that no connection has open."""
    for engine in (installation.engine, installation.app.workspaces._engine):
        engine.dispose()
    bootstrap.app.cache_clear()
    return installation.app.settings.home / "control.db"


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_file_that_is_no_database_is_one_sentence(control, shell, command):
    control.write_bytes(b"garbage " * 1000)

    code, out, err = shell(*command)

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert f"{control} is damaged (file is not a database)" in err
    assert "adpulse restore FOLDER" in err


@pytest.mark.parametrize("command", ["up", pytest.param("worker", marks=pytest.mark.slow), pytest.param("sweep", marks=pytest.mark.slow)])
def test_the_processes_of_an_installation_end_with_that_sentence(control, command):
    control.write_bytes(b"garbage " * 1000)

    done = subprocess.run([sys.executable, "-m", "adpulse", command], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "is damaged" in done.stderr


def test_one_bad_page_is_one_sentence(control, shell):
    spoil(control, "workspace")

    code, _, err = shell("workspace", "list")

    assert (code, err.count("\n")) == (1, 1)
    assert "is damaged (database disk image is malformed)" in err


def test_doctor_finds_a_bad_page_that_no_command_asks_for(control, shell):
    spoil(control, "dispatch")

    code, out, _ = shell("doctor")

    assert code == 1
    assert "is damaged" in " ".join(out.split())


def spoil(control, table):
    """Overwrite the root page of a table."""
    with closing(sqlite3.connect(control)) as database:
        (page,) = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", [table]).fetchone()
    with control.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE)


@pytest.mark.parametrize("is_empty", [False, True])
@pytest.mark.parametrize("command", [("status",), ("migrate",), ("doctor",)], ids=" ".join)
def test_a_lost_control_plane_beside_warehouses_is_restored_not_migrated(control, shell, is_empty, command):
    warehouse = control.parent / "warehouse"
    warehouse.mkdir(exist_ok=True)
    (warehouse / "w.duckdb").touch()
    for path in control.parent.glob("control.db*"):
        path.unlink()
    if is_empty:
        control.touch()

    code, out, err = shell(*command)

    assert code != 0
    assert "Restore the newest backup: adpulse restore FOLDER" in " ".join((out + err).split())
    with closing(sqlite3.connect(control)) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)


def test_a_new_home_has_no_warehouses_and_is_migrated(control, shell):
    for path in control.parent.glob("control.db*"):
        path.unlink()

    assert shell("migrate")[0] == 0
