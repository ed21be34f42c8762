"""``adpulse demo``: syncs from end to end against the sandbox, every step checked.

It uses an installation the way a team does: ``adpulse sandbox`` and ``adpulse up`` run as separate processes,
syncs run through deployments and the worker, and the checks read the published DuckDB file.
"""

import json
import os
import shutil
import signal
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from adpulse.cli.processes import process
from adpulse.cli.sandboxed import second_terminal, variables_of, write_shell_file

HOME = Path(".demo")
NOW = "2026-03-20T15:00Z"
"""When the sandbox's world begins: the demo's steps meet the changes that fall into the day after it."""


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command()(demo)


def demo(
    *,
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything running at the end, until Ctrl-C.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures as JSON to this file.")] = None,
) -> None:
    """Sync five sandbox accounts of both platforms through real deployments and compare every stored row with the truth."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # by itself it would leave the processes to the kernel
    with ExitStack() as stack:
        world = _start(stack)
        from adpulse.cli.demo_run import DemoRun

        demo_run = DemoRun(world)
        demo_run.run()
        demo_run.show()
        demo_run.draw()
        if report:
            report.write_text(json.dumps(demo_run.report(), indent=2))
        if stay:
            _stay(world)
        demo_run.verdict()


def _start(stack: ExitStack) -> dict[str, Any]:
    """Start the sandbox and the installation in a fresh folder; the sandbox's addresses and tokens."""
    _empty(HOME)
    lines = stack.enter_context(process("sandbox", "--now", NOW, "--rate", "0", "--extra", "1", "--json", ready="control_url"))
    world: dict[str, Any] = json.loads(lines[-1])
    for name in [name for name in os.environ if name.startswith(("ADPULSE_", "PREFECT_"))]:
        del os.environ[name]  # the demo must not depend on the caller's settings
    own = {"ADPULSE_HOME": str(HOME.absolute()), "ADPULSE_PUBLISH_SECONDS": "0", "ADPULSE_SWEEP_SECONDS": "3"}
    os.environ.update({**variables_of(world), **own})
    typer.echo(f"Sandbox: {world['graph_url']} (Meta Graph API), {world['google']['endpoint']} (Google Ads API)")
    for line in stack.enter_context(process("up", ready="Ready")):
        typer.echo(f"  {line}")
    return world


def _stay(world: dict[str, Any]) -> None:
    """Let the sandbox's clock run, say where to look, and wait for Ctrl-C."""
    from adpulse.cli.services import login_link
    from adpulse_sandbox.remote import Remote
    from deployments.web import address_in

    Remote(world["control_url"]).run(1.0)
    home = HOME.absolute()
    own = {name: value for name, value in os.environ.items() if name.startswith("ADPULSE_")}
    shell_file = write_shell_file(home, {**variables_of(world), **own})
    typer.echo("Everything stays up, and the sandbox's clock runs from here on; Ctrl-C ends all of it.")
    typer.echo(f"Pages: {login_link(address_in(home) or '')} (this link logs you in, once)")
    typer.echo(second_terminal(shell_file))
    signal.pause()


def _empty(home: Path) -> None:
    """Remove the files of the last demo, but not its locks: a process that has one locked would then lock a deleted file.

    Raises:
        AlreadyRunning: the last demo is still running.
    """
    from adpulse.home import LOCKS
    from deployments.instance import Service, only

    with only(home, Service.UP):
        for path in home.iterdir():
            if path.is_symlink() or path.is_file():
                path.unlink()
            elif path.name != LOCKS:
                shutil.rmtree(path)
