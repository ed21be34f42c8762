"""Google's own sample programs, as the SDK ships them, run against the sandbox with two environment variables and nothing else."""

import os
import subprocess
import sys

import pytest


@pytest.fixture
def sample(standing, tmp_path):
    """Runs a sample; its arguments may name customers of the sandbox."""
    google = standing.google
    customer = google.world.customer("Alpenglow Reisen")
    names = {
        "customer": customer.id,
        "large": google.world.customer("Grand Catalogue").id,
        "manager": google.world.customer("Summit Media Group").id,
        "disapproved": customer.of("ad_group_ad")[49].refs["campaign"].id,
        "file": tmp_path / "report.csv",
    }

    def run(name, arguments):
        command = [sys.executable, "-m", f"examples.{name}", *arguments.format(**names).split()]
        environment = {**os.environ, **google.environment}
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("basic_operations.get_campaigns", "-c {customer}", '"SEARCH 000" was found'),
        ("basic_operations.get_responsive_search_ads", "-c {customer}", "Headline 0"),
        ("basic_operations.search_for_google_ads_fields", "-n campaign.adv", "campaign.advertising_channel_type"),
        ("account_management.list_accessible_customers", "", "customers/5557919003"),
        ("campaign_management.get_all_disapproved_ads", "-c {customer} -i {disapproved}", "TRADEMARKS_IN_AD_TEXT"),
        ("reporting.parallel_report_download", "-c {customer} {large} -l {manager}", "Campaign ID 20030000000 had"),
        ("asyncio.async_search_stream", "-c {customer}", '"SEARCH 000" was found'),
    ],
)
def test_a_sample_program_runs_as_it_is(sample, name, arguments, expected):
    done = sample(name, arguments)

    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout


def test_the_sample_that_writes_a_report_writes_its_campaigns(sample, tmp_path):
    done = sample("misc.campaign_report_to_csv", "-c {customer} -o {file} -w")

    assert done.returncode == 0, done.stdout + done.stderr
    head, first, *_ = (tmp_path / "report.csv").read_text().splitlines()
    assert head.startswith("Account,Date,Campaign")
    assert first.startswith("Alpenglow Reisen,2026-03-1")


def test_a_sample_that_writes_is_refused_with_the_platforms_words(sample):
    done = sample("basic_operations.pause_ad", "-c {customer} -a 1 -i 1")

    assert done.returncode == 1
    assert 'failed with status "PERMISSION_DENIED"' in done.stdout
