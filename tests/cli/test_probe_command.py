"""What people type: ``adpulse probe`` with a platform's name, or for a connection."""

import json
import re
from dataclasses import replace

import pytest
from probing_rig import use_sandbox

from adpulse import bootstrap, settings
from adpulse.model import Heat
from adpulse.platforms.meta.probing import conversation
from adpulse.platforms.registry import PLATFORMS
from adpulse.probe.running import MOST_CALLS

ACCOUNTS = {"meta": "Corner Store 1", "google": "Alpenglow Reisen"}


@pytest.fixture(autouse=True)
def _without_pauses(monkeypatch):
    monkeypatch.setattr(conversation, "POLL_PAUSE", 0.0)


@pytest.fixture
def homeless(sandbox, shell, monkeypatch, tmp_path):
    """Runs the command in an empty folder, without an installation."""
    use_sandbox(sandbox, monkeypatch.setenv)
    settings.load.cache_clear()
    monkeypatch.chdir(tmp_path)
    yield shell
    settings.load.cache_clear()


def secret(sandbox, platform):
    return sandbox.world.token("full").value if platform == "meta" else sandbox.google.world.credentials["full"].refresh_token


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_platform_is_probed_with_a_token_from_standard_input_and_no_home(homeless, sandbox, tmp_path, platform):
    token = secret(sandbox, platform)

    code, out, err = homeless("probe", platform, stdin=f"{token}\n")

    assert (code, err) == (0, "")
    assert re.search(r"(?m)^\d+ calls\. adpulse-probe/report\.md: everything that was asked is as assumed\.", out)
    assert [path.name for path in tmp_path.iterdir()] == ["adpulse-probe"]
    assert token not in out


def test_what_is_refused_ends_the_command_with_1(homeless, tmp_path):
    code, out, _ = homeless("probe", "meta", "--out", str(tmp_path / "here"), stdin="EAAwrong\n")

    assert (code, "not everything that was asked" in out) == (1, True)
    assert "190" in (tmp_path / "here" / "report.md").read_text()


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_asked(homeless, sandbox, tmp_path):
    (tmp_path / "file").touch()
    sandbox.calls.clear()

    code, _, err = homeless("probe", "meta", "--out", str(tmp_path / "file"), stdin="EAAany\n")

    assert (code, "--out" in err) == (2, True)
    assert sandbox.calls.calls() == []


def test_answers_of_an_earlier_probe_are_replaced(homeless, sandbox, tmp_path):
    homeless("probe", "google", stdin=f"{secret(sandbox, 'google')}\n")
    homeless("probe", "google", stdin="1//wrong-refresh-token\n")

    assert [path.name for path in (tmp_path / "adpulse-probe" / "answers").iterdir()] == ["google-accessible-customers.json"]


@pytest.mark.parametrize(("arguments", "stdin"), [(("probe", "meta"), ""), (("probe", "google"), "{no json"), (("probe", "nobody"), "")])
def test_wrong_input_ends_the_command_with_2(homeless, arguments, stdin, installation):  # noqa: ARG001 - a home in which nobody is connected
    code, _, err = homeless(*arguments, stdin=stdin)

    assert code == 2
    assert err


def test_a_misspelt_platform_is_answered_with_the_platforms(homeless, adpulse, installation):  # noqa: ARG001 - a home in which nobody is connected
    assert "meta and google" in homeless("probe", "goggle")[2]


@pytest.mark.parametrize("command", [("probe", "goggle"), ("verify", "any", "--csv", "no.csv"), ("connections",), ("sweep", "--once")])
def test_what_needs_an_installation_leaves_an_empty_folder_empty(homeless, monkeypatch, tmp_path, command):
    monkeypatch.delenv("ADPULSE_HOME", raising=False)
    settings.load.cache_clear()
    bootstrap.app.cache_clear()

    code, _, err = homeless(*command)

    assert (code, "adpulse migrate" in err, "meta and google" in err) == (2, True, command[0] == "probe")
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_connection_is_probed_with_its_own_credential_and_its_calls_are_counted(adpulse, installation, sandbox, tmp_path, platform):
    connection = installation.connect(ACCOUNTS[platform])
    sandbox.calls.clear()

    code, out, _ = adpulse("probe", connection.name, "--out", str(tmp_path / "out"))

    calls = [call for call in sandbox.calls.calls() if call.kind != "token"]
    assert (code, f"{len(calls)} calls" in out) == (0, True)
    assert len(installation.app.ledger.calls(connection.ledger_key)) == len(calls) <= MOST_CALLS
    assert {call.account for call in calls if call.kind in ("insights", "ads", "campaigns")} <= {connection.external_id}


def test_a_filter_that_an_account_refused_before_is_asked_for_again(adpulse, installation, sandbox, tmp_path):
    connection = installation.connect(ACCOUNTS["meta"])
    sandbox.faults.add([{"action": "filter_refused", "value": "DELETED"}])
    installation.sync(connection)

    adpulse("probe", connection.id, "--out", str(tmp_path / "out"))
    sandbox.faults.clear()

    answer = json.loads((tmp_path / "out" / "answers" / "meta-report-of-ads.json").read_text())
    assert (answer["status"], answer["body"]["error"]["error_subcode"]) == ("400", 1815001)


def test_a_probe_stays_within_the_calls_of_the_hour(adpulse, installation, sandbox, tmp_path):
    connection = installation.connect(ACCOUNTS["meta"])
    installation.app.account_limits.set_full_access(connection.scope, full_access=True)
    for _ in range(175):
        installation.app.ledger.take(connection.ledger_key, connection.scope, Heat.HOT)
    sandbox.calls.clear()

    code, _, _ = adpulse("probe", connection.id, "--out", str(tmp_path / "out"))

    assert len(sandbox.calls.calls()) == 5
    assert "used up for now" in (tmp_path / "out" / "report.md").read_text()
    assert code == 0


def test_a_connection_has_its_account(adpulse, installation):
    connection = installation.connect(ACCOUNTS["meta"])

    assert adpulse("probe", connection.id, "--account", "1")[0] == 2


def test_a_platform_without_a_probe_says_so(homeless, monkeypatch):
    monkeypatch.setitem(PLATFORMS, "meta", replace(PLATFORMS["meta"], probe=None))

    code, _, err = homeless("probe", "meta", stdin="EAAany\n")

    assert (code, err) == (2, "Meta Ads cannot be probed: its folder has no probe.\n")
