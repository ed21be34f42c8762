"""Of unexplained remainders a workspace is notified once for each day of a connection."""

import json
from datetime import date
from decimal import Decimal

import pytest
from pydantic import SecretStr

from adpulse.events import EventType
from adpulse.model import Level
from adpulse.remainder import Remainder


def remainder(day, level=Level.ACCOUNT, amount=10):
    ours = Decimal(90)
    return Remainder(
        day=date(2026, 3, day),
        level=level,
        ours=ours,
        platform=ours + amount,
        amount=Decimal(amount),
        deleted=0,
        leafless=Decimal(0),
        ended=True,
    )


@pytest.fixture
def hook(plane):
    return plane.webhooks.create(plane.workspace.id, "ours", SecretStr("http://127.0.0.1:9/"), events=[EventType.DATA_REMAINDER])[0]


def compared(plane, account):
    """A connection that was compared before, and had no remainders."""
    connection = plane.connect(account)
    plane.remainder_notices.publish(connection, [])
    return connection


def sent(plane, hook):
    return [json.loads(delivery.payload)["data"] for delivery in plane.outbox.history(hook.id)]


def test_a_day_is_notified_of_once_and_a_new_day_by_itself(plane, hook):
    connection = compared(plane, "1")
    published = [plane.remainder_notices.publish(connection, [remainder(day) for day in days]) for days in ((1, 2), (1, 2), (1, 2, 3), ())]

    assert published == [2, 0, 1, 0]
    assert sorted([row["date"] for row in event["remainders"]] for event in sent(plane, hook)) == [
        ["2026-03-01", "2026-03-02"],
        ["2026-03-03"],
    ]


@pytest.mark.parametrize("first", [(), (1, 2)])
def test_the_first_comparison_notifies_of_nothing_and_later_ones_only_of_other_days(plane, hook, first):
    connection = plane.connect("1")
    published = [
        plane.remainder_notices.publish(connection, [remainder(day) for day in days]) for days in (first, (*first, 9), (*first, 9))
    ]

    assert published == [0, 1, 0]
    assert [[row["date"] for row in event["remainders"]] for event in sent(plane, hook)] == [["2026-03-09"]]


def test_both_levels_of_a_day_are_one_notice_of_one_day(plane, hook):
    levels = [remainder(1, level) for level in (Level.ACCOUNT, Level.CAMPAIGN)]

    assert plane.remainder_notices.publish(compared(plane, "1"), levels) == 1
    (event,) = sent(plane, hook)
    assert (event["day_count"], len(event["remainders"])) == (1, 2)


def test_other_connections_have_notices_of_their_own(plane, hook):
    for account in ("1", "2"):
        plane.remainder_notices.publish(compared(plane, account), [remainder(1)])

    assert len(sent(plane, hook)) == 2


def test_a_connection_that_was_deleted_meanwhile_is_not_notified_of(plane, hook):
    connection = compared(plane, "1")
    plane.remainder_notices.publish(connection, [remainder(1)])
    plane.connections.delete(connection.id)

    assert plane.remainder_notices.publish(connection, [remainder(2)]) == 0
    assert len(sent(plane, hook)) == 1


def test_comparisons_in_the_middle_of_a_first_sync_are_no_first_one(plane, hook):
    connection = plane.connect("1")
    days = [((1,), True), ((1, 2), True), ((1, 2, 3), False), ((1, 2, 3, 9), False), ((1, 2, 3, 9, 10), True)]

    published = [
        plane.remainder_notices.publish(connection, [remainder(day) for day in of], in_first_sync=in_first_sync)
        for of, in_first_sync in days
    ]

    assert published == [0, 0, 0, 1, 1]
    assert sorted([row["date"] for row in event["remainders"]] for event in sent(plane, hook)) == [["2026-03-09"], ["2026-03-10"]]
