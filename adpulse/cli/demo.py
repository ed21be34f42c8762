"""``adpulse demo``: the main job from end to end against the sandbox, every step checked.

It uses an installation the way a team does: ``adpulse sandbox`` and ``adpulse up`` run as processes of their own,
syncs run through deployments and the worker, and what it checks is the published DuckDB file.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.errors import AdpulseError

if TYPE_CHECKING:
    from adpulse.bootstrap import App
    from adpulse.planner.windows import PartitionAges
    from adpulse.sandbox.remote import Remote

HOME = Path(".demo")
READY_SECONDS = 120
STEP_SECONDS = 90


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command()(demo)


class DemoFailed(AdpulseError):
    """Something the demo promises did not hold."""


def demo(
    *,
    stay: Annotated[bool, typer.Option("--stay", help="Leave everything running at the end, until Ctrl-C.")] = False,
    report: Annotated[Path | None, typer.Option("--report", help="Write the figures as JSON to this file.")] = None,
) -> None:
    """Sync three sandbox accounts through real deployments and compare every stored row with the truth."""
    with ExitStack() as stack:
        play = Play.begin(stack)
        play.run()
        play.show()
        if report:
            report.write_text(json.dumps(play.figures(), indent=2))
        if stay:
            typer.echo("Everything stays up; Ctrl-C ends it.")
            signal.pause()
        play.verdict()


@dataclass(slots=True)
class Figures:
    """What the demo did for one connection, summed over its syncs."""

    name: str
    calls: int = 0
    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    differences: list[str] = field(default_factory=list)


@contextmanager
def process(*arguments: str, ready: str) -> Iterator[list[str]]:
    """Run an ``adpulse`` command until it prints a line that contains ``ready``; ends it on the way out.

    Yields the lines printed so far.

    Raises:
        DemoFailed: it ended, or did not get ready in time.
    """
    with subprocess.Popen(
        [sys.executable, "-m", "adpulse", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as child:
        try:
            yield _lines_until(child, ready, arguments[0])
        finally:
            child.send_signal(signal.SIGINT)
            try:
                child.communicate(timeout=60)
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
    raise DemoFailed(f"adpulse {command} did not get ready:\n" + "\n".join(lines[-20:]))


class Play:
    """The demo's acts, in order; each raises DemoFailed when what it shows does not hold."""

    def __init__(self, app: "App", remote: "Remote") -> None:
        self.app = app
        self.remote = remote
        self.figures_of: dict[str, Figures] = {}
        self.notes: dict[str, list[PartitionAges]] = {}
        self.second_sync_rows_written = -1
        self.scheduled_run_seen = False
        self.broken: list[str] = []

    @classmethod
    def begin(cls, stack: ExitStack) -> "Play":
        """Start the sandbox and the installation in a fresh folder."""
        shutil.rmtree(HOME, ignore_errors=True)
        told = stack.enter_context(process("sandbox", "--rate", "0", "--extra", "1", "--json", ready="control_url"))
        world = json.loads(told[-1])
        os.environ.update(
            ADPULSE_HOME=str(HOME),
            ADPULSE_META_GRAPH_URL=world["graph_url"],
            ADPULSE_SANDBOX_URL=world["control_url"],
            ADPULSE_PUBLISH_SECONDS="0",
            ADPULSE_SWEEP_SECONDS="5",
        )
        typer.echo(f"Sandbox: {world['graph_url']} (Meta Graph API)")
        for line in stack.enter_context(process("up", ready="Ready")):
            typer.echo(line)
        from adpulse.bootstrap import app
        from adpulse.orchestrator import use_running_server
        from adpulse.sandbox.remote import Remote

        use_running_server(HOME)
        return cls(app(), Remote(world["control_url"]))
