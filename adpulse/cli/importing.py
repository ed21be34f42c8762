"""``adpulse import`` and ``adpulse export-connections``: lists of connections."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.cli.tables import AsJson
from adpulse.errors import Usage

if TYPE_CHECKING:
    from pydantic import SecretStr

    from adpulse.model import Provider
    from adpulse.services.importing import ImportPlan


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.command("import")(import_connections)
    cli.command("export-connections")(export_connections)


def import_connections(
    file: Annotated[Path, typer.Argument(help="CSV, or JSON if its name ends in .json.")],
    *,
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Id or name of the workspace.")],
    apply: Annotated[bool, typer.Option("--apply", help="Connect the accounts; without it nothing is stored.")] = False,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token of rows without a token_file.")] = False,
    as_json: AsJson = False,
) -> None:
    """Connect the accounts of a list. Without --apply it only shows a verdict on each row; a refused row prevents the import of all."""
    from adpulse.bootstrap import app
    from adpulse.services import importing
    from adpulse.services.connection_file import read_list

    rows = read_list(file)
    context = app()
    planned = importing.plan(context, workspace, rows, file.absolute().parent, _token() if token_stdin else None)
    created = importing.apply(context, workspace, planned) if apply and not planned.refused else []
    ids = {(view.connection.provider, view.connection.external_id): view.connection.id for view in created}
    _show(planned, ids, as_json=as_json)
    if planned.refused:
        _echo(f"{len(planned.refused)} of {len(rows)} rows are refused. Nothing was imported.", as_json=as_json)
        raise typer.Exit(1)
    if created:
        _echo(f"Connected {len(created)} accounts; their first syncs are queued.", as_json=as_json)
    elif not apply:
        _echo("This was a dry run: nothing was stored. Import with --apply.", as_json=as_json)


def export_connections(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Print the connections as a list that adpulse import reads elsewhere, as CSV. Tokens are not in it."""
    from adpulse.bootstrap import app
    from adpulse.services.connection_file import write_csv, write_json

    context = app()
    views = context.connections.all(context.workspaces.get(workspace).id if workspace else None)
    typer.echo(write_json(views) if as_json else write_csv(views), nl=as_json)


def _token() -> "SecretStr":
    from pydantic import SecretStr

    from adpulse.redact import protect

    token = sys.stdin.read().strip()
    if not token:
        raise Usage("There is no token on standard input.")
    return SecretStr(protect(token))


def _show(planned: "ImportPlan", ids: "dict[tuple[Provider, str], str]", *, as_json: bool) -> None:
    import json

    from adpulse.cli.tables import Item, print_list

    fields = [
        {
            "line": judged.row.line,
            "provider": judged.row.provider,
            "account": judged.row.account,
            "verdict": judged.verdict.value,
            "reason": judged.reason,
            "connection": ids.get((judged.new.provider, judged.new.facts.external_id)) if judged.new else None,
        }
        for judged in planned.rows
    ]
    if as_json:
        typer.echo(json.dumps(fields, indent=2))
    else:
        cells = [[str(row[name]) for name in ("line", "provider", "account", "verdict")] for row in fields]
        items = [
            Item(cells=texts, id=str(row["connection"] or ""), note=str(row["reason"])) for texts, row in zip(cells, fields, strict=True)
        ]
        print_list(("Line", "Platform", "Account", "Verdict"), items)


def _echo(text: str, *, as_json: bool) -> None:
    """What people read goes beside the JSON, so that a program can read that."""
    typer.echo(text, err=as_json)
