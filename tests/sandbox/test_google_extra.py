"""The extra small Google customers, which load tests and demos use."""

from datetime import date

import pytest
from google_sdk import Ads
from typer.testing import CliRunner

from adpulse.cli import cli
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google import world
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.google.world import CAMPAIGN, MAX_EXTRA
from adpulse_sandbox.meta.world import BEGINNING
from adpulse_sandbox.remote import Remote

MANY, SIZES = 300, (6, 20, 60, 150, 1)
LEVELS = ("campaign", "ad_group", "ad_group_ad", "asset_group")


@pytest.fixture(scope="module")
def crowd():
    return world.create(1, BEGINNING, MAX_EXTRA, SIZES)


@pytest.fixture(scope="module")
def streets():
    with Sandbox.start(google=Options(extra=3, extra_ads=(6, 20))) as running:
        yield running


def extras(google_world):
    return [customer for customer in google_world.customers.values() if customer.spec.name.startswith("Side Street")]


def test_each_has_as_many_ads_as_its_turn_says_spread_over_search_campaigns(crowd):
    chosen = extras(crowd)[: len(SIZES)]

    assert [len(customer.of("ad_group_ad")) for customer in chosen] == list(SIZES)
    assert [len(customer.leaves) for customer in chosen] == list(SIZES)
    assert [(len(customer.of("campaign")), len(customer.of("ad_group"))) for customer in chosen[:2]] == [(2, 3), (5, 10)]
    assert {node.facts["advertising_channel_type"] for customer in chosen for node in customer.of(CAMPAIGN)} == {"SEARCH"}


def test_ids_of_customers_have_ten_digits_and_are_unique(crowd):
    assert len(crowd.customers) == len(world.STANDARD) + len(world.VARIED) + MAX_EXTRA >= MANY
    assert {len(customer_id) for customer_id in crowd.customers} == {10}


def test_ids_within_customers_are_unique(crowd):
    ids = [
        (LEVELS[0] if node.kind in LEVELS else node.kind, node.id) for customer in crowd.customers.values() for node in everything(customer)
    ]

    assert len(ids) == len(set(ids))


def everything(customer):
    """All nodes with ids that are unique across customers; conversion actions and links of labels and assets have none."""
    own = ("conversion_action", "campaign_label", "asset_group_asset")
    return [node for kind, nodes in customer.nodes.items() if kind not in own for node in nodes]


def test_more_of_them_than_there_are_ids_for_are_refused():
    with pytest.raises(ValueError, match="There can be 400 extra customers, not 401"):
        world.create(1, BEGINNING, MAX_EXTRA + 1)

    assert CliRunner().invoke(cli, ["sandbox", "--google-extra", str(MAX_EXTRA + 1)]).exit_code == 2


def test_extra_customers_change_nothing_in_the_standard_world():
    alone, among = world.create(1, BEGINNING), world.create(1, BEGINNING, 5)

    assert list(among.customers)[: len(alone.customers)] == list(alone.customers)
    assert among.credentials == alone.credentials
    assert contents_of(among.customer("Alpenglow Reisen")) == contents_of(alone.customer("Alpenglow Reisen"))


def contents_of(customer):
    return [(kind, node.id, node.name, node.created_at, node.changes) for kind, nodes in customer.nodes.items() for node in nodes]


def test_the_same_seed_gives_the_same_extra_customers_and_another_seed_others():
    first, again, other = (extras(world.create(seed, BEGINNING, 2))[1] for seed in (1, 1, 2))

    assert contents_of(first) == contents_of(again) != contents_of(other)


def test_hundreds_of_customers_are_built_only_on_use():
    google_world = world.create(1, BEGINNING, MAX_EXTRA)

    assert not any("_nodes" in vars(customer) for customer in google_world.customers.values())


def test_the_manager_lists_them_and_the_full_user_reads_them_through_it(streets):
    manager = Ads(streets.google, "Summit Media Group")
    listed = manager.rows(
        "SELECT customer_client.descriptive_name, customer_client.currency_code FROM customer_client WHERE customer_client.level = 1"
    )
    second = Ads(streets.google, "Side Street 2", login="Summit Media Group")
    existing = second.customer.existing("ad_group_ad", streets.clock.now())

    rows = second.rows("SELECT ad_group_ad.ad.id, campaign.advertising_channel_type, customer.time_zone FROM ad_group_ad")

    names = [row["customer_client.descriptive_name"] for row in listed if row["customer_client.currency_code"] == "USD"]
    assert names == ["Summit Media West", "Side Street 1", "Side Street 2", "Side Street 3"]
    assert [row["ad_group_ad.ad.id"] for row in rows] == [ad.id for ad in existing]
    assert {row["customer.time_zone"] for row in rows} == {"America/Chicago"}


def test_one_query_reports_the_true_numbers_of_a_day(streets):
    customer, day = streets.google.world.customer("Side Street 1"), date(2026, 3, 19)
    ads = Ads(streets.google, customer.spec.name)

    rows = ads.rows(f"SELECT ad_group_ad.ad.id, metrics.cost_micros, metrics.impressions FROM ad_group_ad WHERE segments.date = '{day}'")

    truth = Remote(streets.control_url).truth_metrics(customer.id, since=day, until=day, as_of=streets.clock.now()).to_pylist()
    assert truth
    assert {(str(row["ad_group_ad.ad.id"]), row["metrics.cost_micros"]) for row in rows if row.get("metrics.impressions")} == {
        (row["external_id"], row["spend"]) for row in truth if row["impressions"]
    }
