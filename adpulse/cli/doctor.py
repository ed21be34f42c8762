"""``adpulse doctor``: what keeps an installation from its work, and what should not go live."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("doctor")(doctor)


def doctor(
    *,
    production: Annotated[bool, typer.Option("--production", help="Also what should not go live as it is.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Look the installation over. Changes nothing; exit code 1 when something is wrong."""
    from adpulse import settings
    from adpulse.services.doctor import Verdict, examine

    found = list(examine(settings.load(), production=production))
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in found]))
    else:
        for each in found:
            typer.echo(f"{each.verdict:<5}  {each.about}: {each.told}")
    if any(each.verdict is Verdict.WRONG for each in found):
        raise typer.Exit(1)
