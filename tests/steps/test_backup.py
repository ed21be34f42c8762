"""A backup, taken and restored as docs/operations.md says, leads to the truth again."""

import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta

import pytest
from installation import Installation

from adpulse.errors import Usage
from adpulse.services import restoring


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


@pytest.mark.parametrize("moment", ["at rest", "a sync between the database and the files"])
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


def test_without_its_keys_a_backup_says_which_are_missing(installation, sandbox, tmp_path):
    connection = installation.synced("Corner Store 1")
    backed_up(installation, tmp_path / "backup")
    (tmp_path / "backup" / "secret.key").unlink()
    put_back(tmp_path / "backup", tmp_path / "restored")
    restored = Installation(tmp_path / "restored", sandbox)

    with pytest.raises(Usage, match=r"secret\.key"):
        restored.app.credentials.open(connection.credential_id)
    assert restored.app.rotation.uses().unreadable == [f"credential {connection.credential_id}"]
    restored.close()
