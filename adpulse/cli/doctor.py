"""``adpulse doctor``: checks what keeps an installation from working, and what should not go live."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("doctor")(doctor)


def doctor(
    *,
    production: Annotated[bool, typer.Option("--production", help="Also check what should not go live.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Check the installation. Changes nothing; exit code 1 when something is wrong."""
    from adpulse import settings
    from adpulse.services.doctor import Verdict, examine

    findings = list(examine(settings.load(), production=production))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings]))
    else:
        for finding in findings:
            typer.echo(f"{finding.verdict:<5}  {finding.about}: {finding.told}")
    if any(finding.verdict is Verdict.WRONG for finding in findings):
        raise typer.Exit(1)
