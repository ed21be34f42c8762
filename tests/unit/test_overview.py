"""What a page shows of many connections: how far a first sync is agrees with what completeness says, on both databases."""

from datetime import timedelta

import pytest

from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.completeness import completeness
from storage.control.overview import Overview


@pytest.mark.parametrize("provider", ["meta", "google"])
def test_a_day_counts_as_read_once_every_read_of_it_is_complete(plane, provider):
    connection, beside = plane.connect("1", provider=provider, scope=provider), plane.connect("2")
    now, today = plane.clock.now(), plane.clock.now().date()
    for kind, days in ((FetchKind.ADS, 9), (FetchKind.CATEGORIES, 7), (FetchKind.CAMPAIGNS, 5)):
        if kind is not FetchKind.CATEGORIES or provider == "google":
            fetch = Fetch(kind=kind, heat=Heat.COLD, cost=1, since=today - timedelta(days=days - 1), until=today)
            plane.partitions.record(connection.id, [(fetch, now)], now)
    plane.partitions.record(connection.id, [(Fetch(kind=FetchKind.ENTITIES_FULL, heat=Heat.COLD, cost=1), now)], now)

    glances = Overview(plane.engine, plane.clock).glances([connection, beside])

    assert (glances[connection.id].days_read, glances[beside.id].days_read) == (5, 0)
    assert glances[connection.id].in_first_sync
    whole = min(level.span.days for level in completeness(now, connection, plane.partitions.ages(connection.id)))
    assert whole == glances[connection.id].days_read
