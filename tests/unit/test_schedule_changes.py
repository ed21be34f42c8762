"""What somebody made of a schedule in Prefect: the ticks that it leaves out are not made up for, and other groups go on."""

import pytest

from adpulse.model import Lane
from storage.control.schedule_changes import ScheduleChanges

SENTENCE = "The schedule of meta-hourly was paused in Prefect."


@pytest.fixture
def changes(plane):
    return ScheduleChanges(plane.engine)


def test_missed_ticks_of_a_paused_schedule_are_not_made_up_for_until_it_is_resumed(plane, changes):
    hourly, quicker = plane.connect("1", "hourly"), plane.connect("2", "5min")
    plane.clock.advance(hours=5)
    before = plane.leases.waiting("meta", Lane.ON_DEMAND)
    changes.store({"meta-hourly": SENTENCE})

    claimed = [lease.connection.id for lease in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")]
    changes.store({})

    assert (before, claimed) == (2, [quicker.id])
    assert [lease.connection.id for lease in plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")] == [hourly.id]


def test_what_a_person_asks_for_is_synced_while_the_schedule_is_paused(plane, changes):
    connection = plane.connect("1", "hourly")
    changes.store({"meta-hourly": SENTENCE})
    plane.runs.request(connection.id)

    assert plane.leases.waiting("meta", Lane.ON_DEMAND) == 1
    assert changes.sentences() == [SENTENCE]
