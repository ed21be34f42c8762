"""How a connection's state reads."""

from datetime import timedelta

import pytest

from adpulse.cli import telling
from adpulse.model import ConnectionStatus


@pytest.mark.parametrize(
    ("age", "text"),
    [
        (timedelta(seconds=5), "5 s ago"),
        (timedelta(minutes=2), "2 min ago"),
        (timedelta(hours=3), "3 h ago"),
        (timedelta(days=2), "2 d ago"),
    ],
)
def test_ages_are_told_in_their_largest_unit(clock, age, text):
    assert telling.ago(clock.now() - age, clock.now()) == text


def test_what_never_happened_and_what_seems_to_lie_ahead(clock):
    assert telling.ago(None, clock.now()) == "never"
    assert telling.ago(clock.now() + timedelta(minutes=1), clock.now()) == "0 s ago"


def test_attempts_and_changes_come_with_their_share():
    assert telling.attempts(45, 12) == "45 attempts | 12 changes (26.7%)"
    assert telling.attempts(0, 0) == "0 attempts | 0 changes (0.0%)"


def test_a_stopped_connection_says_why(plane, clock):
    connection = plane.connect("1")
    plane.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Connect it again.")

    view = plane.connections.get(connection.id)

    assert telling.state(view) == "Needs reauthorisation"
    assert ("Why", "Connect it again.") in telling.lines(view, clock.now())


def test_a_cooldown_says_until_when_and_why_and_ends(plane, clock):
    connection = plane.connect("1")
    plane.connections.cool_down(connection, "account", clock.now() + timedelta(minutes=5), "Meta throttles account 1.")

    view = plane.connections.get(connection.id)

    assert telling.waiting(view, clock.now()) == "until 15:05:00 UTC: Meta throttles account 1."
    assert telling.waiting(view, clock.now() + timedelta(minutes=6)) == ""


def test_the_fields_for_programs_hold_the_eight_of_telemetry(plane):
    fields = telling.fields(plane.connections.get(plane.connect("1").id))

    assert set(fields) >= {
        "sync_frequency", "last_sync_attempted_at", "last_sync_completed_at", "last_metrics_changed_at", "total_syncs_attempted",
        "total_syncs_with_changes", "sync_status", "last_sync_error",
    }  # fmt: skip
