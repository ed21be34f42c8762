"""``adpulse mapping``: what counts as a connection's conversions."""

import json
from typing import Annotated

import typer

from adpulse.cli.tables import AsJson


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("mapping")(mapping)


def mapping(
    connection: Annotated[str, typer.Argument(help="Id or name of a connection.")],
    *,
    preset: Annotated[str | None, typer.Option("--preset", help="Begin with this mapping: default or purchases.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="A metric and the types that it counts, such as leads=lead,contact_total; or clicks=link. Repeatable."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call a mapping of your own.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show what counts as purchases, leads, installs, visitors and conversions, or choose it.

    Days that the platform may still restate are read again by another mapping at once. Older days stay as they were counted.
    """
    from adpulse import presentation
    from adpulse.bootstrap import app
    from adpulse.cli.tables import plain
    from adpulse.mapping import parse_changes
    from adpulse.services import mapping as mappings

    context = app()
    existing = context.connections.get(connection).connection
    if preset or changes or name:
        chosen = mappings.revised(existing, preset=preset, changes=parse_changes(changes or ()), name=name)
        ticket = mappings.choose(context, existing, chosen)
        existing = context.connections.get(existing.id).connection
        if ticket and not as_json:
            typer.echo(f"The lookback is read again by the sync that is queued: {ticket.run_id}")
    if as_json:
        typer.echo(json.dumps(presentation.mapping_fields(existing), indent=2))
        return
    typer.secho(plain(f"{existing.name}  mapping {presentation.describe_mapping(existing)}"), bold=True)
    for metric, counted in presentation.mapping_lines(existing):
        typer.echo(f"  {metric:<15} {plain(counted)}")
