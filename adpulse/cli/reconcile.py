"""``adpulse reconcile``: what the platform's totals hold beyond what is stored below them."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adpulse.remainder import Remainder

_SHOWN = 40


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("reconcile")(reconcile)


def reconcile(
    connection: Annotated[str, typer.Argument(help="Id or name of a connection.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the spend that the platform reports for the account, or for a campaign, but for nothing below it. Changes nothing.

    Exit code 0: everything adds up, or deleted entities explain what does not. 1: more than 0.1 % of a day's spend is unexplained.
    """
    from adpulse import presentation
    from adpulse.bootstrap import app
    from adpulse.cli.tables import plain, print_table
    from adpulse.remainder import as_fields
    from storage.warehouse.remainders import read_remainders

    context = app()
    existing = context.connections.get(connection).connection
    remainders = read_remainders(context.published(existing.workspace_id), existing, context.clock.now())
    unexplained = [remainder for remainder in remainders if remainder.unexplained]
    if as_json:
        typer.echo(json.dumps([as_fields(remainder) for remainder in remainders], indent=2))
    else:
        typer.secho(plain(f"{existing.name}, spend in {existing.currency}"), bold=True)
        if remainders:
            cells = [presentation.remainder_cells(remainder) for remainder in remainders[:_SHOWN]]
            print_table(presentation.REMAINDER_COLUMNS, cells)
        if len(remainders) > _SHOWN:
            typer.echo(f"And {len(remainders) - _SHOWN} more: --json has all of them.")
        typer.secho(_verdict(remainders, unexplained), bold=True)
    if unexplained:
        raise typer.Exit(1)


def _verdict(remainders: "Sequence[Remainder]", unexplained: "Sequence[Remainder]") -> str:
    if not remainders:
        return "Everything adds up."
    if not unexplained:
        return "What does not add up is explained; the view daily has it as rows of its own."
    return f"{len(unexplained)} remainders are unexplained: compare these days in the platform's own interface."
