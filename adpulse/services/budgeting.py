"""Sets budgets, one or those of a CSV file, and works out the pace against them from what was published last."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from adpulse.bootstrap import App
from adpulse.budgets import Budget, Pace, Period, elapsed, first_day, parse_amount
from adpulse.errors import NotFound, Usage
from adpulse.metrics import in_units
from adpulse.model import Connection
from adpulse.running_day import AccountDay
from adpulse.services.named_connection import connection_named
from adpulse.services.today import CurrencyDay, today_of
from adpulse.spreadsheets import neutralised, restored
from storage.control.connections import Connections, ConnectionView
from storage.control.labels import check
from storage.warehouse.campaign_spend import Campaign, read_campaign_spend
from storage.warehouse.running_days import read_account_today

COLUMNS = ("connection", "label", "campaign", "currency", "period", "amount")
_MONTH = timedelta(days=31)


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenBudget:
    """A budget as people write it: of a connection (id or name), of a campaign of it, or of a label."""

    period: str
    amount: str
    connection: str = ""
    label: str = ""
    campaign: str = ""
    currency: str = ""


def checked(connections: Connections, workspace_id: str, written: WrittenBudget) -> Budget:
    """The budget; it is not set yet.

    Raises:
        Usage: it is of nothing or of several things, of a currency that is missing or another one, or of no amount.
        NotFound: the workspace has no such connection.
    """
    views, label = connections.all(workspace_id), written.label.strip()
    connection, campaign = written.connection.strip(), written.campaign.strip()
    if bool(label) == bool(connection) or (campaign and label):
        raise Usage("A budget is of a connection, of a campaign of a connection, or of a label.")
    if written.period not in list(Period):
        raise Usage(f"'{written.period}' is not a period. Choose one of: {', '.join(Period)}.")
    owner = connection_named(views, connection) if connection else None
    (name,) = check([label]) if label else ("",)
    accounts = [owner] if owner else [view for view in views if name in view.labels]
    return Budget(
        id="",
        workspace_id=workspace_id,
        connection_id=owner.connection.id if owner else None,
        label=name,
        campaign_id=campaign,
        currency=_currency(written.currency.strip().upper(), accounts, name),
        period=Period(written.period),
        amount=parse_amount(written.amount),
    )


def _currency(currency: str, views: Sequence[ConnectionView], label: str) -> str:
    """The currency of the accounts; of a label that has several it must be named."""
    currencies = sorted({view.connection.currency for view in views})
    if not currencies:
        raise Usage(f"No connection has the label '{label}'.")
    if currency and currency not in currencies:
        raise Usage(f"There is no account in {currency}; the budget is of {' or '.join(currencies)}.")
    if not currency and len(currencies) > 1:
        raise Usage(f"Accounts labelled '{label}' are in {', '.join(currencies)}. Name the currency of the budget.")
    return currency or currencies[0]


def set_budget(app: App, workspace_id: str, written: WrittenBudget) -> Budget:
    """Set a budget, see :func:`checked`; one of the same target and period is replaced."""
    (stored,) = app.budgets.put(workspace_id, [checked(app.connections, workspace_id, written)])
    return stored


def import_budgets(app: App, workspace_id: str, text: str) -> list[Budget]:
    """Set the budgets of a CSV text with the columns COLUMNS, all or none.

    Raises:
        Usage: a row is wrong, named by its line; nothing was set.
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
    unknown = set(reader.fieldnames or ()) - set(COLUMNS)
    if unknown or not {"period", "amount"} <= set(reader.fieldnames or ()):
        raise Usage(f"The columns are {', '.join(COLUMNS)}; period and amount are needed.")
    budgets = []
    for row in reader:
        written = WrittenBudget(**{name: restored(row.get(name) or "") for name in COLUMNS})
        try:
            budgets.append(checked(app.connections, workspace_id, written))
        except (Usage, NotFound) as error:
            raise Usage(f"Line {reader.line_num}: {error} Nothing was set.") from None
    return app.budgets.put(workspace_id, budgets)


def export_budgets(budgets: Iterable[Budget]) -> str:
    """Budgets as a CSV text that :func:`import_budgets` reads."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for one in budgets:
        amount = f"{in_units(one.amount).normalize():f}"
        writer.writerow([one.connection_id or "", neutralised(one.label), one.campaign_id, one.currency, one.period.value, amount])
    return text.getvalue()


def paces(app: App, workspace_id: str, days: Sequence[CurrencyDay] | None = None) -> list[Pace]:
    """The pace of each budget of the workspace, in the order of its budgets; ``days`` are its running days, where they are known already.

    Raises:
        Usage: an older adpulse published the workspace's copy.
        WarehouseDamaged: the copy cannot be read.
    """
    budgets = app.budgets.all(workspace_id)
    if not budgets:
        return []
    known = today_of(app, workspace_id) if days is None else days
    return _paces(app, workspace_id, budgets, [account for day in known for account in day.accounts])


def paces_of(app: App, connection: Connection) -> list[Pace]:
    """The pace of each budget of the connection and of its campaigns; raises as :func:`paces` does."""
    budgets = [one for one in app.budgets.all(connection.workspace_id) if one.connection_id == connection.id]
    if not budgets:
        return []
    today = read_account_today(app.published(connection.workspace_id), connection.id, app.clock.now())
    return _paces(app, connection.workspace_id, budgets, [today] if today else [])


def _paces(app: App, workspace_id: str, budgets: Sequence[Budget], accounts: Sequence[AccountDay]) -> list[Pace]:
    campaigns = [(one.connection_id or "", one.campaign_id) for one in budgets if one.campaign_id]
    now = app.clock.now()
    since = (now - _MONTH).date()
    spend, names = read_campaign_spend(app.published(workspace_id), campaigns, since)
    connections, by_id = app.connections.names(workspace_id), {account.connection_id: [account] for account in accounts}
    return [_pace(now, one, _accounts(one, accounts, by_id), spend, _name(one, connections, names)) for one in budgets]


def _accounts(one: Budget, accounts: Iterable[AccountDay], by_id: Mapping[str, list[AccountDay]]) -> list[AccountDay]:
    if one.label:
        return [account for account in accounts if one.label in account.labels and account.currency == one.currency]
    return by_id.get(one.connection_id or "", [])


def _name(one: Budget, connections: Mapping[str, str], names: Mapping[Campaign, str]) -> str:
    if one.label:
        return one.label
    account = connections.get(one.connection_id or "", one.connection_id or "")
    return f"{names.get((one.connection_id or '', one.campaign_id), one.campaign_id)}, {account}" if one.campaign_id else account


def _pace(now: datetime, one: Budget, accounts: Sequence[AccountDay], spend: Mapping[Campaign, Mapping[date, int]], name: str) -> Pace:
    """The parts of the period that have passed are those of the accounts, on average: their days begin at different instants."""
    of_campaign = spend.get((one.connection_id or "", one.campaign_id), {})
    spent = sum(_spent(account, one.period, _of_account(account, of_campaign if one.campaign_id else None)) for account in accounts)
    passed = [elapsed(one.period, account.fresh_until or now, account.timezone) for account in accounts]
    fresh = [account.fresh_until for account in accounts if account.fresh_until]
    return Pace(
        budget=one,
        name=name,
        spent=spent,
        elapsed=sum(passed, Decimal(0)) / len(passed) if passed else Decimal(0),
        fresh_until=min(fresh, default=None),
        complete=bool(accounts) and len(fresh) == len(accounts) and not any(account.lacks for account in accounts),
    )


def _of_account(account: AccountDay, campaign: Mapping[date, int] | None) -> Callable[[date], int]:
    if campaign is not None:
        return lambda day: campaign.get(day, 0)
    return lambda day: account.days[day].spend if day in account.days else 0


def _spent(account: AccountDay, period: Period, spend_of: Callable[[date], int]) -> int:
    since = first_day(period, account.today)
    return sum(spend_of(since + timedelta(days=ago)) for ago in range((account.today - since).days + 1))
