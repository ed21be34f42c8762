"""A backup, taken and restored as docs/operations.md says, leads to the truth again."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from installation import Installation
from repeats import first_quick

from adpulse.bootstrap import App
from adpulse.errors import Usage
from adpulse.services import restoring
from storage.control import database


def backed_up(installation, folder):
    """The database first, the published files after it, and the keys."""
    folder.mkdir()
    home = installation.app.settings.home
    with closing(sqlite3.connect(home / "control.db")) as database, closing(sqlite3.connect(folder / "control.db")) as copy:
        database.backup(copy)
    for path in (*(home / "published").glob("*.duckdb"), home / "secret.key"):
        shutil.copy2(path, folder)


def put_back(folder, home):
    """On another machine, say: what the backup has, and no live file."""
    (home / "published").mkdir(parents=True)
    for path in folder.iterdir():
        shutil.copy2(path, home / "published" if path.suffix == ".duckdb" else home)


@pytest.mark.parametrize("moment", first_quick(["a sync between the database and the files", "at rest"]))  # at rest: test_backups.py
def test_a_restored_backup_goes_on_to_the_truth(installation, sandbox, tmp_path, moment):
    connection = installation.synced("Corner Store 1")
    backed_up(installation, tmp_path / "backup")
    sandbox.clock.set(sandbox.clock.now() + timedelta(hours=5))
    installation.sync(connection)
    if moment != "at rest":
        for path in (installation.app.settings.home / "published").glob("*.duckdb"):
            shutil.copy2(path, tmp_path / "backup" / path.name)
    put_back(tmp_path / "backup", tmp_path / "restored")
    restored = Installation(tmp_path / "restored", sandbox)
    restored.notes = installation.notes

    done = restoring.restore(restored.app, restored.workspace.id)
    sandbox.clock.set(sandbox.clock.now() + timedelta(days=1))
    run = restored.sync(connection)

    assert done.from_copy
    assert run.error is None
    assert restored.differences(connection) == []
    restored.close()


def test_without_its_keys_a_backup_is_refused_and_no_new_key_is_made(installation, tmp_path):
    connection = installation.synced("Corner Store 1")
    backed_up(installation, tmp_path / "backup")
    (tmp_path / "backup" / "secret.key").unlink()
    put_back(tmp_path / "backup", tmp_path / "restored")
    config = installation.app.settings.model_copy(update={"home": tmp_path / "restored"})
    engine = database.connect(config.control_url)

    with pytest.raises(Usage, match=r"keys of the stored tokens are lost: there is no .*secret\.key"):
        App(config, engine, wall=installation.wall)
    assert not (config.home / "secret.key").exists()
    shutil.copy2(installation.app.settings.home / "secret.key", config.home)
    assert App(config, engine, wall=installation.wall).credentials.open(connection.credential_id)
    engine.dispose()
