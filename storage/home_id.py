"""The id of a home folder, a file in it: the control plane notes by it which home has the warehouse of a workspace.

A home that is moved keeps its id. A copy of a home has it as well, which shows by the file's own inode.
"""

import logging
import os
from pathlib import Path
from uuid import uuid4

from storage.files import flush

log = logging.getLogger(__name__)

FILE = "home.id"


def home_id(home: Path) -> str:
    """The id of a home. The first call in an empty home makes it; the first one in a copy of a home warns of the original."""
    path = home / FILE
    if not path.exists():
        _write(path, str(uuid4()))
    identity, _, inode = path.read_text().strip().partition(" ")
    if inode != str(path.stat().st_ino):
        log.warning(
            "%s is a copy of the home %s, or was moved to another disk. Use only one of them: each would write warehouses of its own",
            home.absolute(),
            identity,
        )
        path.unlink()
        _write(path, identity)
    return identity


def _write(path: Path, identity: str) -> None:
    """Create the file with the id and its own inode, whole or not at all; another process may be first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{uuid4()}")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(f"{identity} {os.fstat(file.fileno()).st_ino}\n")
    flush(new)
    try:
        path.hardlink_to(new)
    except FileExistsError:
        pass
    finally:
        new.unlink()
    flush(path.parent)
