"""One leads, however many want to: of the sweeps of all workers one asks Prefect, switches schedules and prunes."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from storage.control.leader import TERM, Leadership


@pytest.fixture
def leadership(plane):
    return Leadership(plane.engine, wall=plane.wall)


def test_of_many_who_begin_at_once_one_leads(leadership):
    with ThreadPoolExecutor(8) as pool:
        took = list(pool.map(lambda number: leadership.take("sweep", f"worker-{number}"), range(8)))

    assert took.count(True) == 1
    assert leadership.leader("sweep") == f"worker-{took.index(True)}"


def test_a_leader_stays_it_while_it_comes_back_in_time_and_jobs_are_apart(leadership, plane):
    for _ in range(4):
        assert leadership.take("sweep", "first")
        assert not leadership.take("sweep", "second")
        plane.wall.advance(TERM * 0.9)
    assert leadership.take("alerts", "second")
    assert leadership.leader("reports") is None


@pytest.mark.parametrize("away", [TERM + timedelta(seconds=1), timedelta(days=-400)], ids=["away too long", "the clock was set back"])
def test_another_one_leads_when_the_leader_does_not_come_back(leadership, plane, away):
    leadership.take("sweep", "first")
    plane.wall.advance(away)

    assert leadership.take("sweep", "second")
    assert not leadership.take("sweep", "first")


def test_who_gives_up_lets_the_next_one_lead_at_once_and_only_an_owner_can(leadership):
    leadership.take("sweep", "first")
    leadership.resign("sweep", "second")
    assert not leadership.take("sweep", "second")

    leadership.resign("sweep", "first")
    assert leadership.take("sweep", "second")
