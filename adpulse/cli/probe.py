"""``adpulse probe``: which of adpulse's requests a real account answers as adpulse assumes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from adpulse.services.probing import Written


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("probe")(probe)


def probe(
    target: Annotated[str, typer.Argument(help="meta or google, with a token that is asked for; or the id or name of a connection.")],
    *,
    account: Annotated[
        str | None, typer.Option("--account", "-a", help="Account id; by default the first that the token reaches. Not with a connection.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for the report and the redacted answers.")] = Path("adpulse-probe"),
) -> None:
    """Ask a real account everything that adpulse asks, once, and report what is answered otherwise than assumed.

    At most 25 calls, which only read. With a platform's name it needs no home folder, no database and no Prefect; the token comes as
    for `adpulse connect`. Exit code 1 when something is answered otherwise, or refused.
    """
    from adpulse.errors import Usage
    from adpulse.model import Provider
    from adpulse.platforms.registry import PLATFORMS
    from adpulse.services import probing

    if target in PLATFORMS:
        from adpulse import redact, settings
        from adpulse.cli.connections import read_secret

        redact.install()
        provider = Provider(target)
        _show(probing.probe_platform(settings.load(), provider, read_secret(provider), account, out))
        return
    if account:
        raise Usage("A connection has its account already; leave --account out.")
    _show(_of_connection(target, out))


def _of_connection(target: str, out: Path) -> "Written":
    """The probe of a connection; what is none may have been meant as a platform."""
    from adpulse.bootstrap import app
    from adpulse.errors import UnknownConnection, Usage
    from adpulse.platforms.registry import PLATFORMS
    from adpulse.services import probing

    platforms = " and ".join(PLATFORMS)
    try:
        installation = app()
    except Usage as error:
        raise Usage(f"'{target}' is none of the platforms {platforms}, and connections cannot be looked up: {error}") from None
    try:
        return probing.probe_connection(installation, target, out)
    except UnknownConnection as error:
        raise UnknownConnection(f"{error} Platforms, which are probed with a token, are {platforms}.") from None


def _show(written: "Written") -> None:
    found = written.findings
    for name in written.left_out:
        typer.echo(f"{name} is not written: a second reading found something in it that should be hidden.", err=True)
    extent = "everything" if found.is_as_assumed else "not everything"
    if found.outcome.stopped:
        typer.echo(f"The probe ended early: {found.outcome.stopped}. The report says what was not asked.")
    calls = "1 call" if found.outcome.calls == 1 else f"{found.outcome.calls} calls"
    typer.echo(f"{calls}. {written.report}: {extent} that was asked is as assumed.")
    typer.echo(f"{written.answers} redacted answers beside it. Look through them before you give them to anybody.")
    if not found.is_as_assumed:
        raise typer.Exit(1)
