"""``adpulse budgets``: what accounts, labels and campaigns may spend in a day or a month, and the pace against it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from adpulse.cli.tables import AsJson, Item, print_json, print_list
from adpulse.cli.webhooks import OfWorkspace

if TYPE_CHECKING:
    from adpulse.budgets import Pace

budgets = typer.Typer(help="Budgets of accounts, labels and campaigns, and the pace against them.", no_args_is_help=True)


def register(cli: typer.Typer) -> None:
    """Add the group to the command line."""
    cli.add_typer(budgets, name="budgets")


@budgets.command("set")
def set_one(  # noqa: PLR0913 - one for each option
    amount: Annotated[str, typer.Argument(help="In units of the currency, such as 1500.00.")],
    *,
    period: Annotated[str, typer.Option("--period", help="daily or monthly.")] = "monthly",
    connection: Annotated[str, typer.Option("--connection", "-c", help="Id or name of a connection.")] = "",
    campaign: Annotated[str, typer.Option("--campaign", help="Only its campaign with this id.")] = "",
    label: Annotated[str, typer.Option("--label", help="All accounts with this label, instead of a connection.")] = "",
    currency: Annotated[str, typer.Option("--currency", help="For a label whose accounts have several.")] = "",
    workspace: OfWorkspace = None,
) -> None:
    """Set a budget; one of the same target and period takes the place of the one before."""
    from adpulse.bootstrap import app
    from adpulse.services.budgeting import WrittenBudget, set_budget

    context = app()
    written = WrittenBudget(connection=connection, campaign=campaign, label=label, currency=currency, period=period, amount=amount)
    stored = set_budget(context, context.workspaces.get_or_only(workspace).id, written)
    typer.echo(f"The {stored.period.value} budget is set ({stored.id}). See the pace with: adpulse budgets list")


@budgets.command("list")
def list_budgets(workspace: OfWorkspace = None, *, as_json: AsJson = False) -> None:
    """List the budgets and the pace against each."""
    from adpulse.bootstrap import app
    from adpulse.services.budgeting import paces

    context = app()
    existing = paces(context, context.workspaces.get_or_only(workspace).id)
    if as_json:
        print_json(existing)
        return
    print_list(("Budget of", "Period", "Amount", "Spent", "Pace"), [_item(pace) for pace in existing])


def _item(pace: "Pace") -> Item:
    from adpulse.metrics import in_units

    amount = f"{in_units(pace.budget.amount):,.2f} {pace.budget.currency}"
    spent = f"{in_units(pace.spent):,.2f} ({100 * pace.share:.0f} %)"
    fresh = f"fresh until {pace.fresh_until:%Y-%m-%d %H:%M} UTC" if pace.fresh_until else "not read today"
    return Item(cells=(pace.name, pace.budget.period.value, amount, spent, pace.words), id=pace.budget.id, note=fresh)


@budgets.command("remove")
def remove(budget: Annotated[str, typer.Argument(help="Id of the budget.")], *, workspace: OfWorkspace = None) -> None:
    """Remove a budget."""
    from adpulse.bootstrap import app

    context = app()
    context.budgets.remove(budget, context.workspaces.get_or_only(workspace).id)
    typer.echo("The budget is removed.")


@budgets.command("import")
def import_file(
    file: Annotated[
        Path, typer.Argument(help="CSV with the columns connection, label, campaign, currency, period and amount.", exists=True)
    ],
    *,
    workspace: OfWorkspace = None,
) -> None:
    """Set the budgets of a file, all or none."""
    from adpulse.bootstrap import app
    from adpulse.services.budgeting import import_budgets

    context = app()
    stored = import_budgets(context, context.workspaces.get_or_only(workspace).id, file.read_text("utf-8"))
    typer.echo(f"Budgets that are set: {len(stored)}.")


@budgets.command("export")
def export(workspace: OfWorkspace = None) -> None:
    """Print the budgets as CSV, as import reads them."""
    from adpulse.bootstrap import app
    from adpulse.services.budgeting import export_budgets

    context = app()
    typer.echo(export_budgets(context.budgets.all(context.workspaces.get_or_only(workspace).id)), nl=False)
