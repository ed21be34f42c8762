"""``adpulse pull``: the published file of another installation, for a notebook here."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pydantic import SecretStr


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("pull")(pull)


def pull(
    *,
    url: Annotated[str, typer.Option(help="Address of the installation's HTTP API.")],
    workspace: Annotated[str, typer.Option("--workspace", "-w", help="Id of the workspace.")],
    to: Annotated[Path, typer.Option(help="File to write; it is replaced only by a complete one.")],
    key_file: Annotated[Path | None, typer.Option(help="File with the API key; otherwise ADPULSE_API_KEY, otherwise a prompt.")] = None,
) -> None:
    """Download a workspace's DuckDB file, unless the local one is current. An interrupted download is resumed."""
    from adpulse.redact import protect
    from adpulse.services import pull as download

    key = _key(key_file)
    protect(key.get_secret_value())
    if not download.is_private(url):
        typer.echo(f"{url} has no TLS: others on the way can read the key and the numbers.", err=True)
    result = download.pull(url, workspace, to, key)
    if result.newer:
        typer.echo(
            f"A newer adpulse published it, with {result.newer}. Names in it may be others than this version's guides say.", err=True
        )
    megabytes = f"{result.size / 1e6:.1f} MB"
    typer.echo(f"{to}: {megabytes}." if result.changed else f"{to}: nothing changed, {megabytes}.")


def _key(file: Path | None) -> "SecretStr":
    from pydantic import SecretStr

    from adpulse.errors import Usage

    if file is not None:
        try:
            text = file.read_text()
        except OSError as error:
            raise Usage(f"The API key cannot be read from {file}: {error.strerror}.") from None
    else:
        text = os.environ.get("ADPULSE_API_KEY") or typer.prompt("API key", hide_input=True)
    if not text.strip():
        raise Usage("There is no API key. Make one with: adpulse keys create")
    return SecretStr(text.strip())
