"""The examples of docs/howto/sandbox-with-your-own-client.md, taken from the page and run against a running sandbox."""

import json
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.main import get_command

from adpulse.cli import cli
from adpulse_sandbox import Sandbox
from adpulse_sandbox.faults import ACTIONS, GOOGLE_ACTIONS, Rule

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "sandbox-with-your-own-client.md").read_text()
HARBOR = "Harbor Outdoor"
YESTERDAY = date(2026, 11, 19)
STAND_IN = Path(__file__).parent / "stand_in"
"""A little curl, for machines without one."""


@pytest.fixture
def sandbox():
    with Sandbox.start(now=datetime(2026, 11, 20, 15, tzinfo=UTC)) as running:
        yield running


@pytest.fixture(params=["curl", "stand-in"])
def surroundings(sandbox, request):
    """What the page lets the reader export, and this Python first on the path."""
    own = [str(Path(sys.executable).parent), *([] if request.param == "curl" and shutil.which("curl") else [str(STAND_IN)])]
    exported = {
        "GRAPH": sandbox.graph_url,
        "CONTROL": sandbox.control_url,
        "TOKEN": sandbox.world.token("full").value,
        "ACCOUNT": sandbox.world.account(HARBOR).id,
        "CUSTOMER": sandbox.google.world.customer("Alpenglow Reisen").id,
        "REST": sandbox.google.rest_url,
        "TOKENS": sandbox.google.token_url,
        "MANAGER": sandbox.google.world.customer("Summit Media Group").id,
    }
    return {**os.environ, **exported, **sandbox.google.environment, "PATH": os.pathsep.join([*own, os.environ["PATH"]])}


def block(language, section):
    """The code blocks of a language in one section of the page, joined."""
    part = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", part, re.DOTALL | re.MULTILINE)
    assert blocks, f"no {language} block under '{section}'"
    return "".join(blocks)


@pytest.fixture
def shell(surroundings, tmp_path):
    """Runs the shell examples of a section line by line as the reader would; the output of all of them."""

    def run(section):
        script = block("sh", section)
        done = subprocess.run(["/bin/bash", "-ec", script], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    return run


def values(text):
    """JSON values that follow one another without anything between them."""
    decoder, parsed, position = json.JSONDecoder(), [], 0
    while position < len(text.rstrip()):
        value, position = decoder.raw_decode(text, position)
        parsed.append(value)
    return parsed


def test_the_script_for_the_unmodified_sdk_runs_and_prints_what_the_sandbox_knows(surroundings, sandbox, tmp_path):
    program = block("python", "Python: the official SDK, unmodified")

    done = subprocess.run([sys.executable, "-c", program], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    account, now = sandbox.world.account(HARBOR).id, sandbox.clock.now()
    truth = sandbox.truth.totals(account, YESTERDAY, YESTERDAY, now, complete=True)
    spend, impressions = sum(truth["spend"].to_pylist()) / 1_000_000, sum(truth["impressions"].to_pylist())
    lines = done.stdout.splitlines()
    assert f"{HARBOR} {YESTERDAY} {spend:.2f} USD {impressions}" in lines
    names = [sandbox.world.accounts[account_id].spec.name for account_id in sandbox.world.token("full").accounts]
    assert [line.split(" 2026-")[0] for line in lines] == names


def test_the_script_for_the_google_sdk_prints_what_each_client_spent(surroundings, sandbox, tmp_path):
    program = block("python", "Python: the official Google Ads SDK, unmodified")

    done = subprocess.run([sys.executable, "-c", program], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    now, google, expected = sandbox.clock.now(), sandbox.google, []
    for name in ("Alpenglow Reisen", "Pacific Trail Outfitters", "Grand Catalogue"):
        customer = google.world.customer(name)
        spend = sum(google.truth.totals(customer.id, YESTERDAY, YESTERDAY, now)["spend"].to_pylist())
        expected.append(f"{customer.id} {name} {YESTERDAY} {spend}")
    assert done.stdout.splitlines() == expected


def test_the_script_with_a_refresh_token_lists_the_accessible_customers(surroundings, sandbox, tmp_path):
    program = block("python", "Python: Google with a refresh token")

    done = subprocess.run([sys.executable, "-c", program], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    accessible = sandbox.google.world.credentials["full"].customers
    assert done.stdout.split() == [f"customers/{customer_id}" for customer_id in accessible]
    assert all(f"`{label}`" in PAGE for label in sandbox.google.world.credentials)


def test_the_curl_example_for_rest_answers_with_yesterdays_cost(shell, sandbox):
    ((batch,),) = values(shell("curl: Google's REST interface"))

    customer = sandbox.google.world.customer("Alpenglow Reisen")
    truth = sandbox.google.truth.totals(customer.id, YESTERDAY, YESTERDAY, sandbox.clock.now())
    assert sum(int(row["metrics"]["costMicros"]) for row in batch["results"]) == sum(truth["spend"].to_pylist())


def test_googles_samples_list_customers_and_campaigns_and_report_ad_groups(shell, sandbox):
    output = shell("Google's own sample programs")

    assert f'"customers/{sandbox.google.world.customer("Alpenglow Reisen").id}"' in output
    assert '"SEARCH 000" was found' in output
    assert "Ad Group ID 150010000000 in Campaign ID 20010000000 had" in output
    assert "metrics.cost_micros" in output


def test_the_script_has_ten_lines_of_code():
    lines = [line for line in block("python", "Python: the official SDK, unmodified").splitlines() if line.strip()]

    assert len(lines) <= 10


def test_the_curl_example_answers_with_a_page_of_ads(shell):
    (page,) = values(shell("curl"))

    assert len(page["data"]) == 2
    assert {"ad_id", "spend", "impressions", "date_start", "date_stop"} <= page["data"][0].keys()
    assert page["paging"]["next"]


def test_the_clock_is_read_advanced_set_and_frozen(shell, sandbox):
    clocks = values(shell("The clock"))

    assert [clock["now"][:16] for clock in clocks] == ["2026-11-20T15:00", "2026-11-20T16:00", "2026-11-27T09:00", "2026-11-27T09:00"]
    assert clocks[-1]["rate"] == 0
    assert sandbox.clock.now().isoformat()[:16] == "2026-11-27T09:00"


def test_the_fault_is_armed_listed_and_removed(shell, sandbox):
    armed, listed, remaining = values(shell("Faults"))

    assert armed == listed
    (rule,) = armed
    assert (rule["action"], rule["account"], rule["count"], rule["struck"]) == ("throttle", sandbox.world.account(HARBOR).id, 2, 0)
    assert remaining == []


def test_the_fault_strikes_the_next_two_calls_only(surroundings, sandbox, tmp_path):
    arm, ask = block("sh", "Faults").splitlines()[0], block("sh", "curl")

    done = subprocess.run(
        ["/bin/bash", "-ec", arm + "\n" + ask * 3], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=True
    )

    _, *answers = values(done.stdout)
    assert [answer.get("error", {}).get("code") for answer in answers] == [17, 17, None]
    assert [call.fault for call in sandbox.calls.calls()] == ["throttle", "throttle", None]


def test_every_action_and_field_of_a_fault_is_on_the_page():
    section = PAGE.partition("\n## Faults\n")[2].partition("\n## ")[0]

    assert [name for name in (*ACTIONS, *GOOGLE_ACTIONS, *Rule.__dataclass_fields__) if f"`{name}`" not in section] == []


def test_the_call_log_lists_the_accounts_calls_and_can_be_cleared(shell, sandbox):
    shell("curl")

    log, remaining = values(shell("The call log"))

    (call,) = log
    assert (call["account"], call["kind"], call["status"], call["rows"]) == (sandbox.world.account(HARBOR).id, "insights", 200, 2)
    assert remaining == []
    assert sandbox.calls.calls() == []


def test_the_world_and_the_truth_are_described(shell, sandbox, tmp_path):
    output = shell("The world and the truth")

    world, end = json.JSONDecoder().raw_decode(output)
    assert world["graph_url"] == sandbox.graph_url
    assert all(f"`{label}`" in PAGE for label in world["tokens"])
    assert (tmp_path / "truth.arrow").exists()
    expected = sandbox.truth.metrics(sandbox.world.account(HARBOR).id, YESTERDAY, YESTERDAY, sandbox.clock.now())
    assert f"[{expected.num_rows} rows x {expected.num_columns} columns]" in output[end:]


def test_the_names_the_reader_exports_are_those_of_the_default_world(sandbox):
    start = block("console", "Start it")

    assert f"TOKEN={sandbox.world.token('full').value}" in start
    assert f"ACCOUNT={sandbox.world.account(HARBOR).id}" in start
    assert f"CUSTOMER={sandbox.google.world.customer('Alpenglow Reisen').id}" in start
    assert f"MANAGER={sandbox.google.world.customer('Summit Media Group').id}" in start


def test_every_option_of_the_command_on_the_page_exists():
    section = PAGE.partition("\n## Start it\n")[2].partition("\n## ")[0]
    existing = {name for parameter in get_command(cli).commands["sandbox"].params for name in parameter.opts}

    used = set(re.findall(r"--[a-z-]+", section))

    assert used
    assert used <= existing


def test_the_example_for_tests_starts_a_sandbox(surroundings, tmp_path):
    program = block("python", "In tests")

    done = subprocess.run([sys.executable, "-c", program], env=surroundings, cwd=tmp_path, capture_output=True, text=True, check=True)

    meta, google = done.stdout.splitlines()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+ http://127\.0\.0\.1:\d+ EAAsandboxfullaccess0001", meta)
    assert re.fullmatch(r"127\.0\.0\.1:\d+ http://127\.0\.0\.1:\d+/token \{.*google-ads\.yaml.*ca\.pem.*\}", google)
