"""Files that only their owner may read, from the first byte on, whatever the umask."""

import os
from pathlib import Path


def write_draft(path: Path, text: str) -> Path:
    """Write the text to a private file beside ``path``, through to the disk; returns that file."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def write(path: Path, text: str) -> None:
    """Make this text the file's content; readers see the old or the new content, whole."""
    write_draft(path, text).replace(path)


def create(path: Path, text: str) -> str:
    """Create the file with this text, unless it exists; returns what is in it.

    Of two processes that create it at once, both return the text of the first one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = write_draft(path, text)
    try:
        # Unlike a rename, a link fails if the file exists, so it replaces nothing of another process.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text()
