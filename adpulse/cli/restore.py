"""``adpulse restore``: replaces a damaged warehouse with its published copy."""

from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("restore")(restore)


def restore(
    workspace: Annotated[str | None, typer.Argument(help="Id or name of the workspace; may be left out when there is only one.")] = None,
    *,
    force: Annotated[
        bool, typer.Option("--force", help="Also when the file is not damaged, and when the copy is: then everything is read again.")
    ] = False,
) -> None:
    """Replace a damaged warehouse file with the published copy. The damaged file is kept under another name."""
    from adpulse.bootstrap import app
    from adpulse.services import restoring

    result = restoring.restore(app(), workspace, force=force)
    if result.set_aside:
        typer.echo(f"The damaged file is kept: {result.set_aside}")
    if result.from_copy:
        typer.echo("The published copy is the warehouse now. The days that the platform may still restate and the entities are read again.")
    else:
        typer.echo("There was no copy to restore. The warehouse starts empty: everything is read again.")
