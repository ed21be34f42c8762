"""The command line: one module per group of commands. Heavy imports sit inside the commands, so that help answers at once."""

import sys
from importlib import import_module

import typer
from rich.console import Console

from adpulse.errors import AdpulseError, Usage

cli = typer.Typer(
    name="adpulse",
    help="Keeps ad accounts' entities and daily metrics in DuckDB, minutes fresh, within the platforms' call limits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for _group in (
    "services",
    "workspaces",
    "keys",
    "secrets",
    "connections",
    "plan",
    "verify",
    "reconcile",
    "dead_letters",
    "webhooks",
    "alerts",
    "backup",
    "restore",
    "pull",
    "doctor",
    "probe",
    "demo",
):
    import_module(f"adpulse.cli.{_group}").register(cli)


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    try:
        cli()
    except AdpulseError as error:
        Console(stderr=True, soft_wrap=True).print(str(error), style="red", markup=False, highlight=False)
        sys.exit(2 if isinstance(error, Usage) else 1)
