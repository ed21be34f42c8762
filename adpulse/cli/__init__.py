"""The command line: one module per group of commands. Heavy imports sit inside the commands, so that help answers at once."""

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from adpulse.errors import AdpulseError, Usage

cli = typer.Typer(
    name="adpulse",
    help="Keeps ad accounts' entities and daily metrics in DuckDB, minutes fresh, within the platforms' call limits.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for _group in (
    "services",
    "prefect_command",
    "workspaces",
    "keys",
    "secrets",
    "connections",
    "labels",
    "mapping",
    "backfill",
    "plan",
    "verify",
    "reconcile",
    "dead_letters",
    "webhooks",
    "alerts",
    "budgets",
    "backup",
    "restore",
    "pull",
    "analytics",
    "export",
    "fx",
    "importing",
    "doctor",
    "probe",
    "demo",
):
    import_module(f"adpulse.cli.{_group}").register(cli)


def main() -> None:
    """Run a command. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    try:
        cli()
    except OSError as error:  # a port in use, a folder that is missing, a home that is not writable
        reason = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error.strerror or error)
        _print_error(f"{reason}. Nothing more was done.")
        sys.exit(1)
    except AdpulseError as error:
        _print_error(str(error))
        sys.exit(2 if isinstance(error, Usage) else 1)


def _print_error(text: str) -> None:
    Console(stderr=True, soft_wrap=True).print(text, style="red", markup=False, highlight=False)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if wanted:
        typer.echo(version("adpulse"))
        raise typer.Exit


@cli.callback()
def _options(
    *, _version: Annotated[bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")] = False
) -> None:
    pass
