"""``adpulse backfill``: reads a connection's history."""

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.cli.tables import AsJson

if TYPE_CHECKING:
    from adpulse.bootstrap import App
    from adpulse.model import Connection

_DAY = ["%Y-%m-%d"]


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("backfill")(backfill)


def backfill(
    connection: Annotated[str, typer.Argument(help="Id or name of a connection.")],
    *,
    since: Annotated[datetime | None, typer.Option("--since", formats=_DAY, help="The first day, at most 37 months ago.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show how many calls it takes, and how long.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    stop: Annotated[bool, typer.Option("--stop", help="Read no more history; what is stored stays.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read the days before the first sync's 90, up to 37 months back, or show how far that is.

    The history is read in the background, at most 60 calls an hour, after everything that keeps today and the lookback fresh.
    """
    from adpulse.bootstrap import app
    from adpulse.services import backfilling

    context = app()
    existing = context.connections.get(connection).connection
    if stop:
        backfilling.stop(context.backfills, existing)
        typer.echo("Its history is not read any further; what is stored stays.")
    elif since is not None:
        _begin(context, existing, since.date(), asks=not (yes or as_json), dry_run=dry_run, as_json=as_json)
    else:
        _show(context, existing, as_json=as_json)


def _begin(context: "App", connection: "Connection", since: date, *, asks: bool, dry_run: bool, as_json: bool) -> None:
    from adpulse import presentation
    from adpulse.services import backfilling

    estimate = backfilling.propose(context, connection, since)
    typer.echo(json.dumps(presentation.estimate_fields(estimate)) if as_json else presentation.describe_estimate(estimate))
    if dry_run:
        return
    if asks and not typer.confirm("Read them?"):
        raise typer.Exit(1)
    backfilling.begin(context, connection, since)
    if not as_json:
        typer.echo("It is read in the background.")


def _show(context: "App", connection: "Connection", *, as_json: bool) -> None:
    from adpulse import presentation
    from adpulse.cli.tables import plain
    from adpulse.services import backfilling

    progress = backfilling.progress(context, connection)
    if as_json:
        typer.echo(json.dumps(presentation.backfill_fields(progress) if progress else None, indent=2))
    elif progress is None:
        typer.echo("It has no backfill. Begin one with --since DATE.")
    else:
        typer.echo(plain(presentation.describe_backfill(progress)))
