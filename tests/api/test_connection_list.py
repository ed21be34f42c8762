"""The page of connections with hundreds of them: natural order, numbered pages, totals, and an address that keeps all of it."""

import re
from datetime import timedelta
from html import unescape

import pytest
from many_accounts import add_accounts
from sqlalchemy import Engine, event

from storage.control.tables import ConnectionRow

MANY = 405


def names(answer):
    """The accounts of the page's rows, in their order."""
    rows = re.findall(r'<tr id="row-.*?</tr>', answer.text, flags=re.DOTALL)
    return [unescape(re.search(r'/connections/[^"]+">([^<]+)</a>', row)[1]) for row in rows]


@pytest.fixture
def many(installation, team):
    """The team's connection and 404 more; the last one synced longest ago, and number 7 needs a person."""
    add_accounts(installation, team.connection, MANY - 1)
    now = installation.app.clock.now()
    with installation.engine.begin() as session:
        table = ConnectionRow.__table__
        session.execute(table.update().values(last_sync_completed_at=now, sync_status="idle"))
        session.execute(table.update().where(table.c.id == "many-404").values(last_sync_completed_at=now - timedelta(days=3)))
        session.execute(table.update().where(table.c.id == "many-7").values(status="needs_reauth", status_reason="Connect it again."))
    return team


@pytest.fixture
def shown(browser, visit, team):
    """A page of the list, as the team's editor sees it."""
    session = browser(team.editor)
    return lambda **query: visit(session, "GET", "/connections", params=query)


@pytest.mark.usefixtures("many")
def test_hundreds_are_pages_with_numbers_in_natural_order(shown):
    first, second = shown(), shown(page=2)

    assert names(first)[:11] == [f"Account {number}" for number in range(1, 12)]
    assert names(second)[:2] == ["Account 101", "Account 102"]
    assert [len(names(shown(page=number))) for number in (5, 99)] == [5, 5], "a page beyond the end is the last one"
    assert "<strong>405 connections</strong>: 404 idle, 1 needs reauthorisation" in first.text
    numbers = re.search(r'<nav id="numbers".*?</nav>', first.text, flags=re.DOTALL)[0]
    assert re.findall(r"page=(\d+)", numbers) == ["2", "3", "5"]


@pytest.mark.usefixtures("many")
def test_a_list_is_ordered_by_a_column_from_either_end(shown):
    firsts = {sort: names(shown(sort=sort))[0] for sort in ("-name", "state", "synced", "-synced")}

    assert firsts == {"-name": "Harbor Outdoor", "state": "Account 7", "synced": "Account 404", "-synced": "Account 1"}


@pytest.mark.usefixtures("many")
def test_search_label_and_order_stay_in_every_address_of_the_list(shown, installation):
    labelled = [f"many-{number}" for number in range(1, 251)]
    for connection_id in labelled:
        installation.app.labels.change(connection_id, lambda _: ["dach & co"])

    page = shown(q="account", label="dach & co", sort="-synced", page=2)

    kept = "label=dach+%26+co&amp;q=account"
    assert len(names(page)) == 100
    assert f'data-refresh="/app/connections?{kept}&amp;sort=-synced&amp;page=2"' in page.text
    assert f'href="?{kept}&amp;sort=-synced&amp;page=3"' in page.text
    assert f'href="?{kept}&amp;sort=synced"' in page.text, "the head of the column leads to its other end"
    assert 'aria-sort="descending"' in page.text


def test_hundreds_take_no_more_statements_than_two(shown, installation, team):
    def statements():
        seen = []

        def note(*arguments):
            seen.append(arguments[2])

        event.listen(Engine, "before_cursor_execute", note)
        assert shown().status_code == 200
        event.remove(Engine, "before_cursor_execute", note)
        return len(seen)

    add_accounts(installation, team.connection, 1)
    few = statements()
    with installation.engine.begin() as session:
        session.execute(ConnectionRow.__table__.delete().where(ConnectionRow.id == "many-1"))
    add_accounts(installation, team.connection, MANY)

    assert 5 < statements() <= few


def test_an_order_that_is_none_is_refused(shown):
    assert shown(sort="spend; DROP").status_code == 422
