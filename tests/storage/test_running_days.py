"""The course of a running day is noted with each sync that read it, and what pages read of it equals the views."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from adpulse.planner.completeness import DayLevel, ReadDay
from adpulse.running_day import Numbers, Point
from storage.warehouse.running_days import NOTHING, read_account_today, read_running_days

UNIT = 1_000_000
POINTS = "SELECT connection_id, date, known_at, spend FROM intraday_points ORDER BY ALL"


def read_at(workspace, build, now, *fetched, generation, connections=(), **changes):
    """A sync at ``now`` that read the leaves of its day."""
    days = [ReadDay(level=DayLevel.LEAF, day=day, fresh_until=now, settled=False) for day in changes.pop("days", [now.date()])]
    workspace.sync(replace(build.run(*fetched, generation=generation, now=now, **changes), read_days=days), connections=connections)


def spends(build, units, day=None, **more):
    day = day or build.today
    return build.ads({"spend": units * UNIT, "date": day, **more}, since=day, until=day)


def test_each_quarter_of_an_hour_keeps_its_last_point(workspace, build):
    for generation, (minute, units) in enumerate([(1, 10), (14, 20), (15, 30), (40, 30)], start=1):
        read_at(workspace, build, build.now + timedelta(minutes=minute), spends(build, units), generation=generation)

    points = [(minute, units) for minute, units in ((14, 20), (15, 30))]
    assert workspace.rows(POINTS) == [
        ("c1", build.today, build.now + timedelta(minutes=minute), units * UNIT) for minute, units in points
    ], "nothing new was reported at 15:40, which is no change of the file"


def test_a_point_holds_what_no_ad_and_no_campaign_reports(workspace, build):
    answers = (spends(build, 10), build.totals({"spend": 15 * UNIT}), build.account({"spend": 18 * UNIT}))
    read_at(workspace, build, build.now, *answers, generation=1)

    assert workspace.rows("SELECT spend FROM intraday_points") == [(18 * UNIT,)]
    assert workspace.rows("SELECT sum(spend) FROM daily") == [(18,)]


def test_points_are_the_view_intradays_at_the_instants_of_the_reads(workspace, build):
    for generation, units in enumerate([10, 30, 25, 60], start=1):
        read_at(workspace, build, build.now + timedelta(hours=generation), spends(build, units), generation=generation)

    assert workspace.rows("SELECT known_at, spend FROM intraday_points ORDER BY ALL") == [
        (instant, spend * UNIT) for instant, spend in workspace.rows("SELECT changed_at, spend FROM intraday ORDER BY ALL")
    ]


def test_a_sync_that_did_not_read_the_running_day_adds_no_point(workspace, build):
    before = build.today - timedelta(days=1)
    read_at(workspace, build, build.now, spends(build, 10, before), generation=1, days=[before])

    assert workspace.rows(POINTS) == []


def test_the_running_day_is_the_accounts_own(workspace, build):
    """23:30 UTC is tomorrow in Berlin."""
    now, tomorrow = datetime(2026, 3, 20, 23, 30, tzinfo=UTC), date(2026, 3, 21)
    own = [build.connection(timezone="Europe/Berlin")]
    read_at(workspace, build, now, spends(build, 10, tomorrow), generation=1, connections=own, days=[tomorrow, build.today])

    assert workspace.rows(POINTS) == [("c1", tomorrow, now, 10 * UNIT)]


def test_points_are_kept_for_28_days(workspace, build):
    for generation, ago in enumerate([29, 28, 0], start=1):
        now = build.now - timedelta(days=ago)
        read_at(workspace, build, now, spends(build, 10, now.date()), generation=generation)

    assert [day for _, day, _, _ in workspace.rows(POINTS)] == [build.today - timedelta(days=28), build.today]


@pytest.fixture(scope="module")
def published(new_workspace, build):
    """Today, yesterday and a week ago of one account, and yesterday of one in another currency that was not read today."""
    workspace, generation = new_workspace(), 0
    for ago in (7, 1, 0):
        for hour, units in ((12, 30), (14, 40), (20, 90)):
            now = build.now.replace(hour=hour) - timedelta(days=ago)
            if now <= build.now:
                generation += 1
                read_at(workspace, build, now, spends(build, units + ago, now.date()), generation=generation)
    other = {"connection_id": "c2", "connections": [build.connection("c2", name="Other", currency="EUR")]}
    yesterday = build.now - timedelta(days=1)
    read_at(workspace, build, yesterday, spends(build, 7, yesterday.date(), connection_id="c2"), generation=1, **other)
    workspace.warehouse.publish(min_interval_seconds=0)
    return workspace


@pytest.fixture
def course(published, build):
    return read_running_days(published.published, build.now)


def test_pages_read_the_days_as_the_view_daily_has_them(course, published):
    stored = published.rows("SELECT connection_id, date, sum(spend) FROM daily GROUP BY ALL")

    read = {(account.connection_id, day, numbers.spend) for account in course.accounts for day, numbers in account.days.items()}
    assert read == {(connection, day, spend * UNIT) for connection, day, spend in stored}


def test_pages_read_how_fresh_today_is_as_the_view_completeness_has_it(course, published, build):
    view = published.rows(f"SELECT connection_id, fresh_until, settled FROM completeness WHERE level = 'leaf' AND date = '{build.today}'")

    assert [(account.connection_id, account.fresh_until, account.settled) for account in course.accounts] == [*view, ("c2", None, False)]
    assert course.accounts[0].moved_at == build.now.replace(hour=14)


def test_of_earlier_days_only_the_points_around_the_hour_are_read(course, build):
    day = build.today - timedelta(days=1)

    assert course.accounts[0].courses[day] == [
        Point(at=build.now.replace(hour=hour) - timedelta(days=1), spend=(units + 1) * UNIT) for hour, units in ((14, 40), (20, 90))
    ]


def test_courses_are_running_totals_of_each_currency_by_the_quarter_of_an_hour(course):
    assert {(line.currency, line.days_ago): line.points for line in course.courses} == {
        ("USD", 0): ((49, 30 * UNIT), (57, 40 * UNIT)),
        ("USD", 1): ((49, 31 * UNIT), (57, 41 * UNIT), (81, 91 * UNIT)),
        ("USD", 7): ((49, 37 * UNIT), (57, 47 * UNIT), (81, 97 * UNIT)),
        ("EUR", 1): ((61, 7 * UNIT),),
    }


def test_one_accounts_day_is_the_same_without_courses(course, published, build):
    read = [read_account_today(published.published, account.connection_id, build.now) for account in course.accounts]

    assert read == [replace(account, courses={}, moved_at=None) for account in course.accounts]
    assert read_account_today(published.published, "c3", build.now) is None


def test_within_a_quarter_of_an_hour_the_answer_is_kept_and_a_new_day_begins_with_one(published, build):
    """The account's zone is UTC."""
    midnight = build.now.replace(hour=0, minute=0) + timedelta(days=1)
    before = read_running_days(published.published, midnight - timedelta(minutes=15))

    assert read_running_days(published.published, midnight - timedelta(microseconds=1)) is before
    assert before.accounts[0].today == build.today
    assert read_running_days(published.published, midnight).accounts[0].today == build.today + timedelta(days=1)


def test_before_the_first_publication_there_is_nothing(workspace, build):
    assert read_running_days(workspace.published, build.now) == NOTHING
    assert read_account_today(workspace.published, "c1", build.now) is None


def test_a_new_copy_is_read_anew(workspace, build):
    for generation, units in enumerate([40, 55], start=1):
        read_at(workspace, build, build.now, spends(build, units), generation=generation)
        workspace.warehouse.publish(min_interval_seconds=0)

        assert read_running_days(workspace.published, build.now).accounts[0].numbers == Numbers(spend=units * UNIT)
