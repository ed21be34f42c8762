"""What becomes of the many runs that ended: the newest stay to be looked at, letters stay until a person has dealt with them."""

from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, insert, select

from adpulse.clock import SystemClock
from adpulse.model import RunState
from storage.control import runs
from storage.control.tables import RunRow

WEEK = timedelta(days=7)
NOW = SystemClock().now()


class Past:
    """Writes down runs of long ago."""

    def __init__(self, plane):
        self.plane = plane
        self.now = plane.wall.now()  # not when the file was imported: the tests before may take as long as a run is old

    def ended(self, connection, ages, state=RunState.DONE, **changes):
        """One run per age in days: asked for and, unless said otherwise, ended then."""
        asked = [self.now - timedelta(days=age) for age in ages]
        whose = {"connection_id": connection.id, "workspace_id": connection.workspace_id, "provider": "meta", "parts": "both"}
        rows = [whose | {"id": str(uuid4()), "state": state.value, "requested_at": at, "finished_at": at} | changes for at in asked]
        with self.plane.engine.begin() as session:
            session.execute(insert(RunRow), rows)

    def ages(self, connection):
        """The ages in days of what is still there, newest first."""
        return [(self.now - run.requested_at).days for run in self.plane.runs.history(connection.id, 1000)]

    def count(self):
        with self.plane.engine.connect() as session:
            return session.scalar(select(func.count()).select_from(RunRow))


@pytest.fixture
def past(plane):
    return Past(plane)


def test_runs_of_more_than_a_week_ago_go_but_each_connections_newest_stay(plane, past):
    busy, quiet, young = (plane.connect(str(number)) for number in range(3))
    past.ended(busy, range(100))
    past.ended(quiet, range(30, 90))
    past.ended(young, [n / 20 for n in range(60)])

    dropped = plane.runs.prune(WEEK)

    assert past.ages(busy) == list(range(runs.SHOWN))
    assert past.ages(quiet) == list(range(30, 30 + runs.SHOWN))
    assert len(past.ages(young)) == 60
    assert dropped == 50 + 10


def test_everything_of_the_last_week_stays_however_much_it_is(plane, past):
    connection = plane.connect("1")
    past.ended(connection, [(n + 0.5) / 20 for n in range(200)])

    plane.runs.prune(WEEK)

    assert len(past.ages(connection)) == 140


def test_who_has_fewer_than_are_shown_loses_none(plane, past):
    connection = plane.connect("1")
    past.ended(connection, range(100, 100 + runs.SHOWN))

    assert plane.runs.prune(WEEK) == 0


@pytest.mark.parametrize(
    ("state", "changes", "stays"),
    [
        (RunState.DEAD, {}, True),
        (RunState.DEAD, {"resolved_at": NOW, "resolution": "done"}, False),
        (RunState.DONE, {}, False),
        (RunState.DONE, {"finished_at": NOW}, True),
        (RunState.POSTPONED, {"finished_at": None}, True),
    ],
)
def test_what_is_open_or_waits_for_a_person_or_has_just_ended_stays(plane, past, state, changes, stays):
    connection = plane.connect("1")
    past.ended(connection, [90], state, **changes)
    past.ended(connection, range(runs.SHOWN))

    assert plane.runs.prune(WEEK) == (0 if stays else 1)
    assert (past.ages(connection)[-1] == 90) is stays


def test_much_goes_in_portions(plane, past, monkeypatch):
    monkeypatch.setattr(runs, "_PORTION", 20)
    for number in range(2):
        past.ended(plane.connect(str(number)), range(10, 100))

    assert [plane.runs.prune(WEEK) for _ in range(4)] == [40, 40, 0, 0]
    assert past.count() == 2 * runs.SHOWN


def test_a_dead_letter_is_found_by_its_index_however_many_runs_there_were(plane, past):
    connection = plane.connect("1")
    past.ended(connection, [n / 100 for n in range(2000)])
    past.ended(connection, [1.0001], RunState.DEAD)

    with plane.engine.connect() as session:
        letters = select(RunRow.id).where(RunRow.connection_id == connection.id, runs.is_letter())
        told = str(letters.compile(plane.engine, compile_kwargs={"literal_binds": True}))
        explain = "EXPLAIN QUERY PLAN" if plane.engine.dialect.name == "sqlite" else "EXPLAIN"
        if plane.engine.dialect.name == "postgresql":
            session.exec_driver_sql("ANALYZE sync_run")
        way = " ".join(str(row) for row in session.exec_driver_sql(f"{explain} {told}"))

    assert "ix_sync_run_letters" in way
    assert len(plane.runs.dead_letters(connection.id)) == 1
