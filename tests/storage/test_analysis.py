"""The views for analysts: entities with what they are and when they delivered, the pace of a day, and how late conversions come."""

import json
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

DAY = timedelta(days=1)
CAMPAIGN = {"level": "campaign", "external_id": "k1", "name": "Spring", "objective": "OUTCOME_SALES"}


def attributes(**values):
    return json.dumps(values)


@pytest.mark.parametrize(
    ("currency", "given", "daily"),
    [
        ("USD", {"daily_budget": "2500"}, Decimal("25.00")),
        ("JPY", {"daily_budget": "2500"}, Decimal(2500)),
        ("EUR", {"budget_micros": 12_340_000}, Decimal("12.34")),
        ("EUR", {}, None),
        ("EUR", {"daily_budget": "0"}, None),
        ("EUR", {"daily_budget": "no number"}, None),
    ],
)
def test_a_budget_is_in_units_of_the_currency_whatever_the_platform_counts(workspace, build, currency, given, daily):
    walk = build.walk(CAMPAIGN | {"attributes": attributes(**given)})
    workspace.sync(build.run(walk), connections=[build.connection(currency=currency)])

    assert workspace.row("SELECT daily_budget, lifetime_budget, objective FROM campaigns") == (daily, None, "OUTCOME_SALES")


def test_an_ad_has_its_parents_its_link_and_when_it_was_created_and_delivered(workspace, build):
    created = {"created_time": "2026-03-01T09:30:00+0100", "creative": {"id": "77", "link_url": "https://shop.example/"}}
    walk = build.walk(
        CAMPAIGN,
        {"level": "adset", "external_id": "s1", "parent_id": "k1", "name": "Set"},
        {"parent_id": "s1", "name": "Ad", "attributes": attributes(**created)},
        {"level": "asset_group", "external_id": "g1", "parent_id": "k1", "attributes": attributes(final_urls=["https://two.example/"])},
    )
    days = {"since": build.today - 2 * DAY, "until": build.today}
    rows = [{"date": build.today - n * DAY, "impressions": n} for n in range(3)]
    workspace.sync(build.run(walk, build.ads(*rows, **days)))

    columns = "external_id, ad_set_id, campaign_id, creative_id, link, created_at, first_delivery, last_delivery"
    at = datetime.fromisoformat("2026-03-01T08:30:00+00:00")
    assert workspace.rows(f"SELECT {columns} FROM ads ORDER BY 1") == [
        ("a1", "s1", "k1", "77", "https://shop.example/", at, build.today - 2 * DAY, build.today - DAY),
        ("g1", None, "k1", None, "https://two.example/", None, None, None),
    ]
    assert workspace.row("SELECT ad_set_id, campaign_id, first_delivery FROM ad_sets") == ("s1", "k1", build.today - 2 * DAY)


def test_the_statuses_of_both_platforms_have_one_vocabulary(workspace, build):
    states = {
        "active": ["ACTIVE", "ENABLED"],
        "paused": ["PAUSED", "CAMPAIGN_PAUSED"],
        "archived": ["ARCHIVED"],
        "deleted": ["DELETED", "REMOVED"],
        "other": ["WITH_ISSUES"],
    }
    told = {status: state for state, statuses in states.items() for status in statuses}
    workspace.sync(build.run(build.walk(*({"external_id": status, "status": status} for status in told))))

    assert dict(workspace.rows("SELECT status, state FROM ads")) == told


def test_the_pace_of_a_day_is_beside_the_same_time_a_week_before(workspace, build):
    before = build.today - 7 * DAY
    for generation, (day, hours, spend) in enumerate(((before, 0, 10), (before, 5, 40), (build.today, 0, 12)), start=1):
        now = build.now + (day - build.today) + timedelta(hours=hours)
        row = {"date": day, "spend": spend * 1_000_000}
        answers = [answer(row, since=day, until=day) for answer in (build.ads, build.totals)]
        workspace.sync(build.noted(*answers, generation=generation, now=now))

    columns = "date, spend, spend_week_before_so_far, spend_week_before, expected"
    assert workspace.row(f"SELECT {columns} FROM pacing") == (build.today, 12, 10, 40, 48)


def test_how_much_of_the_conversions_is_seen_at_which_age_is_of_days_that_were_followed_to_their_end(workspace, build):
    for generation, (age, number) in enumerate(((0, 2), (1, 3), (3, 4), (40, 4)), start=1):
        answers = build.ads({"conversions": number * 1_000_000}), build.totals({"conversions": number * 1_000_000})
        workspace.sync(build.noted(*answers, generation=generation, now=build.now + age * DAY))
        lag = workspace.rows("SELECT age_days, share, days FROM conversion_lag WHERE metric = 'conversions' ORDER BY age_days")
        assert bool(lag) is (age == 40)

    assert lag == [(0, 0.5, 1), (1, 0.75, 1), (2, 0.75, 1), (3, 1.0, 1)]
