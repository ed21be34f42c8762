"""``adpulse keys``: who may use the HTTP API."""

from datetime import timedelta
from typing import Annotated

import typer

from adpulse.cli.tables import AsJson, Item, print_json, print_list
from adpulse.role import Role

keys = typer.Typer(help="API keys: with which programs use the HTTP API.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(keys, name="keys")


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    *,
    role: Annotated[Role, typer.Option(help="viewer: look; editor: change too; operator: every workspace.")] = Role.VIEWER,
    workspace: Annotated[str | None, typer.Option(help="Id or name; not needed where there is only one.")] = None,
    days: Annotated[int | None, typer.Option(min=1, help="Days until it expires; default: never.")] = None,
) -> None:
    """Create a key. It is shown only once."""
    from adpulse.bootstrap import app

    context = app()
    owner = None
    if role is not Role.OPERATOR:
        owner = context.workspaces.get_or_only(workspace)
    expires = context.wall.now() + timedelta(days=days) if days else None
    key, secret = context.keys.create(name, role, owner.id if owner else None, expires)
    typer.echo(f"Key {key.prefix} for {owner.name if owner else 'every workspace'} ({role}). It is shown only now:", err=True)
    typer.echo(secret.get_secret_value())


@keys.command("list")
def list_keys(*, as_json: AsJson = False) -> None:
    """List the keys, newest first."""
    from adpulse.bootstrap import app

    context = app()
    if as_json:
        print_json(context.keys.all())
        return
    names, items = {workspace.id: workspace.name for workspace in context.workspaces.all()}, []
    for key in context.keys.all():
        reach = names[key.workspace_id] if key.workspace_id else "every workspace"
        state = "revoked" if key.revoked_at else f"until {key.expires_at:%Y-%m-%d}" if key.expires_at else "active"
        items.append(Item(cells=(key.prefix, key.name, str(key.role), reach, state)))
    print_list(("Key", "Name", "Role", "Workspace", "State"), items)


@keys.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="Prefix or id of the key.")]) -> None:
    """Revoke a key; it is invalid at once."""
    from adpulse.bootstrap import app

    ended = app().keys.revoke(key)
    typer.echo(f"Key {ended.prefix} ({ended.name}) is revoked.")
