"""Connections: ``adpulse connect``, ``connections``, ``status``, ``sync``, and the commands that change or stop a connection."""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import SecretStr

from adpulse.cli.tables import AsJson
from adpulse.errors import Usage
from adpulse.frequency import Frequency
from adpulse.model import Provider
from adpulse.platforms.registry import PLATFORMS, platform_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adpulse.bootstrap import App
    from adpulse.model import AccountFacts
    from storage.control.connections import ConnectionView

Reference = Annotated[str, typer.Argument(help="Id or name of a connection.")]
Workspace = Annotated[str, typer.Option("--workspace", "-w", help="Id or name of the workspace.")]
Accounts = Annotated[list[str] | None, typer.Option("--account", "-a", help="Account id; repeatable. 'all' takes every account.")]
Chosen = Annotated[str | None, typer.Option("--frequency", "-f", help="Sync frequency; prompted for when left out.")]
WAIT_POLL_SECONDS = 0.25


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    connect = typer.Typer(help="Connect ad accounts.", no_args_is_help=True)
    for platform in PLATFORMS.values():
        connect.command(platform.name, help=platform.connect_help)(_connect_to(platform.name))
    cli.add_typer(connect, name="connect")
    cli.command("connections")(list_connections)
    cli.command("status")(status)
    cli.command("sync")(sync)
    cli.command("frequency")(set_frequency)
    cli.command("label")(set_labels)
    cli.command("margin")(set_margin)
    cli.command("limit")(set_calls_per_hour)
    for command in (cancel, pause, resume, reconnect, disconnect, delete):
        cli.command()(command)


def _connect_to(provider: Provider) -> Callable[..., None]:
    def command(workspace: Workspace, account: Accounts = None, frequency: Chosen = None) -> None:
        _connect(provider, workspace, account, frequency)

    return command


def _connect(provider: Provider, workspace: str, account_ids: list[str] | None, frequency: str | None) -> None:
    from dataclasses import replace

    from adpulse import presentation
    from adpulse.bootstrap import app
    from adpulse.cli.tables import plain
    from adpulse.frequency import allowed
    from adpulse.services import connecting
    from adpulse.services.discovering import discover

    context = app()
    owner = context.workspaces.get(workspace)
    secret = read_secret(provider)
    reached = discover(context, provider, secret)
    chosen = replace(reached, accounts=_choose(provider, reached.accounts, account_ids))
    if frequency is None:
        listed = ", ".join(allowed(realtime_granted=owner.realtime_granted))
        frequency = typer.prompt(f"Sync frequency ({listed})", default="manual") if sys.stdin.isatty() else "manual"
    elsewhere = ""
    for view in connecting.connect(context, owner.id, provider, secret, chosen, frequency):
        name = plain(view.connection.name)
        typer.echo(f"Connected {name} ({view.connection.external_id}); its first sync is queued: {view.connection.id}")
        elsewhere = presentation.describe_token_app(view.connection)
    if elsewhere:
        typer.echo(f"The token was {elsewhere}.")


def read_secret(provider: Provider) -> SecretStr:
    """The credential from the platform's environment variable, a prompt, or standard input.

    Raises:
        Usage: there is none.
    """
    prompt = platform_of(provider).credential
    variable, credential_name = prompt.variable, prompt.name
    value = os.environ.get(variable, "").strip()
    if not value:
        value = (typer.prompt(credential_name, hide_input=True) if sys.stdin.isatty() else sys.stdin.read()).strip()
    if not value:
        raise Usage(f"No {credential_name} given. Set {variable}, pipe it to standard input, or type it at the prompt.")
    return SecretStr(value)


def _choose(provider: Provider, reached: "Sequence[AccountFacts]", account_ids: list[str] | None) -> "Sequence[AccountFacts]":
    """The accounts with these ids, all accounts, the only account, or those that the person picks at the prompt."""
    from adpulse.cli.tables import plain

    if not reached:
        raise Usage("The credential is valid but reaches no ad account. Assign an account to its user and try again.")
    if account_ids and "all" in account_ids:
        return [account for account in reached if account.can_be_synced]
    if not account_ids and len(reached) == 1:
        return reached
    listed = "\n".join(
        plain(f"  {account.external_id}  {account.name}  {account.currency}  {account.timezone}  {account.condition}")
        for account in reached
    )
    if not account_ids:
        if not sys.stdin.isatty():
            raise Usage(f"The credential reaches {len(reached)} accounts; choose with --account (repeatable, or 'all'):\n{listed}")
        typer.echo(listed)
        account_ids = typer.prompt("Account ids, comma separated").replace(" ", "").split(",")
    by_id = {account.external_id: account for account in reached}
    bare = list(map(platform_of(provider).account_id, account_ids))
    unknown = [account for account in bare if account not in by_id]
    if unknown:
        raise Usage(f"The credential does not reach account {', '.join(unknown)}. It reaches:\n{listed}")
    return [by_id[account] for account in bare]


def list_connections(
    workspace: Annotated[str | None, typer.Option("--workspace", "-w", help="Only this workspace.")] = None,
    label: Annotated[str | None, typer.Option("--label", help="Only those with this label.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """List the connections."""
    from adpulse.bootstrap import app

    context = app()
    views = context.connections.all(context.workspaces.get(workspace).id if workspace else None, label)
    _show(context, views, as_json=as_json)


def status(
    connection: Annotated[str | None, typer.Argument(help="Id or name; all connections when left out.")] = None, *, as_json: AsJson = False
) -> None:
    """Show how fresh connections are, and what waits and why."""
    from adpulse import presentation
    from adpulse.bootstrap import app
    from adpulse.cli.tables import plain
    from adpulse.services import backfilling
    from adpulse.services.completeness import completeness_of

    context = app()
    if connection is None:
        _show(context, context.connections.all(), as_json=as_json)
        return
    view = context.connections.get(connection)
    cadence = context.cadences([view.connection])[view.connection.id]
    levels, progress = completeness_of(context, view.connection), backfilling.progress(context, view.connection)
    if as_json:
        days = [presentation.completeness_fields(level) for level in levels]
        version = presentation.version_fields(context.api_versions().get(view.connection.provider))
        history = {"backfill": presentation.backfill_fields(progress) if progress else None}
        typer.echo(json.dumps(presentation.telemetry_fields(view, cadence) | version | {"completeness": days} | history, indent=2))
        return
    typer.secho(plain(f"{view.connection.name}  {view.connection.id}"), bold=True)
    completeness_lines = [(presentation.LEVELS[level.level], presentation.describe_completeness(level)) for level in levels]
    history_lines = [("backfill", presentation.describe_backfill(progress))] if progress else []
    for label, value in [*presentation.telemetry_lines(view, cadence, context.clock.now()), *completeness_lines, *history_lines]:
        typer.echo(f"  {label:<15} {plain(value)}")


def _show(context: "App", views: "list[ConnectionView]", *, as_json: bool) -> None:
    from adpulse import presentation
    from adpulse.cli.tables import Item, plain, print_list

    if as_json:
        cadences = context.cadences([view.connection for view in views])
        versions = {provider: presentation.version_fields(version) for provider, version in context.api_versions().items()}
        fields = [
            presentation.telemetry_fields(view, cadences[view.connection.id]) | versions.get(view.connection.provider, {}) for view in views
        ]
        typer.echo(json.dumps(fields, indent=2))
        return
    if not views:
        typer.echo("No connections yet. Connect one with: adpulse connect meta --workspace NAME (or: connect google)")
        return
    now = context.clock.now()
    items = [
        Item(
            cells=(
                view.connection.name,
                view.connection.frequency.label,
                presentation.describe_state(view),
                presentation.format_age(view.last_sync_attempted_at, now),
                presentation.format_age(view.last_sync_completed_at, now),
                presentation.format_age(view.last_metrics_changed_at, now),
                presentation.describe_attempts(view.total_syncs_attempted, view.total_syncs_with_changes),
            ),
            id=view.connection.id,
            note=presentation.describe_wait(view, now)
            or view.status_reason
            or presentation.describe_token_end(view, now)
            or view.last_sync_error
            or "",
        )
        for view in views
    ]
    print_list(("Connection", "Frequency", "State", "Attempted", "Completed", "Changed", "Syncs"), items)
    used = {view.connection.provider for view in views}
    for provider, version in context.api_versions().items():
        if version.is_ending and provider in used:
            typer.secho(version.sentence, fg="yellow")
    for text in filter(None, (context.homes.elsewhere_sentence(), *context.schedule_changes.sentences())):
        typer.secho(plain(text), fg="yellow")


def sync(
    connection: Reference,
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end and print what changed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Read the whole lookback window again at once.")] = False,
    parts: Annotated[str, typer.Option("--parts", help="both, entities or metrics.")] = "both",
) -> None:
    """Sync a connection now."""
    from adpulse.bootstrap import app
    from adpulse.model import Parts
    from adpulse.services import syncing

    if parts not in tuple(Parts):
        raise Usage(f"'{parts}' is not a part of a sync. Choose one of: {', '.join(Parts)}.")
    context = app()
    ticket = syncing.request_sync(context, connection, Parts(parts), force=force)
    typer.echo(f"{'Queued' if ticket.created else 'Already on its way'}: {ticket.run_id}")
    if wait:
        _wait(context, ticket.run_id)


def cancel(connection: Reference) -> None:
    """Cancel a connection's sync that waits or is under way. What it has stored stays, and its schedule goes on."""
    from adpulse.bootstrap import app
    from adpulse.services import syncing

    typer.echo(f"Cancelled: {syncing.cancel(app(), connection)}")


def _wait(context: "App", run_id: str) -> None:
    """Poll the run until it is closed, or postponed to a later time. Exit code 1 when it failed."""
    from adpulse.model import RunState

    start = time.monotonic()
    while True:
        run = context.runs.get(run_id)
        seconds = time.monotonic() - start
        if run.state is RunState.DONE:
            typer.echo(f"{run.counts.written} rows changed in {seconds:.1f} s" if run.counts.written else f"no change ({seconds:.1f} s)")
            return
        if run.state in (RunState.FAILED, RunState.DEAD):
            typer.secho(f"failed after {seconds:.1f} s: {run.error}", err=True)
            raise typer.Exit(1)
        if run.state is RunState.POSTPONED and run.until and run.until > context.clock.now():
            typer.echo(f"{run.counts.written} rows changed so far; it continues at {run.until:%H:%M:%S} UTC: {run.reason}")
            return
        time.sleep(WAIT_POLL_SECONDS)


def set_frequency(connection: Reference, value: Annotated[str, typer.Argument(help=f"One of: {', '.join(Frequency)}.")]) -> None:
    """Change how often a connection is synced."""
    from adpulse.bootstrap import app

    view = app().connections.set_frequency(connection, value)
    typer.echo(f"{view.connection.name}: {view.connection.frequency.label}.")


def set_labels(
    connection: Reference,
    labels: Annotated[list[str], typer.Argument(help="Words such as eu or retail.", metavar="LABEL...")],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Remove these labels instead.")] = False,
) -> None:
    """Label a connection, to find it and to change many connections at once."""
    from adpulse.bootstrap import app

    context = app()
    existing = context.connections.get(connection).connection
    context.labels.change(existing.id, lambda now: now - set(labels) if remove else now | set(labels))
    typer.echo(f"{existing.name}: {', '.join(context.connections.get(existing.id).labels) or 'no labels'}.")


def set_margin(
    connection: Reference, value: Annotated[str, typer.Argument(help="A share of the revenue such as 0.35, or a percentage such as 35%.")]
) -> None:
    """Change a connection's gross margin: profit is revenue times margin, minus spend. All stored days follow."""
    from adpulse import presentation
    from adpulse.bootstrap import app
    from adpulse.metrics import parse_margin
    from adpulse.services import changing

    context, margin = app(), parse_margin(value)
    ticket = changing.set_margin(context, connection, margin)
    applied_by = f"the sync that is queued: {ticket.run_id}" if ticket else "its next sync, once it is synced again"
    name = context.connections.get(connection).connection.name
    typer.echo(f"{name}: margin {presentation.format_percent(margin)}. Its stored days follow with {applied_by}")


def set_calls_per_hour(
    connection: Reference, value: Annotated[str, typer.Argument(help="Calls in any 60 minutes, or default for ADPULSE_CALLS_PER_HOUR.")]
) -> None:
    """Limit the calls of a connection's account in any hour. Of several connections of an account the lowest limit counts."""
    from adpulse.bootstrap import app
    from adpulse.frequency import format_duration
    from adpulse.services import changing

    context, calls = app(), changing.parse_calls_per_hour(value)
    changed = context.connections.get(connection).connection
    context.account_limits.set_calls_per_hour(changed, calls)
    limit = context.ledger.limit(changed.ledger_key)
    in_burst = f", and {limit.burst.calls} in {format_duration(limit.burst.window)} while its app has limited access" if limit.burst else ""
    typer.echo(f"{changed.name}: its account may be called {limit.per_hour:,} times in any hour{in_burst}.")


def pause(connection: Reference) -> None:
    """Stop syncing a connection until it is resumed. Its data stay."""
    from adpulse.bootstrap import app
    from adpulse.services import changing

    view = changing.pause(app().connections, connection)
    typer.echo(f"{view.connection.name} is paused. Resume it with: adpulse resume {view.connection.id}")


def resume(connection: Reference) -> None:
    """Sync a connection again, after a pause or after its problem at the platform was solved."""
    from adpulse.bootstrap import app
    from adpulse.services import changing

    ticket = changing.resume(app(), connection)
    typer.echo(f"Resumed; its sync is queued: {ticket.run_id}")


def reconnect(connection: Reference) -> None:
    """Give a connection a fresh token; others that shared the old one get it too, if it reaches them.

    It comes from the environment variable ADPULSE_META_TOKEN (or ADPULSE_GOOGLE_CREDENTIALS), from standard input, or from a prompt.
    """
    from adpulse.bootstrap import app
    from adpulse.services import connecting

    context = app()
    provider = context.connections.get(connection).connection.provider  # before anybody types a token
    secret = read_secret(provider)
    for view in connecting.reconnect(context, connection, secret):
        typer.echo(f"Reconnected {view.connection.name} ({view.connection.external_id}); its sync is queued.")


def disconnect(connection: Reference, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Stop syncing a connection for good. Its data stay, its token is erased."""
    from adpulse.bootstrap import app
    from adpulse.services import changing

    context = app()
    name = context.connections.get(connection).connection.name
    if not yes and not typer.confirm(f"Disconnect {name}? Its data stay, its token is erased."):
        raise typer.Exit(1)
    changing.disconnect(context, connection)
    typer.echo(f"{name} is disconnected; its data stay.")


def delete(connection: Reference, *, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Delete a connection and all of its data, for good. Shows first what would be deleted."""
    from adpulse.bootstrap import app
    from adpulse.services import deleting

    context = app()
    proposal = deleting.propose(context, connection)
    contents, name = proposal.contents, proposal.connection.name
    since = f" of {contents.days} days since {contents.since}" if contents.since else ""
    counts = f"{contents.rows} rows of metrics{since}, {contents.entities} entities, {contents.changes} changes"
    typer.echo(f"{name} ({proposal.connection.id}): {counts}.")
    if not yes and not typer.confirm("Delete it with all of this? Nothing brings it back."):
        raise typer.Exit(1)
    deleting.confirm(context, proposal.connection, proposal.confirmation)
    deleting.finish(context, proposal.connection)
    typer.echo(f"{name} is deleted.")
