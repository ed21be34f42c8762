"""``adpulse prefect …``: Prefect's own command line with the address and the password of this installation's server."""

import os
import sys

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})(prefect)


def prefect(context: typer.Context) -> None:
    """Run a command of Prefect's own, such as `deployment ls`, with this installation's server and its password."""
    from adpulse import settings
    from adpulse.orchestrator import use_running_server

    use_running_server(settings.load())
    os.execv(sys.executable, [sys.executable, "-P", "-m", "prefect", *context.args])  # noqa: S606 - replaces this process
