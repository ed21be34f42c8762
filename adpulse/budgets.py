"""Budgets that people set for what an account, a label or a campaign spends in a day or a month, and the pace against them. Pure.

Money is micros of one currency; days and months are the account's own.
"""

import calendar
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from zoneinfo import ZoneInfo

from adpulse.errors import Usage
from adpulse.metrics import MICROS

_DAY_SECONDS = 86_400
_MOST = Decimal(10) ** 12


class Period(StrEnum):
    """What a budget is for."""

    DAILY = "daily"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A budget of a connection, of a campaign of it, or of all accounts of ``currency`` with a label; exactly one of the three."""

    id: str
    workspace_id: str
    connection_id: str | None
    label: str
    campaign_id: str
    currency: str
    period: Period
    amount: int

    @property
    def scope(self) -> str:
        """``connection``, ``label`` or ``campaign``."""
        return "label" if self.label else "campaign" if self.campaign_id else "connection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What of a budget is spent, as of ``fresh_until``, when ``elapsed`` of its period had passed; None while nothing of today was read.

    ``complete`` says whether nothing that was requested of today is missing. The platform may still restate what was spent.
    """

    budget: Budget
    name: str
    spent: int
    elapsed: Decimal
    fresh_until: datetime | None
    complete: bool

    @property
    def share(self) -> Decimal:
        """The part of the budget that is spent."""
        return Decimal(self.spent) / self.budget.amount

    @property
    def expected(self) -> int | None:
        """What the period ends at if it goes on evenly; None at its beginning."""
        return int(self.spent / self.elapsed) if self.elapsed else None

    @property
    def ahead(self) -> Decimal:
        """By how much of the budget more is spent than evenly; negative where less is."""
        return self.share - self.elapsed

    @property
    def words(self) -> str:
        """The pace as a sentence."""
        if self.spent > self.budget.amount:
            return "overspent"
        ahead = f"{abs(100 * self.ahead):.0f} % of the budget"
        return f"{ahead} ahead" if self.ahead > 0 else f"{ahead} behind" if self.ahead < 0 else "even"


def elapsed(period: Period, instant: datetime, timezone: str) -> Decimal:
    """The part of the account's day or month that has passed at an instant; hours as the clock shows them."""
    local = instant.astimezone(ZoneInfo(timezone))
    of_day = Decimal((datetime.combine(date.min, local.time()) - datetime.combine(date.min, time())).seconds) / _DAY_SECONDS
    if period is Period.DAILY:
        return of_day
    return (local.day - 1 + of_day) / calendar.monthrange(local.year, local.month)[1]


def first_day(period: Period, today: date) -> date:
    """The first day of the period that ``today`` is in."""
    return today if period is Period.DAILY else today.replace(day=1)


def parse_amount(text: str) -> int:
    """An amount in units of the currency, such as ``1234.50``, as micros.

    Raises:
        Usage: it is no positive amount.
    """
    try:
        units = Decimal(text.strip())
    except InvalidOperation:
        raise Usage(f"'{text}' is not an amount. Write it in units of the currency, such as 1234.50.") from None
    if not units.is_finite() or not 0 < units < _MOST or int(units * MICROS) != units * MICROS:
        raise Usage(f"'{text}' is not a budget. It is more than 0, less than a trillion, and has at most 6 digits after the point.")
    return int(units * MICROS)
