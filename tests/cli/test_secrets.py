"""Keys of stored tokens by the command line: told by fingerprint, changed in three steps, never shown."""

import json
import os
import subprocess
import sys

import pytest
from cryptography.fernet import Fernet
from pydantic import SecretStr

from adpulse import bootstrap, settings

SECRETS = 2000


@pytest.fixture
def told(adpulse, installation):
    """Everything that was printed, to look for what must not be in it; each command is a process of its own."""
    printed = []

    def run(*arguments):
        bootstrap.app.cache_clear()
        code, out, err = adpulse("secrets", *arguments)
        bootstrap.app.cache_clear()
        printed.append(out + err)
        return code, out, err

    yield run
    keys = (installation.app.settings.home / "secret.key").read_text().split(",")
    assert [text for text in printed for key in keys if key in text] == []


def test_the_three_steps_lead_to_one_new_key_while_an_app_that_runs_reads_on(told, installation):
    running, connection = installation.app, installation.connect()
    before = running.credentials.open(connection.credential_id)
    assert told("status")[1].endswith("newest  seals 1\n")

    assert told("new-key")[0] == 0
    assert running.credentials.open(connection.credential_id) == before
    assert [line.split()[1] for line in told("status")[1].splitlines()] == ["newest", "older"]
    code, _, err = told("drop-old")
    assert (code, "adpulse secrets rotate" in err) == (2, True)
    code, out, _ = told("rotate")
    assert (code, out.startswith("1 secrets were sealed anew")) == (0, True)
    assert running.credentials.open(connection.credential_id) == before
    assert told("drop-old")[0] == 0

    assert json.loads(told("status", "--json")[1])["keys"][0]["secrets"] == 1
    assert len((running.settings.home / "secret.key").read_text().split(",")) == 1
    assert running.credentials.open(connection.credential_id) == before


def test_a_killed_rotation_is_run_again(told, installation):
    ids = [installation.app.credentials.store(installation.workspace.id, "meta", SecretStr(f"t{n}"), None) for n in range(SECRETS)]
    told("new-key")
    command = [sys.executable, "-m", "adpulse", "secrets", "rotate"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, env=dict(os.environ)) as child:
        child.stderr.readline()
        child.kill()

    counts = [each["secrets"] for each in json.loads(told("status", "--json")[1])["keys"]]
    assert min(counts) > 0
    assert sum(counts) == SECRETS
    assert installation.app.credentials.open(ids[-1]).get_secret_value() == f"t{SECRETS - 1}"
    assert told("rotate")[0] == 0
    assert [each["secrets"] for each in json.loads(told("status", "--json")[1])["keys"]] == [SECRETS, 0]


def test_keys_of_the_setting_are_rotated_but_not_made_or_dropped(told, installation):
    old, new = (Fernet.generate_key().decode() for _ in range(2))

    def with_keys(*keys):
        os.environ["ADPULSE_SECRET_KEY"] = ",".join(keys)
        settings.load.cache_clear()
        bootstrap.app.cache_clear()

    with_keys(old)
    connection = bootstrap.app().credentials.store(installation.workspace.id, "meta", SecretStr("t"), None)
    with_keys(new, old)
    for refused in ("new-key", "drop-old"):
        code, _, err = told(refused)
        assert (code, "ADPULSE_SECRET_KEY" in err) == (2, True)
    assert told("rotate")[0] == 0
    with_keys(new)

    assert bootstrap.app().credentials.open(connection).get_secret_value() == "t"


def test_a_secret_that_no_key_opens_is_exit_1_and_named(told, installation):
    lost = installation.connect().credential_id
    (installation.app.settings.home / "secret.key").write_text(Fernet.generate_key().decode())

    for command in ("status", "rotate"):
        code, out, _ = told(command)
        assert (code, f"credential {lost} opens with no key" in out) == (1, True)
