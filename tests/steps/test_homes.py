"""Whose home has a workspace's warehouse: two homes on one control plane, a home that was moved, and a copy of one."""

import shutil
from contextlib import contextmanager

import pytest
from installation import Installation
from sqlalchemy import text

from adpulse.errors import WarehouseElsewhere
from adpulse.model import Lane, RunState
from adpulse_sandbox import Sandbox
from storage.home_id import FILE, home_id


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start(extra=2) as running:
        yield running


@contextmanager
def other_home(installation, sandbox, folder):
    """The same control plane and keys, seen by a process with another home."""
    folder.mkdir()
    shutil.copy(installation.app.settings.home / "secret.key", folder)
    other = Installation(folder, sandbox, ADPULSE_DATABASE_URL=installation.app.settings.control_url)
    try:
        yield other
    finally:
        other.close()


def test_a_home_has_an_id_that_stays_and_moves_with_it(tmp_path, caplog):
    first = home_id(tmp_path / "home")
    (tmp_path / "home").rename(tmp_path / "moved")

    assert home_id(tmp_path / "moved") == first != home_id(tmp_path / "home")
    assert caplog.records == []
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == [FILE]


def test_a_copy_of_a_home_is_reported_once(tmp_path, caplog):
    first = home_id(tmp_path / "home")
    shutil.copytree(tmp_path / "home", tmp_path / "copy")

    assert [home_id(tmp_path / "copy") for _ in range(2)] == [first, first]
    (warning,) = caplog.messages
    assert warning.startswith(f"{tmp_path / 'copy'} is a copy of the home {first}")


def test_a_worker_of_another_home_leaves_the_workspaces_syncs_to_the_right_one_and_syncs_its_own(installation, sandbox, tmp_path):
    connection = installation.synced("Corner Store 1")
    waiting = installation.app.runs.request(connection.id)

    with other_home(installation, sandbox, tmp_path / "other") as other:
        claimed, counted = other.claim(), other.app.leases.waiting("meta", Lane.ON_DEMAND)
        begun = (tmp_path / "other" / "warehouse").exists()
        other.workspace = other.app.workspaces.create("Borealis")
        done = other.sync(other.connect("Corner Store 2"))
        elsewhere = other.app.homes.elsewhere()

    assert (claimed, counted, begun) == ([], 0, False)
    assert installation.app.runs.get(waiting.run_id).state is RunState.QUEUED
    assert [run.state for run in installation.work(installation.claim())] == [RunState.DONE]
    assert done.state is RunState.DONE
    assert elsewhere == ["Acme"]
    assert installation.app.homes.elsewhere() == ["Borealis"]
    with pytest.raises(WarehouseElsewhere, match="Borealis"):
        installation.app.warehouse(other.workspace.id)


def test_a_workspace_that_was_adopted_is_synced_in_its_new_home_alone(installation, sandbox, tmp_path):
    connection = installation.synced("Corner Store 1")
    shutil.copytree(installation.app.settings.home / "warehouse", tmp_path / "warehouse")

    with other_home(installation, sandbox, tmp_path / "other") as other:
        (tmp_path / "warehouse").rename(tmp_path / "other" / "warehouse")
        other.app.homes.adopt(installation.workspace.id)
        sandbox.clock.advance(3600)
        done = other.sync(connection)
    installation.app.runs.request(connection.id)

    assert done.state is RunState.DONE
    assert installation.claim() == []


def test_the_plan_refuses_a_workspace_that_another_home_has_taken_since_the_claim(installation, sandbox, tmp_path):
    connection = installation.synced("Corner Store 1")
    installation.app.runs.request(connection.id)
    leases = installation.claim()

    with other_home(installation, sandbox, tmp_path / "other") as other:
        other.app.homes.adopt(installation.workspace.id)
    (refused,) = installation.work(leases)

    assert (refused.state, refused.calls) == (RunState.FAILED, 0)
    assert "The warehouse of the workspace Acme is in another home folder" in refused.error
    assert f"adpulse workspace adopt {installation.workspace.id}" in refused.error


def test_a_home_of_an_older_version_takes_the_workspaces_whose_warehouses_it_has(installation, sandbox, tmp_path):
    installation.synced("Corner Store 1")
    with installation.engine.begin() as session:
        session.execute(text("UPDATE workspace SET home_id = NULL"))

    with other_home(installation, sandbox, tmp_path / "other") as other:
        other.app.warehouse(installation.workspace.id)
        installation.app.homes.require(installation.workspace.id, claim=True)

        assert other.app.homes.elsewhere() == ["Acme"]
