"""``adpulse up | web | login | worker | sweep | deploy | migrate | sandbox``: the processes of an installation."""

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.role import Role

if TYPE_CHECKING:
    from adpulse.sandbox import Sandbox

Port = Annotated[int, typer.Option(help="Port; 0 takes a free one.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (up, web, login, worker, sweep, deploy, migrate, sandbox):
        cli.command()(command)


def up() -> None:
    """Run everything here: Prefect server, deployments, HTTP API and the warm worker. Ctrl-C ends all of it."""
    from deployments.footprint import keep_small

    keep_small()
    from adpulse import settings

    config = settings.load()
    migrate()
    from deployments.server import PrefectServer

    with PrefectServer(config.home, progress=typer.echo, database_url=config.prefect_database_url) as server:
        os.environ.update(server.environment())
        import asyncio

        from deployments import worker as warm
        from deployments.deploy import deploy as deploy_all
        from deployments.web import web as serving

        asyncio.run(deploy_all(config.work_pool))
        with serving(config.home, progress=typer.echo) as address:
            typer.echo(f"Prefect UI: {server.ui_url}")
            typer.echo(f"HTTP API: {address}")
            typer.echo(f"Pages: {_login_link(address)} (this link logs you in, once)")
            typer.echo(f"Ready. State lives in {config.home.absolute()}; Ctrl-C ends everything.")
            warm.serve(config)
    typer.echo("Stopped.")


def web(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; the first free one from 8400 on unless told; 0 takes any.")] = None,
) -> None:
    """Serve the HTTP API. Ctrl-C ends it."""
    from adpulse import settings
    from adpulse.api.server import serve
    from adpulse.bootstrap import app
    from adpulse.orchestrator import use_running_server

    use_running_server(settings.load().home)
    app()
    serve(host, port, typer.echo)


def login(
    *,
    url: Annotated[str | None, typer.Option(help="Where the pages are; by default where `adpulse up` runs them.")] = None,
    workspace: Annotated[str | None, typer.Option(help="See only this one, by name or id; without it the link is an operator's.")] = None,
    viewer: Annotated[bool, typer.Option("--viewer", help="Look at the workspace without changing anything.")] = False,
) -> None:
    """Print a link to the pages that logs somebody in, once and within a quarter of an hour."""
    from adpulse import settings
    from adpulse.bootstrap import app
    from adpulse.errors import Usage
    from deployments.web import address_in

    address = url or address_in(settings.load().home)
    if address is None:
        raise Usage("The pages do not run here. Start them with: adpulse up. Or say where they are: adpulse login --url URL")
    if viewer and workspace is None:
        raise Usage("A viewer sees one workspace. Say which: adpulse login --viewer --workspace NAME")
    member = app().workspaces.get(workspace).id if workspace else None
    role = Role.OPERATOR if member is None else Role.VIEWER if viewer else Role.EDITOR
    typer.echo(_login_link(address, role, member))


def worker() -> None:
    """Run the warm worker against the Prefect server of PREFECT_API_URL (or the one `adpulse up` started)."""
    from deployments.footprint import keep_small

    keep_small()
    from adpulse import settings
    from adpulse.orchestrator import use_running_server

    use_running_server(settings.load().home)
    from deployments import worker as warm

    warm.serve(settings.load())


def sweep(*, once: Annotated[bool, typer.Option("--once", help="One pass, then end.")] = False) -> None:
    """Run the sweep alone, for installations whose workers are Prefect's own; the warm worker sweeps by itself."""
    from adpulse import settings
    from adpulse.orchestrator import use_running_server

    use_running_server(settings.load().home)
    from adpulse.bootstrap import app
    from deployments.sweep import Sweep, sweep_until

    context = app()
    if once:
        alone = Sweep(context)
        alone.once()
        alone.end()
        return
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    sweep_until(ended)


def deploy(pool_type: Annotated[str, typer.Option(help="Type of the work pool: adpulse or process.")] = "adpulse") -> None:
    """Create work pool, queues and deployments; again is harmless."""
    from adpulse import settings
    from adpulse.orchestrator import use_running_server

    use_running_server(settings.load().home)
    import asyncio

    from deployments.deploy import deploy as deploy_all

    names = asyncio.run(deploy_all(settings.load().work_pool, pool_type))
    typer.echo(f"Deployed {len(names)}: {', '.join(names)}")


def migrate() -> None:
    """Bring the control plane's schema up to date."""
    from adpulse import settings
    from storage import control, migrations

    config = settings.load()
    migrations.migrate(control.connect(config.control_url))
    typer.echo("The control plane's schema is current.")


def sandbox(  # noqa: PLR0913 - typer makes an option of each
    *,
    graph_port: Port = 0,
    control_port: Port = 0,
    ads_port: Port = 0,
    token_port: Port = 0,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    rate: Annotated[float, typer.Option(help="Speed of the sandbox's clock; 0 freezes it.")] = 1.0,
    extra: Annotated[int, typer.Option(help="More small accounts.")] = 0,
    extra_ads: Annotated[str, typer.Option(help="How many ads these have, in turn.")] = "6",
    google_extra: Annotated[int, typer.Option(max=400, help="More small Google customers, Search only.")] = 0,
    google_extra_ads: Annotated[str, typer.Option(help="How many ads these have, in turn.")] = "6",
    refresh: Annotated[int, typer.Option(help="Seconds between two refreshes of the platform's numbers.")] = 900,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses and tokens as JSON.")] = False,
) -> None:
    """Run the sandbox alone and print what points any SDK client at it."""
    import json

    from adpulse.sandbox import Sandbox
    from adpulse.sandbox.google.running import Options

    made = Sandbox.start(
        seed=seed,
        rate=rate,
        extra=extra,
        extra_ads=[int(each) for each in extra_ads.split(",")],
        refresh_seconds=refresh,
        graph_port=graph_port,
        control_port=control_port,
        google=Options(
            ads_port=ads_port,
            token_port=token_port,
            extra=google_extra,
            extra_ads=[int(each) for each in google_extra_ads.split(",")],
        ),
    )
    with made as running:
        tokens = {token.label: token.value for token in running.world.tokens.values()}
        if as_json:
            addresses = {"graph_url": running.graph_url, "control_url": running.control_url, "tokens": tokens}
            typer.echo(json.dumps({**addresses, "google": running.google.describe()}))
        else:
            _describe(running)
        sys.stdout.flush()
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


def _login_link(address: str, role: Role = Role.OPERATOR, workspace_id: str | None = None) -> str:
    from adpulse.bootstrap import app

    return f"{address.rstrip('/')}/app/login/{app().sessions.link(role, workspace_id).get_secret_value()}"


def _describe(running: "Sandbox") -> None:
    from adpulse.sandbox.google import oauth

    typer.echo(f"Meta Graph API   {running.graph_url}   (facebook-business: session.GRAPH = this)")
    typer.echo(f"Google Ads API   {running.google.endpoint}   (google-ads: endpoint, with the two variables below)")
    typer.echo(f"OAuth tokens     {running.google.token_url}")
    typer.echo(f"Control endpoint {running.control_url}   (clock, faults, call log, truth)")
    for account in running.world.accounts.values():
        spec = account.spec
        typer.echo(f"Account act_{account.id}  {spec.name}, {spec.currency}, {spec.timezone}, {len(account.ads)} ads")
    for customer in running.google.world.customers.values():
        kind = "manager" if customer.spec.manager else customer.spec.status.lower()
        typer.echo(f"Customer {customer.id}  {customer.spec.name}, {customer.spec.currency}, {customer.spec.timezone}, {kind}")
    typer.echo(f"Access token     {running.world.token('full').value}")
    typer.echo("For programs that use the google-ads SDK:")
    typer.echo("  export " + " ".join(f"{name}={value}" for name, value in running.google.environment.items()))
    typer.echo("For adpulse itself:")
    typer.echo(f"  export ADPULSE_META_GRAPH_URL={running.graph_url} ADPULSE_SANDBOX_URL={running.control_url}")
    typer.echo(f"  export ADPULSE_GOOGLE_ENDPOINT={running.google.endpoint} ADPULSE_GOOGLE_TOKEN_URL={running.google.token_url}")
    typer.echo(f"  export ADPULSE_GOOGLE_CLIENT_ID={oauth.CLIENT_ID} ADPULSE_GOOGLE_CLIENT_SECRET={oauth.CLIENT_SECRET}")
