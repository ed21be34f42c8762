"""What a person does about what stopped: dead letters, pause, resume, reconnect, disconnect, restore."""

import json
import re
import sqlite3

import pytest
from installation import share_credential
from sqlalchemy import select

from adpulse import bootstrap
from adpulse.errors import BadRequest, LeaseLost
from adpulse.model import ConnectionStatus, RunState
from adpulse.services import deleting
from storage.control import database, sqlite_file, tables
from storage.control.runs import Leg


@pytest.fixture
def stopped(installation, sandbox):
    """A connection whose token has expired at the platform."""
    connection = installation.synced("Corner Store 1", frequency="hourly")
    sandbox.faults.add([{"action": "expired_token", "account": connection.external_id}])
    installation.leg(connection)
    sandbox.faults.clear()
    return connection


def status(installation, connection):
    return installation.app.connections.get(connection.id).connection.status


def token(installation, label="full"):
    return installation.sandbox.world.token(label).value


def tokens_kept(installation):
    """What the credentials' rows hold of tokens, encrypted as they are."""
    with database.connect(installation.app.settings.control_url).begin() as session:
        return list(session.scalars(select(tables.CredentialRow.ciphertext)))


def test_a_dead_letter_says_what_happened_and_what_to_do(adpulse, installation, stopped):
    (letter,) = installation.app.runs.dead_letters()

    _, listed, _ = adpulse("dead-letters", "list", "--json")
    code, shown, _ = adpulse("dead-letters", "show", letter.id[:8])

    assert [each["id"] for each in json.loads(listed)] == [letter.id]
    assert code == 0
    for told in ("Corner Store 1", "fresh token", "190", letter.id):
        assert told in shown
    assert token(installation) not in shown + listed
    assert "Corner" in adpulse("dead-letters", "list", stopped.name)[1]


def test_a_fresh_token_mends_every_connection_that_shared_the_old_one(adpulse, installation, stopped):
    other = installation.connect("Corner Store 2")
    share_credential(installation, other, stopped)

    code, told, _ = adpulse("reconnect", stopped.name, stdin=token(installation) + "\n")

    assert (code, told.count("Reconnected")) == (0, 2)
    assert status(installation, stopped) is ConnectionStatus.ACTIVE
    runs = installation.work(installation.claim())
    assert {run.connection_id for run in runs} == {stopped.id, other.id}
    assert adpulse("dead-letters", "list")[1] == "No dead letters.\n"


def test_a_fresh_token_leaves_connections_of_other_credentials_alone(adpulse, installation, stopped):
    """Though it reaches them too: who connected them chose the token that they are read with."""
    other = installation.connect("Corner Store 2")

    code, told, _ = adpulse("reconnect", stopped.name, stdin=token(installation) + "\n")

    assert (code, told.count("Reconnected")) == (0, 1)
    assert installation.app.connections.get(other.id).connection == other
    assert installation.app.connections.get(stopped.id).connection.credential_id not in (stopped.credential_id, other.credential_id)
    assert {lease.connection.id for lease in installation.claim()} == {stopped.id}


def test_a_token_that_does_not_reach_the_account_changes_nothing(adpulse, installation, stopped):
    code, _, told = adpulse("reconnect", stopped.name, stdin=token(installation, "single") + "\n")

    assert (code, status(installation, stopped)) == (2, ConnectionStatus.NEEDS_REAUTH)
    assert "does not reach Corner Store 1" in told


def test_a_connection_that_needs_a_token_is_not_resumed_without_one(adpulse, stopped):
    code, _, told = adpulse("resume", stopped.name)

    assert (code, f"adpulse reconnect {stopped.id}" in told) == (2, True)


def test_a_paused_connection_is_left_alone_until_it_is_resumed(adpulse, installation):
    connection = installation.connect("Corner Store 1", frequency="hourly")

    assert adpulse("pause", connection.name)[0] == 0
    assert adpulse("sync", connection.name)[0] == 2
    assert installation.claim() == []
    assert adpulse("resume", connection.name)[0] == 0
    (run,) = installation.work(installation.claim())
    assert run.counts.inserted > 0


def test_a_disconnected_connection_keeps_its_data_and_loses_its_token(adpulse, installation):
    connection = installation.synced("Corner Store 1")
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()

    code, told, _ = adpulse("disconnect", connection.name, "--yes")

    assert (code, "its data stay" in told) == (0, True)
    with pytest.raises(LeaseLost):
        installation.app.runs.calling(lease)
    assert tokens_kept(installation) == [b""]
    assert installation.app.runs.get(lease.run_id).state is RunState.DEAD
    assert installation.app.runs.dead_letters() == []
    assert installation.rows("SELECT count(*) FROM metric_facts")[0][0] > 0
    assert adpulse("sync", connection.name)[0] == 2
    assert adpulse("reconnect", connection.name, stdin=token(installation) + "\n")[0] == 0
    assert installation.sync(connection).state is RunState.DONE


def test_a_replayed_letter_is_asked_for_again_and_leaves_the_list(adpulse, installation):
    connection = installation.connect("Corner Store 1")
    installation.app.runs.request(connection.id, force=True)
    (lease,) = installation.claim()
    now = installation.app.clock.now()
    installation.app.runs.dead(lease, Leg(), BadRequest("Meta refused a request.", "100"), next_due_at=now)

    code, told, _ = adpulse("dead-letters", "replay", lease.run_id[:8])

    assert (code, told.startswith("Queued: ")) == (0, True)
    assert installation.app.runs.dead_letters() == []
    (again,) = installation.claim()
    assert again.force_refresh
    assert adpulse("dead-letters", "show", lease.run_id)[0] == 2


def test_a_letter_can_be_put_aside_with_a_note(adpulse, installation, stopped):
    (letter,) = installation.app.runs.dead_letters(stopped.id)

    assert adpulse("dead-letters", "resolve", letter.id, "--note", "the client left")[0] == 0
    assert installation.app.runs.get(letter.id).resolution == "the client left"
    assert adpulse("dead-letters", "resolve", letter.id)[0] == 2


def test_a_damaged_warehouse_is_restored_by_the_command_that_its_error_names(adpulse, installation):
    connection = installation.synced("Corner Store 1")
    warehouse = installation.app.settings.home / "warehouse" / f"{installation.workspace.id}.duckdb"
    refused = adpulse("restore", "Acme")
    warehouse.write_bytes(b"notes of somebody")
    (run,) = installation.leg(connection)

    code, told, _ = adpulse(*run.error.partition("adpulse ")[2].split())

    kept = [path for path in warehouse.parent.iterdir() if ".damaged-" in path.name]
    assert (refused[0], "is not damaged" in refused[2]) == (2, True)
    assert (code, "The published copy is the warehouse now" in told) == (0, True)
    assert [path.read_bytes() for path in kept] == [b"notes of somebody"]
    assert str(kept[0]) in told.replace("\n", "")
    installation.work(installation.claim())
    assert installation.differences(connection) == []


def test_what_is_restored_must_be_said_when_there_are_several_workspaces(adpulse, installation):
    installation.app.workspaces.create("Other")

    code, _, told = adpulse("restore")

    assert (code, "Acme, Other" in told) == (2, True)
    assert adpulse("restore", "Nobody")[0] == 2


def test_a_locked_control_plane_is_a_sentence_and_not_a_traceback(adpulse, installation, monkeypatch):
    monkeypatch.setattr(sqlite_file, "LOCK_SECONDS", 0.1)
    bootstrap.app.cache_clear()
    other = sqlite3.connect(installation.app.settings.home / "control.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    code, _, told = adpulse("workspace", "create", "Other")
    other.execute("ROLLBACK")

    assert (code, "was locked for 0.1 s. Nothing was changed." in told) == (1, True)
    assert adpulse("workspace", "create", "Other")[0] == 0


def test_a_connection_is_deleted_only_after_it_was_told_what_goes(adpulse, installation):
    connection, other = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    for each in (connection, other):
        installation.sync(each)

    refused = adpulse("delete", connection.name, stdin="n\n")
    code, told, _ = adpulse("delete", connection.id, "--yes")

    assert (refused[0], code) == (1, 0)
    for said in (refused[1], told):
        assert re.search(
            r"Corner Store 1 .*: [1-9]\d* rows of metrics of [1-9]\d* days since 20..-..-.., [1-9]\d* entities, [1-9]\d* changes\.", said
        )
    assert installation.rows("SELECT DISTINCT connection_id FROM daily") == [(other.id,)]
    assert adpulse("status", connection.id)[0] == 2


@pytest.mark.parametrize("command", ["disconnect", "reconnect", "resume"])
def test_nothing_is_done_to_a_connection_that_is_being_deleted(adpulse, installation, command):
    connection = installation.connect("Corner Store 1")
    deleting.confirm(installation.app, connection, deleting.propose(installation.app, connection.id).confirmation)

    code, _, told = adpulse(command, connection.id, *(["--yes"] if command == "disconnect" else []), stdin=token(installation) + "\n")

    assert (code, "deleted" in told) == (2, True)
    assert status(installation, connection) is ConnectionStatus.DELETING
