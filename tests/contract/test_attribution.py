"""What counts by another attribution than the platform's own, of leaves, campaigns and accounts, against the sandbox's own numbers."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from clients import TODAY, GoogleRig, MetaRig
from repeats import first_quick

from adpulse.attribution import CLICK_WINDOWS
from adpulse.metrics import METRICS
from adpulse.metrics_request import FieldGroup, MetricsRequest
from adpulse.model import FetchKind, Heat
from adpulse.platforms.google.metrics import RULES as GOOGLE
from adpulse.platforms.meta.metrics import RULES
from adpulse.services.conversion_types import span
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


@pytest.fixture(scope="module")
def google(sandbox):
    return GoogleRig(sandbox)


def by_conversion_date(rig, **changes):
    """The customer's connection, which counts conversions on the day on which they happened."""
    mapping = GOOGLE.revised(GOOGLE.default, {"attribution": ["conversion_date"], **changes})
    return replace(rig.connection(), mapping=mapping)


@pytest.mark.parametrize("day", first_quick([(TODAY - timedelta(days=5),), (TODAY,), (TODAY - timedelta(days=40),)]), ids=str)
def test_googles_conversions_by_conversion_date_are_the_truth_of_leaves_campaigns_and_the_customer(google, day):
    truth_of, connection = google.sandbox.google.truth.by_conversion_date(), by_conversion_date(google)
    now = google.sandbox.clock.now()
    asked = {
        truth_of.metrics: (FetchKind.ADS, FetchKind.CATEGORIES),
        truth_of.totals: (FetchKind.CAMPAIGNS,),
        truth_of.account_totals: (FetchKind.ACCOUNT,),
    }
    for ask, kinds in asked.items():
        requests = [MetricsRequest(kind=kind, heat=Heat.COLD, since=day, until=day) for kind in kinds]
        rows = [row for request in requests for row in google.client.metrics(connection, request, google.slot).rows.to_pylist()]
        true = ask(connection.external_id, day, day, now).to_pylist()
        reported = [name for name in METRICS if any(row[name] is not None for row in rows)]

        assert {"conversions", "revenue", "spend"} <= set(reported)
        for name in reported:
            assert added_up(rows, name) == added_up(true, name)
        assert added_up(rows, "conversions") != added_up(read_by_click(google, day, kinds), "conversions")


def read_by_click(rig, day, kinds):
    requests = [MetricsRequest(kind=kind, heat=Heat.COLD, since=day, until=day) for kind in kinds]
    return [row for request in requests for row in rig.client.metrics(rig.connection(), request, rig.slot).rows.to_pylist()]


def added_up(rows, name):
    """What each entity has of a metric; its halves add up."""
    sums = {}
    for row in rows:
        sums[row["external_id"]] = sums.get(row["external_id"], 0) + (row[name] or 0)
    return {entity: number for entity, number in sums.items() if number}


def test_googles_types_have_both_dates_in_one_operation(google):
    connection, slots = by_conversion_date(google, conversions=["purchases", "leads"]), google.slots
    since, until = span(TODAY)
    types = google.client.conversion_types(connection, since, until, google.slot)

    primary = [action.id for action in google.sandbox.google.world.customers[connection.external_id].actions if action.primary]
    assert google.slots == slots + 1
    assert {kind.names[1] for kind in types.types} <= set(map(str, primary))
    assert sum(kind.count for kind in types.types) != sum(kind.counts_in["conversion_date"] for kind in types.types) > 0
