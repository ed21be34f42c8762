"""``adpulse dead-letters``: syncs that ended without success and wait for a person."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from adpulse.cli.tables import AsJson

dead_letters = typer.Typer(help="Syncs that ended without success and wait for a person.", no_args_is_help=True)
Letter = Annotated[str, typer.Argument(help="Id of the letter (its sync run), or the beginning of it.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    cli.add_typer(dead_letters, name="dead-letters")


@dead_letters.command("list")
def list_letters(
    connection: Annotated[str | None, typer.Argument(help="Id or name; all when left out.")] = None, *, as_json: AsJson = False
) -> None:
    """List the open letters, newest first."""
    from adpulse.bootstrap import app
    from adpulse.cli.tables import Item, print_list
    from adpulse.presentation import format_age

    context = app()
    letters = context.runs.dead_letters(context.connections.get(connection).connection.id if connection else None)
    if as_json:
        typer.echo(json.dumps([asdict(letter) for letter in letters], default=str, indent=2))
        return
    if not letters:
        typer.echo("No dead letters.")
        return
    names, now = {view.connection.id: view.connection.name for view in context.connections.all()}, context.wall.now()
    items = [
        Item(
            cells=(names[letter.connection_id], format_age(letter.finished_at, now), str(letter.attempts), letter.error_during or ""),
            id=letter.id,
            note=letter.error or "",
        )
        for letter in letters
    ]
    print_list(("Connection", "When", "Tries", "During"), items)


@dead_letters.command("show")
def show(letter: Letter, *, as_json: AsJson = False) -> None:
    """Show one letter with its context."""
    from adpulse.bootstrap import app
    from adpulse.services import syncing

    context = app()
    run = syncing.dead_letter(context.runs, letter)
    if as_json:
        typer.echo(json.dumps(asdict(run), default=str, indent=2))
        return
    details = {
        "Connection": context.connections.get(run.connection_id).connection.name,
        "Error": run.error,
        "Code": run.error_code,
        "During": run.error_during,
        "Tries": run.attempts,
        "Calls": run.calls,
        "Asked for": f"{run.parts}{', the whole lookback' if run.force_refresh else ''} at {run.requested_at:%Y-%m-%d %H:%M:%S} UTC",
        "Ended": f"{run.finished_at:%Y-%m-%d %H:%M:%S} UTC" if run.finished_at else None,
        "Flow run": run.flow_run_id,
        "Traceback": f"logs/worker.log, look for {run.id}",
    }
    typer.secho(run.id, bold=True)
    for label, value in details.items():
        if value is not None:
            typer.echo(f"  {label:<12} {value}")


@dead_letters.command("replay")
def replay(letter: Letter) -> None:
    """Request the letter's sync again."""
    from adpulse.bootstrap import app
    from adpulse.services import syncing

    ticket = syncing.replay(app(), syncing.dead_letter(app().runs, letter))
    typer.echo(f"Queued: {ticket.run_id}")


@dead_letters.command("resolve")
def resolve(letter: Letter, note: Annotated[str, typer.Option("--note", help="What was done about it.")] = "resolved by hand") -> None:
    """Mark a letter as resolved, without another sync."""
    from adpulse.bootstrap import app
    from adpulse.services import syncing

    context = app()
    run = syncing.dead_letter(context.runs, letter)
    context.runs.resolve(run.id, note[:255])
    typer.echo(f"Resolved {run.id}.")
