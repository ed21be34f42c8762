"""``adpulse verify``: the stored numbers against a report that a person exported from Ads Manager or Google Ads."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from adpulse.model import Connection
    from adpulse.verification.comparison import Comparison, Difference

_SHOWN = 40
_SHOWN_NAMES = 10


def register(cli: typer.Typer) -> None:
    """Add the command to the command line."""
    cli.command("verify")(verify)


def verify(
    connection: Annotated[str, typer.Argument(help="Id or name of a connection.")],
    *,
    csv: Annotated[Path, typer.Option("--csv", help="The exported file: days and campaigns, or anything below campaigns.")],
    column: Annotated[
        list[str] | None,
        typer.Option("--column", help="What a column holds, as WHAT=NAME: 'purchases=Website purchases'; repeatable."),
    ] = None,
    decimal: Annotated[
        str | None, typer.Option("--decimal", help="The sign before decimals in the file, . or , if the file does not show it.")
    ] = None,
    dates: Annotated[
        str | None,
        typer.Option("--dates", help="How days with slashes are written, mdy (1/31/2026) or dmy, if the file does not show it."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Compare stored numbers with a report exported from Ads Manager or Google Ads, per day and campaign. Changes nothing.

    Exit code 0: no difference in settled days. 1: a settled day differs. 2: the file cannot be read, or nothing can be compared.
    """
    from adpulse.bootstrap import app
    from adpulse.services import verifying
    from adpulse.verification.columns import choices
    from adpulse.verification.reasons import differences

    context = app()
    existing = context.connections.get(connection).connection
    comparison = verifying.verify(
        context.published(existing.workspace_id), existing, csv, choices(column or ()), _notation(decimal), _order(dates)
    )
    remapping = verifying.remapping(comparison, existing, context.conversion_types.of(existing.id))
    found = differences(comparison, remapping)
    if as_json:
        typer.echo(json.dumps(_fields(existing, csv, comparison, found) | {"mapping_that_would_close": dict(remapping)}, indent=2))
    else:
        _print(existing, csv, comparison, found)
        if remapping:
            options = " ".join(f"--set {change}" for change in dict.fromkeys(remapping.values()))
            typer.echo(f"By another mapping {' and '.join(remapping)} would be equal: adpulse mapping {existing.id} {options} --preview")
    if any(one.settled for one in found):
        raise typer.Exit(1)


def _notation(sign: str | None) -> Any:  # noqa: ANN401 - imported with the command
    from adpulse.errors import Usage
    from adpulse.verification.numbers import Notation

    if sign is not None and sign not in {notation.value for notation in Notation}:
        raise Usage(f"'{sign}' comes before no decimals. Give --decimal . or --decimal ,")
    return Notation(sign) if sign else None


def _order(letters: str | None) -> Any:  # noqa: ANN401 - as above
    from adpulse.errors import Usage
    from adpulse.verification.dates import DateOrder

    if letters is not None and letters not in {order.value for order in DateOrder}:
        raise Usage(f"'{letters}' is no order of days. Give --dates mdy or --dates dmy")
    return DateOrder(letters) if letters else None


def _print(connection: "Connection", file: Path, comparison: "Comparison", found: "list[Difference]") -> None:
    from adpulse.cli.tables import plain, print_table
    from adpulse.platforms.registry import mapping_of
    from adpulse.verification.reasons import EXPLANATIONS

    first, last = comparison.export.days
    typer.secho(plain(f"{connection.name}, {connection.currency}, {first} to {last}: {file}"), bold=True)
    print_table(("Metric", "Column", "Settled numbers", "differ", "Not settled", "differ"), _per_metric(comparison, found))
    if found:
        shown = [_row(one) for one in found[:_SHOWN]]
        print_table(("Day", "Campaign", "Metric", "Exported", "Stored", "Difference", "Likely reason"), shown)
        if len(found) > _SHOWN:
            typer.echo(f"And {len(found) - _SHOWN} more: --json has all of them.")
        for reason in dict.fromkeys(one.reason for one in found):
            typer.echo(f"{reason}: {EXPLANATIONS[reason]}")
    stored = " + ".join(mapping_of(connection).attribution) or "each ad set's own"
    for note in _notes(comparison, stored):
        typer.echo(plain(note))
    typer.secho(_verdict(comparison, found), bold=True)


def _per_metric(comparison: "Comparison", found: "list[Difference]") -> Iterator[Sequence[str]]:
    compared = Counter((pair.metric, pair.settled) for pair in comparison.pairs)
    differing = Counter((one.metric, one.settled) for one in found)
    for metric in comparison.export.columns.metrics:
        counts = [count[metric, settled] for settled in (True, False) for count in (compared, differing)]
        yield metric, comparison.export.columns.name(metric), *map(str, counts)


def _row(one: "Difference") -> Sequence[str]:
    campaign = f"{one.name} ({one.campaign})" if one.name and one.name != one.campaign else one.campaign
    numbers = map(_shown, (one.exported, one.stored, one.amount))
    return one.day.isoformat(), campaign, one.metric, *numbers, one.reason


def _shown(number: Decimal) -> str:
    """A number without the zeros at its end, and never as 1E+3."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _notes(comparison: "Comparison", stored: str) -> Iterator[str]:
    """What a reader must know to believe the verdict; ``stored`` is the attribution of the stored numbers."""
    export = comparison.export
    if export.columns.ignored:
        yield f"Not compared: {_listed(export.columns.ignored)}."
    if comparison.outside:
        days = _listed([day.isoformat() for day in comparison.outside])
        yield f"Days of the export that are not stored completely, so not compared: {len(comparison.outside)} ({days})."
    if comparison.absent:
        spent = _shown(sum(comparison.absent.values(), Decimal(0)))
        ids = _listed(list(comparison.absent))
        yield f"Campaigns that are stored and not in the export: {len(comparison.absent)}, which spent {spent} ({ids})."
    for metric in dict.fromkeys(metric for _, metric in comparison.silent):
        silent = {campaign: stored for (campaign, silent_metric), stored in comparison.silent.items() if silent_metric == metric}
        names = _listed([export.campaigns[campaign] or campaign for campaign in silent])
        yield f"The export says nothing of {metric} in any row of {names}; stored are {_shown(sum(silent.values(), Decimal(0)))}."
    if comparison.shared_names:
        yield f"Several campaigns share a name, so their sums were compared: {_listed(comparison.shared_names)}."
    if export.attribution:
        yield f"Attribution settings of the export: {_listed(export.attribution)}. adpulse stores {stored}."
    if export.totals:
        yield f"Totals rows left out: {export.totals}."
    most = max(total.rows for total in export.sums.values())
    if most > 1:
        yield f"Up to {most} rows were added up for a campaign's day: amounts may be off by half of the last digit for each row."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return ", ".join(names[:_SHOWN_NAMES]) + more


def _verdict(comparison: "Comparison", found: "list[Difference]") -> str:
    settled = sum(one.settled for one in found)
    open_days = len(comparison.pairs) - comparison.settled
    verdict = f"{settled} difference{'s' if settled != 1 else ''} in {comparison.settled:,} compared numbers of settled days"
    if not comparison.settled:
        verdict = "No compared day is settled yet"
    return f"{verdict}; {len(found) - settled} in {open_days:,} of days that the platform may still change."


def _fields(connection: "Connection", file: Path, comparison: "Comparison", found: "list[Difference]") -> dict[str, Any]:
    export = comparison.export
    settled = sum(one.settled for one in found)
    return {
        "connection_id": connection.id,
        "connection": connection.name,
        "file": str(file),
        "since": export.days[0].isoformat(),
        "until": export.days[1].isoformat(),
        "columns": {metric: export.columns.name(metric) for metric in export.columns.metrics},
        "columns_not_compared": list(export.columns.ignored),
        "campaigns_by": "id" if export.by_id else "name",
        "attribution_settings": list(export.attribution),
        "totals_rows": export.totals,
        "compared": {"settled": comparison.settled, "not_settled": len(comparison.pairs) - comparison.settled},
        "differing": {"settled": settled, "not_settled": len(found) - settled},
        "days_not_stored": [day.isoformat() for day in comparison.outside],
        "campaigns_not_in_export": {campaign: _shown(spent) for campaign, spent in comparison.absent.items()},
        "blank_in_export": [
            {"campaign": campaign, "metric": metric, "stored": _shown(stored)} for (campaign, metric), stored in comparison.silent.items()
        ],
        "names_of_several_campaigns": list(comparison.shared_names),
        "differences": [
            {
                "date": one.day.isoformat(),
                "campaign": one.campaign,
                "name": one.name,
                "metric": one.metric,
                "exported": _shown(one.exported),
                "stored": _shown(one.stored),
                "difference": _shown(one.amount),
                "settled": one.settled,
                "reason": one.reason.value,
            }
            for one in found
        ],
    }
