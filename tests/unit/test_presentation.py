"""How a connection's state reads."""

from datetime import timedelta

import pytest
from pydantic import SecretStr

from adpulse import presentation
from adpulse.model import ConnectionStatus
from adpulse.planner.cadence import Cadence

KEPT = Cadence(chosen=timedelta(minutes=5), interval=timedelta(minutes=5), limited_by=None, calls_per_hour=12.0)
SLOWED = Cadence(chosen=timedelta(minutes=5), interval=timedelta(minutes=8), limited_by="many share it", calls_per_hour=12.0)


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
    assert presentation.format_age(clock.now() - age, clock.now()) == text


def test_what_never_happened_and_what_seems_to_lie_ahead(clock):
    assert presentation.format_age(None, clock.now()) == "never"
    assert presentation.format_age(clock.now() + timedelta(minutes=1), clock.now()) == "0 s ago"


def test_attempts_and_changes_come_with_their_share():
    assert presentation.describe_attempts(45, 12) == "45 attempts | 12 changes (26.7%)"
    assert presentation.describe_attempts(0, 0) == "0 attempts | 0 changes (0.0%)"


def test_a_stopped_connection_says_why(plane, clock):
    connection = plane.connect("1")
    plane.connections.set_status(connection.id, ConnectionStatus.NEEDS_REAUTH, "Connect it again.")

    view = plane.connections.get(connection.id)

    assert presentation.describe_state(view) == "Needs reauthorisation"
    assert ("Why", "Connect it again.") in presentation.telemetry_lines(view, KEPT, clock.now())


def test_a_cooldown_says_until_when_and_why_and_ends(plane, clock):
    connection = plane.connect("1")
    plane.connections.cool_down(connection, "account", clock.now() + timedelta(minutes=5), "Meta throttles account 1.")

    view = plane.connections.get(connection.id)

    assert presentation.describe_wait(view, clock.now()) == "until 15:05:00 UTC: Meta throttles account 1."
    assert presentation.describe_wait(view, clock.now() + timedelta(minutes=6)) == ""


def test_the_fields_for_programs_hold_the_eight_of_telemetry(plane):
    fields = presentation.telemetry_fields(plane.connections.get(plane.connect("1").id), KEPT)

    assert set(fields) >= {
        "sync_frequency", "last_sync_attempted_at", "last_sync_completed_at", "last_metrics_changed_at", "total_syncs_attempted",
        "total_syncs_with_changes", "sync_status", "last_sync_error",
    }  # fmt: skip


def test_the_cadence_is_told_only_when_it_is_not_the_frequency(plane, clock):
    view = plane.connections.get(plane.connect("1").id)

    assert "Cadence" not in dict(presentation.telemetry_lines(view, KEPT, clock.now()))
    assert dict(presentation.telemetry_lines(view, SLOWED, clock.now()))["Cadence"] == "every 8 min instead of 5 min: many share it"


def test_the_fields_for_programs_hold_the_cadence_and_its_reason(plane):
    fields = presentation.telemetry_fields(plane.connections.get(plane.connect("1").id), SLOWED)

    assert (fields["effective_interval_seconds"], fields["effective_interval_reason"]) == (480.0, SLOWED.reason)


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=15), ""),
        (timedelta(days=14), "token ends in 14 days: reconnect"),
        (timedelta(days=6, hours=5), "token ends in 6 days: reconnect"),
        (timedelta(days=1, hours=23), "token ends in 1 day: reconnect"),
        (timedelta(hours=5), "token ends in 5 h: reconnect"),
        (timedelta(minutes=5), "token ends in less than an hour: reconnect"),
        (timedelta(0), "token has ended: reconnect"),
    ],
)
def test_a_token_that_ends_says_so_ahead_of_time(plane, clock, left, told):
    plane.credential = plane.credentials.store(plane.workspace.id, "meta", SecretStr("t"), clock.now() + left)
    view = plane.connections.get(plane.connect("1").id)

    assert presentation.describe_token_end(view, clock.now()) == told
    assert dict(presentation.telemetry_lines(view, KEPT, clock.now())).get("Token", "") == told
    assert presentation.telemetry_fields(view, KEPT)["credential_expires_at"] == (clock.now() + left).isoformat()


def test_a_token_without_an_end_or_of_a_disconnected_connection_says_nothing(plane, clock):
    endless = plane.connections.get(plane.connect("1").id)
    plane.credential = plane.credentials.store(plane.workspace.id, "meta", SecretStr("t"), clock.now())
    gone = plane.connect("2")
    plane.connections.disconnect(gone.id, "Disconnected.")

    assert [presentation.describe_token_end(view, clock.now()) for view in (endless, plane.connections.get(gone.id))] == ["", ""]
