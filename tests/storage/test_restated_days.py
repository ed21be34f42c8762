"""What is noted of restatements with each sync is what the views of the history say."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from repeats import examples

from storage.warehouse import schema

DAY = timedelta(days=1)
UNIT = 1_000_000
BERLIN = ZoneInfo("Europe/Berlin")
NOTED = "SELECT connection_id, campaign_id, date, restated_on, metric, delta FROM restated_days ORDER BY ALL"
OF_VIEW = """
    SELECT r.connection_id, coalesce(r.campaign_id, ''), r.date, (r.changed_at AT TIME ZONE c.timezone)::DATE, r.metric,
        sum(r.delta * if(r.metric IN ('impressions', 'clicks'), 1, 1000000))::BIGINT
    FROM restatements r JOIN connections c ON c.id = r.connection_id
    WHERE r.metric <> 'reach' GROUP BY ALL HAVING sum(r.delta) <> 0 ORDER BY ALL
"""
LAG = "SELECT metric, age_days, share FROM conversion_lag WHERE share IS NOT NULL AND metric <> 'reach' ORDER BY ALL"
OF_DAYS = """
    SELECT a.metric, age, sum(delta) FILTER (age_days <= age)::DOUBLE / sum(delta)::DOUBLE AS share
    FROM followed_days a
    JOIN (
        SELECT metric, unnest(range(oldest + 1)) AS age FROM (SELECT metric, max(age_days) AS oldest FROM followed_days GROUP BY metric)
    ) b ON a.metric = b.metric
    GROUP BY ALL HAVING sum(delta) <> 0 ORDER BY ALL
"""


@pytest.fixture
def read(workspace, build):
    """Reads today's leaf, its campaign's total and the account's, at hours after the end of the account's day in Berlin."""
    midnight = datetime.combine(build.today + DAY, datetime.min.time(), BERLIN)
    generations = iter(range(1, 100))

    def at(hours, leaf, total=None, account=None):
        rows = [{"spend": units * UNIT, "conversions": units * UNIT} for units in (leaf, total or leaf, account or total or leaf)]
        connection = build.connection(timezone="Europe/Berlin")
        answers = build.ads(rows[0]), build.totals(rows[1]), build.account(rows[2])
        run = build.noted(*answers, connection=connection, generation=next(generations), now=midnight + timedelta(hours=hours))
        workspace.sync(run, connections=[connection])

    return at


def test_what_is_restated_on_one_local_day_is_one_row(workspace, read, build):
    for hours, units in ((5, 10), (6, 12), (20, 15), (24.5, 18)):
        read(hours, units)

    spend = [row[3:] for row in workspace.rows(NOTED) if row[4] == "spend"]
    assert spend == [(build.today + DAY, "spend", 5 * UNIT), (build.today + 2 * DAY, "spend", 3 * UNIT)]


def test_what_is_restated_and_taken_back_leaves_no_row(workspace, read):
    for hours, units in ((5, 10), (6, 12), (7, 10)):
        read(hours, units)

    assert workspace.rows(NOTED) == []


def test_what_completes_a_day_is_not_noted(workspace, read):
    for hours, units in ((-2, 10), (1, 20), (5, 30)):
        read(hours, units)

    assert workspace.rows(NOTED) == []


@given(steps=st.lists(st.tuples(st.integers(-20, 60), *[st.integers(0, 3)] * 3), min_size=2, max_size=5))
@examples(2, deadline=None, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_are_the_views_and_an_older_file_gets_the_same_when_it_is_opened(new_workspace, build, monkeypatch, steps):
    workspace = new_workspace()
    steps = [*sorted(steps), (40 * 24, 1, 2, 3)]
    for generation, (hours, leaf, more, most) in enumerate(steps, start=1):
        rows = [{"spend": units * UNIT} for units in (leaf, leaf + more, leaf + more + most)]
        answers = build.ads(rows[0]), build.totals(rows[1]), build.account(rows[2])
        now = datetime.combine(build.today + DAY, datetime.min.time(), ZoneInfo("UTC")) + timedelta(hours=hours, minutes=generation)
        workspace.sync(build.noted(*answers, generation=generation, now=now))
    noted, followed = workspace.rows(NOTED), workspace.rows(OF_DAYS)

    assert noted == workspace.rows(OF_VIEW)
    assert followed == workspace.rows(LAG)
    monkeypatch.setattr(schema, "_CHANGES_AT_ONCE", 1)  # each day by itself
    workspace.downgrade(15)
    workspace.warehouse.publish(min_interval_seconds=0)
    assert (workspace.rows(NOTED), workspace.rows(OF_DAYS)) == (noted, followed)


def test_a_day_that_was_not_followed_from_its_first_day_on_is_not_noted(workspace, build):
    for generation, age in enumerate((2, 3, 40), start=1):
        workspace.sync(build.noted(build.ads({"spend": generation}), generation=generation, now=build.now + age * DAY))

    assert workspace.rows("SELECT * FROM followed_days") == []


def test_days_of_more_than_120_days_ago_are_not_kept(workspace, read, build):
    for hours, units in ((-2, 1), (5, 10), (6, 12), (40 * 24, 12)):
        read(hours, units)
    assert workspace.rows(NOTED) != []
    assert workspace.rows(OF_DAYS) != []
    later = build.today + 130 * DAY
    workspace.sync(build.noted(build.ads({"spend": 1, "date": later}, since=later, until=later), generation=90, now=build.now + 130 * DAY))

    assert workspace.rows(NOTED) == workspace.rows(OF_DAYS) == []
