"""The sweep notes how often connections are really read, so that nobody is called stale for what the platform's limits are."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from adpulse import bootstrap, settings
from adpulse.frequency import Frequency
from adpulse.model import RunState
from deployments.sweep import Sweep
from storage.control.tables import ConnectionRow


@pytest.fixture
def connection(installation, monkeypatch):
    """A connection that is to be read every 30 seconds, was read once, and may be called four times an hour from then on."""
    installation.app.workspaces.grant_realtime(installation.workspace.id)
    connection = installation.connect(frequency=Frequency.REALTIME.value)
    installation.sync(connection)
    monkeypatch.setenv("ADPULSE_CALLS_PER_HOUR", "4")
    settings.load.cache_clear()
    bootstrap.app.cache_clear()
    installation.app = bootstrap.app()
    return connection


def test_a_tick_that_can_read_nothing_makes_no_run(installation, connection):
    app = installation.app
    installation.advance_to(app.clock.now() + timedelta(minutes=70))
    assert [run.state for run in installation.tick()] != []
    before, due = app.runs.history(connection.id), app.connections.get(connection.id).next_due_at
    assert due - app.clock.now() > timedelta(minutes=5)

    for _ in range(3):
        installation.advance_to(app.clock.now() + timedelta(seconds=30))
        assert installation.tick() == []
    assert app.runs.history(connection.id) == before
    installation.advance_to(due)
    (run,) = installation.tick()
    assert run.state in (RunState.DONE, RunState.POSTPONED)
    assert run.counts.fetched > 0


def test_a_connection_that_its_limit_slows_down_is_not_stale(installation, connection):
    app = installation.app
    every = app.cadences([connection])[connection.id].interval
    assert every > timedelta(minutes=5)

    completed = app.connections.get(connection.id).last_sync_completed_at
    installation.advance_to(app.clock.now() + every / 4)
    installation.tick()
    assert app.connections.get(connection.id).last_sync_completed_at == completed, "nothing was due yet, so nothing was read"

    installation.advance_to(completed + 2 * every)
    Sweep(app).once()
    assert app.connections.get(connection.id).stale_since is None
    installation.advance_to(app.clock.now() + 2 * every)
    Sweep(app).once()
    assert app.connections.get(connection.id).stale_since is not None


def test_an_account_that_stands_still_is_due_a_minute_later_until_something_changes(installation):
    app = installation.app
    app.workspaces.grant_realtime(installation.workspace.id)
    connection = installation.connect("Pacific Trail Outfitters", frequency=Frequency.REALTIME.value)
    installation.sync(connection)
    long_ago = update(ConnectionRow).values(last_metrics_changed_at=app.clock.now() - timedelta(hours=1))

    def due_after_a_tick(at):
        installation.advance_to(at)
        (run,) = installation.tick()
        return bool(run.counts.written), app.connections.get(connection.id).next_due_at - app.clock.now()

    minute, next_step = timedelta(minutes=1), app.clock.now() + timedelta(minutes=15)
    assert due_after_a_tick(app.clock.now() + minute) == (False, minute)
    with installation.engine.begin() as session:
        session.execute(long_ago)
    assert due_after_a_tick(app.clock.now() + 2 * minute) == (False, 2 * minute)
    assert due_after_a_tick(next_step) == (True, minute)
