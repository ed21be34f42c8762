"""An account whose day is more calls than an hour has: its days are read in parts, and its numbers are there within the hour."""

from bisect import bisect_right
from collections import Counter
from datetime import timedelta
from itertools import islice

import pytest
from installation import Installation

from adpulse.frequency import Frequency
from adpulse.model import FetchKind
from adpulse_sandbox import Sandbox

MOST = 180
SIZES = [
    pytest.param((2_100, 20), id="2100 ads at 20 rows"),
    pytest.param((50_000, 500), id="50000 ads at 500 rows", marks=pytest.mark.slow),
]


@pytest.fixture(params=SIZES)
def large(request, tmp_path):
    """An account whose day is a hundred pages; its numbers stand still for an hour, so that all parts of a day are of one truth."""
    ads, page = request.param
    with Sandbox.start(extra=1, extra_ads=(ads,), refresh_seconds=7200) as sandbox:
        pages = {"ADPULSE_META_PAGE_SIZE": str(page), "ADPULSE_META_LARGEST_PAGE": str(page)}
        made = Installation(tmp_path / "home", sandbox, **pages)
        yield made
        made.close()


def legs(installation, connection, minutes=60):
    """What was read of which day after each minute's work of a worker, until today was read."""
    app, clock, begun = installation.app, installation.sandbox.clock, installation.sandbox.clock.now()
    while clock.now() < begun + timedelta(minutes=minutes):
        installation.work(installation.claim())
        installation.tick()
        ages = app.partitions.ages(connection.id)
        yield ages
        if (FetchKind.ADS, connection.today(begun)) in ages.days:
            return
        clock.advance(60)


def pages_of_parts(installation, connection):
    calls = installation.remote.calls(connection.external_id)
    return Counter(str(call["params"]) for call in calls if call["kind"] == "insights" and "campaign.id" in str(call["params"]))


def test_today_of_a_large_account_equals_the_truth_within_the_hour_though_a_worker_dies(large):
    app, begun = large.app, large.sandbox.clock.now()
    app.workspaces.grant_realtime(large.workspace.id)
    connection = large.connect("Corner Store 1", Frequency.REALTIME.value)
    today = connection.today(begun)
    app.runs.request(connection.id)
    unknown = list(islice(legs(large, connection), 1))
    before = app.connections.get(connection.id)

    large.work(large.claim())
    parts = app.partitions.ages(connection.id).parts[today]
    read = [part for part in parts if part.read_at is not None]
    gaps = [gap.reason for gap in app.gaps(connection.id) if gap.day == today]
    large.sandbox.clock.advance(60)
    (lease,) = app.leases.claim_due(connection.provider, Frequency.REALTIME, "dies")
    large._prepare(lease)
    large._read(lease)
    app.leases.release([lease])
    *_, ages = legs(large, connection)

    calls = [call.at for call in large.sandbox.calls.calls(connection.external_id)]
    after = app.connections.get(connection.id)
    assert (before.last_sync_completed_at, unknown[0].parts) == (None, {}), "nothing was read yet but today's totals"
    assert 1 < len(read) < len(parts)
    assert gaps == [f"It is read in {len(parts)} parts, of which {len(read)} are stored; the others follow."]
    assert (FetchKind.ADS, today) in ages.days
    assert today not in ages.parts
    assert after.last_sync_completed_at is not None
    assert large.sandbox.clock.now() - begun < timedelta(hours=1)
    assert max(bisect_right(calls, at + timedelta(hours=1)) - n for n, at in enumerate(calls)) <= MOST
    assert set(pages_of_parts(large, connection).values()) == {1}, "no part was read twice"
    assert [row for row in large.differences(connection) if str(today) in row] == []
