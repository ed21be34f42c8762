"""Google's own sample programs, as the SDK ships them, run against the sandbox with two environment variables and nothing else.

These are all of its samples that list or report with queries, but for billing, and for those that write first or need a package
that is not installed. None of them lists ad groups alone: ``parallel_report_download`` reports campaigns and ad groups, and
``update_audience_target_restriction`` tells one ad group and writes nothing when it has no restrictions.
What asks services other than queries (reach, keyword ideas, geo targets by name) is not served.
"""

import importlib
import os
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from repeats import first_quick

from adpulse_sandbox import Sandbox

ABSENT = "SearchPagedResponse"
"""The name that three samples import, for an annotation, from a module of the SDK that does not have it."""

SUPPLYING = f"""
import runpy, sys
from google.ads.googleads.v24.services.types import google_ads_service
google_ads_service.{ABSENT} = object
runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
"""
AS_A_MODULE = ("-m",)


@pytest.fixture
def sample(newest, tmp_path):
    """Runs a sample; its arguments may name customers of the sandbox."""
    return runner(newest.google, tmp_path)


@pytest.fixture(scope="module")
def today():
    """A sandbox with this machine's time, for samples that query by the machine's date."""
    with Sandbox.start(now=datetime.now(UTC)) as running:
        yield running


def runner(google, folder):
    customer = google.world.customer("Alpenglow Reisen")
    names = {
        "customer": customer.id,
        "large": google.world.customer("Grand Catalogue").id,
        "manager": google.world.customer("Summit Media Group").id,
        "west": google.world.customer("Summit Media West").id,
        "ad_group": customer.of("ad_group")[0].id,
        "disapproved": customer.of("ad_group_ad")[49].refs["campaign"].id,
        "file": folder / "report.csv",
    }

    def run(name, arguments, way=AS_A_MODULE):
        command = [sys.executable, *way, f"examples.{name}", *arguments.format(**names).split()]
        environment = {**os.environ, **google.environment}
        return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=120)

    return run


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    first_quick(
        [
            ("basic_operations.get_campaigns", "-c {customer}", '"SEARCH 000" was found'),
            ("basic_operations.get_responsive_search_ads", "-c {customer}", "Headline 0"),
            ("basic_operations.search_for_google_ads_fields", "-n campaign.adv", "campaign.advertising_channel_type"),
            ("account_management.list_accessible_customers", "", "customers/5557919003"),
            ("campaign_management.get_all_disapproved_ads", "-c {customer} -i {disapproved}", "TRADEMARKS_IN_AD_TEXT"),
            ("reporting.parallel_report_download", "-c {customer} {large} -l {manager}", "Campaign ID 20030000000 had"),
            ("reporting.parallel_report_download", "-c {customer} -l {manager}", "Ad Group ID 150010000000 in Campaign ID 20010000000 had"),
            ("remarketing.update_audience_target_restriction", "-c {customer} -a {ad_group}", "and name 'Group 0000' was found"),
            ("asyncio.async_search", "-c {customer}", '"SEARCH 000" was found'),
            ("asyncio.async_search_stream", "-c {customer}", '"SEARCH 000" was found'),
            ("misc.set_custom_client_timeouts", "-c {customer}", "Total # of campaign IDs retrieved: 12"),
            ("shopping_ads.get_product_category_constants", "-c {customer}", "Pet Supplies [productCategoryConstants/LEVEL2~2]"),
            ("google-ads-account-analyzer-demo.analyzer", "-c {west}", "(Grand Catalogue, GBP, Europe/London)"),
        ],
        5,
    ),
)
def test_a_sample_program_runs_as_it_is(sample, name, arguments, expected):
    done = sample(name, arguments)

    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("advanced_operations.fetch_and_approve_pending_multi_party_auth_reviews", "-c {customer}"),
        ("advanced_operations.get_ad_group_bid_modifiers", "-c {customer} -a {ad_group}"),
        ("planning.get_ad_group_criterion_cpc_bid_simulations", "-c {customer} -a {ad_group}"),
        ("recommendations.detect_and_apply_recommendations", "-c {customer}"),
    ],
)
def test_a_sample_that_queries_resources_the_world_lacks_runs_and_prints_nothing(sample, name, arguments):
    done = sample(name, arguments)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "found" not in done.stdout


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("account_management.get_account_hierarchy", "-l {manager}", "----5573757009 (Grand Catalogue, GBP, Europe/London)"),
        ("account_management.get_change_summary", "-c {customer}", "'AD_GROUP_AD' with resource name 'customers/5557919003/adGroupAds/"),
        ("account_management.get_change_details", "-c {customer}", "operation on a AD_GROUP_AD with resource name 'customers/5557919003/"),
    ],
)
def test_a_sample_with_an_import_that_the_sdk_lacks_runs_once_the_name_exists(today, tmp_path, name, arguments, expected):
    done = runner(today.google, tmp_path)(name, arguments, ("-c", SUPPLYING))

    assert done.returncode == 0, done.stdout + done.stderr
    assert expected in done.stdout


def test_the_sdk_still_lacks_what_these_samples_import():
    assert not hasattr(importlib.import_module("google.ads.googleads.v24.services.types.google_ads_service"), ABSENT)


def test_the_sample_that_writes_a_report_writes_its_campaigns(sample, tmp_path):
    done = sample("misc.campaign_report_to_csv", "-c {customer} -o {file} -w")

    assert done.returncode == 0, done.stdout + done.stderr
    head, first, *_ = (tmp_path / "report.csv").read_text().splitlines()
    assert head.startswith("Account,Date,Campaign")
    assert first.startswith("Alpenglow Reisen,2026-11-1")


def test_a_sample_that_writes_is_refused_with_the_platforms_words(sample):
    done = sample("basic_operations.pause_ad", "-c {customer} -a 1 -i 1")

    assert done.returncode == 1
    assert 'failed with status "PERMISSION_DENIED"' in done.stdout
