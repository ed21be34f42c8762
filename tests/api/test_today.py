"""Today's numbers by page and by API, of an account that was synced."""

import re
from datetime import timedelta
from decimal import Decimal

import duckdb

from adpulse.api.pages import ROOT
from adpulse.services.today import today_of


def micros(page, number):
    """What elements of the page show of a number, the sum of the currency first."""
    return [int(text) for text in re.findall(rf'data-number="{number}" data-micros="(-?\d+)"', page)]


def of_day(installation, connection, day):
    ((spend, purchases),) = installation.rows(
        "SELECT sum(spend), sum(purchases) FROM daily WHERE connection_id = ? AND date = ?", [connection.id, day]
    )
    return spend, purchases


def test_today_is_what_the_published_file_has(browser, visit, installation, team, numbers):
    today = numbers.today(installation.app.clock.now())
    spend, purchases = of_day(installation, numbers, today)

    page = visit(browser(team.viewer), "GET", "/today").text

    assert micros(page, "spend") == [spend.scaleb(6), spend.scaleb(6)]
    assert micros(page, "purchases") == [purchases.scaleb(6), purchases.scaleb(6)]
    assert f">{spend:,.2f}<" in page


def test_the_first_page_after_login_is_today_and_before_a_sync_says_what_is_missing(browser, visit, team):
    page = visit(browser(team.viewer), "GET", "/")

    assert page.url.endswith(f"{ROOT}/today")
    assert "They appear with the first sync." in page.text


def test_a_day_without_a_course_is_compared_as_a_whole_and_that_is_said(browser, visit, installation, team, numbers):
    yesterday, _ = of_day(installation, numbers, numbers.today(installation.app.clock.now()).replace(day=19))

    page = visit(browser(team.viewer), "GET", "/today").text

    assert micros(page, "yesterday") == [yesterday.scaleb(6), yesterday.scaleb(6)]
    assert "A day is compared as a whole where its course has no point near this hour." in page
    assert "known after 7 days of courses" in page


def test_the_api_has_the_pages_numbers(ask, browser, visit, installation, team, numbers):
    installation.app.labels.change(numbers.id, lambda _: ["retail"])
    (day,) = ask("GET", f"/workspaces/{team.workspace.id}/today", team.viewer).json()

    page = visit(browser(team.viewer), "GET", "/today").text

    assert micros(page, "spend")[0] == Decimal(day["numbers"]["spend"]).scaleb(6)
    assert (day["currency"], day["unread"], day["yesterday"]["by_hour"]) == (numbers.currency, 0, False)
    assert day["labels"][0]["numbers"] == day["accounts"][0]["numbers"] == day["numbers"]
    assert day["courses"][0]["points"][-1]["spend"] == day["numbers"]["spend"]
    assert "retail" in page


def test_sums_are_kept_until_a_person_changes_what_they_are_of(installation, team, numbers):
    def sums():
        (day,) = today_of(installation.app, team.workspace.id)
        return day

    first = sums()
    assert sums() is first
    installation.app.labels.change(numbers.id, lambda _: ["retail"])
    assert [tile.label for tile in sums().tiles] == ["retail"]
    installation.app.connections.rename(numbers.id, "Harbor")
    assert [account.name for account in sums().accounts] == ["Harbor"]
    installation.app.connections.set_frequency(numbers.id, "daily")
    assert sums().accounts[0].interval == timedelta(days=1)
    installation.app.connections.delete(numbers.id)
    assert today_of(installation.app, team.workspace.id) == []


def test_a_workspace_sees_only_its_own_day(ask, browser, visit, team, others, numbers):
    assert ask("GET", f"/workspaces/{others.workspace.id}/today", team.viewer).status_code == 404
    assert visit(browser(team.viewer), "GET", f"/today?workspace={others.workspace.id}").status_code == 404
    assert ask("GET", f"/workspaces/{others.workspace.id}/today", others.viewer).json() == []
    assert numbers.name not in visit(browser(others.viewer), "GET", "/today").text


def test_a_copy_of_an_older_version_is_no_error_on_the_first_page(browser, visit, installation, team, numbers):  # noqa: ARG001 - its account was synced
    published = installation.published()
    published.chmod(0o600)
    with duckdb.connect(published) as copy:
        copy.execute("DROP TABLE raw.intraday_points")

    answer = visit(browser(team.viewer), "GET", "/today")

    assert answer.status_code == 200
    assert "published by an older adpulse" in answer.text
