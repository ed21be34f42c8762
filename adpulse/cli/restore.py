"""``adpulse restore``: puts a backup in the place of everything, or a published copy in the place of a damaged warehouse."""

from pathlib import Path
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("restore")(restore)


def restore(
    source: Annotated[
        str | None,
        typer.Argument(help="Folder of a backup; or id or name of a workspace, not needed when there is only one."),
    ] = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the file is not damaged, and when the copy is: then everything is read again.")
    ] = False,
) -> None:
    """Put a backup in the place of the control plane and all warehouses; or replace one damaged warehouse with its published copy.

    Whatever is replaced is kept under another name.
    """
    if source and _is_folder(Path(source)):
        _restore_backup(Path(source))
        return
    from adpulse.bootstrap import app
    from adpulse.services import restoring

    result = restoring.restore(app(), source, force=force)
    if result.set_aside:
        typer.echo(f"The damaged file is kept: {result.set_aside}")
    if result.from_copy:
        typer.echo("The published copy is the warehouse now. The days that the platform may still restate and the entities are read again.")
    else:
        typer.echo("There was no copy to restore. The warehouse starts empty: everything is read again.")


def _is_folder(path: Path) -> bool:
    """Whether a backup is meant: it is one, or a folder by a path. A workspace's name may have a slash, and be a folder's name too."""
    return (path / "backup.json").exists() or (len(path.parts) > 1 and path.is_dir())


def _restore_backup(folder: Path) -> None:
    from adpulse import settings
    from adpulse.services.restoring_backups import restore_backup

    config = settings.load()
    result = restore_backup(config, folder)
    for path in result.set_aside:
        typer.echo(f"What was there is kept: {path}")
    typer.echo(f"{config.home} is as it was at {result.backup.taken_at:%Y-%m-%d %H:%M:%S} UTC. Start it with: adpulse up")
    if result.missing_keys:
        place = "ADPULSE_SECRET_KEY" if config.secret_key else config.home / "secret.key"
        typer.echo(
            f"The tokens in it need keys that are not here ({', '.join(result.missing_keys)}). Put your copy of them into {place} first."
        )
