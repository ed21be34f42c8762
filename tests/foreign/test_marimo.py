"""The marimo apps of ``notebooks/``, run as scripts in the environment of ``make notebooks``, show the published numbers."""

import json
import os
import subprocess
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from connecting import unstored
from small_copy import LAST_WEEK, NOON, TODAY, publish

from storage.warehouse.analytics import read

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-notebooks" / "bin" / "python"
APPS = {name: ROOT / "notebooks" / f"{name}.py" for name in ("today", "money")}
ALPEN = unstored(id="c-Alpen", external_id="99", name="Alpen", provider="google", scope="google")
QUIET = unstored(id="c-Quiet", external_id="98", name="Quiet")
"""Of Google in dollars, as Harbor of Meta is; and one that was last read yesterday."""

DEFINED = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("app", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
outputs, defined = module.app.run()
def is_hatched(patch):
    return bool(patch.get_hatch() and patch.get_width() > 0 and patch.get_height() > 0)

hatched = {
    f"{name} {currency}": sum(map(is_hatched, figure.axes[0].patches))
    for name in ("day_charts", "charts") for currency, figure in defined.get(name, {}).items()
}
lists = {name: value for name, value in defined.items() if isinstance(value, list)}
print(json.dumps({"lists": lists, "hatched": hatched}, default=str))
"""
"""Runs an app and prints the rows that it shows, and how many bars of each chart are hatched."""


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    yesterday = TODAY - timedelta(days=1)
    others = {ALPEN: {LAST_WEEK: ((1, 0), (2, 0)), TODAY: ((5, 0), (6, 7))}, QUIET: {yesterday: ((3, 0), (4, 0))}}
    return publish(tmp_path_factory.mktemp("apps"), others=others)


def run(published, *command):
    assert PYTHON.exists(), "make notebooks makes the environment"
    environment = {"PATH": os.environ["PATH"], "HOME": str(published.parent), "MPLBACKEND": "agg", "ADPULSE_PUBLISHED": str(published)}
    return subprocess.run([PYTHON, *command], env=environment, cwd=published.parent, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def shown(published):
    done = {name: run(published, "-c", DEFINED, str(path)) for name, path in APPS.items()}
    assert [each.stderr for each in done.values() if each.returncode] == []
    return {name: json.loads(each.stdout.splitlines()[-1]) for name, each in done.items()}


def stored(published, query):
    return [tuple(row.values()) for row in read(published, query).to_pylist()]


@pytest.mark.parametrize("name", APPS)
def test_an_app_is_sound_by_marimos_own_check(published, name):
    done = run(published, "-m", "marimo", "check", "--strict", str(APPS[name]))

    assert done.returncode == 0, done.stdout + done.stderr


def test_an_app_without_any_publication_says_so(tmp_path):
    (tmp_path / "published").mkdir()
    done = run(tmp_path / "published" / "none.duckdb", str(APPS["today"]))

    assert done.returncode == 1
    assert "Nothing was published yet: there is no none.duckdb." in done.stderr


def test_today_is_added_up_by_currency_over_the_accounts_that_were_read_today(shown):
    today = shown["today"]["lists"]["today"]

    assert [(row["currency"], row["accounts"], Decimal(row["spend"])) for row in today] == [("JPY", 1, 16_000), ("USD", 2, 37 + 11)]
    assert [row["fresh_until"][:19] for row in today] == [f"{NOON:%Y-%m-%d %H:%M:%S}", f"{NOON + timedelta(minutes=30):%Y-%m-%d %H:%M:%S}"]
    assert shown["today"]["lists"]["left_out"] == ["Quiet"]


def test_days_add_up_to_the_stored_ones_and_today_is_unfinished(shown, published):
    days = {
        (row["currency"], row["date"]): (Decimal(row["finished"]), Decimal(row["unfinished"])) for row in shown["today"]["lists"]["days"]
    }
    by_day = stored(published, "SELECT currency, date::VARCHAR, sum(spend) FROM daily GROUP BY ALL")

    assert {key: sum(parts) for key, parts in days.items() if any(parts)} == {(currency, day): spend for currency, day, spend in by_day}
    assert days["USD", str(LAST_WEEK)] == (103, 0)
    assert days["USD", str(TODAY)] == (0, 48)
    assert shown["today"]["hatched"] == {"day_charts JPY": 1, "day_charts USD": 1}


def test_what_was_restated_is_shown_with_its_day(shown):
    restated = {(row["connection"], row["metric"]): Decimal(row["delta"]) for row in shown["today"]["lists"]["restated"]}
    days = {(row["metric"], row["date"], Decimal(row["before"]), Decimal(row["after"])) for row in shown["today"]["lists"]["restated_days"]}

    assert restated["Harbor", "revenue"] == -63
    assert ("revenue", str(LAST_WEEK), 200, 137) in days


def test_money_is_added_up_by_platform_within_each_currency(shown, published):
    platforms = {(row["currency"], row["platform"]): Decimal(row["spend"]) for row in shown["money"]["lists"]["platforms"]}
    by_platform = stored(published, "SELECT currency, provider, sum(spend) FROM daily GROUP BY ALL")

    assert platforms == {(currency, provider): spend for currency, provider, spend in by_platform}
    assert {provider for _, provider in platforms} == {"meta", "google"}
    assert {(row["currency"], row["account"]): row["not complete yet"] for row in shown["money"]["lists"]["table"]} == {
        ("JPY", "Sakura"): "16000.000000",
        ("USD", "Harbor"): "37.000000",
        ("USD", "Alpen"): "11.000000",
        ("USD", "Quiet"): "0.000000",
    }
    assert shown["money"]["hatched"] == {"charts JPY": 1, "charts USD": 2}
