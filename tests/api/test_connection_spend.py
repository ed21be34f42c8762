"""Spend in the list of connections: each in its own currency, by its own days, and unknown with its reason."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from adpulse.services.spending import MOST_WORKSPACES, spending_of
from storage.control.listing import Criteria


@pytest.fixture
def two(team):
    """The team has an account in USD and one in JPY, and both were synced."""
    return team


@pytest.fixture
def rows(browser, visit, team):
    """The cells of spend of the list's rows, by connection in their order."""
    session = browser(team.viewer)

    def read(**query):
        page = visit(session, "GET", "/connections", params=query).text
        found = re.findall(r'<tr id="row-([^"]+)".*?<td data-label="Spend today">(.*?)</td>', page, flags=re.DOTALL)
        return dict(found), page

    return read


def micros(cell, number):
    return [int(text) for text in re.findall(rf'data-number="{number}" data-micros="(-?\d+)"', cell)]


def test_spend_is_the_accounts_own_day_in_its_own_currency(rows, installation, two):
    cells, _ = rows()
    now = installation.app.clock.now()

    for view in installation.app.connections.all(two.workspace.id):
        connection, cell = view.connection, cells[view.connection.id]
        days = [connection.today(now), connection.today(now) - timedelta(days=1)]
        query = "SELECT coalesce(sum(spend), 0) FROM daily WHERE connection_id = ? AND date = ?"
        ((today,), (yesterday,)) = (installation.rows(query, [connection.id, day])[0] for day in days)
        assert (micros(cell, "today"), micros(cell, "yesterday")) == ([today.scaleb(6)], [yesterday.scaleb(6)])
        assert f" {connection.currency} " in cell
    (yen,) = (cells[view.connection.id] for view in installation.app.connections.all() if view.connection.currency == "JPY")
    assert set(re.findall(r'data-digits="(\d)"', yen)) == {"0"}


def test_the_order_by_spend_says_that_currencies_are_not_compared(rows, installation, two):
    names = {view.connection.id: view.connection.currency for view in installation.app.connections.all(two.workspace.id)}

    for sort in ("spend", "-spend"):
        cells, page = rows(sort=sort)
        assert [names[connection_id] for connection_id in cells] == ["JPY", "USD"]
        assert "amounts of two currencies are not compared" in page


def test_what_is_not_known_has_its_reason(rows, installation, team):  # noqa: ARG001 - its connection was never synced
    (cell,) = rows()[0].values()
    assert "\N{EN DASH}" in cell
    assert "Not read yet." in cell
    installation.published().parent.mkdir(exist_ok=True)
    installation.published().write_bytes(b"no database")
    (cell,) = rows(sort="-spend")[0].values()
    assert "cannot be read" in cell, "the list is shown all the same"


def test_today_is_unknown_until_it_is_read_and_yesterday_is_shown(rows, installation, numbers):
    installation.sandbox.clock.advance(24 * 3600)
    (cell,) = rows()[0].values()

    assert "Not read today yet." in cell
    yesterday = numbers.today(installation.app.clock.now()) - timedelta(days=1)
    ((spend,),) = installation.rows("SELECT sum(spend) FROM daily WHERE connection_id = ? AND date = ?", [numbers.id, yesterday])
    assert micros(cell, "yesterday") == [spend.scaleb(6)]


def test_of_more_workspaces_than_a_page_can_read_none_is_read(installation, team):  # noqa: ARG001 - it has a connection
    (entry,) = installation.app.numbered_list.entries(Criteria())
    many = [replace(entry, id=str(number), workspace_id=f"w{number}") for number in range(MOST_WORKSPACES + 1)]

    reasons = [{one.reason for one in spending_of(installation.app, entries).values()} for entries in (many, many[1:])]

    assert reasons == [{"Choose a workspace: spend is read of at most 10 workspaces."}, {"Not read yet."}]
