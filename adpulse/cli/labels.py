"""``adpulse labels``: the labels of many connections from a CSV file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.cli.tables import AsJson, Item, print_json, print_list
from adpulse.cli.webhooks import OfWorkspace

if TYPE_CHECKING:
    from adpulse.services.labelling import Judged

labels = typer.Typer(help="The labels of many connections at once.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(labels, name="labels")


@labels.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="CSV with the columns connection or account, and labels, separated by semicolons.")],
    *,
    workspace: OfWorkspace = None,
    apply: Annotated[bool, typer.Option("--apply", help="Set the labels; without it nothing is changed.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set the labels of the connections in a file. Without --apply it only shows a verdict on each row; a refused row prevents all."""
    from adpulse.bootstrap import app
    from adpulse.services import labelling
    from adpulse.services.connection_file import read_text

    rows = labelling.read_rows(read_text(file))
    context = app()
    judged = labelling.judge(context.connections.all(context.workspaces.get_or_only(workspace).id), rows)
    _show(judged, as_json=as_json)
    refused = sum(row.verdict is labelling.Verdict.REFUSED for row in judged)
    if refused:
        typer.echo(f"{refused} of {len(judged)} rows are refused. Nothing was changed.", err=as_json)
        raise typer.Exit(1)
    if apply:
        typer.echo(f"Connections with other labels now: {labelling.apply(context.labels, judged)}.", err=as_json)
    else:
        typer.echo("This was a dry run: nothing was changed. Import with --apply.", err=as_json)


@labels.command("export")
def export_file(workspace: OfWorkspace = None) -> None:
    """Print the labels of all connections as a CSV file that adpulse labels import reads."""
    from adpulse.bootstrap import app
    from adpulse.services.labelling import write_rows

    context = app()
    typer.echo(write_rows(context.connections.all(context.workspaces.get_or_only(workspace).id)), nl=False)


def _show(judged: "list[Judged]", *, as_json: bool) -> None:
    if as_json:
        print_json(judged)
        return
    items = [Item(cells=(str(row.line), row.name, row.verdict.value), id=row.connection_id, note=row.reason) for row in judged]
    print_list(("Line", "Connection", "Verdict"), items)
