"""A connection is deleted in two steps, with all of its data and nothing else, whatever happens meanwhile."""

from datetime import timedelta

import pytest
from installation import share_credential
from sqlalchemy import select

from adpulse.errors import LeaseLost, WarehouseBusy
from adpulse.model import ConnectionStatus, RunState
from adpulse.services.deleting import CONFIRMED_WITHIN
from deployments.sweep import Sweep
from storage.control.tables import CallRow, CredentialRow, PartitionRow, RunRow
from storage.warehouse.warehouse import Warehouse
from tasks.batch import Batch
from tasks.diff import stage_changes
from tasks.upsert import apply_changes


@pytest.fixture
def delete(ask, team):
    """Asks to delete a connection of the team's; with what confirms it, if given."""

    def send(connection, confirmation=None, key=team.editor):
        params = {"confirmation": confirmation} if confirmation else {}
        return ask("DELETE", f"/connections/{connection.id}", key, params=params)

    return send


@pytest.fixture
def two(installation, team):
    """Two connections of the team's with data; the first one is to go."""
    return team.connection, installation.app.connections.get("Sakura Tea").connection


def kept(installation, column):
    with installation.engine.connect() as session:
        return set(session.scalars(select(column)))


def test_the_first_answer_says_what_would_go_and_deletes_nothing(ask, delete, installation, team, two):
    gone, _ = two
    answer = delete(gone)

    told = answer.json()
    rows = installation.rows(
        "SELECT count(*), count(DISTINCT date), min(date)::VARCHAR FROM metric_facts WHERE connection_id = ?", [gone.id]
    )
    assert answer.status_code == 200
    assert (told["connection_id"], told["days"], told["since"]) == (gone.id, *rows[0][1:])
    assert told["rows"] > rows[0][0] > 0
    assert told["entities"] > 0 < told["changes"]
    Sweep(installation.app).once()
    assert ask("GET", f"/connections/{gone.id}", team.viewer).json()["status"] == "active"


def test_confirmed_it_goes_with_everything_and_the_others_stay(ask, delete, installation, team, two):
    gone, other = two
    installation.app.labels.change(gone.id, lambda _: ["eu"])
    before = installation.rows("SELECT * FROM metric_facts WHERE connection_id = ?", [other.id])

    answer = delete(gone, delete(gone).json()["confirmation"])

    assert (answer.status_code, answer.json()) == (202, {"connection_id": gone.id, "status": "deleting"})
    assert ask("GET", f"/connections/{gone.id}", team.viewer).json()["status"] == "deleting"
    assert delete(gone).status_code == 202
    Sweep(installation.app).once()
    assert ask("GET", f"/connections/{gone.id}", team.viewer).status_code == 404
    assert [each["id"] for each in ask("GET", "/connections/", team.viewer).json()["connections"]] == [other.id]
    assert installation.rows("SELECT DISTINCT connection_id FROM daily") == [(other.id,)]
    assert installation.rows("SELECT * FROM metric_facts WHERE connection_id = ?", [other.id]) == before
    assert kept(installation, RunRow.connection_id) == kept(installation, PartitionRow.connection_id) == {other.id}
    assert kept(installation, CredentialRow.id) == {other.credential_id}
    assert gone.ledger_key in kept(installation, CallRow.key)  # the account's hour counts on


def test_a_credential_that_another_connection_uses_stays(delete, installation, two):
    gone, other = two
    share_credential(installation, other, gone)

    delete(gone, delete(gone).json()["confirmation"])
    Sweep(installation.app).once()

    assert installation.app.credentials.open(gone.credential_id)
    assert installation.sync(other).state is RunState.DONE


@pytest.mark.slow
def test_the_account_can_be_connected_and_synced_anew(delete, installation, two):
    delete(two[0], delete(two[0]).json()["confirmation"])
    Sweep(installation.app).once()

    again = installation.connect()
    installation.sync(again)

    assert installation.differences(again) == []


def test_a_sync_under_way_writes_nothing_any_more(delete, installation, team):
    installation.app.runs.request(team.connection.id)
    (lease,) = installation.claim()
    installation._prepare(lease)
    installation._read(lease)
    batch = Batch(label="test", workspace_id=team.workspace.id, runs=((lease.run_id, lease.generation),))
    stage_changes(batch)

    delete(team.connection, delete(team.connection).json()["confirmation"])
    apply_changes(batch)
    Sweep(installation.app).once()
    apply_changes(batch)

    with pytest.raises(LeaseLost):
        installation.app.runs.calling(lease)
    installation.take_through(lease)
    Sweep(installation.app).once()
    assert installation.app.warehouse(team.workspace.id).contents(team.connection.id).rows == 0
    assert installation.app.staging.runs() == []
    assert kept(installation, PartitionRow.connection_id) == set()


def test_it_is_finished_by_another_process_after_one_was_killed_at_any_point(delete, installation, two):
    gone, other = two
    delete(gone, delete(gone).json()["confirmation"])
    installation.app.warehouse(gone.workspace_id).erase(gone.id)  # and killed before the control plane's rows went

    for _ in range(2):
        Sweep(installation.app).once()

    assert [view.connection.id for view in installation.app.connections.all()] == [other.id]
    assert installation.rows("SELECT DISTINCT connection_id FROM daily") == [(other.id,)]


def test_a_workspace_whose_file_is_damaged_holds_up_no_other(ask, delete, installation, team, others):
    installation.work(installation.claim())
    (installation.app.settings.home / "warehouse" / f"{team.workspace.id}.duckdb").write_bytes(b"notes")
    for connection, key in ((team.connection, team.editor), (others.connection, others.editor)):
        delete(connection, delete(connection, key=key).json()["confirmation"], key)

    Sweep(installation.app).once()

    assert ask("GET", f"/connections/{team.connection.id}", team.viewer).json()["status"] == "deleting"
    assert ask("GET", f"/connections/{others.connection.id}", others.viewer).status_code == 404


def test_a_confirmation_is_for_one_connection_and_ten_minutes(ask, delete, installation, team):
    other = installation.connect("Sakura Tea")
    confirmation = delete(team.connection).json()["confirmation"]
    sealed = installation.app.cipher.seal(f"delete {other.id}", installation.secret(other.provider)).decode()
    own = delete(other).json()["confirmation"]

    answers = [delete(other, wrong) for wrong in (confirmation[:-4] + "AAA=", "no", "é", sealed, confirmation)]
    installation.wall.advance(CONFIRMED_WITHIN + timedelta(seconds=1))
    answers.append(delete(other, own))

    assert {(answer.status_code, "Nothing was deleted" in answer.json()["detail"]) for answer in answers} == {(400, True)}
    assert ask("GET", f"/connections/{other.id}", team.viewer).json()["status"] == "active"


@pytest.mark.parametrize("act", ["pause", "sync-now"])
def test_nothing_brings_back_what_is_being_deleted(ask, delete, installation, team, act):
    delete(team.connection, delete(team.connection).json()["confirmation"])

    assert ask("POST", f"/connections/{team.connection.id}/{act}", team.editor).status_code == 400
    body = {"ids": [team.connection.id], "action": "resume"}
    (done,) = ask("POST", f"/workspaces/{team.workspace.id}/connections/bulk", team.editor, json=body).json()["results"]
    assert done["outcome"] == "refused"
    assert ask("GET", f"/connections/{team.connection.id}", team.viewer).json()["status"] == "deleting"
    Sweep(installation.app).once()
    assert ask("GET", f"/connections/{team.connection.id}", team.viewer).status_code == 404


def test_nobody_is_told_as_stale_that_is_being_deleted(delete, installation, team):
    app = installation.app
    app.connections.set_frequency(team.connection.id, "5min")
    app.connections.set_status(team.connection.id, ConnectionStatus.PAUSED, "Paused.")
    installation.advance_to(app.clock.now() + timedelta(days=3))
    delete(team.connection, delete(team.connection).json()["confirmation"])

    assert app.staleness.renew().stale == []


def test_a_workspace_that_holds_one_up_is_asked_once(delete, installation, two, monkeypatch):
    for each in two:
        delete(each, delete(each).json()["confirmation"])
    asked = []

    def busy(warehouse, connection_id):  # noqa: ARG001 - what is erased
        asked.append(connection_id)
        raise WarehouseBusy("Somebody has the file open.")

    monkeypatch.setattr(Warehouse, "erase", busy)

    Sweep(installation.app).once()

    assert len(asked) == 1
