"""What the list of connections reads of a published copy: the spend of the last days as the view daily has it, and how complete it is."""

from dataclasses import replace
from datetime import timedelta

import pytest

from adpulse.planner.completeness import DayLevel, ReadDay
from storage.warehouse.connection_spend import DaySpend, read_connection_spend

UNIT = 1_000_000
GAP = "'ads' AS read, 'clicks: not a count' AS reason, now() AS first_at"


@pytest.fixture(scope="module")
def published(new_workspace, build):
    """Today has spend that no ad and no campaign reports, and yesterday was read without a row. The day before was not read."""
    workspace, yesterday = new_workspace(), build.today - timedelta(days=1)
    answers = (build.ads({"spend": 10 * UNIT}), build.totals({"spend": 15 * UNIT}), build.account({"spend": 18 * UNIT}))
    read = [
        ReadDay(level=DayLevel.LEAF, day=build.today, fresh_until=build.now, settled=False),
        ReadDay(level=DayLevel.LEAF, day=yesterday, fresh_until=build.now - timedelta(hours=3), settled=True),
        ReadDay(level=DayLevel.CAMPAIGN, day=yesterday - timedelta(days=1), fresh_until=build.now, settled=True),
    ]
    workspace.sync(replace(build.run(*answers), read_days=read))
    workspace.command(f"INSERT INTO day_gaps BY NAME SELECT 'c1' AS connection_id, 'leaf' AS level, DATE '{build.today}' AS date, {GAP}")
    workspace.warehouse.publish(min_interval_seconds=0)
    return workspace


def test_a_day_is_all_that_the_platform_reports_of_it_and_one_that_was_not_read_is_none(published, build):
    yesterday = build.today - timedelta(days=1)

    days = read_connection_spend(published.published, yesterday - timedelta(days=1))

    assert days == {
        ("c1", build.today): DaySpend(spend=18 * UNIT, fresh_until=build.now, settled=False, complete=False),
        ("c1", yesterday): DaySpend(spend=0, fresh_until=build.now - timedelta(hours=3), settled=True, complete=True),
    }
    assert published.rows("SELECT sum(spend) FROM daily") == [(18,)]


def test_before_the_first_publication_nothing_is_known(workspace, build):
    assert read_connection_spend(workspace.published, build.today) == {}
