"""What young days will end at, on the account's page, a campaign's and by API: the view ``expected_final``."""

import re
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import pytest

UNIT = 1_000_000
LONG_AGO = date(2026, 2, 1)


@pytest.fixture
def followed(installation, numbers):
    """The rows that thirty days of syncs would have noted are put into the published copy."""
    published = installation.app.published(numbers.workspace_id)
    published.chmod(0o600)
    came = [(LONG_AGO - timedelta(days=ago), metric, *part) for ago in range(30) for metric in SHARES for part in SHARES[metric](ago)]
    with duckdb.connect(published) as copy:
        copy.executemany("INSERT INTO raw.followed_days VALUES (?, ?, ?, ?, ?)", [(numbers.id, *row) for row in came])
    return numbers


SHARES = {
    "spend": lambda _: [(0, 100 * UNIT)],
    "purchases": lambda ago: [(0, (50 + ago) * UNIT), (9, 40 * UNIT)],
}
"""By metric what came at which age: of spend everything on the day itself."""


@pytest.fixture
def final(installation, numbers):
    """What the view says of an account or of a campaign: (day, metric) and micros."""

    def read(campaign=None):
        query = """
            SELECT date, metric, (expected * 1000000)::BIGINT FROM expected_final
            WHERE connection_id = ? AND campaign_id IS NOT DISTINCT FROM ? AND metric = 'purchases' AND expected <> value
        """
        return {(str(day), metric): expected for day, metric, expected in installation.rows(query, [numbers.id, campaign])}

    return read


def shown(page):
    """The cells of the table of young days."""
    rows = re.findall(r'<tr id="young-(\d{4}-\d\d-\d\d)">(.*?)</tr>', page, flags=re.DOTALL)
    return {
        (day, metric): int(micros)
        for day, row in rows
        for metric, micros in re.findall(r'data-number="expected-(\w+)" data-micros="(\d+)"', row)
    }


@pytest.fixture
def get(browser, visit, team, numbers):
    session = browser(team.viewer)
    return lambda **choice: visit(session, "GET", f"/accounts/{numbers.id}", params=choice).text


def test_page_and_api_have_what_the_view_says_of_the_account(get, ask, team, followed, final):
    page, answer = get(), ask("GET", f"/connections/{followed.id}/days", team.viewer).json()
    expected, newest = final(), sorted(final(), reverse=True)[:7]

    assert len(expected) > len(newest) == 7
    assert shown(page) == {key: expected[key] for key in newest}
    finals = {(day["day"], one["metric"]): one for day in answer["days"] for one in day["expected_final"]}
    moving = {key: one for key, one in finals.items() if Decimal(one["expected"]) != Decimal(one["value"])}
    assert {key: Decimal(one["expected"]).scaleb(6) for key, one in moving.items()} == expected
    assert {one["metric"] for day, one in finals.items()} == {"spend", "purchases"}, "the API has also what is not expected to change"
    one = finals[newest[0]]
    assert Decimal(one["low"]) < Decimal(one["expected"]) < Decimal(one["high"])
    assert one["days"] == 30
    assert "8 of 10 days end" in page


def test_a_campaigns_page_has_its_own_and_an_ad_sets_none(get, installation, followed, final):
    query = "SELECT campaign_id, any_value(ad_set_id) FROM daily WHERE connection_id = ? AND ad_set_id <> '' GROUP BY 1 ORDER BY 1 LIMIT 1"
    ((campaign, ad_set),) = installation.rows(query, [followed.id])

    own = shown(get(campaign=campaign))

    assert own.items() <= final(campaign).items()
    assert own != shown(get())
    assert "What young days will end at" not in get(campaign=campaign, ad_set=ad_set)


def test_before_28_days_were_followed_nothing_is_expected(get, ask, team, numbers):
    answer = ask("GET", f"/connections/{numbers.id}/days", team.viewer).json()

    assert {len(day["expected_final"]) for day in answer["days"]} == {0}
    assert "What young days will end at" not in get()
