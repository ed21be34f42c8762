"""Properties of Google's true numbers: what they depend on, and how a day grows, is corrected and becomes final."""

import hashlib
import inspect
import itertools
import subprocess
import sys
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpulse_sandbox.google import world
from adpulse_sandbox.google.truth import LAGS_DAYS, GoogleTruth
from adpulse_sandbox.meta.truth import METRICS
from adpulse_sandbox.meta.world import BEGINNING
from adpulse_sandbox.remote import Remote

NAMES = ("Alpenglow Reisen", "Pacific Trail Outfitters")
DAY = date(2026, 3, 2)
LATE = datetime(2026, 9, 1, tzinfo=UTC)
IMPORTS = """
import hashlib
from datetime import date
from adpulse_sandbox.google import world
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.meta.world import BEGINNING
"""


@pytest.fixture(scope="module")
def google_world():
    return world.create(1, BEGINNING)


@pytest.fixture(scope="module")
def truth(google_world):
    return GoogleTruth(google_world, 1)


def midnight(customer, day):
    return datetime.combine(day, time(), customer.zone).astimezone(UTC)


def rows(truth, customer, as_of, day=DAY):
    metrics_rows = truth.metrics(customer.id, day, day, as_of).to_pylist()
    return {row["external_id"]: {name: row[name] for name in METRICS} for row in metrics_rows}


def fingerprint(seed):
    new_world = world.create(seed, BEGINNING)
    customer = new_world.customer("Pacific Trail Outfitters")
    totals = GoogleTruth(new_world, seed).totals(customer.id, date(2026, 3, 1), date(2026, 3, 5), BEGINNING).to_pylist()
    entities = GoogleTruth(new_world, seed).entities(customer.id, BEGINNING).to_pylist()
    return hashlib.sha256(repr((totals, entities, sorted(new_world.credentials))).encode()).hexdigest()


def test_the_same_seed_makes_the_same_world_in_another_process():
    program = f"{IMPORTS}\n{inspect.getsource(fingerprint)}\nprint(fingerprint(7))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout.strip() == fingerprint(7) != fingerprint(8)


def test_earlier_requests_do_not_change_an_answer(google_world, truth):
    customer, fresh = google_world.customer(NAMES[0]), GoogleTruth(google_world, 1)
    for hours in range(0, 900, 90):
        rows(truth, customer, midnight(customer, DAY) + timedelta(hours=hours))

    assert rows(fresh, customer, LATE) == rows(truth, customer, LATE)


@given(name=st.sampled_from(NAMES), day=st.dates(date(2026, 1, 5), date(2026, 3, 19)), quarters=st.tuples(*[st.integers(0, 100)] * 2))
@settings(max_examples=30)
def test_the_numbers_of_a_day_only_grow_while_it_lasts(google_world, truth, name, day, quarters):
    customer = google_world.customer(name)
    start, end = midnight(customer, day), midnight(customer, day + timedelta(days=1))
    early, late = (truth.day_of(customer.id, day, min(start + n * timedelta(minutes=15), end)) for n in sorted(quarters))

    for field in ("impressions", "clicks", "cost", "views", "conversions", "value"):
        assert (getattr(early, field) <= getattr(late, field)).all()


@given(name=st.sampled_from(NAMES), day=st.dates(date(2026, 2, 20), date(2026, 3, 20)), age=st.integers(0, 100))
@settings(max_examples=30)
def test_the_hours_of_a_day_grow_to_the_day(google_world, truth, name, day, age):
    customer = google_world.customer(name)
    as_of = midnight(customer, day) + timedelta(days=age, hours=13)
    by_hour = [truth.day_of(customer.id, day, as_of, hours) for hours in range(26)]

    for field in ("impressions", "clicks", "cost", "views", "conversions", "value"):
        columns = [getattr(hour, field) for hour in by_hour]
        assert all((before <= after).all() for before, after in itertools.pairwise(columns))
        assert not columns[0].any()
        assert (columns[-1] == getattr(truth.day_of(customer.id, day, as_of), field)).all()


def test_conversions_arrive_up_to_85_days_later_and_then_the_day_is_final(google_world, truth):
    customer = google_world.customer("Grand Catalogue")
    ages = [lag + 0.5 for lag in LAGS_DAYS] + [86.0, 120.0]
    sums = [int(truth.day_of(customer.id, DAY, midnight(customer, DAY) + timedelta(days=age)).conversions.sum()) for age in ages]

    assert sums[0] < sums[1] < sums[2]
    assert sums[6] < sums[7] == sums[8] == sums[9]


def test_some_clicks_turn_out_invalid_after_three_days_and_their_cost_is_credited(google_world, truth):
    customer = google_world.customer("Grand Catalogue")
    before, after = (truth.day_of(customer.id, DAY, midnight(customer, DAY) + timedelta(days=age)) for age in (2.9, 3.1))

    assert (before.impressions == after.impressions).all()
    fallen = before.cost > after.cost
    assert 0.01 < np.count_nonzero(fallen) / fallen.size < 0.1
    assert not (after.cost > before.cost).any()
    assert np.count_nonzero(before.clicks > after.clicks)


def test_some_purchases_are_retracted_after_ten_days(google_world, truth):
    customer = google_world.customer("Grand Catalogue")
    before, after = (truth.day_of(customer.id, DAY, midnight(customer, DAY) + timedelta(days=age)) for age in (9.9, 10.1))

    assert np.count_nonzero(after.conversions[0] < before.conversions[0]) > 10
    assert not (after.conversions > before.conversions).any()


def test_numbers_move_only_in_steps_of_a_refresh(google_world):
    customer = google_world.customer(NAMES[0])
    hourly = GoogleTruth(google_world, 1, refresh_seconds=3600)
    noon = midnight(customer, DAY) + timedelta(hours=12)

    assert rows(hourly, customer, noon) == rows(hourly, customer, noon + timedelta(minutes=59))
    assert rows(hourly, customer, noon) != rows(hourly, customer, noon + timedelta(minutes=60))


def test_the_ten_metrics_follow_their_definitions(google_world, truth):
    customer = google_world.customer(NAMES[0])
    day = truth.day_of(customer.id, DAY, LATE)
    actions = {action.name: number for number, action in enumerate(customer.actions)}
    index, leaf = next((n, node) for n, node in enumerate(customer.leaves) if day.conversions[actions["Purchase"]][n] and day.clicks[n])
    metrics = rows(truth, customer, LATE)[str(leaf.id)]

    def of(*names):
        return sum(int(day.conversions[actions[name]][index]) for name in names)

    assert metrics["conversions"] == of("Purchase", "Lead form", "Calls", "Qualified leads", "First open", "Page view")
    assert (metrics["purchases"], metrics["leads"], metrics["visitors"]) == (of("Purchase"), of("Lead form", "Calls"), of("Page view"))
    assert metrics["revenue"] == int(day.value[actions["Purchase"]][index])
    assert metrics["profit"] == metrics["revenue"] - metrics["spend"]


def test_the_margin_scales_the_revenue_in_the_profit_only(google_world, truth):
    customer = google_world.customer(NAMES[0])
    half = truth.metrics(customer.id, DAY, DAY, LATE, Decimal("0.5")).to_pylist()
    whole = truth.metrics(customer.id, DAY, DAY, LATE).to_pylist()

    for row, full in zip(half, whole, strict=True):
        expected = round(Decimal(full["revenue"]) / 2) - full["spend"]
        assert row == {**full, "profit": expected}


def test_leaves_sum_to_campaigns_where_all_leaves_have_rows(google_world, truth):
    customer = google_world.customer(NAMES[0])
    sums = Counter()
    for row in truth.metrics(customer.id, DAY, DAY, LATE).to_pylist():
        sums.update({(row["campaign_id"], name): row[name] for name in METRICS[:5]})
    totals = truth.totals(customer.id, DAY, DAY, LATE).to_pylist()

    assert +sums == +Counter({(row["external_id"], name): row[name] for row in totals for name in METRICS[:5]})


def test_smart_and_app_campaigns_are_reported_in_totals_only(google_world, truth):
    customer = google_world.customer(NAMES[1])
    below = {row["campaign_id"] for row in truth.metrics(customer.id, DAY, DAY, LATE).to_pylist()}
    names = {str(campaign.id): campaign.facts["advertising_channel_type"] for campaign in customer.of("campaign")}

    only = {row["external_id"] for row in truth.totals(customer.id, DAY, DAY, LATE).to_pylist()} - below

    assert {names[campaign] for campaign in only} == {"SMART", "MULTI_CHANNEL"}


def test_entities_are_created_and_removed_as_the_clock_advances(google_world, truth):
    customer = google_world.customer("Grand Catalogue")
    tables = [truth.entities(customer.id, BEGINNING + timedelta(days=days)).to_pylist() for days in (0, 2)]

    before, after = ({row["external_id"]: row for row in entity} for entity in tables)
    assert len(after) > len(before) > 4000
    assert {row["effective_status"] for row in before.values()} == {"ENABLED", "PAUSED", "REMOVED"}
    assert sum(before[entity]["effective_status"] != after[entity]["effective_status"] for entity in before) > 100
    assert any(before[entity]["name"] != after[entity]["name"] for entity in before)
    assert all((row["deleted_at"] is not None) == (row["effective_status"] == "REMOVED") for row in after.values())


def test_the_control_endpoint_has_the_truth_of_customers_too(sandbox):
    remote, google = Remote(sandbox.control_url), sandbox.google
    customer = google.world.customer(NAMES[1]).id
    query = {"since": DAY, "until": DAY, "as_of": sandbox.clock.now()}

    assert remote.truth_metrics(customer, **query).equals(google.truth.metrics(customer, DAY, DAY, sandbox.clock.now()))
    assert remote.truth_totals(customer, **query).equals(google.truth.totals(customer, DAY, DAY, sandbox.clock.now()))
    assert remote.truth_entities(customer, as_of=sandbox.clock.now()).equals(google.truth.entities(customer, sandbox.clock.now()))
    assert [entry["name"] for entry in remote.world()["google"]["customers"]] == [
        entry.spec.name for entry in google.world.customers.values()
    ]
