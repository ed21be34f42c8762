"""``adpulse mapping``: what counts as a connection's conversions."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adpulse.cli.tables import AsJson
from adpulse.errors import Usage

if TYPE_CHECKING:  # help must answer at once
    from adpulse.bootstrap import App
    from adpulse.conversion_types import KeptTypes
    from adpulse.mapping import ConversionMapping
    from adpulse.model import Connection


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("mapping")(mapping)


def mapping(
    connection: Annotated[str, typer.Argument(help="Id or name of a connection.")],
    *,
    preset: Annotated[str | None, typer.Option("--preset", help="Begin with this mapping: default, purchases, or results (Meta).")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="A metric and the types that it counts, such as leads=lead,contact_total; clicks=link; or attribution=7d_click,1d_view, "
            "attribution=conversion_date (Google) and attribution=default. Repeatable.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="What to call a mapping of your own.")] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Change nothing: show what the mapping would change.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what counts as purchases, leads, installs, visitors and conversions, and everything that the account reports; or choose it.

    What the account reported in the last 28 days is read with one call, unless that was done within the hour.
    Days that the platform may still restate are read again by another mapping at once. Older days stay as they were counted.
    """
    from adpulse import presentation
    from adpulse.bootstrap import app
    from adpulse.cli.tables import plain
    from adpulse.mapping import parse_changes
    from adpulse.services import conversion_types
    from adpulse.services import mapping as mappings

    context = app()
    existing = context.connections.get(connection).connection
    if preset or changes or name or preview:
        chosen = mappings.revised(existing, preset=preset, changes=parse_changes(changes or ()), name=name)
        if preview:
            _preview(context, existing, chosen, as_json=as_json)
            return
        ticket = mappings.choose(context, existing, chosen)
        existing = context.connections.get(existing.id).connection
        if ticket and not as_json:
            typer.echo(f"The lookback is read again by the sync that is queued: {ticket.run_id}")
    kept, failure = conversion_types.look(context, existing)
    if as_json:
        typer.echo(json.dumps(presentation.mapping_fields(existing) | _types_fields(existing, kept), indent=2))
        return
    typer.secho(plain(f"{existing.name}  mapping {presentation.describe_mapping(existing)}"), bold=True)
    for metric, counted in presentation.mapping_lines(existing):
        typer.echo(f"  {metric:<15} {plain(counted)}")
    _print_types(existing, kept, failure)


def _types_fields(connection: "Connection", kept: "KeptTypes | None") -> "dict[str, Any]":
    from adpulse import mapping_table

    if kept is None:
        return {"types": None}
    return {
        "types": mapping_table.fields(mapping_table.counted(connection, kept)),
        "types_since": kept.since.isoformat(),
        "types_until": kept.until.isoformat(),
        "types_read_at": kept.read_at.isoformat(),
    }


def _print_types(connection: "Connection", kept: "KeptTypes | None", failure: str | None) -> None:
    from adpulse import mapping_table
    from adpulse.cli.tables import plain, print_table

    if failure:
        typer.secho(plain(f"The account's types could not be read now: {failure}"), err=True)
    if kept is None:
        return
    typer.echo(f"\nWhat the account reports, {mapping_table.describe_days(kept)}:")
    if kept.types.withheld:
        typer.echo(mapping_table.WITHHELD)
    elif rows := mapping_table.rows(mapping_table.counted(connection, kept)):
        print_table(mapping_table.COLUMNS, rows)
    else:
        typer.echo("Nothing.")


def _preview(context: "App", connection: "Connection", chosen: "ConversionMapping", *, as_json: bool) -> None:
    """Print the metrics by the present mapping and by the chosen one."""
    from adpulse import mapping_table
    from adpulse.cli.tables import plain, print_table
    from adpulse.services import conversion_types
    from adpulse.services import mapping as mappings

    kept, failure = conversion_types.look(context, connection)
    if kept is None:
        raise Usage(f"The account's types are not known, so nothing can be previewed. {failure}")
    changes = mappings.preview(connection, chosen, kept)
    if as_json:
        typer.echo(json.dumps({"mapping": chosen.name, "changes": mapping_table.change_fields(changes)}, indent=2))
        return
    if failure:
        typer.secho(plain(f"The account's types could not be read now: {failure}"), err=True)
    typer.secho(plain(f"{connection.name}  by {chosen.describe()}"), bold=True)
    typer.echo(f"The account's totals, {mapping_table.describe_days(kept)}; nothing is changed:")
    print_table(mapping_table.CHANGE_COLUMNS, mapping_table.change_rows(changes))
