"""Budgets: what is written, how much of their period has passed, and how they are stored."""

from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest

from adpulse.budgets import Budget, Pace, Period, elapsed, first_day, parse_amount
from adpulse.errors import NotFound, Usage
from adpulse.services import budgeting


def budget(**changes):
    facts = {"id": "", "workspace_id": "", "connection_id": None, "label": "eu", "campaign_id": "", "currency": "USD", "amount": 100}
    return Budget(**facts | {"period": Period.DAILY} | changes)


@pytest.mark.parametrize(("text", "micros"), [("1500", 1_500_000_000), (" 0.000001 ", 1), ("1e3", 1_000_000_000)])
def test_an_amount_is_read_exactly(text, micros):
    assert parse_amount(text) == micros


@pytest.mark.parametrize("text", ["", "0", "-5", "NaN", "Infinity", "1,500", "0.0000001", "1e12"])
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(Usage):
        parse_amount(text)


@pytest.mark.parametrize(("period", "share"), [(Period.DAILY, Decimal("0.75")), (Period.MONTHLY, Decimal("19.75") / 31)], ids=str)
def test_the_part_of_a_period_that_passed_is_of_the_accounts_own_day_and_month(period, share):
    """18:00 in Berlin on the 20th of March."""
    assert elapsed(period, datetime(2026, 3, 20, 17, 0, tzinfo=UTC), "Europe/Berlin") == share


def test_a_period_begins_with_the_day_or_the_month():
    assert [first_day(period, date(2026, 3, 20)) for period in Period] == [date(2026, 3, 20), date(2026, 3, 1)]


@pytest.mark.parametrize(
    ("spent", "words"), [(101, "overspent"), (75, "25 % of the budget ahead"), (25, "25 % of the budget behind"), (50, "even")]
)
def test_the_pace_in_words(spent, words):
    pace = Pace(budget=budget(), name="eu", spent=spent, elapsed=Decimal("0.5"), fresh_until=None, complete=False)

    assert (pace.words, pace.expected) == (words, 2 * spent)


def test_a_budget_of_the_same_target_and_period_is_replaced_and_others_stay(plane):
    workspace = plane.workspace.id
    plane.budgets.put(workspace, [budget(), budget(period=Period.MONTHLY), budget(currency="EUR")])
    (stored,) = plane.budgets.put(workspace, [budget(amount=7)])

    assert [(one.period, one.currency, one.amount) for one in plane.budgets.all(workspace) if one.currency == "USD"] == [
        ("daily", "USD", 7),
        ("monthly", "USD", 100),
    ]
    with pytest.raises(NotFound):
        plane.budgets.remove(stored.id, "another workspace")
    plane.budgets.remove(stored.id, workspace)
    assert len(plane.budgets.all(workspace)) == 2


def test_a_labels_budget_is_of_the_accounts_of_its_currency():
    accounts = [SimpleNamespace(connection_id=currency, currency=currency, labels=("eu",)) for currency in ("USD", "EUR")]

    assert [account.currency for account in budgeting._accounts(budget(), accounts, {})] == ["USD"]
