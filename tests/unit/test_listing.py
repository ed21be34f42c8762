"""Lists of connections: filtered, in each order, page by page without a gap or a repeat; and the labels they are chosen by."""

from datetime import timedelta

import pytest

from adpulse.errors import Usage
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Lane
from storage.control.listing import NEVER, Criteria, Order
from storage.control.runs import Leg


def names(views):
    return [view.connection.name for view in views]


def page_through(plane, order, place):
    """Every page of two, each asked for by the place of the last one before."""
    found, after = [], None
    for _ in range(100):
        page = plane.connections.page(Criteria(), 2, order, after)
        if not page:
            return found
        found += page
        after = place(page[-1])
    raise AssertionError(f"there is no end: {found}")


PLACES = {
    Order.NAME: lambda view: (view.connection.name, view.connection.id),
    Order.LAST_COMPLETED: lambda view: (view.last_sync_completed_at or NEVER, view.connection.name, view.connection.id),
    Order.STATUS: lambda view: (view.connection.status, view.connection.name, view.connection.id),
}


@pytest.fixture
def seven(plane):
    """Seven connections: two of one name, two that completed a sync at one time, some stopped."""
    made = [plane.connect(str(number), "manual", name=name) for number, name in enumerate("ccbdaef")]
    for number, minutes in ((1, 0), (3, 5), (5, 0)):
        plane.clock.advance(minutes=minutes)
        plane.runs.request(made[number].id)
        (lease,) = plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w")
        plane.runs.done(lease, Leg())
    for number, status in ((0, ConnectionStatus.PAUSED), (4, ConnectionStatus.DISABLED), (6, ConnectionStatus.PAUSED)):
        plane.connections.set_status(made[number].id, status, None)
    return made


@pytest.mark.parametrize("order", Order)
def test_pages_follow_each_other_in_each_order(plane, seven, order):
    found = page_through(plane, order, PLACES[order])

    assert [PLACES[order](view) for view in found] == sorted(PLACES[order](view) for view in plane.connections.all())
    assert len(found) == len(seven)


@pytest.mark.usefixtures("seven")
def test_what_never_completed_comes_first(plane):
    found = plane.connections.page(Criteria(), 7, Order.LAST_COMPLETED)

    assert [view.last_sync_completed_at is None for view in found] == [True] * 4 + [False] * 3
    assert found[-1].last_sync_completed_at - found[-3].last_sync_completed_at == timedelta(minutes=5)


def test_a_connection_is_found_by_a_part_of_its_name_or_id_taken_literally(plane):
    plane.connect("4711", name="100% Harbor_Outdoor")
    plane.connect("815", name="Alpenglow")

    def found(search):
        return names(plane.connections.page(Criteria(search=search), 9))

    assert found("hARBOR") == found("71") == found("0%") == found("r_o") == ["100% Harbor_Outdoor"]
    assert found("%a") == found("a_p") == []
    assert len(found("a")) == 2


def test_labels_choose_and_are_told_in_order(plane):
    one, two = plane.connect("1"), plane.connect("2", Frequency.HOURLY)
    plane.labels.change(one.id, lambda _: ["retail", " eu ", "retail"])
    plane.labels.change(two.id, lambda _: ["eu"])

    assert [view.labels for view in plane.connections.page(Criteria(label="eu"), 9)] == [("eu", "retail"), ("eu",)]
    assert [view.connection.id for view in plane.connections.all(label="retail")] == [one.id]
    assert plane.connections.page(Criteria(label="eu", frequency=Frequency.DAILY), 9) == []
    plane.labels.change(one.id, lambda now: now - {"eu"} | {"us"})
    assert plane.connections.get(one.id).labels == ("retail", "us")
    assert plane.connections.get(two.id).labels == ("eu",)


@pytest.mark.parametrize("label", ["", "  ", "a,b", "a\nb", "a\0b", "x" * 65, "\ud800"])
def test_what_is_no_label_changes_nothing(plane, label):
    connection = plane.connect("1")
    plane.labels.change(connection.id, lambda _: ["eu"])

    with pytest.raises(Usage, match="is not a label"):
        plane.labels.change(connection.id, lambda now: now | {label})

    assert plane.connections.get(connection.id).labels == ("eu",)


def test_a_connection_has_fifty_labels_at_most(plane):
    connection = plane.connect("1")
    plane.labels.change(connection.id, lambda _: map(str, range(50)))

    with pytest.raises(Usage, match="50 labels at most"):
        plane.labels.change(connection.id, lambda now: now | {"one more"})
