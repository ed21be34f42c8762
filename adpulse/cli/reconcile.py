"""``adpulse reconcile``: what the platform's totals hold beyond what is stored below them."""

import json
from typing import TYPE_CHECKING, Annotated, Any

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
    from adpulse.bootstrap import app
    from adpulse.cli.tables import plain, print_table
    from adpulse.services import reconciling

    context = app()
    existing = context.connections.get(connection).connection
    remainders = reconciling.remainders(context.published(existing.workspace_id), existing, context.clock.now())
    unexplained = [remainder for remainder in remainders if remainder.unexplained]
    if as_json:
        typer.echo(json.dumps([_fields(remainder) for remainder in remainders], indent=2))
    else:
        typer.secho(plain(f"{existing.name}, spend in {existing.currency}"), bold=True)
        if remainders:
            columns = ("Day", "Level", "Ours", "Platform", "Remainder", "Share", "Reason")
            print_table(columns, [_row(remainder) for remainder in remainders[:_SHOWN]])
        if len(remainders) > _SHOWN:
            typer.echo(f"And {len(remainders) - _SHOWN} more: --json has all of them.")
        typer.secho(_verdict(remainders, unexplained), bold=True)
    if unexplained:
        raise typer.Exit(1)


def _row(remainder: "Remainder") -> tuple[str, ...]:
    share = "" if remainder.share is None else f"{remainder.share:.2%}"
    amounts = (f"{amount:.2f}" for amount in (remainder.ours, remainder.platform, remainder.amount))
    return (remainder.day.isoformat(), remainder.level, *amounts, share, remainder.reason)


def _fields(remainder: "Remainder") -> dict[str, Any]:
    return {
        "date": remainder.day.isoformat(),
        "level": remainder.level.value,
        "ours": str(remainder.ours),
        "platform": str(remainder.platform),
        "remainder": str(remainder.amount),
        "share": None if remainder.share is None else f"{remainder.share:.6f}",
        "deleted": remainder.deleted,
        "leafless": str(remainder.leafless),
        "unexplained": remainder.unexplained,
    }


def _verdict(remainders: "Sequence[Remainder]", unexplained: "Sequence[Remainder]") -> str:
    if not remainders:
        return "Everything adds up."
    if not unexplained:
        return "What does not add up is explained; the view daily has it as rows of its own."
    return f"{len(unexplained)} remainders are unexplained: compare these days in the platform's own interface."
