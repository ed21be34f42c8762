"""What can be kept is told before anyone connects: no installation, no database, no environment."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from adpulse import settings
from adpulse.frequency import format_duration

ROOT = Path(__file__).parents[2]


@pytest.fixture
def plan(shell, monkeypatch, tmp_path):
    """Runs ``adpulse plan`` in an empty folder; (exit code, standard output, standard error)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")

    def run(*arguments):
        settings.load.cache_clear()
        return shell("plan", *arguments)

    yield run
    settings.load.cache_clear()
    assert list(tmp_path.iterdir()) == []


def test_a_table_for_each_platform_says_what_is_kept_and_why_the_rest_is_not(plan):
    code, out, _ = plan("--google", "52", "--meta", "3", "--access", "basic")

    assert code == 0
    assert "52 Google Ads accounts: 15,000 operations a day of the Google Cloud project" in out
    assert "3 Meta Ads accounts: no limit that they share, 180 calls an hour of each account" in out
    assert "Why not oftener: 52 connections share the Google Cloud project's 15,000 operations a day." in out


def test_programs_get_every_frequency_with_its_cadence_and_calls(plan):
    _, out, _ = plan("--google", "52", "--access", "basic", "--json")
    rows = {row["sync_frequency"]: row for row in json.loads(out)}

    assert list(rows) == ["realtime", "5min", "10min", "30min", "hourly", "daily"]
    assert [row["kept"] for row in rows.values()] == [False, False, False, True, True, True]
    assert rows["5min"]["effective_interval_reason"].startswith("every 17 min instead of 5 min: 52 connections")
    assert rows["hourly"] | {"calls_per_hour_and_account": 0} == {
        "provider": "google", "accounts": 52, "sync_frequency": "hourly", "kept": True, "effective_interval_seconds": 3600.0,
        "effective_interval_reason": None, "changes_interval_seconds": None, "calls_per_hour_and_account": 0,
    }  # fmt: skip


def hourly_calls(plan, *arguments):
    _, out, _ = plan(*arguments, "--json")
    return next(row["calls_per_hour_and_account"] for row in json.loads(out) if row["sync_frequency"] == "hourly")


def test_asset_groups_take_calls_of_their_own_and_large_meta_accounts_more_pages(plan):
    google = ("--google", "1", "--access", "standard")

    assert hourly_calls(plan, *google, "--performance-max") > hourly_calls(plan, *google)
    assert hourly_calls(plan, "--meta", "1", "--ads", "9000") > hourly_calls(plan, "--meta", "1", "--ads", "100")


def test_the_access_level_is_the_settings_when_it_is_not_told(plan, monkeypatch):
    monkeypatch.setenv("ADPULSE_GOOGLE_ACCESS", "basic")

    assert "15,000 operations" in plan("--google", "1")[1]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Say how many accounts there are to be"),
        (("--google", "-1"), "--google -1 is not a number of accounts"),
        (("--meta", "2", "--ads", "-5"), "--ads -5 is not a number of ads"),
        (("--google", "2", "--access", "gold"), "'gold' is not an access level of Google Ads. Choose one of: explorer, basic, standard."),
        (("--google", "many"), "Invalid value"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(plan, arguments, told):
    code, _, err = plan(*arguments)

    assert code == 2
    assert told in err


def test_it_needs_neither_prefect_nor_a_database():
    program = (
        "import sys; sys.argv = ['adpulse', 'plan', '--google', '9']\n"
        "from adpulse import cli\n"
        "try: cli.main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('prefect', 'sqlalchemy', 'duckdb') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)

    assert done.stdout.splitlines()[-1] == "[]"


def test_of_a_large_account_it_says_how_often_what_changed_is_read(plan):
    _, out, _ = plan("--meta", "1", "--ads", "100000")
    _, rows, _ = plan("--meta", "1", "--ads", "100000", "--json")
    realtime = json.loads(rows)[0]

    assert 30 < realtime["changes_interval_seconds"] < 180 < realtime["effective_interval_seconds"]
    assert f"What changed in few campaigns is read every {format_duration(timedelta(seconds=realtime['changes_interval_seconds']))}" in out
    assert "; what changed in few campaigns is read every " in realtime["effective_interval_reason"]
