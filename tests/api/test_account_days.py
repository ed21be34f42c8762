"""The account's page, its files and the API, of an account that was synced."""

import csv
import io
import re
from datetime import timedelta
from decimal import Decimal

import pyarrow.parquet as pq
import pytest

PERIOD = 7


def shown(page, number):
    return [int(text) for text in re.findall(rf'data-number="{number}" data-micros="(-?\d+)"', page)]


def section(page, name):
    return page.partition(f'<section id="{name}"')[2].partition("</section>")[0]


@pytest.fixture
def read(installation, numbers):
    """Answers a query about the account's rows of the last days in the view daily."""
    today = numbers.today(installation.app.clock.now())
    parameters = [numbers.id, today - timedelta(days=PERIOD - 1), today]
    where = "FROM daily WHERE connection_id = ? AND date BETWEEN ? AND ?"
    return lambda select, rest="": installation.rows(f"SELECT {select} {where} {rest}", parameters)


@pytest.fixture
def get(browser, visit, team, numbers):
    session = browser(team.viewer)
    return lambda path="", **choice: visit(session, "GET", f"/accounts/{numbers.id}{path}", params={"period": PERIOD, **choice})


def test_days_and_campaigns_are_those_of_the_view_daily(get, read, installation, numbers):
    by_day = installation.rows("SELECT sum(spend) FROM daily WHERE connection_id = ? GROUP BY date ORDER BY date DESC", [numbers.id])
    by_campaign = read("campaign_id, sum(spend) AS spend", "GROUP BY 1 ORDER BY spend DESC")

    page = get().text

    assert shown(section(page, "days"), "spend") == [spend.scaleb(6) for (spend,) in by_day][:90]
    assert sorted(shown(section(page, "parts"), "spend")) == sorted(spend.scaleb(6) for _, spend in by_campaign)
    assert shown(page, "whole") == [sum(spend for _, spend in by_campaign).scaleb(6)]


def test_a_campaign_opens_to_ad_sets_and_these_to_ads_and_nothing_is_lost_on_the_way(get, read):
    ((campaign, spend),) = read("campaign_id, sum(spend) AS spend", "AND campaign_id IS NOT NULL GROUP BY 1 ORDER BY spend DESC LIMIT 1")
    ((ad_set, of_ad_set),) = read(
        "ad_set_id, sum(spend) AS spend", f"AND campaign_id = '{campaign}' AND ad_set_id IS NOT NULL GROUP BY 1 ORDER BY spend DESC LIMIT 1"
    )

    below, deepest = get(campaign=campaign).text, get(campaign=campaign, ad_set=ad_set).text

    assert sum(shown(section(below, "parts"), "spend")) == spend.scaleb(6)
    assert sum(shown(section(deepest, "parts"), "spend")) == of_ad_set.scaleb(6)
    assert f"campaign={campaign}&amp;ad_set={ad_set}" in below


def test_the_files_hold_what_is_on_screen(get):
    page, text, binary = get(sort="name"), get("/table.csv", sort="name"), get("/table.parquet", sort="name")

    rows = list(csv.DictReader(io.StringIO(text.text)))
    assert [Decimal(row["spend"]).scaleb(6) for row in rows] == shown(section(page.text, "parts"), "spend")
    assert [row["spend"] for row in pq.read_table(io.BytesIO(binary.content)).to_pylist()] == [Decimal(row["spend"]) for row in rows]


def test_a_search_narrows_the_table_and_its_files_but_not_the_sum(get):
    name = next(csv.DictReader(io.StringIO(get("/table.csv").text)))["name"]

    assert [row["name"] for row in csv.DictReader(io.StringIO(get("/table.csv", q=name.upper()).text))] == [name]
    assert shown(get(q=name).text, "whole") == shown(get().text, "whole")


def test_the_api_has_the_pages_days_and_parts(get, ask, team, numbers):
    page = get().text

    answer = ask("GET", f"/connections/{numbers.id}/days", team.viewer, params={"period": PERIOD}).json()

    assert [Decimal(day["numbers"]["spend"]).scaleb(6) for day in reversed(answer["days"])] == shown(section(page, "days"), "spend")
    assert sorted(Decimal(part["numbers"]["spend"]).scaleb(6) for part in answer["parts"]) == sorted(shown(section(page, "parts"), "spend"))
    assert [Decimal(part["spend_before"]) for part in answer["parts"]] != []


def test_before_a_sync_there_is_an_empty_page(browser, visit, team):
    page = visit(browser(team.viewer), "GET", f"/accounts/{team.connection.id}")

    assert page.status_code == 200
    assert "Nothing matches." in page.text
