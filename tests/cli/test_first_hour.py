"""What somebody types in the first hour, right and wrong."""

import json
import socket
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

from adpulse.cli.processes import process
from adpulse.role import Role
from deployments.deploy import PREFECT_YAML

ROOT = Path(__file__).parent.parent.parent
LISTS = [("workspace", "list"), ("keys", "list"), ("webhooks", "list"), ("alerts", "list"), ("dead-letters", "list"), ("connections",)]


def test_version_is_printed(shell):
    assert shell("--version") == (0, f"{version('adpulse')}\n", "")


@pytest.mark.parametrize("command", LISTS, ids=" ".join)
def test_every_list_is_json_for_programs(adpulse, installation, command):
    installation.app.keys.create("ops", Role.OPERATOR, None)

    code, out, _ = adpulse(*command, "--json")

    assert code == 0
    assert {"id", "name"} <= set(json.loads(out)[0]) if command[0] in ("workspace", "keys") else json.loads(out) == []


@pytest.mark.parametrize("name", ["", "  ", "two\nlines", "x" * 256])
def test_a_name_that_nobody_could_type_again_is_refused(adpulse, installation, name):
    for command in (("workspace", "create", name), ("workspace", "rename", "Acme", name)):
        code, _, err = adpulse(*command)

        assert (code, err.count("\n")) == (2, 1)
    assert [workspace.name for workspace in installation.app.workspaces.all()] == ["Acme"]


def test_a_workspace_is_renamed_and_deleted(adpulse, installation):
    adpulse("workspace", "create", " Borealis ")

    assert adpulse("workspace", "rename", "Borealis", "Boreal")[:2] == (0, "Workspace Borealis is named Boreal now.\n")
    assert adpulse("workspace", "delete", "Boreal")[0] == 0
    assert [workspace.name for workspace in installation.app.workspaces.all()] == ["Acme"]


def test_a_workspace_with_connections_is_not_deleted(adpulse, installation):
    installation.connect("Corner Store 1")

    code, _, err = adpulse("workspace", "delete", "Acme")

    assert code == 2
    assert "Delete them first" in err


def test_a_port_in_use_is_one_sentence(shell):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, out, err = shell("sandbox", "--graph-port", str(taken.getsockname()[1]))

    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "Address already in use" in err


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("ADPULSE_HOME", str(tmp_path / "file" / "home"))

    done = subprocess.run([sys.executable, "-m", "adpulse", "migrate"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert "Not a directory" in done.stderr


def test_a_report_that_is_not_there_is_one_sentence(adpulse, installation, tmp_path):
    installation.connect("Corner Store 1")

    code, _, err = adpulse("verify", "Corner Store 1", "--csv", str(tmp_path / "missing.csv"))

    assert code in (1, 2)
    assert "Traceback" not in err


def test_what_adpulse_spawns_imports_nothing_of_the_folder_it_runs_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("adpulse", "deployments", "typer"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('it imported what is in the folder')")

    with process("--version", ready=".") as printed:
        assert printed == [version("adpulse")]
    product = [path for package in ("adpulse", "deployments", "storage", "tasks", "flows") for path in (ROOT / package).rglob("*.py")]
    assert [path for path in product if 'sys.executable, "-m"' in path.read_text()] == []


def test_prefects_own_deploy_command_names_a_real_pool():
    names = {entry["work_pool"]["name"] for entry in yaml.safe_load(PREFECT_YAML.read_text())["deployments"]}

    assert names == {"adpulse"}
