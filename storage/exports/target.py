"""Where exports go. What an export writes is unseen until it is there as a whole."""

from pathlib import Path
from typing import Protocol

from storage.exports.folder import FolderTarget
from storage.exports.manifest import Format, Manifest

_DATABASES = ("postgresql://", "postgres://")


class Target(Protocol):
    """A folder, an object store or a database that holds exports.

    Every method raises Unavailable when it cannot be reached, and Usage when it is not what this adpulse exports to.
    """

    name: str
    """What messages call it; it holds no secret."""

    @property
    def format(self) -> Format | None:
        """How rows are written there; None where people choose."""

    def beneath(self, workspace: str) -> "Target":
        """Where a workspace goes, if each one has a place of its own."""

    def newest(self, workspace: str) -> Manifest | None:
        """The manifest of the workspace's newest export; None before the first."""

    def fetch_state(self, newest: Manifest, folder: Path) -> dict[str, Path]:
        """Copy the record of the newest export to a folder; returns the file of each view of which there is one."""

    def clear(self, sequence: int) -> None:
        """Remove what an export of this number left that was interrupted before it counted."""

    def write(self, folder: Path, manifest: Manifest) -> Manifest:
        """Write an export that was built in a folder, and make it count in one step; returns its manifest as it is stored."""


def target_at(location: str, *, hidden: bool) -> Target:
    """The target at a path or address. ``hidden``: nobody but the installation sees the address, so it may hold a password.

    Raises:
        Usage: the address is of a kind that is not known, or holds a secret that others can see.
    """
    if not location.startswith(_DATABASES):
        return FolderTarget.at(location)
    from storage.exports.postgresql import PostgresTarget

    return PostgresTarget.at(location, hidden=hidden)
