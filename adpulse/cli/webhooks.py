"""``adpulse webhooks``: who is told of what happens."""

import os
import sys
from typing import Annotated

import typer
from pydantic import SecretStr

from adpulse.errors import Usage

webhooks = typer.Typer(help="Webhooks: programs and Slack channels that are told of what happens.", no_args_is_help=True)
Reference = Annotated[str, typer.Argument(help="Id or name of the webhook.")]
OfWorkspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Id or name; not needed where there is only one.")]
OnlyWorkspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")]


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(webhooks, name="webhooks")


@webhooks.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who is told.")],
    *,
    workspace: OfWorkspace = None,
    event: Annotated[list[str] | None, typer.Option("--event", "-e", help="What it is told of; repeatable, or 'all'.")] = None,
    slack: Annotated[bool, typer.Option("--slack", help="The URL is a Slack incoming webhook's.")] = False,
) -> None:
    """Make a webhook. Its secret is shown this once.

    The URL comes from the environment variable ADPULSE_WEBHOOK_URL, from standard input, or from a prompt: Slack's is a secret.
    """
    from adpulse.bootstrap import app
    from adpulse.events import SUBSCRIBABLE, TROUBLE, EventType
    from storage.control.webhooks import Format

    context = app()
    owner = context.workspaces.named(workspace)
    unknown = sorted(set(event or ()) - {"all", *SUBSCRIBABLE})
    if unknown:
        raise Usage(f"There is no event {', '.join(unknown)}. There are: {', '.join(SUBSCRIBABLE)}, or all.")
    wanted = SUBSCRIBABLE if "all" in (event or ()) else [EventType(each) for each in event] if event else TROUBLE
    form = Format.SLACK if slack else Format.STANDARD
    made, secret = context.webhooks.create(owner.id, name, _read_url(), form, wanted)
    typer.echo(f"Webhook {made.name} ({made.id}) for {owner.name} is told of: {', '.join(made.events)}.", err=True)
    if secret:
        typer.echo("Its receiver verifies messages with this secret. It is shown only now:", err=True)
        typer.echo(secret.get_secret_value())


def _read_url() -> SecretStr:
    url = os.environ.get("ADPULSE_WEBHOOK_URL", "").strip()
    if not url:
        url = (typer.prompt("URL", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not url:
        raise Usage("No URL given. Set ADPULSE_WEBHOOK_URL, pipe it to standard input, or type it at the prompt.")
    return SecretStr(url)


@webhooks.command("list")
def list_webhooks(workspace: OnlyWorkspace = None) -> None:
    """List the webhooks: where they go, what they are told of, and whether they work."""
    from adpulse.bootstrap import app

    context = app()
    for each in context.webhooks.every(context.workspaces.get(workspace).id if workspace else None):
        state = f"failing since {each.failing_since:%Y-%m-%d %H:%M} UTC" if each.failing_since else "enabled"
        if not each.enabled:
            state = f"disabled: {each.disabled_reason}"
        typer.echo(f"{each.id}  {each.name}  {each.url}  {each.format}  {', '.join(each.events)}  {state}")


@webhooks.command("remove")
def remove(webhook: Reference) -> None:
    """Remove a webhook with its messages, those that wait included."""
    from adpulse.bootstrap import app

    context = app()
    found = context.webhooks.named(webhook)
    context.webhooks.remove(found.id)
    typer.echo(f"Webhook {found.name} is removed.")


@webhooks.command("test")
def test(webhook: Reference) -> None:
    """Send a test message; the worker delivers it."""
    from adpulse.bootstrap import app

    context = app()
    found = context.webhooks.named(webhook)
    message = context.webhooks.test(found.id)
    typer.echo(f"Queued: {message}. See what comes of it with: adpulse webhooks deliveries {found.id}")


@webhooks.command("deliveries")
def deliveries(webhook: Reference) -> None:
    """List a webhook's messages, newest first, with what became of each."""
    from adpulse.bootstrap import app

    context = app()
    for each in context.outbox.history(context.webhooks.named(webhook).id):
        when = f"next try at {each.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC" if each.next_attempt_at else each.state.value
        told = f"{each.created_at:%Y-%m-%d %H:%M:%S} UTC  {each.id}  {each.event}  {each.attempts} tries  {when}"
        typer.echo(f"{told}  {each.last_error}" if each.last_error else told)
