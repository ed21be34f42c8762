"""``adpulse backup``: a backup of the control plane and all warehouses as of one moment."""

from pathlib import Path
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("backup")(backup)


def backup(
    folder: Annotated[Path, typer.Argument(help="The new folder of this backup; best on another disk.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Back up the control plane and all warehouses as of one moment, and verify the result. Syncs continue."""
    import json

    from adpulse import backups
    from adpulse.bootstrap import app

    context = app()
    taken = backups.take(context, folder)
    workspaces = len(taken.backup.workspaces)
    if as_json:
        fields = {"folder": str(folder.absolute()), "at": taken.backup.at, "workspaces": workspaces, "bytes": taken.size}
        typer.echo(json.dumps({**fields, "held_seconds": round(taken.held, 3)}))
        return
    typer.echo(f"The backup of {taken.backup.taken_at:%Y-%m-%d %H:%M:%S} UTC is in {folder}, read back and verified.")
    typer.echo(f"It has the control plane and {workspaces} warehouses, {taken.size / 1e6:.1f} MB. Syncs were held for {taken.held:.2f} s.")
    source = "ADPULSE_SECRET_KEY" if context.settings.secret_key else str(context.settings.home / "secret.key")
    typer.echo(f"The keys of the stored tokens are not in it: keep a copy of {source} in another place.")
