"""``adpulse workspace``: workspaces, each with its own warehouse file, and their grant of realtime."""

from typing import Annotated

import typer

from adpulse.cli.tables import AsJson, Item, print_json, print_list

Reference = Annotated[str, typer.Argument(help="Id or name of the workspace.")]
workspaces = typer.Typer(help="Workspaces: each has its own warehouse file.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(workspaces, name="workspace")


@workspaces.command("create")
def create(name: Annotated[str, typer.Argument(help="Name of the new workspace.")]) -> None:
    """Create a workspace."""
    from adpulse.bootstrap import app

    workspace = app().workspaces.create(name)
    typer.echo(f"Workspace {workspace.name} created ({workspace.id}).")


@workspaces.command("list")
def list_workspaces(*, as_json: AsJson = False) -> None:
    """List the workspaces."""
    from adpulse.bootstrap import app

    workspaces = app().workspaces.all()
    if as_json:
        print_json(workspaces)
        return
    items = [
        Item(
            cells=(workspace.name, "granted" if workspace.realtime_granted else "not granted", workspace.reporting_currency or "none"),
            id=workspace.id,
        )
        for workspace in workspaces
    ]
    print_list(("Workspace", "Realtime", "Reporting currency"), items)


@workspaces.command("rename")
def rename(workspace: Reference, name: Annotated[str, typer.Argument(help="Its new name.")]) -> None:
    """Rename a workspace."""
    from adpulse.bootstrap import app

    context = app()
    before = context.workspaces.get(workspace)
    renamed = context.workspaces.change(before.id, name=name)
    typer.echo(f"Workspace {before.name} is named {renamed.name} now.")


@workspaces.command("delete")
def delete(workspace: Reference) -> None:
    """Delete a workspace without connections, with its keys, webhooks, alerts and files."""
    from adpulse.bootstrap import app
    from adpulse.services import deleting

    context = app()
    existing = context.workspaces.get(workspace)
    deleting.delete_workspace(context, existing.id)
    typer.echo(f"Workspace {existing.name} is deleted.")


@workspaces.command("adopt")
def adopt(workspace: Reference) -> None:
    """Make this home folder the one that has the workspace's warehouse. Stop the workers of the other home first."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.workspaces.get(workspace)
    context.homes.adopt(existing.id)
    typer.echo(f"The warehouse of {existing.name} is in {context.settings.home.absolute()} from now on.")


@workspaces.command("grant-realtime")
def grant_realtime(
    workspace: Reference,
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke the grant; connections keep their frequency until changed.")] = False,
) -> None:
    """Allow a workspace to choose the realtime frequency (every 30 s)."""
    from adpulse.bootstrap import app

    app().workspaces.grant_realtime(workspace, granted=not revoke)
    typer.echo(f"Realtime {'revoked from' if revoke else 'granted to'} {workspace}.")


@workspaces.command("currency")
def reporting_currency(
    workspace: Reference,
    currency: Annotated[str | None, typer.Argument(help="Code of the currency, such as EUR; leave it out with --none.")] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Show each currency by itself alone.")] = False,
) -> None:
    """Set the currency in which Today shows one total of all accounts, by the rates of `adpulse fx import`."""
    from adpulse.bootstrap import app
    from adpulse.errors import Usage

    if none is (currency is not None):
        raise Usage("Say the currency, such as EUR, or --none.")
    context = app()
    changed = context.workspaces.set_reporting_currency(context.workspaces.get(workspace).id, currency)
    typer.echo(f"Today of {changed.name} has {f'one total in {changed.reporting_currency}' if currency else 'no total of all currencies'}.")
