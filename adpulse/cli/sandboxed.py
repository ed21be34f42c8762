"""An installation against a sandbox of its own: what points it there, and a file that points a second terminal at both."""

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import typer

from adpulse import private_file
from adpulse.cli.processes import process

HOME = ".adpulse-sandbox"
"""The home of ``adpulse up --sandbox``, unless ADPULSE_HOME names one: an installation never changes between sandbox and platforms."""

_BEGINNING = "sandbox.json"
_SHELL_FILE = "sandbox.env"


def variables_of(world: Mapping[str, Any]) -> dict[str, str]:
    """What points an installation at a sandbox, whose addresses and tokens ``adpulse sandbox --json`` prints."""
    google = world["google"]
    return {
        "ADPULSE_META_GRAPH_URL": world["graph_url"],
        "ADPULSE_META_LOGIN_URL": world["login_url"],
        "ADPULSE_META_APP_ID": world["app_id"],
        "ADPULSE_META_APP_SECRET": world["app_secret"],
        "ADPULSE_GOOGLE_ENDPOINT": google["endpoint"],
        "ADPULSE_GOOGLE_AUTH_URL": google["auth_url"],
        "ADPULSE_GOOGLE_TOKEN_URL": google["token_url"],
        "ADPULSE_GOOGLE_CLIENT_ID": google["client_id"],
        "ADPULSE_GOOGLE_CLIENT_SECRET": google["client_secret"],
        "ADPULSE_SANDBOX_URL": world["control_url"],
        "ADPULSE_META_TOKEN": world["tokens"]["full"],
        "ADPULSE_GOOGLE_CREDENTIALS": google["refresh_tokens"]["full"],
        "GRPC_VERBOSITY": "ERROR",  # its core writes every connection that a server closes to standard error
        **google["environment"],
        **living_versions(world["versions"]),
    }


def living_versions(served: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The settings of versions with which a sandbox answers this adpulse, for platforms whose default version it does not serve.

    At an instant that has passed, the default may not be out yet. ``served`` has the versions by platform, oldest first.
    """
    from adpulse.platforms.registry import PLATFORMS
    from adpulse.platforms.versions import version_setting

    variables = {}
    for platform in PLATFORMS.values():
        versions = served.get(platform.name, ())
        if versions and platform.pinned(platform.settings.model_construct()) not in versions:
            variables[version_setting(platform)] = versions[-1]
    return variables


def write_shell_file(home: Path, variables: Mapping[str, str]) -> Path:
    """Write a file that a shell reads to use this home with these variables, and with this ``adpulse``; only its owner may read it."""
    own_path = f'export PATH={shlex.quote(os.fspath(Path(sys.executable).parent))}:"$PATH"'
    return write_exports(home / _SHELL_FILE, {**variables, "ADPULSE_HOME": str(home.absolute())}, own_path)


def write_exports(path: Path, variables: Mapping[str, str], *lines: str) -> Path:
    """Write a file with which a shell sets these variables; only its owner may read it."""
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    private_file.write(path, "\n".join([*exports, *lines]) + "\n")
    return path


def second_terminal(shell_file: Path) -> str:
    """The line that makes a second terminal work."""
    return f"In a second terminal: . {shlex.quote(os.fspath(shell_file.absolute()))} && adpulse status"


@contextmanager
def sandbox_of(home: Path) -> Iterator[Path]:
    """Run this home's sandbox while the block lasts, with this process pointed at it; yields the file for a second terminal.

    Its world begins when the home's first sandbox does, so what was synced stays true; its clock is the machine's.

    Raises:
        Unavailable: it did not get ready.
    """
    from adpulse.clock import SystemClock
    from adpulse_sandbox.clock import this_minute
    from adpulse_sandbox.remote import Remote

    beginning = datetime.fromisoformat(json.loads(private_file.create(home / _BEGINNING, json.dumps(this_minute().isoformat()))))
    with process("sandbox", "--now", beginning.isoformat(), "--json", ready="control_url") as lines:
        world = json.loads(lines[-1])
        Remote(world["control_url"]).set(SystemClock().now())
        variables = variables_of(world)
        os.environ.update(variables)
        typer.echo(f"Sandbox: {world['graph_url']} (Meta Graph API), {world['google']['endpoint']} (Google Ads API)")
        yield write_shell_file(home, variables)
