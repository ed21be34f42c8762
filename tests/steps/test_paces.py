"""The sweep notes how often connections are really read, so that nobody is called stale for what the platform's limits are."""

from datetime import timedelta

from adpulse import bootstrap, settings
from adpulse.frequency import Frequency
from deployments.sweep import Sweep


def test_a_connection_that_its_limit_slows_down_is_not_stale(installation, monkeypatch):
    installation.app.workspaces.grant_realtime(installation.workspace.id)
    connection = installation.connect(frequency=Frequency.REALTIME.value)
    installation.sync(connection)
    monkeypatch.setenv("ADPULSE_CALLS_PER_HOUR", "4")
    settings.load.cache_clear()
    bootstrap.app.cache_clear()
    installation.app = app = bootstrap.app()
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
