"""``adpulse analytics``: where the published copies are, and the SQL lines that attach them."""

from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("analytics")(analytics)


def analytics(
    workspaces: Annotated[list[str] | None, typer.Argument(help="Names or ids; all when left out.", metavar="[WORKSPACE]...")] = None,
    *,
    sql: Annotated[bool, typer.Option("--sql", help="Print the SQL lines that attach them, for programs that stay open.")] = False,
) -> None:
    """Print the file of each workspace. It needs only the folder of published copies, neither database nor keys."""
    from adpulse.analytics import find_copies
    from storage.warehouse.reader import attaching

    copies = find_copies(*(workspaces or ()))
    if sql:
        typer.echo(attaching(copies))
        return
    for name, path in copies.items():
        typer.echo(f"{name}  {path}")
