"""``adpulse alerts``: queries over the published data, that tell the webhooks when they begin to find rows."""

from typing import Annotated

import typer

from adpulse.cli.webhooks import OfWorkspace, OnlyWorkspace

alerts = typer.Typer(help="Data alerts: queries that tell the webhooks when they begin to find rows.", no_args_is_help=True)
Reference = Annotated[str, typer.Argument(help="Id or name of the alert.")]


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(alerts, name="alerts")


@alerts.command("add")
def add(
    name: Annotated[str, typer.Argument(help="What it is about.")],
    query: Annotated[str, typer.Argument(help="One SELECT over the published views; its rows are what is wrong.")],
    *,
    workspace: OfWorkspace = None,
) -> None:
    """Make an alert."""
    from adpulse.bootstrap import app
    from adpulse.services import alerting

    context = app()
    owner = context.workspaces.named(workspace)
    made = alerting.make_alert(context, owner.id, name, query)
    typer.echo(f"Alert {made.name} ({made.id}) watches {owner.name}. See what it finds now with: adpulse alerts run {made.id}")


@alerts.command("list")
def list_alerts(workspace: OnlyWorkspace = None) -> None:
    """List the alerts: whether they fire, and why one could not be asked."""
    from adpulse.bootstrap import app

    context = app()
    for each in context.alerts.every(context.workspaces.get(workspace).id if workspace else None):
        state = f"fires since {each.firing_since:%Y-%m-%d %H:%M} UTC" if each.firing_since else "quiet" if each.checked_at else "new"
        told = f"{each.id}  {each.name}  {state if each.enabled else 'disabled'}"
        typer.echo(f"{told}  {each.last_error}" if each.last_error else told)


@alerts.command("remove")
def remove(alert: Reference) -> None:
    """Remove an alert."""
    from adpulse.bootstrap import app

    context = app()
    found = context.alerts.named(alert)
    context.alerts.remove(found.id)
    typer.echo(f"Alert {found.name} is removed.")


@alerts.command("run")
def run(alert: Reference) -> None:
    """Show the rows that an alert finds now; nobody is told."""
    from rich.console import Console
    from rich.table import Table

    from adpulse.bootstrap import app

    context = app()
    answer = context.run_query(context.alerts.named(alert))
    if not answer.rows:
        typer.echo("No rows: it is quiet.")
        return
    table = Table(*answer.columns)
    for row in answer.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    Console().print(table, markup=False)
    if answer.truncated:
        typer.echo(f"And more than these {len(answer.rows)} rows.")
