"""``adpulse plan``: how often so many accounts can be read, before anyone connects one."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adpulse.errors import Usage

if TYPE_CHECKING:
    from adpulse.frequency import Frequency
    from adpulse.model import Provider
    from adpulse.planner.cadence import Cadence
    from adpulse.planner.costs import Costs
    from adpulse.planner.scopes import ScopeLimit

    Rows = list[tuple[Frequency, Cadence]]

_ADS_PER_CAMPAIGN = 20
_ADS_PER_ASSET_GROUP = 100


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("plan")(plan)


def plan(
    *,
    google: Annotated[int, typer.Option("--google", help="How many Google Ads accounts, all of one Google Cloud project.")] = 0,
    meta: Annotated[int, typer.Option("--meta", help="How many Meta ad accounts, all of one app.")] = 0,
    access: Annotated[
        str | None, typer.Option("--access", help="Access level of the project: explorer, basic or standard. Default: the setting.")
    ] = None,
    ads: Annotated[int, typer.Option("--ads", help="Ads of each account.")] = 1000,
    performance_max: Annotated[bool, typer.Option("--performance-max", help="The Google accounts have asset groups, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show how often so many accounts can be read at each frequency, and what limits it. Needs no installation and calls nobody."""
    from adpulse import settings
    from adpulse.model import Provider
    from adpulse.planner.costs import Size, costs_of
    from adpulse.planner.scopes import scope_limits

    _check(google, meta, ads, access)
    config = settings.load()
    limits = scope_limits(access or config.google_access, config.meta_app_calls_per_hour)
    groups = max(1, ads // _ADS_PER_ASSET_GROUP) if performance_max else 0
    size = Size(ads=ads, campaigns=-(-ads // _ADS_PER_CAMPAIGN), asset_groups=groups)
    told: list[dict[str, Any]] = []
    for provider, accounts in ((Provider.GOOGLE, google), (Provider.META, meta)):
        if accounts:
            limit = limits.by_provider.get(provider)
            rows = _rows(costs_of(provider, size, config.meta_page_size), config.calls_per_hour, limit, accounts)
            told += [_fields(provider, accounts, *row) for row in rows]
            if not as_json:
                _print(_title(provider, accounts, limit, config.calls_per_hour), rows)
    if as_json:
        typer.echo(json.dumps(told, indent=2))


def _check(google: int, meta: int, ads: int, access: str | None) -> None:
    from adpulse.planner.scopes import GOOGLE_OPERATIONS

    for option, value in (("--google", google), ("--meta", meta), ("--ads", ads)):
        if value < 0:
            raise Usage(f"{option} {value} is no number of {'ads' if option == '--ads' else 'accounts'}. Give 0 or more.")
    if google + meta == 0:
        raise Usage("Say how many accounts there are to be, for example: adpulse plan --google 50 --meta 20")
    if access is not None and access not in GOOGLE_OPERATIONS:
        raise Usage(f"'{access}' is not an access level of Google Ads. Choose one of: {', '.join(GOOGLE_OPERATIONS)}.")


def _rows(costs: "Costs", calls_per_hour: int, limit: "ScopeLimit | None", accounts: int) -> "Rows":
    """The cadence at each frequency, if all of the accounts had it."""
    from adpulse.frequency import SCHEDULED
    from adpulse.planner.cadence import cadence
    from adpulse.planner.demand import demand
    from adpulse.planner.shares import divide

    rows: Rows = []
    for frequency in SCHEDULED:
        needs = demand(frequency, costs, calls_per_hour)
        share = divide(limit, {needs: accounts}).of(needs) if limit else None
        rows.append((frequency, cadence(frequency, costs, calls_per_hour, share)))
    return rows


def _fields(provider: "Provider", accounts: int, frequency: "Frequency", found: "Cadence") -> dict[str, Any]:
    return {
        "provider": provider.value,
        "accounts": accounts,
        "sync_frequency": frequency.value,
        "kept": found.why is None,
        "effective_interval_seconds": found.every.total_seconds() if found.every else None,
        "effective_interval_reason": found.reason,
        "calls_per_hour_and_account": round(found.calls_per_hour, 2),
    }


def _title(provider: "Provider", accounts: int, limit: "ScopeLimit | None", calls_per_hour: int) -> str:
    shared = f"{limit.told} of the {limit.owner}" if limit else "no limit that they share"
    return f"{accounts:,} {provider.label} account{'s' if accounts != 1 else ''}: {shared}, {calls_per_hour} calls an hour of each account"


def _print(title: str, rows: "Rows") -> None:
    from rich.console import Console
    from rich.table import Table

    from adpulse.frequency import spoken

    table = Table("All of them at", "Kept", "Each is read", "Calls an hour and account")
    for frequency, found in rows:
        every = f"every {spoken(found.every)}" if found.every else ""
        table.add_row(frequency.label, "no" if found.why else "yes", every, f"{found.calls_per_hour:.1f}")
    whys = dict.fromkeys(found.why for _, found in rows if found.why)
    console = Console(highlight=False)
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
    for why in whys:
        console.print(f"Why not oftener: {why}.", soft_wrap=True)
