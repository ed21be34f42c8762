"""The sweep of a worker whose predecessor, or neighbour, leads or is dead. Prefect is away, so what it asks comes to nothing."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from pydantic import SecretStr
from sqlalchemy import func, insert, select, update

from adpulse.events import EventType
from adpulse.platforms.google.settings import GoogleSettings
from adpulse.platforms.meta.settings import MetaSettings
from adpulse.services import changing
from deployments.owner import has_died, this_process
from deployments.sweep import Sweep
from storage.control import database, tables
from storage.warehouse.analytics import version_of


def dead_process():
    """The name of a worker of this machine that is gone."""
    command = "import deployments.owner as owner; print(owner.this_process())"
    return subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout.strip()


def calls_counted(installation):
    with database.connect(installation.app.settings.control_url).begin() as session:
        return session.scalar(select(func.count()).select_from(tables.CallRow))


def test_a_dead_leader_of_this_machine_is_followed_at_once(installation):
    gone = dead_process()
    installation.app.leadership.take("sweep", gone)

    Sweep(installation.app).once()

    assert has_died(gone)
    assert installation.app.leadership.leader("sweep") == this_process()


def test_a_leader_of_another_machine_keeps_its_term(installation):
    installation.app.leadership.take("sweep", "elsewhere-1")

    Sweep(installation.app).once()

    assert not has_died("elsewhere-1")
    assert installation.app.leadership.leader("sweep") == "elsewhere-1"


def ended_long_ago(installation, connection, count):
    """As many closed runs, of ten days ago."""
    at = installation.wall.now() - timedelta(days=10)
    row = {"connection_id": connection.id, "workspace_id": connection.workspace_id, "provider": "meta", "parts": "both", "state": "done"}
    rows = [row | {"id": str(uuid4()), "requested_at": at + timedelta(seconds=n), "finished_at": at} for n in range(count)]
    with installation.engine.begin() as session:
        session.execute(insert(tables.RunRow), rows)


def test_the_leader_drops_runs_of_long_ago_once_an_hour(installation):
    connection, sweep, kept = installation.connect("Corner Store 1"), Sweep(installation.app), []

    def pass_over():
        ended_long_ago(installation, connection, 60)
        sweep.once()
        kept.append(len(installation.app.runs.history(connection.id, 1000)))

    installation.app.leadership.take("sweep", "elsewhere-1")
    pass_over()
    installation.app.leadership.resign("sweep", "elsewhere-1")
    pass_over()
    pass_over()
    sweep._prunes_at -= 3600
    pass_over()

    assert kept == [60, 50, 110, 50]


def test_the_published_copy_says_what_was_changed_of_a_connection_that_is_not_synced_any_more(installation):
    connection, sweep = installation.synced("Corner Store 1"), Sweep(installation.app)

    def published():
        sweep.once()
        return installation.rows("SELECT name, labels, frequency, status, paused FROM connections")

    before = published()
    changing.pause(installation.app.connections, connection.id)
    changing.change_connection(installation.app, connection, name="Corner", labels=["Client A"])
    installation.app.connections.set_frequency(connection.id, "daily")
    changed = published()
    version = version_of(installation.published())

    assert before == [("Corner Store 1", [], "manual", "active", False)]
    assert changed == published() == [("Corner", ["Client A"], "daily", "paused", True)]
    assert version_of(installation.published()) == version, "nothing changed"


def test_a_row_that_cannot_be_used_ends_no_other_part_of_the_sweep(installation):
    odd, fine = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    ended_long_ago(installation, fine, 60)
    with installation.engine.begin() as session:
        session.execute(update(tables.ConnectionRow).where(tables.ConnectionRow.id == odd.id).values(sync_frequency="fortnightly"))

    Sweep(installation.app).once()

    assert len(installation.app.runs.history(fine.id, 1000)) == 50


def test_the_leader_tells_webhooks_of_stale_connections_and_drops_old_deliveries(installation, sandbox):
    connection, app = installation.connect("Corner Store 1", "5min"), installation.app
    hook, _ = app.webhooks.create(installation.workspace.id, "ours", SecretStr("https://1.1.1.1/hooks"))
    sandbox.clock.advance(16 * 60)
    sweep = Sweep(app)
    app.leadership.take("sweep", "elsewhere-1")
    sweep.once()
    assert app.outbox.history(hook.id) == []

    app.leadership.resign("sweep", "elsewhere-1")
    sweep.once()
    sweep.once()
    (told,) = app.outbox.history(hook.id)
    assert (told.event, app.connections.get(connection.id).stale_since) == ("data.stale", sandbox.clock.now())
    app.outbox.delivered(told, 204)
    installation.wall.advance(timedelta(days=8))
    sweep._prunes_at -= 3600
    sweep.once()
    assert app.outbox.history(hook.id) == []


def test_who_has_just_begun_to_lead_calls_nobody_stale_yet(installation, sandbox):
    connection, app = installation.connect("Corner Store 1", "5min"), installation.app
    sandbox.clock.advance(16 * 60)
    sweep = Sweep(app, settles_seconds=60)

    def stale():
        sweep.once()
        return app.connections.get(connection.id).stale_since is not None

    seen = [stale()]
    sweep._led_since -= 60
    app.leadership.resign("sweep", this_process())
    app.leadership.take("sweep", "elsewhere-1")
    seen.append(stale())
    app.leadership.resign("sweep", "elsewhere-1")
    seen.append(stale())
    sweep._led_since -= 60
    seen.append(stale())

    assert seen == [False, False, False, True]


def test_the_leader_notifies_workspaces_of_an_api_version_that_ends(installation, monkeypatch):
    installation.connect("Corner Store 1")
    hook, _ = installation.app.webhooks.create(
        installation.workspace.id, "ours", SecretStr("https://93.184.216.34/"), events=[EventType.VERSION_ENDING]
    )
    versions = installation.app.settings.with_platform_settings(MetaSettings(version="v25.0"))
    monkeypatch.setattr(installation.app, "settings", versions.with_platform_settings(GoogleSettings(version="v26")))
    installation.sandbox.clock.set(datetime(2027, 1, 10, tzinfo=UTC))

    Sweep(installation.app).once()
    Sweep(installation.app).once()

    (sent,) = installation.app.outbox.history(hook.id)
    assert json.loads(sent.payload)["data"]["sentence"].startswith("Meta Ads v25.0 ends on 2027-02-23, in 44 days.")


def test_only_the_leader_prunes_and_everyone_clears_its_own_files(installation, sandbox):
    installation.synced("Corner Store 1")
    left = installation.app.settings.home / "staging" / "a-closed-run"
    sandbox.clock.advance(3 * 24 * 3600)
    installation.app.leadership.take("sweep", "elsewhere-1")
    left.mkdir(parents=True)

    Sweep(installation.app).once()
    kept = calls_counted(installation)
    installation.app.leadership.resign("sweep", "elsewhere-1")
    Sweep(installation.app).once()

    assert kept > 1
    assert calls_counted(installation) == 1  # its own, for what the account reports
    assert not left.exists()
