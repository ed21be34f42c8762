"""What was restated, on the account's page, on its page Restatements and by API, equals the view restatements."""

import re
from decimal import Decimal

import duckdb
import pytest

SHOWN = "metric IN ('spend', 'revenue', 'conversions', 'purchases')"


@pytest.fixture
def restated(team):
    """Two days later the account was read again, and the days after its first read were restated."""
    return team.connection


@pytest.fixture
def view(installation, restated):
    """What the view says of each day and metric: by how much it was restated."""
    query = f"SELECT date, metric, sum(delta) FROM restatements WHERE connection_id = ? AND {SHOWN} GROUP BY ALL HAVING sum(delta) <> 0"
    return {(day, metric): delta for day, metric, delta in installation.rows(query, [restated.id])}


def by_metric(page, number):
    """The cells of a table of days: (day, metric) and micros."""
    rows = re.findall(r'<tr id="restated-(\d{4}-\d\d-\d\d)-(\w+)">(.*?)</tr>', page)
    return {(day, metric): int(re.search(rf'data-number="{number}" data-micros="(-?\d+)"', row)[1]) for day, metric, row in rows}


def test_the_page_the_api_and_the_view_agree(browser, visit, ask, team, restated, view):
    answer = ask("GET", f"/connections/{restated.id}/restatements", team.viewer).json()
    page = visit(browser(team.viewer), "GET", f"/accounts/{restated.id}/restatements").text
    after, before = by_metric(page, "after"), by_metric(page, "before")

    assert view != {}
    assert {(str(day), metric): int(delta.scaleb(6)) for (day, metric), delta in view.items()} == {
        key: after[key] - before[key] for key in after
    }
    of_api = {(day["day"], one["metric"]): (one["before"], one["after"]) for day in answer["days"] for one in day["restated"]}
    assert {key: tuple(int(Decimal(value).scaleb(6)) for value in values) for key, values in of_api.items()} == {
        key: (before[key], after[key]) for key in after
    }
    assert {day["day"] for day in answer["campaigns"]} == {day["day"] for day in answer["days"]}


def test_a_restated_day_opens_on_the_accounts_page_and_its_numbers_are_those_of_now(ask, browser, visit, team, restated, view):
    page = visit(browser(team.viewer), "GET", f"/accounts/{restated.id}").text
    days = {day["day"]: day for day in ask("GET", f"/connections/{restated.id}/days", team.viewer).json()["days"]}

    for (day, metric), delta in view.items():
        (one,) = [one for one in days[str(day)]["restated"] if one["metric"] == metric]
        assert Decimal(one["after"]) == Decimal(days[str(day)]["numbers"][metric])
        assert Decimal(one["after"]) - Decimal(one["before"]) == delta
    day, _ = next(iter(view))
    row = re.search(rf'<tr id="day-{day}">.*?</tr>', page, re.DOTALL)[0]
    assert re.search(r"restated <data[^>]*>[+-].*→", row, re.DOTALL)


def test_a_campaigns_page_has_its_own_days_and_what_of_them_was_restated(ask, installation, team, restated):
    query = f"SELECT campaign_id, date, metric, sum(delta) FROM restatements WHERE {SHOWN} GROUP BY ALL HAVING sum(delta) <> 0 ORDER BY ALL"
    campaign = next(campaign for campaign, *_ in installation.rows(query) if campaign)
    ours = {(str(day), metric): delta for of, day, metric, delta in installation.rows(query) if of == campaign}
    sums = "SELECT date, sum(spend) FROM daily WHERE campaign_id = ? GROUP BY 1 ORDER BY 1 DESC LIMIT 90"

    days = ask("GET", f"/connections/{restated.id}/days", team.viewer, params={"campaign": campaign}).json()["days"]

    spends = {str(day): spend for day, spend in installation.rows(sums, [campaign])}
    assert {day["day"]: Decimal(day["numbers"]["spend"]) for day in days if day["day"] in spends} == spends
    assert {(day["day"], one["metric"]): Decimal(one["after"]) - Decimal(one["before"]) for day in days for one in day["restated"]} == ours


def test_before_a_day_that_was_followed_is_settled_the_page_says_when_the_curve_comes(browser, visit, team, numbers):
    page = visit(browser(team.viewer), "GET", f"/accounts/{numbers.id}/restatements").text

    assert "some four weeks after the first sync" in page
    assert "Nothing was restated." in page


def test_the_curve_is_a_sentence_a_chart_and_a_table(browser, visit, ask, installation, team, numbers):
    """The rows that forty days of syncs would have noted are put into the published copy."""
    published = installation.app.published(numbers.workspace_id)
    published.chmod(0o600)
    with duckdb.connect(published) as copy:
        rows = [(0, 71), (1, 10), (3, 11), (9, 8)]
        copy.executemany("INSERT INTO raw.followed_days VALUES (?, '2026-02-01', 'purchases', ?, ?)", [(numbers.id, *row) for row in rows])

    page = visit(browser(team.viewer), "GET", f"/accounts/{numbers.id}/restatements").text
    (lag,) = ask("GET", f"/connections/{numbers.id}/restatements", team.viewer).json()["lags"]

    assert "After 3 days 92 % of purchases are in; on the day itself 71 %." in page
    assert (lag["sentence"] in page, lag["days"], lag["shares"][3]) == (True, 1, 0.92)
    assert '<polyline class="purchases" points="0,' in page
    assert re.findall(r'<tr><th scope="row">(\d)</th><td><data[^>]*>([\d.]+) %</data></td></tr>', page)[3] == ("3", "92.0")
