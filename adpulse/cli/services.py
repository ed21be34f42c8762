"""``adpulse up | prefect-server | web | login | worker | sweep | deploy | migrate | sandbox``: the processes of an installation."""

import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adpulse.cli.sandboxed import HOME as SANDBOX_HOME
from adpulse.cli.sandboxed import sandbox_of, second_terminal, variables_of, write_exports
from adpulse.role import Role

if TYPE_CHECKING:
    from adpulse.settings import Settings
    from adpulse_sandbox import Sandbox

Port = Annotated[int, typer.Option(help="Port; 0 takes a free one.")]


def register(cli: typer.Typer) -> None:
    """Add the commands to the command line."""
    for command in (up, prefect_server, web, login, worker, sweep, deploy, migrate, sandbox):
        cli.command()(command)


def up(
    *,
    sandbox: Annotated[
        bool, typer.Option("--sandbox", help=f"Run it with a sandbox of both platforms, in {SANDBOX_HOME} unless ADPULSE_HOME is set.")
    ] = False,
) -> None:
    """Run everything here: Prefect server, deployments, HTTP API and the warm worker. Ctrl-C ends all of it."""
    from deployments.footprint import keep_small

    keep_small()
    # A shell's background job inherits SIGINT as ignored; an interrupt before the worker installs its handler would be lost.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if sandbox:
        os.environ.setdefault("ADPULSE_HOME", SANDBOX_HOME)
    from adpulse import home, settings
    from deployments.instance import Service, make_room, only

    folder = settings.load().home
    home.keep_private()
    with only(folder, Service.UP) as note:
        home.make_private(settings.load())
        for service in (Service.PREFECT_SERVER, Service.WEB):
            make_room(folder, service, typer.echo)
        with sandbox_of(folder) if sandbox else nullcontext() as shell_file:
            settings.load.cache_clear()  # the sandbox's addresses are settings
            _run_everything(settings.load(), note, second_terminal(shell_file) if shell_file else None)
    typer.echo("Stopped.")


def _run_everything(config: "Settings", note: Callable[[str], None], hint: str | None) -> None:
    migrate()
    from adpulse.orchestrator import use_running_server
    from deployments.server import PrefectServer

    with PrefectServer(
        config.home,
        progress=typer.echo,
        database_url=config.prefect_database_url,
        auth=config.prefect_auth,
        origins=config.prefect_origins,
    ) as server:
        os.environ.update(server.environment())
        use_running_server(config)
        import asyncio

        from deployments import worker as warm
        from deployments.deploy import deploy as deploy_all
        from deployments.web import web as serving

        asyncio.run(deploy_all(config.work_pool))
        with serving(config.home, progress=typer.echo) as address:
            note(address)
            typer.echo(f"Prefect UI: {server.ui_url} (it asks for a password; the pages' link Prefect logs you in)")
            typer.echo(f"HTTP API: {address}")
            typer.echo(f"Pages: {login_link(address)} (this link logs you in, once)")
            if hint:
                typer.echo(hint)
            typer.echo(f"Ready. State lives in {config.home.absolute()}; Ctrl-C ends everything.")
            warm.serve(config)


def prefect_server(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on; beyond this machine only with ADPULSE_PREFECT_AUTH.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.")] = 4200,
) -> None:
    """Run the Prefect server alone, with the settings that adpulse needs. Ctrl-C ends it."""
    from adpulse import settings
    from deployments.server import become_server

    become_server(settings.load(), host, port)


def web(
    *,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(help="Port; by default the first free one from 8400 on; 0 takes any.")] = None,
) -> None:
    """Serve the HTTP API. Ctrl-C ends it."""
    from adpulse import home, settings
    from adpulse.api.server import serve
    from adpulse.bootstrap import app
    from adpulse.orchestrator import use_running_server
    from deployments.instance import Service, only

    home.keep_private()
    with only(settings.load().home, Service.WEB) as note:
        home.make_private(settings.load())
        use_running_server(settings.load())
        app()

        def announce(address: str) -> None:
            note(address)
            typer.echo(f"HTTP API: {address}")

        serve(host, port, announce, settings.load().trusted_proxies)


def login(
    *,
    url: Annotated[str | None, typer.Option(help="Address of the pages; by default where `adpulse up` serves them.")] = None,
    workspace: Annotated[
        str | None, typer.Option(help="Name or id of the only workspace to see; without it the link is an operator's.")
    ] = None,
    viewer: Annotated[bool, typer.Option("--viewer", help="Only read the workspace, without the right to change it.")] = False,
) -> None:
    """Print a link that logs in to the pages. It works once, within a quarter of an hour."""
    from adpulse import settings
    from adpulse.bootstrap import app
    from adpulse.errors import Usage
    from deployments.web import address_in

    address = url or address_in(settings.load().home)
    if address is None:
        raise Usage("The pages do not run here. Start them with: adpulse up. Or give their address: adpulse login --url URL")
    if viewer and workspace is None:
        raise Usage("A viewer sees one workspace. Name it: adpulse login --viewer --workspace NAME")
    member = app().workspaces.get(workspace).id if workspace else None
    role = Role.OPERATOR if member is None else Role.VIEWER if viewer else Role.EDITOR
    typer.echo(login_link(address, role, member))


def login_link(address: str, role: Role = Role.OPERATOR, workspace_id: str | None = None) -> str:
    """A link that logs in once to the pages at this address."""
    from adpulse.bootstrap import app

    home = address.rstrip("/").replace("//127.0.0.1", "//localhost")  # Meta redirects to localhost, but not to 127.0.0.1
    return f"{home}/app/login/{app().sessions.link(role, workspace_id).get_secret_value()}"


def worker() -> None:
    """Run the warm worker against the Prefect server of PREFECT_API_URL (or the one `adpulse up` started)."""
    from deployments.footprint import keep_small

    keep_small()
    from adpulse import home, settings
    from adpulse.orchestrator import use_running_server

    home.make_private(settings.load())
    use_running_server(settings.load())
    from deployments.server import SETTINGS

    os.environ.update({**SETTINGS, **os.environ})
    from deployments import worker as warm

    warm.serve(settings.load())


def sweep(*, once: Annotated[bool, typer.Option("--once", help="One pass, then end.")] = False) -> None:
    """Run the sweep, webhooks and alerts alone, where the workers are Prefect's own; the warm worker does it itself."""
    from adpulse import settings
    from adpulse.orchestrator import use_running_server

    use_running_server(settings.load())
    from adpulse.bootstrap import app
    from deployments.alerts import run_alerts_until
    from deployments.deliver import deliver_until
    from deployments.flush import flush
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
    for name, loop in (("deliver", deliver_until), ("alerts", run_alerts_until)):
        threading.Thread(target=loop, args=(ended,), name=name, daemon=True).start()
    sweep_until(ended)
    flush()


def deploy(pool_type: Annotated[str, typer.Option(help="Type of the work pool: adpulse or process.")] = "adpulse") -> None:
    """Create the work pool, its queues and the deployments, or update them."""
    from adpulse import home, settings
    from adpulse.orchestrator import use_running_server

    home.make_private(settings.load())
    use_running_server(settings.load())
    import asyncio

    from deployments.deploy import deploy as deploy_all

    names = asyncio.run(deploy_all(settings.load().work_pool, pool_type))
    typer.echo(f"Deployed {len(names)}: {', '.join(names)}")


def migrate() -> None:
    """Bring the control plane's schema up to date."""
    from adpulse import home, settings
    from adpulse.bootstrap import require_control_plane
    from storage.control import database, migrations

    config = settings.load()
    home.make_private(config)
    engine = database.connect(config.control_url)
    require_control_plane(config, engine)
    migrations.migrate(engine)
    typer.echo("The control plane's schema is current.")


def sandbox(  # noqa: PLR0913 - typer makes an option of every parameter
    *,
    graph_port: Port = 0,
    login_port: Port = 0,
    control_port: Port = 0,
    ads_port: Port = 0,
    rest_port: Port = 0,
    token_port: Port = 0,
    seed: Annotated[int, typer.Option(help="Another seed, another world.")] = 1,
    now: Annotated[
        str | None, typer.Option(help="When its world begins, such as 2026-03-20T15:00Z; by default this minute by the machine's clock.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Speed of the sandbox's clock; 0 freezes it.")] = 1.0,
    extra: Annotated[int, typer.Option(help="More small accounts.")] = 0,
    extra_ads: Annotated[str, typer.Option(help="How many ads these have, in turn.")] = "6",
    page_rows: Annotated[int, typer.Option(min=1, help="The most rows of a page of Meta's.")] = 5000,
    limited_tier: Annotated[bool, typer.Option("--limited-tier", help="Refuse an app of Meta's above 60 calls in 300 seconds.")] = False,
    host: Annotated[str, typer.Option(help="Address to listen on, and by which it is reached.")] = "127.0.0.1",
    files: Annotated[Path | None, typer.Option(help="Folder for ca.pem and the like; default: one that goes at the end.")] = None,
    google_extra: Annotated[int, typer.Option(max=400, help="More small Google customers, Search only.")] = 0,
    google_extra_ads: Annotated[str, typer.Option(help="How many ads these have, in turn.")] = "6",
    refresh: Annotated[int, typer.Option(help="Seconds between two refreshes of the platform's numbers.")] = 900,
    proxy: Annotated[bool, typer.Option("--proxy", help="Also serve it under the platforms' own host names, through a proxy.")] = False,
    env: Annotated[Path | None, typer.Option(help="File to write, too: what points adpulse at it, as exports for a shell.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the addresses and tokens as JSON.")] = False,
) -> None:
    """Run the sandbox alone and print what points any SDK client at it."""
    from adpulse.errors import Usage
    from adpulse_sandbox import Sandbox
    from adpulse_sandbox.clock import parse_instant, this_minute
    from adpulse_sandbox.google.running import Options
    from adpulse_sandbox.meta.graph import Options as MetaOptions
    from adpulse_sandbox.proxy import Proxy

    try:
        beginning = parse_instant(now) if now else this_minute()
    except ValueError:
        raise Usage(f"{now} is no instant with a time zone, such as 2026-03-20T15:00Z.") from None
    server = Sandbox.start(
        seed=seed,
        now=beginning,
        rate=rate,
        extra=extra,
        extra_ads=[int(count) for count in extra_ads.split(",")],
        refresh_seconds=refresh,
        graph_port=graph_port,
        login_port=login_port,
        control_port=control_port,
        host=host,
        meta=MetaOptions(page_rows=page_rows, limited_tier=limited_tier),
        google=Options(
            ads_port=ads_port,
            rest_port=rest_port,
            token_port=token_port,
            files=files,
            extra=google_extra,
            extra_ads=[int(count) for count in google_extra_ads.split(",")],
        ),
    )
    with server as running, Proxy(running) if proxy else nullcontext() as its_proxy:
        variables = its_proxy.environment if its_proxy else {}
        if env:
            write_exports(env, variables_of(_world(running)))
        if as_json:
            typer.echo(json.dumps(_world(running) | ({"proxy": variables} if variables else {})))
        else:
            _describe(running, variables)
        sys.stdout.flush()
        ended = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: ended.set())
        ended.wait()


def _world(running: "Sandbox") -> dict[str, Any]:
    """Addresses and tokens, ready for JSON."""
    from adpulse_sandbox.meta.graph import APP_ID, APP_SECRET

    tokens = {token.label: token.value for token in running.world.tokens.values()}
    addresses = {"graph_url": running.graph_url, "login_url": running.login_url, "control_url": running.control_url}
    app = {"app_id": APP_ID, "app_secret": APP_SECRET}
    return {**addresses, **app, "versions": running.versions, "tokens": tokens, "google": running.google.describe(running.login_url)}


def _describe(running: "Sandbox", proxy_variables: Mapping[str, str]) -> None:
    typer.echo(f"Meta Graph API   {running.graph_url}   (facebook-business: session.GRAPH = this)")
    typer.echo(f"Google Ads API   {running.google.endpoint}   (google-ads: endpoint, with the two variables below)")
    version = next(reversed(running.versions["google"]), "vNN")
    typer.echo(f"Google Ads REST  {running.google.rest_url}   (the same over HTTP and JSON: POST /{version}/customers/…/googleAds:search)")
    typer.echo(f"OAuth tokens     {running.google.token_url}")
    typer.echo(f"Consent pages    {running.login_url}   (what a person meets in the browser, of both platforms)")
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
    if proxy_variables:
        typer.echo("For programs that call the platforms' own host names:")
        typer.echo("  export " + " ".join(f"{name}={value}" for name, value in proxy_variables.items()))
    typer.echo("For adpulse itself, tokens included (--env FILE writes them to a file):")
    for name, value in variables_of(_world(running)).items():
        typer.echo(f"  export {name}={shlex.quote(value)}")
