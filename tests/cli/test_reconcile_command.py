"""``adpulse reconcile`` on installations that synced a sandbox."""

import json

import pytest

STORE = "Corner Store 1"


@pytest.fixture(autouse=True)
def _wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def test_an_account_that_adds_up_says_so(adpulse, installation):
    installation.synced(STORE)

    code, out, _ = adpulse("reconcile", STORE)

    assert (code, out.splitlines()[-1]) == (0, "Everything adds up.")


def test_what_the_account_spent_beyond_its_campaigns_is_shown_and_fails(adpulse, installation):
    connection = installation.connect(STORE)
    # The sixth report of a first sync is the one of the account's older days.
    installation.sandbox.faults.add(
        [{"action": "rewrite", "kind": "insights", "place": "data[3].spend", "value": "99999.50", "skip": 5, "count": 1}]
    )
    installation.sync(connection)

    (code, out, _), (json_code, as_json, _) = adpulse("reconcile", STORE), adpulse("reconcile", STORE, "--json")

    (found,) = json.loads(as_json)
    assert (code, json_code) == (1, 1)
    assert (found["level"], found["platform"], found["unexplained"]) == ("account", "99999.500000", True)
    assert "99999.50" in out
    assert "1 remainders are unexplained" in out


@pytest.mark.usefixtures("installation")
def test_a_connection_that_does_not_exist_is_said(adpulse):
    code, _, error = adpulse("reconcile", "nobody")

    assert (code, "nobody" in error) == (2, True)
