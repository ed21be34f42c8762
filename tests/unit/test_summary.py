"""The sentences of flow runs and their tasks."""

from datetime import UTC, datetime

from adpulse.model import RunCounts
from flows.summary import Ended, describe, totals

HARBOR = Ended(name="Harbor Outdoor", counts=RunCounts(fetched=57, inserted=10, updated=1, unchanged=45, entities_changed=1), calls=3)
SAKURA = Ended(name="Sakura Tea", counts=RunCounts(fetched=1, inserted=1), calls=1)
TWO_O_CLOCK = datetime(2026, 3, 20, 14, 0, 5, tzinfo=UTC)


def refused(**values):
    return Ended(name="Corner Store 1", calls=2, error="Meta refused a request.", **values)


def test_a_connection_is_shown_with_its_counts():
    assert describe([HARBOR]) == "Harbor Outdoor: 12 rows written, 45 unchanged, 3 calls"
    assert describe([SAKURA]) == "Sakura Tea: 1 row written, 0 unchanged, 1 call"


def test_a_failed_connection_is_shown_with_its_error_and_its_next_attempt():
    assert describe([refused(attempt=1)]) == "Corner Store 1: Meta refused a request."
    assert describe([refused(attempt=2, next_at=TWO_O_CLOCK)]) == (
        "Corner Store 1: Meta refused a request. Attempt 2 failed; the next is due at 2026-03-20 14:00:05 UTC."
    )
    assert describe([refused(next_at=TWO_O_CLOCK)]) == "Corner Store 1: Meta refused a request. It goes on at 2026-03-20 14:00:05 UTC."


def test_several_connections_are_shown_with_their_totals_and_each_failure():
    assert totals([HARBOR, SAKURA]) == "2 of 2 connections synced, 13 rows written, 45 unchanged, 4 calls."
    assert describe([HARBOR, refused(), SAKURA]) == (
        "2 of 3 connections synced, 13 rows written, 45 unchanged, 6 calls. Corner Store 1: Meta refused a request."
    )
