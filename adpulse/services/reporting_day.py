"""Today of all accounts of a workspace in its reporting currency: an estimate by the rates of each day, as of ``daily_in``."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal

from adpulse.bootstrap import App
from adpulse.running_day import DAY, AccountDay, Numbers, total
from adpulse.services.today import CurrencyDay, Freshness, freshness_of
from storage.control.workspaces import Workspace
from storage.warehouse.day_rates import DayRate, DayRates, read_day_rates


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportingDay:
    """Today in one currency, in micros of it.

    ``numbers`` are of the accounts that were read today and have a rate, ``by_account`` their numbers by connection. ``missing`` has how
    many accounts of which currency were read and have no rate: they are in no sum. ``rate_date`` is the day of the oldest rate, None
    where nothing was converted.
    """

    currency: str
    numbers: Numbers
    by_account: Mapping[str, Numbers]
    missing: Mapping[str, int]
    rate_date: date | None
    freshness: Freshness


def reporting_day(app: App, workspace: Workspace, days: Sequence[CurrencyDay]) -> ReportingDay | None:
    """The accounts of :func:`adpulse.services.today.today_of` in the reporting currency; None where the workspace has none.

    Raises:
        Usage: an older adpulse published the workspace's copy.
        WarehouseDamaged: the copy cannot be read.
    """
    if workspace.reporting_currency is None:
        return None
    accounts = [account for day in days for account in day.accounts]
    first = min((account.today for account in accounts), default=app.clock.now().date())
    return in_currency(workspace.reporting_currency, accounts, read_day_rates(app.published(workspace.id), first - DAY))


def in_currency(currency: str, accounts: Sequence[AccountDay], rates: DayRates) -> ReportingDay:
    """The accounts' running days in a currency, each by the rates of its own day."""
    by_account, missing, rate_dates = dict[str, Numbers](), Counter[str](), list[date]()
    for account in accounts:
        if account.fresh_until is None:
            continue
        if account.currency == currency:
            by_account[account.connection_id] = account.numbers
            continue
        own, wanted = rates.get((account.today, account.currency)), rates.get((account.today, currency))
        if own is None or wanted is None:
            missing[account.currency] += 1
            continue
        by_account[account.connection_id] = _converted(account.numbers, own, wanted)
        rate_dates.append(min(own.rate_date, wanted.rate_date))
    return ReportingDay(
        currency=currency,
        numbers=total(by_account.values()),
        by_account=by_account,
        missing=missing,
        rate_date=min(rate_dates, default=None),
        freshness=freshness_of(accounts),
    )


def _converted(numbers: Numbers, own: DayRate, wanted: DayRate) -> Numbers:
    """Amounts only: conversions are of no currency."""
    spend, revenue = (
        int((Decimal(amount) * wanted.per_euro / own.per_euro).to_integral_value()) for amount in (numbers.spend, numbers.revenue)
    )
    return replace(numbers, spend=spend, revenue=revenue)
