"""``adpulse workspace``: workspaces, each with its own warehouse file, and their grant of realtime."""

from typing import Annotated

import typer

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
def list_workspaces() -> None:
    """List the workspaces."""
    from adpulse.bootstrap import app

    for workspace in app().workspaces.all():
        typer.echo(f"{workspace.name}  {workspace.id}{'  realtime granted' if workspace.realtime_granted else ''}")


@workspaces.command("grant-realtime")
def grant_realtime(
    workspace: Annotated[str, typer.Argument(help="Id or name of the workspace.")],
    *,
    revoke: Annotated[bool, typer.Option("--revoke", help="Revoke the grant; connections keep their frequency until changed.")] = False,
) -> None:
    """Allow a workspace to choose the realtime frequency (every 30 s)."""
    from adpulse.bootstrap import app

    app().workspaces.grant_realtime(workspace, granted=not revoke)
    typer.echo(f"Realtime {'revoked from' if revoke else 'granted to'} {workspace}.")
