"""Backfills by the HTTP API and the page: priced, begun, shown, stopped."""

import re
from datetime import timedelta

import pytest


@pytest.fixture
def since(installation, team):
    return str(team.connection.today(installation.app.clock.now()) - timedelta(days=200))


@pytest.mark.usefixtures("numbers")
def test_a_backfill_is_priced_begun_shown_and_stopped(ask, installation, team, since):
    path = f"/connections/{team.connection.id}/backfill"

    priced = ask("POST", path, team.editor, json={"since": since, "dry_run": True})
    assert (priced.status_code, priced.json()["since"], priced.json()["days"]) == (200, since, 111)
    assert ask("GET", path, team.viewer).status_code == 404

    begun = ask("POST", path, team.editor, json={"since": since})
    assert (begun.status_code, begun.json()) == (202, priced.json())
    shown = ask("GET", path, team.viewer).json()
    assert (shown["days"], shown["days_read"], shown["calls"]) == (172, 61, priced.json()["calls"])
    assert installation.app.backfills.of(team.connection.id).next_at is not None

    assert ask("DELETE", path, team.editor).status_code == 204
    assert ask("DELETE", path, team.editor).status_code == 404


@pytest.mark.usefixtures("numbers")
def test_days_that_syncs_read_anyway_are_a_400_that_says_so(ask, installation, team):
    today = str(team.connection.today(installation.app.clock.now()))

    answer = ask("POST", f"/connections/{team.connection.id}/backfill", team.editor, json={"since": today})

    assert answer.status_code == 400
    assert "anyway" in answer.json()["detail"]


@pytest.mark.usefixtures("numbers")
def test_the_page_says_what_it_takes_and_begins_once_that_is_confirmed(browser, visit, installation, team, since):
    page, path = browser(team.editor), f"/connections/{team.connection.id}"

    asked = visit(page, "POST", f"{path}/backfill", data={"since": since}).text
    assert f"111 days from {since} on: at most" in asked
    assert installation.app.backfills.of(team.connection.id) is None

    visit(page, "POST", f"{path}/backfill", data={"since": since, "confirmed": "yes"})
    shown = visit(page, "GET", path).text
    assert re.search(r'<progress max="172" value="61"', shown)
    assert "Stop reading it" in shown
    assert "Stop reading it" not in visit(browser(team.viewer), "GET", path).text

    visit(page, "POST", f"{path}/backfill/stop")
    assert installation.app.backfills.of(team.connection.id) is None
