"""Accounts of several currencies in one: by the rates of each account's own day, and without a rate in no sum."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from unit.test_running_day import DAY, TODAY, account

from adpulse.running_day import Numbers
from adpulse.services.reporting_day import in_currency
from storage.warehouse.day_rates import DayRate

UNIT = 1_000_000


def rate(per_euro, day=TODAY):
    return DayRate(per_euro=Decimal(per_euro), rate_date=day)


RATES = {(TODAY, "EUR"): rate(1), (TODAY, "USD"): rate("1.25", TODAY - 2 * DAY), (TODAY, "JPY"): rate(160)}
EURO = account(50, connection_id="euro", currency="EUR")
DOLLAR = account(50, connection_id="dollar", currency="USD")
YEN = account(1600, connection_id="yen", currency="JPY")
LIRA = account(70, connection_id="lira", currency="TRY")


@pytest.mark.parametrize(
    ("accounts", "currency", "units", "rate_date"),
    [
        ([EURO, DOLLAR, YEN], "EUR", 50 + 40 + 10, TODAY - 2 * DAY),
        ([EURO, DOLLAR, YEN], "JPY", 8000 + 6400 + 1600, TODAY - 2 * DAY),
        ([EURO, YEN], "EUR", 50 + 10, TODAY),
        ([EURO], "EUR", 50, None),
    ],
)
def test_each_currency_is_converted_by_both_rates(accounts, currency, units, rate_date):
    day = in_currency(currency, accounts, RATES)

    assert (day.numbers.spend, day.rate_date) == (units * UNIT, rate_date)
    assert {numbers.spend // UNIT for numbers in day.by_account.values()} == {
        numbers.spend // UNIT for one in accounts for numbers in in_currency(currency, [one], RATES).by_account.values()
    }


@pytest.mark.parametrize(("currency", "units", "missing"), [("EUR", 90, {"TRY": 1}), ("TRY", 70, {"EUR": 1, "USD": 1})])
def test_what_has_no_rate_is_missing_by_name_and_in_no_sum(currency, units, missing):
    day = in_currency(currency, [EURO, DOLLAR, LIRA], RATES)

    assert (day.numbers.spend, day.missing) == (units * UNIT, missing)


def test_what_was_not_read_today_is_not_missing_a_rate():
    day = in_currency("EUR", [EURO, replace(LIRA, fresh_until=None)], RATES)

    assert (day.numbers.spend, day.missing, day.freshness.unread) == (50 * UNIT, {}, 1)


def test_an_account_that_is_a_day_ahead_has_the_rate_of_its_own_day():
    ahead = replace(YEN, today=TODAY + DAY, days={TODAY + DAY: Numbers(spend=1600 * UNIT)})
    rates = RATES | {(TODAY + DAY, "EUR"): rate(1, date(2026, 3, 20)), (TODAY + DAY, "JPY"): rate(100, date(2026, 3, 20))}

    assert in_currency("EUR", [ahead], rates).numbers.spend == 16 * UNIT


def test_conversions_and_what_is_unknown_of_them_are_not_converted():
    numbers = Numbers(spend=50 * UNIT, revenue=100 * UNIT, conversions=None, purchases=3 * UNIT, cost_unknown=True)

    day = in_currency("EUR", [replace(DOLLAR, days={TODAY: numbers})], RATES)

    assert day.numbers == replace(numbers, spend=40 * UNIT, revenue=80 * UNIT)
