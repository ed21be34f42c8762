"""``adpulse demo``: syncs from end to end against the sandbox, every step checked.

It uses an installation the way a team does: ``adpulse sandbox`` and ``adpulse up`` run as separate processes,
syncs run through deployments and the worker, and the checks read the published DuckDB file.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from adpulse.errors import Unavailable

HOME = Path(".demo")
NOW = "2026-03-20T15:00Z"
"""When the sandbox's world begins: the demo's steps meet the changes that fall into the day after it."""

READY_SECONDS = 180
STOP_SECONDS = 60


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command()(demo)


def demo(
    *,
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything running at the end, until Ctrl-C.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures as JSON to this file.")] = None,
) -> None:
    """Sync five sandbox accounts of both platforms through real deployments and compare every stored row with the truth."""
    with ExitStack() as stack:
        world = _start(stack)
        from adpulse.cli.demo_run import DemoRun

        demo_run = DemoRun(world)
        demo_run.run()
        demo_run.show()
        if report:
            report.write_text(json.dumps(demo_run.report(), indent=2))
        if stay:
            typer.echo("Everything stays up; Ctrl-C ends it.")
            signal.pause()
        demo_run.verdict()


def _start(stack: ExitStack) -> dict[str, Any]:
    """Start the sandbox and the installation in a fresh folder; the sandbox's addresses and tokens."""
    _empty(HOME)
    lines = stack.enter_context(process("sandbox", "--now", NOW, "--rate", "0", "--extra", "1", "--json", ready="control_url"))
    world: dict[str, Any] = json.loads(lines[-1])
    google = world["google"]
    for name in [name for name in os.environ if name.startswith(("ADPULSE_", "PREFECT_"))]:
        del os.environ[name]  # the demo must not depend on the caller's settings
    os.environ.update(
        ADPULSE_HOME=str(HOME),
        ADPULSE_META_GRAPH_URL=world["graph_url"],
        ADPULSE_META_LOGIN_URL=world["login_url"],
        ADPULSE_META_APP_ID=world["app_id"],
        ADPULSE_META_APP_SECRET=world["app_secret"],
        ADPULSE_GOOGLE_ENDPOINT=google["endpoint"],
        ADPULSE_GOOGLE_AUTH_URL=google["auth_url"],
        ADPULSE_GOOGLE_TOKEN_URL=google["token_url"],
        ADPULSE_GOOGLE_CLIENT_ID=google["client_id"],
        ADPULSE_GOOGLE_CLIENT_SECRET=google["client_secret"],
        GRPC_VERBOSITY="ERROR",  # its core writes every connection that a server closes to standard error
        **google["environment"],
        ADPULSE_SANDBOX_URL=world["control_url"],
        ADPULSE_PUBLISH_SECONDS="0",
        ADPULSE_SWEEP_SECONDS="3",
    )
    typer.echo(f"Sandbox: {world['graph_url']} (Meta Graph API), {google['endpoint']} (Google Ads API)")
    for line in stack.enter_context(process("up", ready="Ready")):
        typer.echo(f"  {line}")
    return world


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


@contextmanager
def process(*arguments: str, ready: str) -> Iterator[list[str]]:
    """Run an ``adpulse`` command until it prints a line that contains ``ready``; ends it on the way out.

    Yields the lines printed so far.

    Raises:
        Unavailable: it ended, or was not ready in time.
    """
    command = [sys.executable, "-m", "adpulse", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True) as child:
        try:
            lines = _lines_until(child, ready, arguments[0])
            # Later output is in its log files, too. Reading it here keeps the pipe from filling up.
            threading.Thread(target=child.stdout.read if child.stdout else str, daemon=True).start()
            yield lines
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()


def _lines_until(child: "subprocess.Popen[str]", ready: str, command: str) -> list[str]:
    lines: list[str] = []
    deadline = time.monotonic() + READY_SECONDS
    for line in child.stdout or ():
        lines.append(line.rstrip())
        if ready in line:
            return lines
        if time.monotonic() > deadline:
            break
    raise Unavailable(f"adpulse {command} did not get ready:\n" + "\n".join(lines[-20:]))
