"""``adpulse export``: what changed in a workspace since its last export, as files or in a database."""

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from storage.exports.manifest import Manifest


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("export")(export)


def export(
    *,
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Id or name of the workspace.")],
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            help="A folder or s3://BUCKET/PREFIX, one for each workspace, or postgresql://USER@HOST/DATABASE?schema=NAME. "
            "Without it, to where ADPULSE_EXPORT_TO has the workspace.",
        ),
    ] = None,
    view: Annotated[list[str] | None, typer.Option("--view", help="View to export; repeatable. Without it: daily.")] = None,
    file_format: Annotated[str, typer.Option("--format", help="Of files: parquet or csv.")] = "parquet",
    full: Annotated[bool, typer.Option("--full", help="Write all rows, not only those that changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the export's manifest as JSON.")] = False,
) -> None:
    """Export the rows that changed since the last export to the same target. A killed export counts as none and is begun again."""
    from adpulse.bootstrap import app
    from adpulse.errors import Usage
    from adpulse.services.exporting import configured_target, exporter_of
    from storage.exports.manifest import FILE_FORMATS, Format
    from storage.exports.target import target_at

    if file_format not in FILE_FORMATS:
        raise Usage(f"'{file_format}' is not a format of exports. Choose one of: {', '.join(FILE_FORMATS)}.")
    context = app()
    owner = context.workspaces.get(workspace)
    target = target_at(to, hidden=False) if to else configured_target(context.settings).beneath(owner.id)
    context.warehouse(owner.id).publish(min_interval_seconds=0)
    manifest = exporter_of(context, owner.id).export(target, tuple(view or ()), format_=Format(file_format), full=full)
    if as_json:
        typer.echo(manifest.to_json().decode() if manifest else "null")
    elif manifest is None:
        typer.echo(f"{owner.name}: nothing changed since the last export.")
    else:
        _print(owner.name, manifest)
        names = {shown.connection.id: shown.connection.name for shown in context.connections.all(owner.id)}
        for connection in manifest.restored:
            typer.echo(
                f"The warehouse of {names.get(connection, connection)} went back to an earlier state since the last export, as after a "
                "restore: this export takes back the rows that are no longer there."
            )


def _print(name: str, manifest: "Manifest") -> None:
    files = f", {len(manifest.files)} files, {sum(manifest.files.values()) / 1e6:.1f} MB" if manifest.files else ""
    typer.echo(f"{name}: export {manifest.sequence}{files}.")
    for view, entry in manifest.views.items():
        rows = f"{entry.changed} rows" if entry.full else f"{entry.changed} changed rows"
        reason = f"; all rows: {entry.full}" if entry.full else ""
        typer.echo(f"  {view}: {rows}, {entry.deleted} deleted{reason}")
