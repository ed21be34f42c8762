"""What counts by another attribution than the platform's own, of leaves, campaigns and accounts, against the sandbox's own numbers."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from clients import TODAY, MetaRig
from repeats import first_quick

from adpulse.attribution import CLICK_WINDOWS
from adpulse.metrics import METRICS
from adpulse.metrics_request import FieldGroup, MetricsRequest
from adpulse.model import FetchKind, Heat
from adpulse.platforms.meta.metrics import RULES
from adpulse_sandbox import Sandbox

OF_VIEWS = (("1d_view", "1d_ev"), ("1d_view",), ("1d_ev",), ())
WINDOWS = [(click, *views) for views, click in product(OF_VIEWS, reversed(CLICK_WINDOWS))]
DAY = TODAY - timedelta(days=3)
KINDS = (FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox.start() as running:
        yield running


@pytest.fixture(scope="module")
def meta(sandbox):
    return MetaRig(sandbox)


def by_windows(rig, windows, name=MetaRig.SMALL):
    """The account's connection, in these windows."""
    return replace(rig.connection(name), mapping=RULES.revised(RULES.default, {"attribution": windows or ["default"]}))


def read(rig, connection, kind, fields=FieldGroup.ALL):
    """Each entity's metrics of a day, as the client reads them."""
    request = MetricsRequest(kind=kind, heat=Heat.COLD, since=DAY, until=DAY, fields=fields)
    rows = rig.client.metrics(connection, request, rig.slot).rows.to_pylist()
    return {row["external_id"]: {name: row[name] for name in METRICS} for row in rows}


def truth(rig, connection, kind, windows):
    """The same of the sandbox's truth."""
    counting = rig.sandbox.truth.counting_in(*windows)
    ask = {FetchKind.ADS: counting.metrics, FetchKind.CAMPAIGNS: counting.totals, FetchKind.ACCOUNT: counting.account_totals}[kind]
    rows = ask(connection.external_id, DAY, DAY, rig.sandbox.clock.now()).to_pylist()
    return {row["external_id"]: {name: row[name] for name in METRICS} for row in rows}


@pytest.mark.parametrize("windows", first_quick([(windows,) for windows in WINDOWS]), ids="+".join)
def test_chosen_windows_add_up_at_every_level_to_the_micro(meta, windows):
    connection = by_windows(meta, windows)
    rows = {kind: read(meta, connection, kind) for kind in KINDS}

    assert rows == {kind: truth(meta, connection, kind, windows) for kind in KINDS}
    assert sum(row["purchases"] for row in rows[FetchKind.ADS].values()) > 0


def test_campaigns_and_accounts_of_mixed_settings_have_what_their_ads_have_in_explicit_windows_and_null_without(meta):
    own, chosen = by_windows(meta, ()), by_windows(meta, ("7d_click", "1d_view"))
    ads = read(meta, chosen, FetchKind.ADS)
    (of_account,) = read(meta, chosen, FetchKind.ACCOUNT).values()

    assert None in {row["conversions"] for row in read(meta, own, FetchKind.CAMPAIGNS).values()}
    assert {row["conversions"] for row in read(meta, own, FetchKind.ACCOUNT).values()} == {None}
    campaigns = read(meta, chosen, FetchKind.CAMPAIGNS)
    assert None not in {row["conversions"] for row in campaigns.values()}
    assert of_account["conversions"] >= sum(row["conversions"] for row in ads.values()) > 0


def test_windows_change_no_delivery_and_are_requested_only_with_actions(meta):
    own, chosen = by_windows(meta, ()), by_windows(meta, ("1d_click",))
    delivery = ("impressions", "clicks", "spend")
    before, after = read(meta, own, FetchKind.ADS), read(meta, chosen, FetchKind.ADS)
    read(meta, chosen, FetchKind.ADS, FieldGroup.DELIVERY)

    assert {ad: [row[name] for name in delivery] for ad, row in after.items()} == {
        ad: [row[name] for name in delivery] for ad, row in before.items()
    }
    assert after != before
    requested = [call.params.get("action_attribution_windows") for call in meta.log()[-3:]]
    assert requested == [None, '["1d_click"]', None]


def test_an_account_that_sends_zeros_and_pixel_purchases_alone_counts_in_windows_too(sandbox):
    varied = MetaRig(sandbox, token="varied")
    windows = ("7d_click", "1d_ev")
    for name in ("Kiln Pottery", "Optic Corner"):
        connection = by_windows(varied, windows, name)

        assert read(varied, connection, FetchKind.ADS) == truth(varied, connection, FetchKind.ADS, windows)
