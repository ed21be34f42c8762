"""The order of a numbered list by spend: within each currency, and never across two."""

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, SyncStatus
from storage.control.numbered_list import Column, Entry, ordered


def entry(name, currency):
    return Entry(
        id=name,
        workspace_id="w",
        name=name,
        currency=currency,
        timezone="UTC",
        status=ConnectionStatus.ACTIVE,
        sync_status=SyncStatus.IDLE,
        frequency=Frequency.HOURLY,
        last_sync_completed_at=None,
        last_metrics_changed_at=None,
    )


ENTRIES = [entry(*words) for words in (("a", "USD"), ("b", "JPY"), ("c", "USD"), ("d", "JPY"), ("e", "USD"))]
SPENT = {"a": 5, "b": 900_000, "c": 7, "d": 100_000}


def test_currencies_stay_apart_and_what_is_not_known_is_last_from_either_end():
    by_end = ["".join(one.id for one in ordered(ENTRIES, Column.SPEND, descending=down, spent=SPENT)) for down in (True, False)]

    assert by_end == ["bdcae", "dbace"]
