"""Links in the folder of published copies by which people find a workspace: its name and the first characters of its id."""

import re
from collections.abc import Mapping
from pathlib import Path

_ID_CHARACTERS = 8
_LONGEST = 60
_LINK = re.compile(r".+-[0-9a-f]{8}\.duckdb")


def link_name(name: str, workspace_id: str) -> str:
    """The link's file name: ``acme-retail-1f2e3d4c.duckdb``."""
    return f"{slug(name)}-{workspace_id[:_ID_CHARACTERS]}.duckdb"


def slug(name: str) -> str:
    """A name in lower case, with a hyphen for everything that is neither a letter nor a digit."""
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")[:_LONGEST] or "workspace"


def renew(folder: Path, names: Mapping[str, str]) -> None:
    """Give every published copy in ``folder`` its link, and remove links of workspaces that were renamed or deleted.

    ``names``: the workspaces' names by their ids.
    """
    if not folder.is_dir():
        return
    wanted = {link_name(name, workspace): f"{workspace}.duckdb" for workspace, name in names.items() if _is_copy(folder, workspace)}
    for path in folder.iterdir():
        if path.is_symlink() and _LINK.fullmatch(path.name) and wanted.get(path.name) != str(path.readlink()):
            path.unlink(missing_ok=True)
    for name, target in wanted.items():
        if not (folder / name).is_symlink():
            fresh = folder / f".{name}.new"
            fresh.unlink(missing_ok=True)
            fresh.symlink_to(target)
            fresh.replace(folder / name)


def _is_copy(folder: Path, workspace_id: str) -> bool:
    path = folder / f"{workspace_id}.duckdb"
    return path.is_file() and not path.is_symlink()
