"""Numbers as the pages write them: for people without the script, and as values that the script writes in the reader's locale."""

from decimal import Decimal

import pytest

from adpulse.api.pages.numbers import format_change, format_cost, format_count, format_money, format_percent, plain_money
from adpulse.running_day import Comparison


@pytest.mark.parametrize(("currency", "text", "digits"), [("USD", "1,234.57", 2), ("JPY", "1,235", 0), ("KWD", "1,234.568", 3)])
def test_money_has_the_decimals_of_its_currency(currency, text, digits):
    assert format_money(1_234_567_891, currency) == f'<data value="{text.replace(",", "")}" data-digits="{digits}">{text}</data>'
    assert plain_money(1_234_567_891, currency) == text
    assert f">{text}<" in format_cost(Decimal("1234.567891"), currency)


@pytest.mark.parametrize(("micros", "text"), [(12_000_000, "12"), (1_200_000_000, "1,200"), (12_500_000, "12.5"), (0, "0")])
def test_conversions_have_the_digits_that_they_have(micros, text):
    assert f">{text}<" in format_count(micros)


def test_a_change_has_its_sign_and_its_share():
    change = format_change(Comparison(today=8_000_000, earlier=10_000_000, by_hour=True, accounts=1, of=1), "JPY")

    money = '<data value="-2" data-digits="0" data-signed>-2</data>'
    assert change == f'{money} (<data value="-0.200" data-digits="1" data-percent data-signed>-20.0 %</data>)'


def test_a_change_that_is_rounded_to_zero_has_no_minus():
    change = format_change(Comparison(today=9_999_000, earlier=10_000_000, by_hour=True, accounts=1, of=1), "EUR")

    assert (">+0.00<" in change, ">+0.0 %<" in change, "-0" in change) == (True, True, False)


def test_a_share_is_a_share_for_the_script_and_percent_for_people():
    assert format_percent(Decimal("0.0415")) == '<data value="0.042" data-digits="1" data-percent>4.2 %</data>'


def test_what_cannot_be_divided_is_no_number():
    assert format_cost(None, "USD") == "n/a"
    assert format_count(None) == "unknown"
