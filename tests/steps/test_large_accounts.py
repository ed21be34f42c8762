"""A first sync beside reads of today that alone would take the whole hour: an account of two pages a day, read every 30 seconds."""

import json
from bisect import bisect_right
from collections import Counter
from datetime import timedelta

import pytest
from installation import Installation

from adpulse.frequency import Frequency
from adpulse.model import FetchKind
from adpulse_sandbox import Sandbox

HOURS = 4


@pytest.fixture
def installation(tmp_path):
    with Sandbox.start(extra=1, extra_ads=(24,)) as sandbox:
        made = Installation(tmp_path / "home", sandbox, ADPULSE_META_PAGE_SIZE="20", ADPULSE_META_LARGEST_PAGE="20")
        yield made
        made.close()


@pytest.mark.slow
def test_the_first_sync_of_a_large_account_ends_though_today_could_take_every_call(installation):
    app, clock = installation.app, installation.sandbox.clock
    app.workspaces.grant_realtime(installation.workspace.id)
    connection = installation.connect("Corner Store 1", Frequency.REALTIME.value)
    begun = clock.now()

    def days_read():
        return {day for kind, day in app.partitions.ages(connection.id).days if kind is FetchKind.CAMPAIGNS}

    app.runs.request(connection.id)
    while len(days_read()) < 90 and clock.now() < begun + timedelta(hours=HOURS):
        installation.work(installation.claim())
        installation.tick()
        clock.advance(60)

    made = installation.remote.calls(connection.external_id)
    pages = Counter((call["path"], json.dumps(call["params"], sort_keys=True)) for call in made if of_old_days(call, begun))
    calls = [call.at for call in installation.sandbox.calls.calls(connection.external_id)]
    reads = [at for (kind, _), at in app.partitions.ages(connection.id).days.items() if kind is FetchKind.ADS]
    assert len(days_read()) >= 90
    assert clock.now() - begun > timedelta(hours=1), "it was no large account"
    assert max(bisect_right(calls, at + timedelta(hours=1)) - n for n, at in enumerate(calls)) <= 180
    assert len(pages) > 50
    assert {key: count for key, count in pages.items() if count > 1} == {}
    assert clock.now() - max(reads) < timedelta(minutes=5)
    assert installation.differences(connection) == []


def of_old_days(call, begun):
    """Today and yesterday are read again whenever a leg begins; every other page is read once, however often the hour is full."""
    if call["kind"] != "insights":
        return False
    return json.loads(call["params"]["time_range"])["since"] < str((begun - timedelta(days=2)).date())
