"""``adpulse plan``: how often so many accounts can be read, before anyone connects one."""

import json
from collections.abc import Mapping
from inspect import Parameter, Signature, signature
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adpulse.errors import Usage
from adpulse.platforms.base import Size
from adpulse.platforms.registry import PLATFORMS, platform_of

if TYPE_CHECKING:
    from adpulse.frequency import Frequency
    from adpulse.model import Provider
    from adpulse.planner.cadence import Cadence
    from adpulse.planner.scopes import ScopeLimit
    from adpulse.platforms.base import Costs
    from adpulse.settings import Settings

    Rows = list[tuple[Frequency, Cadence]]

_ADS_PER_CAMPAIGN = 20
_ADS_PER_ASSET_GROUP = 100


def register(cli: typer.Typer) -> None:
    """Add the command to the command line, with an option for the accounts of each platform."""
    options = [parameter for parameter in signature(plan).parameters.values() if parameter.kind is not Parameter.VAR_KEYWORD]
    counts = [
        Parameter(
            name, Parameter.KEYWORD_ONLY, default=0, annotation=Annotated[int, typer.Option(f"--{name}", help=platform.accounts_help)]
        )
        for name, platform in PLATFORMS.items()
    ]

    def command(**arguments: Any) -> None:
        plan(**arguments)

    command.__doc__ = plan.__doc__
    command.__signature__ = Signature([*counts, *options])  # type: ignore[attr-defined]  # what Typer reads the options from
    cli.command("plan")(command)


def plan(
    *,
    access: Annotated[
        str | None, typer.Option("--access", help="Access level of the project: explorer, basic or standard. Default: the setting.")
    ] = None,
    ads: Annotated[int, typer.Option("--ads", help="Ads of each account.")] = 1000,
    performance_max: Annotated[bool, typer.Option("--performance-max", help="The Google accounts have asset groups, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    **accounts: int,
) -> None:
    """Show how often so many accounts can be read at each frequency, and what limits it. Needs no installation and makes no calls."""
    from adpulse import settings
    from adpulse.planner.scopes import scope_limits

    _check(accounts, ads)
    config = _with_access(settings.load(), access) if access else settings.load()
    limits = scope_limits(config)
    groups = max(1, ads // _ADS_PER_ASSET_GROUP) if performance_max else 0
    size = Size(ads=ads, campaigns=-(-ads // _ADS_PER_CAMPAIGN), asset_groups=groups)
    results: list[dict[str, Any]] = []
    for name, count in sorted(accounts.items()):
        if count:
            platform = platform_of(name)
            limit = limits.by_provider.get(platform.name)
            page = platform.largest_page(config.of(platform))
            rows = _rows(platform.costs(size, page), config.calls_per_hour, limit, count)
            results += [_fields(platform.name, count, *row) for row in rows]
            if not as_json:
                _print(_title(platform.name, count, limit, config.calls_per_hour, page), rows)
    if as_json:
        typer.echo(json.dumps(results, indent=2))


def _with_access(config: "Settings", level: str) -> "Settings":
    """The settings with another access level, of the platforms that have levels.

    Raises:
        Usage: no platform has this one.
    """
    levelled = [platform for platform in PLATFORMS.values() if platform.access_levels]
    having = [platform for platform in levelled if level in platform.access_levels]
    if not having:
        owners = " or ".join(platform.label for platform in levelled)
        levels = dict.fromkeys(level_name for platform in levelled for level_name in platform.access_levels)
        raise Usage(f"'{level}' is not an access level of {owners}. Choose one of: {', '.join(levels)}.")
    for platform in having:
        config = config.with_platform_settings(config.of(platform).model_copy(update={"access": level}))
    return config


def _check(accounts: Mapping[str, int], ads: int) -> None:
    for option, value in (*((f"--{name}", count) for name, count in accounts.items()), ("--ads", ads)):
        if value < 0:
            raise Usage(f"{option} {value} is not a number of {'ads' if option == '--ads' else 'accounts'}. Give 0 or more.")
    if not sum(accounts.values()):
        example = " ".join(f"--{name} 20" for name in PLATFORMS)
        raise Usage(f"Say how many accounts there are to be, for example: adpulse plan {example}")


def _rows(costs: "Costs", calls_per_hour: int, limit: "ScopeLimit | None", accounts: int) -> "Rows":
    """The cadence at each frequency, if all accounts used it."""
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


def _fields(provider: "Provider", accounts: int, frequency: "Frequency", result: "Cadence") -> dict[str, Any]:
    return {
        "provider": provider,
        "accounts": accounts,
        "sync_frequency": frequency.value,
        "kept": result.limited_by is None,
        "effective_interval_seconds": result.interval.total_seconds() if result.interval else None,
        "effective_interval_reason": result.reason,
        "changes_interval_seconds": result.of_changes.total_seconds() if result.of_changes else None,
        "calls_per_hour_and_account": round(result.calls_per_hour, 2),
    }


def _title(provider: "Provider", accounts: int, limit: "ScopeLimit | None", calls_per_hour: int, page: int) -> str:
    shared = f"{limit.rate} of the {limit.owner}" if limit else "no limit that they share"
    per_account = f"{calls_per_hour} calls an hour of each account"
    pages = f", pages of {page:,} rows" if page > 1 else ""
    return f"{accounts:,} {platform_of(provider).label} account{'s' if accounts != 1 else ''}: {shared}, {per_account}{pages}"


def _print(title: str, rows: "Rows") -> None:
    from rich.console import Console
    from rich.table import Table

    from adpulse.frequency import format_duration

    table = Table("All of them at", "Kept", "Each is read", "Calls an hour and account")
    for frequency, result in rows:
        interval = f"every {format_duration(result.interval)}" if result.interval else ""
        table.add_row(frequency.label, "no" if result.limited_by else "yes", interval, f"{result.calls_per_hour:.1f}")
    reasons = dict.fromkeys(result.limited_by for _, result in rows if result.limited_by)
    console = Console(highlight=False)
    console.print(title, style="bold", soft_wrap=True)
    console.print(table)
    for reason in reasons:
        console.print(f"Why not oftener: {reason}.", soft_wrap=True)
    of_changes = min((result.of_changes for _, result in rows if result.of_changes), default=None)
    if of_changes:
        console.print(f"What changed in few campaigns is read every {format_duration(of_changes)} all the same.", soft_wrap=True)
