"""Opens published copies for programs and notebooks that stay open. It needs the folder of copies, and neither database nor keys."""

from pathlib import Path

from adpulse import settings
from adpulse.errors import Usage
from adpulse.home import PUBLISHED
from storage.warehouse.links import slug
from storage.warehouse.reader import Analytics


def open_analytics(*workspaces: str | Path, home: Path | None = None) -> Analytics:
    """The published copies of these workspaces, or of all, behind one connection that sees every new publication.

    Args:
        workspaces: names or ids of workspaces of this installation, or paths of files, as :command:`adpulse pull` writes them.
        home: the installation's folder; ADPULSE_HOME when left out.

    Raises:
        Usage: nothing was published of a workspace, or a name fits several.
    """
    return Analytics(find_copies(*workspaces, home=home))


def find_copies(*workspaces: str | Path, home: Path | None = None) -> dict[str, Path]:
    """The published copies of these workspaces, or of all, by the names that queries show.

    Raises:
        Usage: nothing was published of a workspace, or a name fits several.
    """
    folder = (home or settings.load().home).absolute() / PUBLISHED
    if workspaces:
        return dict(_find(folder, workspace) for workspace in workspaces)
    copies = {path.name.rpartition("-")[0]: path for path in _links(folder, "*")}
    if not copies:
        raise Usage(f"There is no published copy in {folder}. Sync a connection first.")
    return copies


def _links(folder: Path, name: str) -> list[Path]:
    return [path for path in sorted(folder.glob(f"{name}-????????.duckdb")) if path.is_symlink()]


def _find(folder: Path, workspace: str | Path) -> tuple[str, Path]:
    """A workspace's name in queries, and its copy."""
    if isinstance(workspace, Path) or workspace.endswith(".duckdb"):
        return Path(workspace).stem, Path(workspace).absolute()
    by_id, links = folder / f"{workspace}.duckdb", _links(folder, slug(workspace))
    if len(links) > 1:
        raise Usage(f"Several workspaces are named '{workspace}'. Name one by its id: {', '.join(path.name for path in links)}.")
    if not links and not by_id.exists():
        raise Usage(f"There is no published copy of a workspace '{workspace}' in {folder}. Sync a connection of it first.")
    return workspace, links[0] if links else by_id
