"""``adpulse fx``: exchange rates, by which analysts see accounts of several currencies in one."""

from pathlib import Path
from typing import Annotated

import typer

from adpulse.cli.webhooks import OfWorkspace
from adpulse.errors import Usage

fx = typer.Typer(help="Exchange rates, for accounts of several currencies in one.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(fx, name="fx")


@fx.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="eurofxref-hist.zip or eurofxref.zip of the European Central Bank, or the CSV in it.", exists=True)
    ],
    *,
    workspace: OfWorkspace = None,
) -> None:
    """Store the rates of a file in all workspaces, or in one: a day of the file takes the place of the stored one."""
    from adpulse.bootstrap import app
    from adpulse.services.exchange_rates import import_rates

    context = app()
    chosen = [context.workspaces.get_or_only(workspace)] if workspace else context.workspaces.all()
    if not chosen:
        raise Usage("There is no workspace yet. Connect an account first: adpulse connect")
    for imported in import_rates(context.warehouse, file.read_bytes(), chosen):
        typer.echo(f"{imported.workspace.name}: {imported.changed} rates are new or changed. Days after {imported.until} have none yet.")
