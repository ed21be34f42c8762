"""Migrated databases on SQLite, made once and copied: ours takes 50 ms of a core, Prefect's four seconds, a copy next to nothing."""

import fcntl
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from storage.control import database, migrations


def copy_migrated(path):
    """Put a migrated, empty control plane at this path."""
    Path(path).write_bytes(_template())


def home_with_prefect(home, shared):
    """A home folder with Prefect's migrated, empty database, for the server that will start there.

    ``shared`` is a folder of all processes of the test run: the first that needs the database makes it.
    """
    original, folder = shared / "prefect" / "prefect.db", home / "prefect"
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
            own = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
            subprocess.run(command, env={**own, "PREFECT_HOME": str(original.parent)}, check=True, capture_output=True)
    folder.mkdir(mode=0o700, parents=True)
    (folder / original.name).write_bytes(original.read_bytes())
    return home


@cache
def _template():
    with TemporaryDirectory(prefix="adpulse-control-") as folder:
        path = Path(folder) / "control.db"
        engine = database.connect(f"sqlite:///{path}")
        migrations.migrate(engine)
        engine.dispose()
        return path.read_bytes()
