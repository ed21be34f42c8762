"""Older days of an account of several pages: a check of their campaigns' totals, then what was restated, and nothing else."""

import json
from collections import Counter
from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from steps.several_pages import installation_of_pages

from adpulse.campaign_range import some_campaigns
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.model import Fetch, FetchKind, Heat, RunState
from adpulse.planner.completeness import DayLevel
from adpulse.services.completeness import completeness_of
from tasks.change_check import reads_with_dates
from tasks.ladder import read_days
from tasks.restatements import restatements_shown

PAGE, PAGES, CAMPAIGNS = 60, 2, 10
"""Rows of a page, pages of the ads of a day, and campaigns."""

DAY = timedelta(days=1)


@pytest.fixture
def installation(tmp_path):
    with installation_of_pages(tmp_path / "home", page=PAGE, campaigns=CAMPAIGNS, calls_per_hour=600) as made:
        yield made


@pytest.fixture
def connection(installation):
    """A day after its first sync it was synced again, and so its older days were read whole after checks."""
    return installation.begin_as(known_by_checks)


def known_by_checks(installation):
    connection = installation.connect("Corner Store 1")
    installation.sync(connection, legs=60)
    installation.sandbox.clock.advance(86_400)
    installation.sync(connection, legs=60)
    return connection


def of_older_days(installation, connection, since):
    """The reports of older days since then: level, whether they name campaigns, and from how many days back to how many."""
    today = connection.today(installation.sandbox.clock.now())
    calls = [call for call in installation.remote.calls(connection.external_id) if call["kind"] == "insights"]
    asked = Counter()
    for params in (call["params"] for call in calls if datetime.fromisoformat(call["at"]) >= since):
        days = [(today - date.fromisoformat(day)).days for day in json.loads(params["time_range"]).values()]
        if min(days) > 1:
            asked[params["level"], "campaign.id" in params.get("filtering", ""), max(days), min(days)] += 1
    return asked


def days_of(asked, level, *, named):
    """The days of these reports, by how many they are back."""
    return {day for (of, names, first, last) in asked for day in range(last, first + 1) if (of, names) == (level, named)}


def checks(installation, connection):
    ages = installation.app.partitions.ages(connection.id)
    return installation.app.restatement_checks.of(connection.id, ages.restatements_checked)


def test_the_day_after_only_what_was_restated_is_read_and_equals_the_platform(installation, connection):
    installation.sandbox.clock.advance(86_400)
    since = installation.sandbox.clock.now()
    installation.sync(connection, legs=60)
    asked = of_older_days(installation, connection, since)

    assert {*range(2, 29)} <= days_of(asked, "campaign", named=False), "each was checked"
    assert sum(calls for (level, *_), calls in asked.items() if level == "ad") < 27 * PAGES / 2
    assert days_of(asked, "ad", named=True) == days_of(asked, "campaign", named=True)
    assert {9, 16, 23, 29} <= days_of(asked, "ad", named=False), "every seventh day of its age, and once it is final"
    assert installation.differences(connection) == installation.history_differences(connection) == []
    known = {level.level: {day.day: day.fresh_until for day in level.read} for level in completeness_of(installation.app, connection)}
    tenth = connection.today(since) - 10 * DAY
    assert known[DayLevel.LEAF][tenth] == known[DayLevel.CAMPAIGN][tenth] >= since
    assert installation.app.partitions.ages(connection.id).days[FetchKind.ADS, tenth] < since


def test_a_sync_ends_when_what_its_checks_showed_is_read(installation, connection):
    """Six hours later only the last week is checked, and of all of it something else is stored than the platform has."""
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    days = checks(installation, connection)
    changed = {day: replace(check, fingerprints=dict.fromkeys(check.fingerprints, "0")) for day, check in days.items()}
    installation.app.restatement_checks.record(lease, changed, oldest=min(days))
    installation.app.leases.release([lease])
    installation.sandbox.clock.advance(7 * 3600)
    since = installation.sandbox.clock.now()
    run = installation.finish(installation.work(installation.claim())[0], legs=60)

    week = {*range(2, 8)}
    assert run.state is RunState.DONE
    assert days_of(of_older_days(installation, connection, since), "ad", named=False) >= week, "all campaigns are more than a whole read"
    assert all(
        check.checked_at >= since for day, check in checks(installation, connection).items() if (connection.today(since) - day).days in week
    )


def test_a_day_that_is_read_without_a_check_is_known_by_none(installation, connection):
    days = checks(installation, connection)
    older = max(days)
    fetch = Fetch(kind=FetchKind.CAMPAIGNS, heat=Heat.COLD, cost=1, since=older, until=older)
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    answer = FetchResult(fetch=fetch, fetched_at=installation.sandbox.clock.now(), table=METRIC_SCHEMA.empty_table())

    assert restatements_shown(installation.app, lease, [answer]) == {older: None}
    today = replace(fetch, since=connection.today(answer.fetched_at), until=connection.today(answer.fetched_at))
    assert restatements_shown(installation.app, lease, [replace(answer, fetch=today)]) == {}


def test_some_campaigns_that_take_too_many_calls_are_read_by_fewer_days(installation, connection, monkeypatch):
    monkeypatch.setattr("tasks.metric_requests.MOST_CALLS", 2)
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    today = connection.today(installation.sandbox.clock.now())
    campaigns = some_campaigns(installation.app.warehouse(connection.workspace_id).campaigns(connection.id)[:6])
    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=2, since=today - 14 * DAY, until=today - 10 * DAY, campaigns=campaigns)
    reading = read_days(installation.app, lease, lease.connection, fetch, {})

    assert reading.result.table.num_rows > 2 * PAGE
    assert (reading.result.coverage, reading.left_holes) == (dict.fromkeys(fetch.days, campaigns), False)


def dies_after_the_checks(installation, lease):
    for _ in reads_with_dates(installation.app, lease, lease.connection):
        pass


def dies_before_storing(installation, lease):
    installation._read(lease)


def dies_before_settling(installation, lease):
    installation._read(lease)
    installation._store(lease)


_SLOW = [pytest.param(dies, marks=pytest.mark.slow) for dies in (dies_after_the_checks, dies_before_storing)]


@pytest.mark.parametrize("dies", [*_SLOW, dies_before_settling])
def test_a_worker_that_dies_loses_no_restatement(installation, connection, dies):
    app, before = installation.app, checks(installation, connection)
    installation.sandbox.clock.advance(86_400)
    app.runs.request(connection.id)
    installation.work(installation.claim())  # today, and older days go on in the background
    (lease,) = installation.claim()
    installation._prepare(lease)
    assert FetchKind.RESTATEMENTS in {fetch.kind for fetch in app.staging.plan(lease.run_id).fetches}
    dies(installation, lease)
    installation.wall.advance(timedelta(minutes=20))  # its lease ends

    differing = {day: check for day, check in checks(installation, connection).items() if check != before[day]}
    assert differing
    for day, check in differing.items():
        doubtful = {campaign: "" for campaign, seen in check.fingerprints.items() if not seen}
        assert check == replace(before[day], fingerprints=before[day].fingerprints | doubtful), "what is being read is not what is stored"
    for _ in range(60):
        (run,) = installation.work(installation.claim())
        if run.until is None:
            break
        installation.advance_to(run.until)
    assert installation.differences(connection) == []


def test_a_check_that_fails_is_a_warning_and_older_days_are_read_whole_instead(installation, connection):
    installation.sandbox.clock.advance(86_400)
    since = installation.sandbox.clock.now()
    (run,) = installation.leg(connection)
    installation.remote.fault("filter_refused", kind="insights", count=1)
    (run,) = installation.work(installation.claim())  # it begins with a check
    warned = [warning.kind for warning in installation.app.connections.get(connection.id).warnings]
    installation.finish(run, legs=60)

    assert warned == ["restatements"]
    assert days_of(of_older_days(installation, connection, since), "ad", named=False) >= {*range(2, 29)}
    assert installation.differences(connection) == []
