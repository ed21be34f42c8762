"""The load run's judgement: samples in, verdict out."""

from datetime import UTC, datetime, timedelta

import pytest

from bench.evidence import Logs, read_logs
from bench.report import figures_of, summary
from bench.verdict import Change, Figures, Slot, Stored, Sync, broken, changes, most_calls, p95, slots

START = datetime(2026, 3, 20, 15, tzinfo=UTC)


def at(seconds):
    return START + timedelta(seconds=seconds)


def sync(connection, started, finished):
    return Sync(connection=connection, started_at=at(started), finished_at=None if finished is None else at(finished), calls=1)


def slot(*, done=2, late=0, missing=0):
    return Slot(start=START, done=done, late=late, missing=missing, longest_seconds=9.0)


def figures(**other):
    sound = {
        "slots": [slot()],
        "changes": {"meta": [Change(at=START, stored_at=at(60))], "google": [Change(at=START, stored_at=at(40))]},
        "worker_peak_mb": 512.0,
        "most_calls_an_hour": {"meta": 180, "google": 180},
        "errors": {"failed syncs": 0},
        "claim_p95_ms": 10.0,
    }
    return Figures(**{**sound, **other})


def test_sync_that_ends_within_its_slot_is_done():
    (first,) = slots([sync("a", 1, 30), sync("b", 2, 12)], ["a", "b"], START, 1)

    assert (first.done, first.late, first.missing, first.longest_seconds) == (2, 0, 0, 30.0)


def test_sync_that_ends_after_its_slot_or_never_is_late():
    (first,) = slots([sync("a", 1, 30.1), sync("b", 2, None)], ["a", "b"], START, 1)

    assert (first.done, first.late, first.missing) == (0, 2, 0)


def test_sync_of_a_platform_whose_tick_comes_later_belongs_to_the_same_slot_and_ends_with_it():
    first, second = slots([sync("a", 10, 30), sync("b", 10.2, 30.5)], ["a", "b"], START, 2)

    assert (first.done, first.late, second.missing) == (1, 1, 2)


def test_sync_that_starts_in_the_next_slot_is_missing_in_its_own():
    first, second = slots([sync("a", 31, 35)], ["a"], START, 2)

    assert (first.missing, second.missing, second.done) == (1, 0, 1)


def test_second_sync_of_a_slot_does_not_hide_a_late_one():
    (first,) = slots([sync("a", 27, 29), sync("a", 1, 31)], ["a"], START, 1)

    assert (first.done, first.late) == (0, 1)


def test_change_is_stored_by_the_first_row_that_tells_it():
    truth = [(at(0), {"ad": (1,)}), (at(47), {"ad": (2,)})]
    rows = [Stored(values=(1,), read_at=at(1), stored_at=at(3)), Stored(values=(2,), read_at=at(61), stored_at=at(64))]

    assert [each.seconds for each in changes(truth, {"ad": rows})] == [17.0]


def test_change_that_was_overtaken_counts_as_stored_with_its_successor():
    truth = [(at(0), {"ad": (1,)}), (at(47), {"ad": (2,)}), (at(94), {"ad": (3,)})]
    rows = [Stored(values=(3,), read_at=at(100), stored_at=at(102))]

    assert [each.seconds for each in changes(truth, {"ad": rows})] == [55.0, 8.0]


def test_row_that_tells_the_values_of_before_does_not_store_a_change():
    truth = [(at(0), {"ad": (1,)}), (at(47), {"ad": (2,)})]
    rows = [Stored(values=(1,), read_at=at(46), stored_at=at(70))]

    (change,) = changes(truth, {"ad": rows})

    assert change.stored_at is None


def test_ad_that_begins_to_deliver_is_a_change():
    truth = [(at(0), {}), (at(47), {"ad": (2,)})]

    assert len(changes(truth, {})) == 1


def test_hour_counts_both_its_ends():
    assert most_calls([at(0), at(1800), at(3600)]) == 3
    assert most_calls([at(0), at(1800), at(3600.001)]) == 2


def test_five_of_a_hundred_may_exceed_the_percentile():
    assert p95([1.0] * 95 + [99.0] * 5) == 1.0
    assert p95([1.0] * 94 + [99.0] * 6) == 99.0


def test_run_that_just_holds_everything_passes():
    assert broken(figures()) == []


@pytest.mark.parametrize(
    "other",
    [
        {"slots": []},
        {"slots": [slot(late=1)]},
        {"slots": [slot(missing=1)]},
        {"changes": {}},
        {"changes": {"meta": [Change(at=START, stored_at=at(60))], "google": []}},
        {"changes": {"meta": [], "google": []}},
        {"changes": {"meta": [Change(at=START, stored_at=at(60.1))]}},
        {"changes": {"meta": [Change(at=START, stored_at=at(1))] * 99, "google": [Change(at=START, stored_at=None)]}},
        {"worker_peak_mb": 512.1},
        {"most_calls_an_hour": {"meta": 181}},
        {"most_calls_an_hour": {"meta": 120, "google": 181}},
        {"errors": {"failed syncs": 1}},
        {"claim_p95_ms": 10.1},
    ],
)
def test_each_requirement_alone_fails_the_run(other):
    assert len(broken(figures(**other))) == 1


LOCKED = """sqlite3.OperationalError: database is locked
The above exception was the direct cause of the following exception:
sqlalchemy.exc.OperationalError: (sqlite3.OperationalError) database is locked
"""


def test_errors_in_the_logs_are_told_but_for_prefects_own_lock_that_it_tries_again(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "empty.log").write_text("")
    (logs / "prefect-server.log").write_text(
        "a banner\n12:00:00.001 | INFO    | uvicorn - fine\n"
        f"12:00:01.002 | ERROR   | prefect.server.utilities.worker_channel - Worker channel heartbeat failed\nTraceback:\n{LOCKED}"
        "12:00:02.003 | ERROR   | prefect.server - Encountered error during state validation\nTraceback:\nValueError: another one\n"
    )
    (logs / "worker.log").write_text(f"12:00:03.004 | ERROR   | storage.control.ledger - it failed\n{LOCKED}12:00:04.005 | INFO | x - y\n")

    logs = read_logs(tmp_path)

    assert [line.split(" - ")[1] for line in logs.trouble] == ["Encountered error during state validation", "it failed"]
    assert logs.lock_retries == 1


def test_report_and_summary_tell_each_platforms_freshness_and_calls():
    told = figures_of(
        figures(most_calls_an_hour={"meta": 120, "google": 121}), {"meta": 1, "google": 2}, [], Logs(trouble=[], lock_retries=0), []
    )

    assert (told["connections"], told["slots_due"]) == (3, 3)
    assert {name: (each["connections"], each["fresh_p95_s"], each["changes"]) for name, each in told["platforms"].items()} == {
        "meta": (1, 60.0, 1),
        "google": (2, 40.0, 1),
    }
    line = summary({**told, "worker_peak_measured_mb": 300})
    assert "fresh p95 meta 60.0 s, google 40.0 s" in line
    assert "calls/h meta 120, google 121" in line
