"""``adpulse webhooks``: programs, channels of Slack and Microsoft Teams, and e-mail addresses, that are notified of events."""

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from adpulse.cli.tables import AsJson, Item, print_json, print_list
from adpulse.errors import Usage

if TYPE_CHECKING:
    from storage.control.formats import Format

webhooks = typer.Typer(
    help="Webhooks: programs, channels of Slack or Microsoft Teams, and people by e-mail, that are notified.", no_args_is_help=True
)
Reference = Annotated[str, typer.Argument(help="Id or name of the webhook.")]
OfWorkspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Id or name; not needed where there is only one.")]
OnlyWorkspace = Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")]


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(webhooks, name="webhooks")


@webhooks.command("add")
def add(  # noqa: PLR0913 - one for each option
    name: Annotated[str, typer.Argument(help="Name of the webhook, such as its receiver.")],
    *,
    workspace: OfWorkspace = None,
    event: Annotated[list[str] | None, typer.Option("--event", "-e", help="Event that is sent to it; repeatable, or 'all'.")] = None,
    slack: Annotated[bool, typer.Option("--slack", help="The URL is a Slack incoming webhook's.")] = False,
    teams: Annotated[bool, typer.Option("--teams", help="The URL is that of a workflow of Microsoft Teams.")] = False,
    email: Annotated[str | None, typer.Option("--email", help="E-mail address that is notified; no URL is read then.")] = None,
    daily: Annotated[bool, typer.Option("--daily", help="The address gets a digest at 08:00 instead.")] = False,
) -> None:
    """Create a webhook. Its secret is shown only once.

    The URL comes from the environment variable ADPULSE_WEBHOOK_URL, from standard input, or from a prompt: that of a channel is a secret.
    """
    from adpulse.bootstrap import app
    from adpulse.events import SUBSCRIBABLE, TROUBLE, EventType

    context = app()
    owner = context.workspaces.get_or_only(workspace)
    unknown = sorted(set(event or ()) - {"all", *SUBSCRIBABLE})
    if unknown:
        raise Usage(f"There is no event {', '.join(unknown)}. There are: {', '.join(SUBSCRIBABLE)}, or all.")
    events = SUBSCRIBABLE if "all" in (event or ()) else [EventType(event_name) for event_name in event] if event else TROUBLE
    form = _form(slack=slack, teams=teams, email=bool(email), daily=daily)
    webhook, secret = context.webhooks.create(owner.id, name, SecretStr(email) if email else _read_url(), form, events)
    typer.echo(f"Webhook {webhook.name} ({webhook.id}) for {owner.name} receives: {', '.join(webhook.events)}.", err=True)
    if secret:
        typer.echo("Its receiver verifies messages with this secret. It is shown only now:", err=True)
        typer.echo(secret.get_secret_value())


def _form(*, slack: bool, teams: bool, email: bool, daily: bool) -> "Format":
    from storage.control.formats import Format

    if slack and teams:
        raise Usage("A webhook is Slack's or that of Microsoft Teams, not both.")
    if email and (slack or teams):
        raise Usage("A webhook sends e-mail, or to a channel of Slack or Microsoft Teams, not both.")
    if daily and not email:
        raise Usage("--daily is for an address: --email ADDRESS --daily.")
    if email:
        return Format.EMAIL_DAILY if daily else Format.EMAIL
    return Format.SLACK if slack else Format.TEAMS if teams else Format.STANDARD


def _read_url() -> SecretStr:
    url = os.environ.get("ADPULSE_WEBHOOK_URL", "").strip()
    if not url:
        url = (typer.prompt("URL", hide_input=True) if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not url:
        raise Usage("No URL given. Set ADPULSE_WEBHOOK_URL, pipe it to standard input, or type it at the prompt.")
    return SecretStr(url)


@webhooks.command("list")
def list_webhooks(workspace: OnlyWorkspace = None, *, as_json: AsJson = False) -> None:
    """List the webhooks: their addresses, their events, and whether they work."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.webhooks.all(context.workspaces.get(workspace).id if workspace else None)
    if as_json:
        print_json(existing)
        return
    items = []
    for webhook in existing:
        state = f"failing since {webhook.failing_since:%Y-%m-%d %H:%M} UTC" if webhook.failing_since else "enabled"
        note = f"{webhook.url}  {', '.join(webhook.events)}"
        if not webhook.enabled:
            state, note = "disabled", f"{webhook.disabled_reason}  {note}"
        items.append(Item(cells=(webhook.name, str(webhook.format), state), id=webhook.id, note=note))
    print_list(("Webhook", "Format", "State"), items)


@webhooks.command("remove")
def remove(webhook: Reference) -> None:
    """Remove a webhook with its messages, also those that wait."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.webhooks.get(webhook)
    context.webhooks.remove(existing.id)
    typer.echo(f"Webhook {existing.name} is removed.")


@webhooks.command("test")
def test(webhook: Reference) -> None:
    """Send a test message; the worker delivers it."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.webhooks.get(webhook)
    message = context.webhooks.test(existing.id)
    typer.echo(f"Queued: {message}. See its delivery with: adpulse webhooks deliveries {existing.id}")


@webhooks.command("deliveries")
def deliveries(webhook: Reference, *, as_json: AsJson = False) -> None:
    """List a webhook's messages with their states, newest first."""
    from adpulse.bootstrap import app

    context = app()
    history = context.outbox.history(context.webhooks.get(webhook).id)
    if as_json:
        print_json(history)
        return
    items = []
    for delivery in history:
        next_try = f"next try at {delivery.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC" if delivery.next_attempt_at else delivery.state.value
        cells = (f"{delivery.created_at:%Y-%m-%d %H:%M:%S} UTC", delivery.event, str(delivery.attempts), next_try)
        items.append(Item(cells=cells, id=delivery.id, note=delivery.last_error or ""))
    print_list(("Stored", "Event", "Tries", "State"), items)
