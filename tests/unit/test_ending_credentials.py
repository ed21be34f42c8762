"""Credentials that end: which are due to be renewed, who gets what comes of it, and which are forgotten."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from adpulse.errors import Usage
from adpulse.model import ConnectionStatus

DAY = timedelta(days=1)


@pytest.fixture
def ending(plane):
    """Connects an account with a credential that ends in so many days; its connection and the credential's id."""

    def make(days, external_id="1"):
        plane.credential = plane.credentials.store(plane.workspace.id, "meta", SecretStr("t"), plane.clock.now() + days * DAY)
        return plane.connect(external_id), plane.credential

    return make


def due(plane, limit=10):
    now = plane.clock.now()
    return [each.id for each in plane.credentials.ending("meta", now, now + 14 * DAY, untried_since=now - DAY, limit=limit)]


def test_those_that_end_soon_are_due_soonest_first_and_once_a_day(plane, ending):
    (_, far), (_, near), (_, nearer), (_, over) = (ending(days, str(days)) for days in (20, 10, 5, -1))

    assert due(plane, limit=1) == [nearer]
    assert due(plane) == [near]
    assert due(plane) == []
    plane.clock.advance(days=1)
    assert due(plane) == [nearer, near]
    plane.clock.advance(days=6)
    assert set(due(plane)) == {far, near}
    assert over not in due(plane)


def test_one_that_nobody_uses_or_that_is_erased_is_not_due(plane, ending):
    (unused, _), (_, erased) = ending(5, "1"), ending(5, "2")
    plane.connections.disconnect(unused.id, "Disconnected.")
    plane.credentials.erase(erased)

    assert due(plane) == []


def test_one_of_another_app_is_not_due(plane, ending):
    (_, foreign), (_, own) = ending(5, "1"), ending(5, "2")
    plane.credentials.set_scope(foreign, "meta:7")

    assert due(plane) == [own]


def test_whoever_shares_a_credential_gets_the_renewed_one_and_others_keep_theirs(plane, ending):
    mine, old = ending(5, "1")
    shares = plane.connect("2")
    other, kept = ending(5, "3")
    fresh = plane.credentials.store(plane.workspace.id, "meta", SecretStr("new"), plane.clock.now() + 60 * DAY)

    plane.connections.renew_credential(old, fresh)

    used = [plane.connections.get(each.id).connection.credential_id for each in (mine, shares, other)]
    assert used == [fresh, fresh, kept]
    assert plane.connections.get(mine.id).credential_expires_at == plane.clock.now() + 60 * DAY


def test_a_secret_that_no_connection_uses_is_forgotten_after_an_hour(plane, ending):
    connection, used = ending(5, "1")
    gone, unused = ending(5, "2")
    plane.connections.disconnect(gone.id, "Disconnected.")
    now = plane.clock.now()

    plane.credentials.erase_unused(now)
    assert plane.credentials.open(unused)
    plane.wall.advance(timedelta(hours=2))

    assert plane.credentials.erase_unused(now) >= 1
    assert plane.credentials.open(used)
    assert plane.connections.get(connection.id).connection.status is ConnectionStatus.ACTIVE
    with pytest.raises(Usage, match="erased"):
        plane.credentials.open(unused)


def test_the_secret_that_was_renewed_stays_for_whoever_reads_with_it_now(plane, ending):
    _, old = ending(5, "1")
    assert due(plane) == [old]
    fresh = plane.credentials.store(plane.workspace.id, "meta", SecretStr("new"), None)
    plane.connections.renew_credential(old, fresh)
    plane.wall.advance(timedelta(hours=2))

    plane.credentials.erase_unused(plane.clock.now())
    assert plane.credentials.open(old)
    plane.clock.advance(seconds=3601)
    plane.credentials.erase_unused(plane.clock.now())
    with pytest.raises(Usage):
        plane.credentials.open(old)
