"""What a young day will end at, from the account's own followed days."""

from datetime import timedelta
from decimal import Decimal

import pytest

DAY = timedelta(days=1)
ONE = 1_000_000
FOLLOWED = 28
FINAL = 20 * ONE


@pytest.fixture
def followed(workspace, build):
    """Followed days of which a share of the conversions came by the next day's noon, and yesterday, read at noon, in two campaigns."""

    def made(days=FOLLOWED, shares=(Decimal("0.5"),), age=1):
        young = build.today - age * DAY
        connection = build.connection(timezone="UTC")
        rows = {"conversions": 10 * ONE, "spend": 7 * ONE}, {"external_id": "b1", "campaign_id": "k2", "conversions": 30 * ONE}
        answer = build.ads(*({"date": young} | row for row in rows), since=young, until=young)
        noon = build.now.replace(hour=12, minute=0)
        workspace.sync(build.noted(answer, connection=connection, now=noon), connections=[connection])
        rows = []
        for number in range(days):
            day, by_noon = build.today - (40 + number) * DAY, int(shares[number % len(shares)] * FINAL)
            # Of the next day's conversions half had come by noon.
            came = (0, by_noon // 2), (1, by_noon), (9, FINAL - by_noon // 2 - by_noon)
            rows += [f"('c1', '{day}', 'conversions', {age_days}, {delta})" for age_days, delta in came]
        workspace.command(f"INSERT INTO followed_days VALUES {', '.join(rows)}")

    return made


def of(workspace, columns="level, campaign_id, value, expected", metric="conversions"):
    return workspace.rows(f"SELECT {columns} FROM expected_final WHERE metric = '{metric}' ORDER BY level, campaign_id")


def test_a_day_is_expected_to_come_in_as_its_accounts_days_did(workspace, followed):
    followed()

    assert of(workspace) == [("account", None, 40, 80), ("campaign", "k1", 10, 20), ("campaign", "k2", 30, 60)]
    assert of(workspace, "DISTINCT level, age_days, days") == [("account", 1, FOLLOWED), ("campaign", 1, FOLLOWED)]


def test_with_fewer_followed_days_nothing_is_expected(workspace, followed):
    followed(days=FOLLOWED - 1)

    assert of(workspace) == []


def test_the_band_is_as_wide_as_days_differ_and_wider_for_small_campaigns(workspace, followed):
    followed(shares=(Decimal("0.4"), Decimal("0.5"), Decimal("0.6")))

    bands = of(workspace, "level, campaign_id, low, expected, high")
    assert all(low < expected < high for _, _, low, expected, high in bands)
    small, large = (((expected - low) / expected, (high - expected) / expected) for _, _, low, expected, high in bands[1:])
    assert all(wide > 1.5 * float(narrow) for wide, narrow in zip(small, large, strict=True))


def test_where_all_days_are_alike_the_band_is_the_expected_value(workspace, followed):
    followed()

    assert of(workspace, "level, campaign_id, low, high")[1] == ("campaign", "k1", 20, 20)


@pytest.mark.parametrize("age", [0, 100])
def test_a_day_that_runs_and_one_that_is_settled_have_no_row(workspace, followed, age):
    followed(age=age)

    assert of(workspace) == []


def test_a_metric_that_was_not_followed_has_no_row(workspace, followed):
    followed()

    assert of(workspace, metric="spend") == of(workspace, metric="profit") == []


def test_days_from_before_another_mapping_say_nothing_of_what_it_counts(workspace, followed, build):
    followed()
    workspace.command(f"UPDATE raw.connections SET mapping_since = '{build.now - DAY}'")

    assert of(workspace) == []
