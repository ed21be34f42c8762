"""``adpulse secrets``: which keys the stored tokens are encrypted with, and how to change them while everything runs."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pathlib import Path

secrets = typer.Typer(help="Keys that stored tokens are encrypted with.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(secrets, name="secrets")


@secrets.command("status")
def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show how many secrets each key encrypts, the newest key first."""
    from adpulse.bootstrap import app

    uses = app().rotation.uses()
    if as_json:
        typer.echo(
            json.dumps({"keys": [{"key": key, "secrets": count} for key, count in uses.by_key.items()], "unreadable": uses.unreadable})
        )
    else:
        for place, (key, count) in enumerate(uses.by_key.items()):
            typer.echo(f"{key}  {'newest' if place == 0 else 'older'}  seals {count}")
        for secret in uses.unreadable:
            typer.echo(f"{secret} opens with no key")
    _end(uses.unreadable)


@secrets.command("new-key")
def new_key() -> None:
    """Put a new key first in the key file; running processes use it from then on, and still decrypt with older keys."""
    from storage.control.rotation import add_key

    path = _key_file("Put a new key last in it everywhere and restart, put it first everywhere and restart, then: adpulse secrets rotate")
    typer.echo(f"{add_key(path)} is the newest key of {path}. Back the file up, then run: adpulse secrets rotate")


@secrets.command("rotate")
def rotate() -> None:
    """Encrypt everything with the newest key, while everything runs. After an interruption, run it again to continue."""
    from adpulse.bootstrap import app

    rotation = app().rotation
    rotated = rotation.rotate(lambda count: typer.echo(f"{count} sealed anew", err=True))
    uses = rotation.uses()
    newest, *older = uses.by_key
    typer.echo(f"{rotated} secrets were sealed anew; {uses.by_key[newest]} have the newest key, {newest}.")
    for secret in uses.unreadable:
        typer.echo(f"{secret} opens with no key: put its key back, or give its connections a fresh token with adpulse reconnect")
    if older and not uses.unreadable:
        typer.echo("When every process is known to run with the newest key: adpulse secrets drop-old")
    _end(uses.unreadable)


@secrets.command("drop-old")
def drop_old() -> None:
    """Remove the keys that no secret needs any more. Older backups open only with the key file of their time."""
    from adpulse.bootstrap import app
    from storage.control.rotation import drop_old_keys

    path = _key_file("Take the old keys out of it everywhere and restart.")
    dropped = drop_old_keys(path, app().rotation.uses())
    typer.echo(f"Dropped: {', '.join(dropped) or 'none; there is only one key'}.")


def _key_file(otherwise: str) -> "Path":
    from adpulse import settings
    from adpulse.crypto import KEY_FILE
    from adpulse.errors import Usage

    config = settings.load()
    if config.secret_key:
        raise Usage(f"The keys come from ADPULSE_SECRET_KEY, which only you can change. {otherwise}")
    return config.home / KEY_FILE


def _end(unreadable: list[str]) -> None:
    if unreadable:
        raise typer.Exit(1)
