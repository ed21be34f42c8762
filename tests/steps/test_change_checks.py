"""Today of an account of several pages: a check of its campaigns' totals, then the leaves of those that changed, and nothing else."""

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from steps.several_pages import installation_of_pages

from adpulse.frequency import Frequency
from adpulse.planner.completeness import DayLevel
from adpulse.services.completeness import completeness_of
from tasks.change_check import reads_with_dates

PAGE, PAGES, CAMPAIGNS = 20, 6, 10
"""Rows of a page, pages of the ads that deliver, and campaigns."""

SPEND = "SELECT external_id, spend FROM metric_facts WHERE date = ? AND connection_id = ?"
CHECK, CHANGED = ("campaign", 0), ("ad", 1)
"""Reports by their level, and how many campaigns they name."""

WHOLE = ("ad", 0)


@pytest.fixture
def installation(tmp_path):
    """An account of six pages and ten campaigns, of which one moves a minute."""
    with installation_of_pages(tmp_path / "home", page=PAGE, campaigns=CAMPAIGNS, calls_per_hour=1200) as made:
        yield made


@pytest.fixture
def connection(installation):
    """It was synced, and its first check is stored."""
    return installation.begin_as(synced_in_realtime)


def synced_in_realtime(installation):
    installation.app.workspaces.grant_realtime(installation.workspace.id)
    connection = installation.connect("Corner Store 1", Frequency.REALTIME.value)
    for _ in range(60):
        if installation.app.change_checks.of(connection.id):
            return connection
        installation.sandbox.clock.advance(60)
        installation.tick()
    raise AssertionError("today was never checked")


def until_due(installation, connection):
    """Move the clock to the next tick that can read something."""
    installation.advance_to(installation.app.connections.get(connection.id).next_due_at + timedelta(seconds=1))


def reports(installation, connection, since):
    """The calls for reports since then: level, and how many campaigns each names."""
    calls = [call for call in installation.remote.calls(connection.external_id) if call["kind"] == "insights"]
    calls = [call for call in calls if datetime.fromisoformat(call["at"]) >= since]
    asked = [(call["params"]["level"], json.loads(call["params"].get("filtering", "[]"))) for call in calls]
    return Counter((level, sum(len(one["value"]) for one in filters if one["field"] == "campaign.id")) for level, filters in asked)


def spend_today(installation, connection):
    return dict(installation.rows(SPEND, [connection.today(installation.sandbox.clock.now()), connection.id]))


def tick_when_due(installation, connection):
    """The next tick that can read something: when it was, its reports, and how many ads got other numbers."""
    until_due(installation, connection)
    at, before = installation.sandbox.clock.now(), spend_today(installation, connection)
    installation.tick()
    after = spend_today(installation, connection)
    return at, reports(installation, connection, at), {ad for ad in after if before.get(ad) != after[ad]}


def leaves_known(installation, connection):
    (leaves,) = [level for level in completeness_of(installation.app, connection) if level.level is DayLevel.LEAF]
    return leaves.read[-1]


def next_change(installation, connection, ticks=10):
    """The first tick that finds a change."""
    for _ in range(ticks):
        at, asked, changed = tick_when_due(installation, connection)
        if changed:
            return at, asked, changed
    raise AssertionError("nothing changed")


def test_a_change_in_one_campaign_is_stored_after_a_check_and_one_read_of_its_leaves(installation, connection):
    read_whole = leaves_known(installation, connection).whole_at
    at, asked, changed = next_change(installation, connection)

    assert asked == {CHECK: 1, CHANGED: 1}
    assert 0 < len(changed) <= PAGE
    assert installation.differences(connection) == []
    known, view = leaves_known(installation, connection), installation.app.connections.get(connection.id)
    assert (known.fresh_until, known.whole_at) == (at, read_whole)
    assert view.last_sync_completed_at == view.last_metrics_changed_at == at


def test_where_nothing_changed_the_check_is_the_only_call_and_today_is_fresh_all_the_same(installation, connection):
    next_change(installation, connection)
    (before,) = installation.app.runs.history(connection.id, 1)
    at, asked, changed = tick_when_due(installation, connection)

    (after,) = installation.app.runs.history(connection.id, 1)
    assert (asked, changed) == ({CHECK: 1}, set())
    assert after.counts == before.counts, "no row was read"
    assert leaves_known(installation, connection).fresh_until == at
    assert installation.app.connections.get(connection.id).last_sync_completed_at == at
    assert installation.rows("SELECT count(*) FROM platform_totals WHERE changed_at >= ?", [at]) == [(0,)]


def dies_after_the_check(installation, lease):
    next(reads_with_dates(installation.app, lease, lease.connection))


def dies_before_storing(installation, lease):
    installation._read(lease)


def dies_before_settling(installation, lease):
    installation._read(lease)
    installation._store(lease)


@pytest.mark.parametrize("dies", [dies_after_the_check, dies_before_storing, dies_before_settling])
def test_a_worker_that_dies_between_a_check_and_its_end_loses_no_change(installation, connection, dies):
    app = installation.app
    next_change(installation, connection)
    installation.sandbox.clock.advance(70)  # another campaign has moved by now
    until_due(installation, connection)
    (lease,) = app.leases.claim_due(connection.provider, Frequency.REALTIME, "dies")
    installation._prepare(lease)
    before = app.change_checks.of(connection.id)
    dies(installation, lease)
    installation.wall.advance(timedelta(minutes=4))  # its lease ends

    known = app.change_checks.of(connection.id)
    doubtful = {campaign: "" for campaign, seen in known.fingerprints.items() if not seen}
    assert known == replace(before, fingerprints=before.fingerprints | doubtful)
    assert len(doubtful) == 1, "what is being read is no longer what is stored"
    installation.sandbox.clock.advance(30)  # to the next slot
    since = installation.sandbox.clock.now()
    installation.tick()
    assert reports(installation, connection, since).keys() == {CHECK, CHANGED}
    assert app.change_checks.of(connection.id).fingerprints != before.fingerprints
    assert installation.differences(connection) == []


def test_all_of_today_is_read_hourly_with_a_check_to_compare_the_next_one_with(installation, connection):
    installation.sandbox.clock.advance(3600)
    at, asked, _ = tick_when_due(installation, connection)

    assert asked[WHOLE] == PAGES
    assert asked[CHECK] == 2, "the check, and the hourly totals"
    assert leaves_known(installation, connection).whole_at == leaves_known(installation, connection).fresh_until == at
    assert installation.differences(connection) == []


def test_a_check_that_fails_is_a_warning_and_all_of_today_is_read_instead(installation, connection):
    installation.remote.fault("filter_refused", kind="insights", count=1)
    installation.sandbox.clock.advance(60)
    tick_when_due(installation, connection)
    warned = [warning.kind for warning in installation.app.connections.get(connection.id).warnings]
    _, asked, _ = tick_when_due(installation, connection)

    assert warned == ["check"]
    assert asked[WHOLE] == PAGES
    assert installation.differences(connection) == []


def test_what_a_person_asks_for_is_read_whole(installation, connection):
    since = installation.sandbox.clock.now()
    installation.leg(connection)

    assert reports(installation, connection, since)[WHOLE] >= PAGES
