"""Writers of one process take turns on the SQLite file, and nobody keeps the turn who does not write any more."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.exc import PendingRollbackError

from adpulse.errors import ControlPlaneBusy
from storage.control import sqlite_file
from storage.control.database import reading

pytestmark = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


@pytest.fixture
def turns(plane, monkeypatch):
    """A turn that does not come is told soon."""
    monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 5)
    return plane.engine


def write(engine, name):
    with engine.begin() as session:
        session.execute(text("INSERT INTO leader (job, owner, until) VALUES (:job, '', '2026-01-01')"), {"job": name})


def rows(engine):
    with reading(engine).connect() as session:
        return session.scalar(text("SELECT count(*) FROM leader"))


def test_forty_writers_at_once_all_come_to_their_turn(turns):
    ready = Barrier(40)

    def begin(number):
        ready.wait(30)
        write(turns, f"job {number}")

    with ThreadPoolExecutor(40) as pool:
        list(pool.map(begin, range(40)))

    assert rows(turns) == 40


def test_a_reader_waits_for_no_writer(turns):
    with turns.begin() as session:
        session.execute(text("INSERT INTO leader (job, owner, until) VALUES ('a', '', '2026-01-01')"))
        assert rows(turns) == 0


def test_a_turn_ends_with_an_error_too(turns):
    with pytest.raises(ZeroDivisionError), turns.begin():
        raise ZeroDivisionError
    with turns.begin() as session:
        assert session.info["turn"]
    write(turns, "after it")

    assert rows(turns) == 1


def test_one_connection_may_begin_again_and_again(turns):
    with turns.connect() as session:
        for _ in range(3):
            with session.begin():
                session.execute(text("UPDATE leader SET owner = ''"))
    write(turns, "after it")

    assert rows(turns) == 1


def test_a_connection_that_broke_in_its_transaction_gives_the_turn_back(turns):
    with pytest.raises(PendingRollbackError), turns.begin() as session:
        session.invalidate()
    write(turns, "after it")

    assert rows(turns) == 1


def test_another_process_is_waited_for_as_long_as_it_takes_or_is_told(turns, monkeypatch):
    """SQLite's own lock stays what counts: the turn is only this process's."""
    other = sqlite_file.connect(str(turns.url), turns.url.database)
    with other.begin() as session:
        session.execute(text("UPDATE leader SET owner = ''"))
        monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 0.1)
        third = sqlite_file.connect(str(turns.url), turns.url.database)
        with pytest.raises(ControlPlaneBusy):
            write(third, "too soon")
    write(third, "after it")

    assert rows(turns) == 1
    other.dispose()
    third.dispose()
