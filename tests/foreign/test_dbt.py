"""The dbt project in ``dbt/``, by the commands of its guide, on a published file of both platforms' accounts."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from foreign import environments
from installation import Installation

from adpulse.model import RunState
from adpulse.services import changing
from adpulse.services import mapping as mappings
from adpulse_sandbox import Sandbox
from adpulse_sandbox.clock import this_minute
from adpulse_sandbox.meta.world import Change
from storage.warehouse.analytics import read

pytestmark = [pytest.mark.foreign, pytest.mark.timeout(1_800)]  # the first run installs dbt

ROOT = Path(__file__).parents[2]
PROJECT = ROOT / "dbt"
GUIDE = (ROOT / "docs" / "howto" / "dbt.md").read_text()
FRESHNESS, BUILD = re.findall(r"^\.\./\.venv-dbt/bin/dbt (.+)$", GUIDE, re.MULTILINE)

MIXED, REMAINING, MANY_TYPES = "Ferry Line", "Optic Corner", "Pacific Trail Outfitters"
"""Accounts of ads whose conversions are unknown, of a deleted campaign, and of every type of Google's campaigns."""

_ACCOUNT = {"source_relation", "date_day", "platform", "account_id", "account_name"}
_CAMPAIGN, _AD_GROUP, _AD = {"campaign_id", "campaign_name"}, {"ad_group_id", "ad_group_name"}, {"ad_id", "ad_name"}
_NUMBERS = {"clicks", "impressions", "spend", "conversions", "conversions_value"}
COLUMNS = {
    "account": _ACCOUNT | _NUMBERS,
    "campaign": _ACCOUNT | _CAMPAIGN | _NUMBERS,
    "ad_group": _ACCOUNT | _CAMPAIGN | _AD_GROUP | _NUMBERS,
    "ad": _ACCOUNT | _CAMPAIGN | _AD_GROUP | _AD | _NUMBERS,
}
"""Of the common package's reports: https://github.com/fivetran/dbt_ad_reporting/blob/main/models/ad_reporting_models.yml."""


_DAILY, _GROUPS, _ACCOUNTS = (
    "staging/stg_adpulse__daily.sql",
    "reports/ad_reporting__ad_group_report.sql",
    "staging/stg_adpulse__account_day.sql",
)
_JOIN = "on a.id = d.connection_id"
BROKEN = {
    "a lost remainder": (_DAILY, _JOIN, f"{_JOIN} where d.campaign_id is not null"),
    "unknown as zero": (_DAILY, "d.*,", "d.* replace (coalesce(d.conversions, 0) as conversions),"),
    "an unknown sum as zero": (_GROUPS, "then sum(conversions) end", "then sum(conversions) else 0 end"),
    "accounts of others": (_ACCOUNTS, _JOIN, "on true"),
}
"""Careless lines: the file, the line, and what stands there instead."""


@dataclass(frozen=True, kw_only=True)
class Dbt:
    """A folder for what dbt writes, and the published file that it reads."""

    folder: Path
    published: Path

    @property
    def reports(self):
        return self.folder / "reports.duckdb"

    def run(self, command, *options, project=PROJECT):
        """Run a command of the guide's; its exit code and what it printed."""
        own = {"ADPULSE_PUBLISHED": str(self.published), "ADPULSE_REPORTS": str(self.reports), "HOME": str(self.folder)}
        own |= {"DBT_TARGET_PATH": str(self.folder / "target"), "DBT_LOG_PATH": str(self.folder / "logs"), "DBT_USE_COLORS": "false"}
        program = environments.programs("dbt", ROOT) / "dbt"
        done = subprocess.run(
            [program, *command.split(), *options],
            cwd=project,
            env={"PATH": os.environ["PATH"], **own},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def stored(self, query):
        return [tuple(row.values()) for row in read(self.published, query).to_pylist()]

    def reported(self, query):
        return [tuple(row.values()) for row in read(self.reports, query).to_pylist()]


def delete_a_campaign(sandbox):
    """Delete one that spent on every day, and refuse what names it: its spend is only in the account's total."""
    account = sandbox.world.account(REMAINING)
    campaign = account.campaigns[0]
    object.__setattr__(campaign, "changes", (*campaign.changes, Change(at=sandbox.clock.now(), status="DELETED")))
    vars(account).pop("_instants", None)
    sandbox.faults.add([{"action": "permission_lost", "kind": "activities"}])


def connect(installation, name, frequency):
    connection = installation.connect(name, frequency=frequency, token="full" if name == MANY_TYPES else "varied")
    if name == MIXED:
        chosen = mappings.revised(connection, preset="results", changes={})
        mappings.choose(installation.app, connection, chosen, dispatcher=lambda *_: None)
    return installation.app.connections.get(connection.id).connection


def sync(installation, connection):
    """Sync it, with what else waits: time has moved, so syncs that were postponed go on."""
    run = next(run for run in installation.leg(connection, force=True) if run.connection_id == connection.id)
    while run.state is RunState.POSTPONED:
        installation.advance_to(run.until)
        installation.work(installation.claim())
        run = installation.app.runs.get(run.id)
    assert run.state is RunState.DONE


@pytest.fixture(scope="module")
def dbt(tmp_path_factory):
    """Freshness and then the build, after all accounts were synced; ``old`` is the freshness while one of them was paused for two days."""
    folder = tmp_path_factory.mktemp("dbt")
    with Sandbox.start(now=this_minute() - timedelta(days=2)) as sandbox:
        installation = Installation(folder / "home", sandbox)
        try:
            delete_a_campaign(sandbox)
            aging = connect(installation, MIXED, "hourly")
            forgotten = connect(installation, REMAINING, "manual")
            for connection in (aging, forgotten):
                sync(installation, connection)
            changing.pause(installation.app.connections, aging.id)
            installation.advance_to(this_minute())
            sync(installation, connect(installation, MANY_TYPES, "hourly"))
            run = Dbt(folder=folder, published=installation.published())
            old = run.run(FRESHNESS)
            not_judged = run.run(FRESHNESS, "--vars", f"{{adpulse_not_judged: ['{MIXED}']}}")
            changing.resume(installation.app, aging.id, dispatcher=lambda *_: None)
            sync(installation, aging)
        finally:
            installation.close()
    return run, {"old": old, "not judged": not_judged, "fresh": run.run(FRESHNESS), "build": run.run(BUILD)}


@pytest.fixture(scope="module")
def built(dbt):
    run, done = dbt
    assert done["build"][0] == 0, done["build"][1]
    return run


def test_the_build_and_every_test_of_it_is_green(dbt):
    _, done = dbt

    assert done["build"][0] == 0, done["build"][1]
    assert re.search(r"PASS=[4-9]\d WARN=0 ERROR=0 SKIP=0", done["build"][1])


def test_sources_are_as_fresh_as_the_oldest_account_that_is_synced_by_itself(dbt):
    _, done = dbt

    assert {name: code for name, (code, _) in done.items() if name != "build"} == {"old": 1, "not judged": 0, "fresh": 0}
    assert done["old"][1].count("ERROR STALE freshness of adpulse.") == 4
    assert done["fresh"][1].count("PASS freshness of adpulse.") == 4


@pytest.mark.parametrize("level", COLUMNS)
def test_a_report_has_the_columns_of_the_package_and_the_currency(built, level):
    columns = {name for name, *_ in built.reported(f"DESCRIBE ad_reporting__{level}_report")}

    assert columns == COLUMNS[level] | {"currency_code"}


@pytest.mark.parametrize("level", COLUMNS)
def test_a_report_adds_up_to_daily_to_the_micro(built, level):
    numbers = "clicks", "impressions", "spend", "revenue"
    by_day = built.stored(
        f"SELECT connection_id, date, {', '.join(f'sum({name})' for name in numbers)} FROM daily GROUP BY ALL ORDER BY ALL"
    )
    sums = "sum(clicks), sum(impressions), sum(spend), sum(conversions_value)"
    reported = built.reported(f"SELECT source_relation, date_day, {sums} FROM ad_reporting__{level}_report GROUP BY ALL ORDER BY ALL")

    assert len(by_day) > 250
    assert reported == by_day


def test_what_no_campaign_or_ad_is_reported_for_is_a_row_of_each_report(built):
    (by_account,) = built.stored("SELECT sum(spend) FROM daily WHERE campaign_id IS NULL")
    (above_ads,) = built.stored("SELECT sum(spend) FROM daily WHERE level = 'unreported'")
    (groups,) = built.stored("SELECT sum(spend) FROM daily WHERE level = 'asset_group'")

    assert 0 < by_account[0] < above_ads[0]
    for level in ("campaign", "ad_group", "ad"):
        assert built.reported(f"SELECT sum(spend) FROM ad_reporting__{level}_report WHERE campaign_id = 'not_reported'") == [by_account]
    for level, column in (("ad_group", "ad_group_id"), ("ad", "ad_id")):
        assert built.reported(f"SELECT sum(spend) FROM ad_reporting__{level}_report WHERE {column} = 'not_reported'") == [above_ads]
    assert groups[0] > 0
    assert built.reported("SELECT sum(spend) FROM ad_reporting__ad_group_report WHERE ad_group_id = 'no_ad_group'") == [groups]


def test_unknown_conversions_are_null_and_make_no_sum_smaller(built):
    unknown = {
        "account": built.stored("SELECT count(*) FROM account_day WHERE conversions IS NULL"),
        "campaign": built.stored("SELECT count(*) FROM campaign_day WHERE conversions IS NULL"),
        "ad": built.stored("SELECT count(*) FROM daily WHERE conversions IS NULL"),
    }
    known = built.stored("SELECT sum(conversions) FROM daily WHERE connection = 'Pacific Trail Outfitters'")

    assert unknown["account"][0][0] > 80
    for level, count in unknown.items():
        assert built.reported(f"SELECT count(*) FROM ad_reporting__{level}_report WHERE conversions IS NULL") == count
    for level in COLUMNS:
        of_known = f"SELECT sum(conversions) FROM ad_reporting__{level}_report WHERE account_name = 'Pacific Trail Outfitters'"
        assert built.reported(of_known) == known


def test_an_ad_group_with_an_unknown_ad_has_no_sum_and_the_others_have(built):
    by_ad = """
        SELECT source_relation, date_day, campaign_id, ad_group_id, sum(conversions) AS conversions,
            bool_or(conversions IS NULL AND ad_id <> 'not_reported') AS unknown
        FROM ad_reporting__ad_report GROUP BY ALL
    """
    compared = f"""
        SELECT count(*) FILTER (unknown), count(*) FILTER (NOT unknown), count(*) FILTER (g.conversions IS DISTINCT FROM
            if(unknown, NULL, a.conversions))
        FROM ({by_ad}) a JOIN ad_reporting__ad_group_report g USING (source_relation, date_day, campaign_id, ad_group_id)
    """
    ((unknown, known, different),) = built.reported(compared)

    assert (unknown > 0, known > 0, different) == (True, True, 0)


@pytest.mark.parametrize(("file", "line", "broken"), BROKEN.values(), ids=BROKEN)
def test_a_model_that_is_wrong_fails_the_projects_own_tests(built, tmp_path, file, line, broken):
    shutil.copytree(PROJECT, tmp_path / "dbt", ignore=shutil.ignore_patterns("target", "logs", "*.duckdb"))
    model = tmp_path / "dbt" / "models" / file
    text = model.read_text()
    assert text.count(line) == 1
    model.write_text(text.replace(line, broken))

    code, printed = Dbt(folder=tmp_path, published=built.published).run(BUILD, project=tmp_path / "dbt")

    assert code == 1
    assert re.search(r"FAIL \d+ (reports_add_up_to_daily|sums_with_an_unknown_part_are_unknown|unique_key)", printed)
