"""``adpulse alerts``: queries over the published data that notify the webhooks when they start to return rows."""

from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.cli.tables import AsJson, Item, print_json, print_list
from adpulse.cli.webhooks import OfWorkspace, OnlyWorkspace

if TYPE_CHECKING:
    from storage.control.alerts import Alert

alerts = typer.Typer(help="Data alerts: queries that notify the webhooks when they start to return rows.", no_args_is_help=True)
Reference = Annotated[str, typer.Argument(help="Id or name of the alert.")]


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(alerts, name="alerts")


@alerts.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Name of the alert.")],
    query: Annotated[str, typer.Argument(help="One SELECT over the published views; the alert fires while it returns rows.")],
    *,
    workspace: OfWorkspace = None,
) -> None:
    """Create an alert."""
    from adpulse.bootstrap import app
    from adpulse.services import alerting

    context = app()
    owner = context.workspaces.get_or_only(workspace)
    alert = alerting.create_alert(context.alerts, context.published(owner.id), owner.id, name, query)
    typer.echo(f"Alert {alert.name} ({alert.id}) watches {owner.name}. See its rows now with: adpulse alerts run {alert.id}")


@alerts.command("templates")
def list_templates() -> None:
    """List the templates that alerts can be made of without SQL."""
    from adpulse.services.alert_templates import TEMPLATES

    print_list(("Template", "Bound in"), [Item(cells=(name, one.unit or ""), note=one.title) for name, one in TEMPLATES.items()])


@alerts.command("choose")
def choose(
    template: Annotated[str, typer.Argument(help="A template of adpulse alerts templates.")],
    *,
    bound: Annotated[str, typer.Option("--bound", "-b", help="Its bound, in the template's unit.")] = "",
    label: Annotated[str, typer.Option("--label", help="Only accounts with this label.")] = "",
    connection: Annotated[str, typer.Option("--connection", "-c", help="Only this connection.")] = "",
    add_it: Annotated[bool, typer.Option("--add", help="Create the alert, instead of only trying it.")] = False,
    workspace: OfWorkspace = None,
) -> None:
    """Try an alert of a template on what is stored, and create it with --add."""
    from adpulse.bootstrap import app
    from adpulse.services import alert_templates, alerting

    context = app()
    owner = context.workspaces.get_or_only(workspace)
    filled = alert_templates.fill(context.connections, owner.id, template, bound=bound, label=label, connection=connection)
    typer.echo(f"{filled.name}. {alert_templates.back_test(context.published(owner.id), filled).words}")
    if add_it:
        alert = alerting.create_alert(context.alerts, context.published(owner.id), owner.id, filled.name, filled.query)
        typer.echo(f"It watches {owner.name} ({alert.id}).")


@alerts.command("list")
def list_alerts(workspace: OnlyWorkspace = None, *, as_json: AsJson = False) -> None:
    """List the alerts: whether they fire, and why a query could not be run."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.alerts.all(context.workspaces.get(workspace).id if workspace else None)
    if as_json:
        print_json(existing)
        return
    items = [Item(cells=(alert.name, _state(alert)), id=alert.id, note=alert.last_error or "") for alert in existing]
    print_list(("Alert", "State"), items)


def _state(alert: "Alert") -> str:
    if not alert.enabled:
        return "disabled"
    return f"fires since {alert.firing_since:%Y-%m-%d %H:%M} UTC" if alert.firing_since else "quiet" if alert.checked_at else "new"


@alerts.command("remove")
def remove(alert: Reference) -> None:
    """Remove an alert."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.alerts.get(alert)
    context.alerts.remove(existing.id)
    typer.echo(f"Alert {existing.name} is removed.")


@alerts.command("run")
def run(alert: Reference) -> None:
    """Run an alert's query and show its rows; webhooks are not notified."""
    from adpulse.bootstrap import app
    from adpulse.cli.tables import print_table

    context = app()
    answer = context.run_query(context.alerts.get(alert))
    if not answer.rows:
        typer.echo("No rows: it is quiet.")
        return
    print_table(answer.columns, [["" if value is None else str(value) for value in row] for row in answer.rows])
    if answer.truncated:
        typer.echo(f"And more than these {len(answer.rows)} rows.")
