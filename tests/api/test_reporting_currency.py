"""The total in the reporting currency: the same on Today, by API and in ``daily_in``, with the date of the rate, and what is missing."""

import re
from decimal import Decimal
from http import HTTPStatus

import pytest

from adpulse.services.exchange_rates import import_rates

FILE = "Date,USD,JPY,\n2026-03-19,1.25,{yen},\n"


@pytest.fixture
def two(team):
    """The team has an account in USD and one in JPY, and both were synced."""
    return team


@pytest.fixture
def today(browser, visit, ask, two):
    """What the page and the API have of today; the page with its sections by name."""
    session = browser(two.viewer)

    def read():
        page = visit(session, "GET", "/today").text
        return page, ask("GET", f"/workspaces/{two.workspace.id}/today/total", two.viewer).json()

    return read


@pytest.fixture
def rates(installation, two):
    """Imports the rates of a file in which the yen may have none."""
    return lambda yen: list(import_rates(installation.app.warehouse, FILE.format(yen=yen).encode(), [two.workspace]))


@pytest.fixture
def in_euro(ask, two):
    path = f"/workspaces/{two.workspace.id}"
    assert ask("PATCH", path, two.editor, json={"reporting_currency": "EUR"}).json()["reporting_currency"] == "EUR"
    return path


def total(page):
    return [int(micros) for micros in re.findall(r'data-number="total" data-micros="(\d+)"', page)]


def test_page_api_and_view_have_one_total_with_the_date_of_its_rate(today, rates, in_euro, installation, two):  # noqa: ARG001 - it is in euro
    rates("160")
    page, answer = today()

    now, spent = installation.app.clock.now(), Decimal(0)
    for view in installation.app.connections.all(two.workspace.id):
        query = "SELECT coalesce(sum(spend), 0) FROM daily_in('EUR') WHERE connection_id = ? AND date = ?"
        ((of_one,),) = installation.rows(query, [view.connection.id, view.connection.today(now)])
        spent += of_one
    assert abs(Decimal(answer["numbers"]["spend"]) - spent) < Decimal("0.001")
    assert spent > 0
    assert total(page) == [int(Decimal(answer["numbers"]["spend"]).scaleb(6))]
    assert (answer["rate_date"], answer["missing"], answer["accounts"]) == ("2026-03-19", [], 2)
    assert "the exchange rate of 2026-03-19" in page
    assert sum(map(int, re.findall(r'data-number="converted" data-micros="(\d+)"', page))) == total(page)[0]


def test_a_currency_without_a_rate_is_named_and_in_no_sum(today, rates, in_euro):  # noqa: ARG001 - it is in euro
    nothing, answer = today()
    assert (total(nothing), answer["accounts"], [one["currency"] for one in answer["missing"]]) == ([], 0, ["JPY", "USD"])

    rates("N/A")
    page, answer = today()
    assert "Without 1 account in JPY: there is no exchange rate" in page
    assert (answer["accounts"], answer["missing"]) == (1, [{"currency": "JPY", "accounts": 1}])
    assert "\N{EN DASH} no rate" in page
    assert len(total(page)) == 1


def test_without_a_reporting_currency_there_is_no_total(today, rates, in_euro, ask, two):
    rates("160")
    assert ask("PATCH", in_euro, two.editor, json={"reporting_currency": None}).json()["reporting_currency"] is None

    page, answer = today()

    assert (total(page), answer) == ([], None)


def test_an_editor_sets_it_on_the_page_and_a_viewer_does_not(browser, visit, installation, two):
    path, read = f"/workspaces/{two.workspace.id}/currency", lambda: installation.app.workspaces.find(two.workspace.id).reporting_currency

    assert visit(browser(two.viewer), "POST", path, data={"currency": "EUR"}).status_code == HTTPStatus.FORBIDDEN
    editor = browser(two.editor)
    assert visit(editor, "POST", path, data={"currency": "euro"}).status_code == HTTPStatus.BAD_REQUEST
    assert read() is None
    assert 'value="EUR"' in visit(editor, "POST", path, data={"currency": " eur "}).text
    assert read() == "EUR"
    visit(editor, "POST", path, data={"currency": ""})
    assert read() is None
