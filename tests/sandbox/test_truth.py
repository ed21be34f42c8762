"""Properties of Meta's true numbers: what they depend on, how a day grows, is corrected and becomes final; and that the API agrees."""

import hashlib
import inspect
import itertools
import subprocess
import sys
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adpulse_sandbox.meta import world
from adpulse_sandbox.meta.truth import ACTION_METRICS, METRICS, Truth, mixed_settings

NAMES = ("Harbor Outdoor", "Nordlicht Moebel", "Sakura Tea")
ANY_STATUS = [
    {"field": "ad.effective_status", "operator": "IN", "value": ["ACTIVE", "PAUSED", "CAMPAIGN_PAUSED", "ADSET_PAUSED", "ARCHIVED"]}
]
COUNTED = ("impressions", "clicks", "spend", "conversions", "revenue", "leads", "installs", "purchases", "visitors")
QUARTER = timedelta(minutes=15)
ONE_DAY = timedelta(days=1)
IMPORTS = """
import hashlib
from datetime import date
from adpulse_sandbox.meta import world
from adpulse_sandbox.meta.truth import Truth
"""


class Age:
    """A world, with queries of single days at any instant."""

    def __init__(self, beginning=world.BEGINNING, seed=1):
        self.world = world.create(seed=seed, beginning=beginning)
        self.truth = Truth(self.world)

    def account(self, name="Harbor Outdoor"):
        return self.world.account(name)

    def midnight(self, day, name="Harbor Outdoor"):
        return datetime.combine(day, time(), self.account(name).zone).astimezone(UTC)

    def rows(self, day, as_of, name="Harbor Outdoor"):
        metrics_rows = self.truth.metrics(self.account(name).id, day, day, as_of).to_pylist()
        return {row["external_id"]: {metric: row[metric] for metric in METRICS} for row in metrics_rows}

    def sums(self, since, until, as_of, name="Harbor Outdoor"):
        metrics = self.truth.metrics(self.account(name).id, since, until, as_of)
        return {metric: sum(metrics[metric].to_pylist()) for metric in METRICS}

    def undeleted(self, name="Harbor Outdoor"):
        return {ad.id for ad in self.account(name).ads if ad.deleted_at is None}


@pytest.fixture(scope="module")
def age():
    return Age()


@pytest.fixture(scope="module")
def autumn():
    """A world that began after the clocks went back in Berlin and New York."""
    return Age(datetime(2026, 11, 20, 15, tzinfo=UTC))


def fingerprint(seed):
    new_world = world.create(seed=seed)
    account = new_world.account("Sakura Tea")
    metrics = Truth(new_world).metrics(account.id, date(2026, 3, 1), date(2026, 3, 5), new_world.beginning).to_pylist()
    entities = Truth(new_world).entities(account.id, new_world.beginning).to_pylist()
    return hashlib.sha256(repr((metrics, entities, sorted(new_world.tokens))).encode()).hexdigest()


def test_the_same_seed_makes_the_same_world_in_another_process():
    program = f"{IMPORTS}\n{inspect.getsource(fingerprint)}\nprint(fingerprint(7))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=120)

    assert done.stdout.strip() == fingerprint(7)


def test_another_seed_makes_another_world():
    assert fingerprint(7) != fingerprint(8)


def test_more_accounts_leave_the_others_as_they_are(age):
    larger = Truth(world.create(extra=3))
    account, day = age.account().id, date(2026, 3, 1)

    assert larger.metrics(account, day, day, world.BEGINNING).equals(age.truth.metrics(account, day, day, world.BEGINNING))


def test_earlier_requests_do_not_change_an_answer(age):
    day, fresh = date(2026, 3, 10), Age()
    late = age.midnight(day + timedelta(days=9))
    for hours in range(0, 200, 40):
        age.rows(day, age.midnight(day) + timedelta(hours=hours))

    assert fresh.rows(day, late) == age.rows(day, late)


@given(name=st.sampled_from(NAMES), day=st.dates(date(2026, 1, 5), date(2026, 3, 19)), quarters=st.tuples(*[st.integers(0, 100)] * 2))
@settings(max_examples=30)
def test_the_numbers_of_a_day_only_grow_while_it_lasts(age, name, day, quarters):
    start, end = age.midnight(day, name), age.midnight(day + ONE_DAY, name)
    early, late = (min(start + n * QUARTER, end) for n in sorted(quarters))

    before, after = age.rows(day, early, name), age.rows(day, late, name)

    living = age.undeleted(name)
    for ad in living & set(before):
        assert all(before[ad][metric] <= after[ad][metric] for metric in COUNTED)
    assert living & set(before) <= set(after)


def test_a_day_begins_with_nothing_and_grows(age):
    day = date(2026, 3, 10)
    instants = [age.midnight(day) + timedelta(hours=hours) for hours in (0, 6, 12, 18, 24)]

    spends = [age.sums(day, day, instant)["spend"] for instant in instants]

    assert spends[0] == 0
    assert spends == sorted(set(spends))


@given(name=st.sampled_from(NAMES), minutes=st.integers(0, 60 * 24 * 3), seconds=st.integers(0, 899))
@settings(max_examples=25)
def test_within_a_refresh_step_nothing_changes(age, name, minutes, seconds):
    day = date(2026, 3, 1)
    instant = age.midnight(day, name) + timedelta(minutes=minutes)
    step = datetime.fromtimestamp(int(instant.timestamp()) // 900 * 900, UTC)
    living = age.undeleted(name)

    at_the_start, later = age.rows(day, step, name), age.rows(day, step + timedelta(seconds=seconds), name)

    assert {ad: at_the_start[ad] for ad in living & set(at_the_start)} == {ad: later[ad] for ad in living & set(later)}


@given(name=st.sampled_from(NAMES), day=st.dates(date(2026, 1, 5), date(2026, 3, 19)), later=st.integers(0, 60 * 24 * 200))
@settings(max_examples=30)
def test_a_day_is_frozen_from_local_midnight_28_days_later_on(age, name, day, later):
    frozen, living = age.midnight(day + timedelta(days=28), name), age.undeleted(name)

    final, asked_later = age.rows(day, frozen, name), age.rows(day, frozen + timedelta(minutes=later), name)

    assert {ad: final[ad] for ad in living & set(final)} == {ad: asked_later[ad] for ad in living & set(asked_later)}
    assert living & set(final)


@pytest.mark.parametrize(("name", "day"), [("Harbor Outdoor", date(2026, 11, 1)), ("Nordlicht Moebel", date(2026, 10, 25))])
def test_a_day_of_25_hours_is_frozen_in_time_too(autumn, name, day):
    frozen, living = autumn.midnight(day + timedelta(days=28), name), autumn.undeleted(name)

    final, asked_later = autumn.rows(day, frozen, name), autumn.rows(day, frozen + timedelta(days=60), name)

    assert {ad: final[ad] for ad in living & set(final)} == {ad: asked_later[ad] for ad in living & set(asked_later)}
    assert autumn.midnight(day + ONE_DAY, name) - autumn.midnight(day, name) == timedelta(hours=25)


def test_conversions_arrive_for_weeks_while_delivery_stands_still(age):
    day, name = date(2026, 1, 15), "Nordlicht Moebel"
    living, sums = age.undeleted(name), []

    for days in (1, 2, 4, 8, 9, 15, 28):
        rows = age.rows(day, age.midnight(day, name) + timedelta(days=days), name)
        undeleted = [row for ad, row in rows.items() if ad in living]
        sums.append({metric: sum(row[metric] for row in undeleted) for metric in METRICS})

    arrived = [later["leads"] > earlier["leads"] for earlier, later in itertools.pairwise(sums)]
    delivery = [(day_sums["spend"], day_sums["impressions"], day_sums["clicks"]) for day_sums in sums]
    assert arrived == [True, True, True, False, True, True]
    assert delivery[:3] == [delivery[0]] * 3
    assert delivery[3:] == [delivery[3]] * 4
    assert delivery[3] < delivery[0]


def test_some_conversions_are_retracted_on_the_tenth_day(age):
    day, name = date(2026, 1, 15), "Nordlicht Moebel"
    tenth = age.midnight(day, name) + timedelta(days=10)

    before, after = age.rows(day, tenth - QUARTER, name), age.rows(day, tenth, name)

    steps = [after[ad]["purchases"] - before[ad]["purchases"] for ad in set(before) & set(after)]
    retracted = [ad for ad in set(before) & set(after) if after[ad]["purchases"] < before[ad]["purchases"]]
    assert set(steps) == {0, -1_000_000}
    assert len(retracted) >= 5
    for ad in retracted:
        worth = before[ad]["revenue"] // (before[ad]["purchases"] // 1_000_000)
        assert after[ad]["revenue"] == before[ad]["revenue"] - worth
        assert after[ad]["conversions"] == before[ad]["conversions"] - 1_000_000
        assert after[ad]["spend"] == before[ad]["spend"]


def test_some_ad_days_are_taken_back_whole_on_the_fifth_day(age):
    day, name = date(2026, 1, 15), "Nordlicht Moebel"
    fifth = age.midnight(day, name) + timedelta(days=5)

    before, after = age.rows(day, fifth - QUARTER, name), age.rows(day, fifth, name)

    removed = set(before) - set(after)
    assert len(removed) >= 2
    assert set(after) <= set(before)
    assert {ad: before[ad] for ad in after} == after
    assert sum(before[ad]["spend"] for ad in removed) > 0


@pytest.mark.parametrize(
    ("name", "day", "hours"),
    [
        ("Harbor Outdoor", date(2026, 3, 8), 23),
        ("Harbor Outdoor", date(2026, 3, 9), 24),
        ("Sakura Tea", date(2026, 3, 8), 24),
    ],
)
def test_a_day_ends_when_the_accounts_clock_says_so(age, name, day, hours):
    start = age.midnight(day, name)
    end = start + timedelta(hours=hours)

    at_the_end, later = age.sums(day, day, end, name), age.sums(day, day, end + timedelta(hours=5), name)

    quarter_before = age.sums(day, day, end - 24 * QUARTER, name)
    assert end == age.midnight(day + ONE_DAY, name)
    assert (at_the_end["spend"], at_the_end["impressions"]) == (later["spend"], later["impressions"])
    assert quarter_before["spend"] < at_the_end["spend"]


@pytest.mark.parametrize("as_of", [datetime(2026, 3, 8, 20, tzinfo=UTC), datetime(2026, 3, 9, 4, tzinfo=UTC), world.BEGINNING])
def test_a_range_over_a_short_day_is_the_sum_of_its_days(age, as_of):
    since, until = date(2026, 3, 6), date(2026, 3, 10)
    days = [since + timedelta(days=n) for n in range(5)]

    whole = age.sums(since, until, as_of)

    sums = [age.sums(day, day, as_of) for day in days]
    assert whole == {metric: sum(day_sums[metric] for day_sums in sums) for metric in METRICS}
    assert sums[2]["spend"] > 0


def test_the_api_reports_a_range_over_a_short_day_like_the_truth(ask, harbor, age):
    since, until = date(2026, 3, 6), date(2026, 3, 10)
    params = {"level": "ad", "limit": "5000", "time_range": {"since": str(since), "until": str(until)}, "filtering": ANY_STATUS}

    days = ask.rows(f"act_{harbor.id}/insights", **params, time_increment="1", fields="ad_id,spend,impressions,clicks")
    whole = ask.rows(f"act_{harbor.id}/insights", **params, fields="ad_id,spend,impressions,clicks")

    sums = age.sums(since, until, world.BEGINNING)
    for rows in (days, whole):
        assert sum(Decimal(row["spend"]) for row in rows) * 1_000_000 == sums["spend"]
        assert sum(int(row["impressions"]) for row in rows) == sums["impressions"]
        assert sum(int(row.get("clicks", 0)) for row in rows) == sums["clicks"]
    assert {row["date_start"] for row in days} == {f"2026-03-{n:02d}" for n in range(6, 11)}


def first(actions, *names):
    values = {action["action_type"]: Decimal(action["value"]) for action in actions}
    return next((int(values[name] * 1_000_000) for name in names if name in values), 0)


def of_wire(row):
    """The ten metrics of a row of insights, by the rule that the first type present has the total of its family."""
    actions, values = row.get("actions", []), row.get("action_values", [])
    purchase = ("omni_purchase", "purchase", "offsite_conversion.fb_pixel_purchase")
    metrics = {
        "impressions": int(row.get("impressions", 0)),
        "clicks": int(row.get("clicks", 0)),
        "spend": int(Decimal(row["spend"]) * 1_000_000),
        "revenue": first(values, *purchase),
        "purchases": first(actions, *purchase),
        "leads": first(actions, "lead", "onsite_conversion.lead_grouped", "offsite_conversion.fb_pixel_lead"),
        "installs": first(actions, "omni_app_install", "app_install", "mobile_app_install"),
        "visitors": first(actions, "omni_landing_page_view", "landing_page_view"),
    }
    metrics["conversions"] = metrics["purchases"] + metrics["leads"] + metrics["installs"]
    metrics["profit"] = metrics["revenue"] - metrics["spend"]
    return metrics


@pytest.mark.parametrize(
    ("name", "since", "until"),
    [
        ("Harbor Outdoor", date(2026, 2, 20), date(2026, 3, 20)),
        ("Sakura Tea", date(2026, 2, 20), date(2026, 3, 21)),
        ("Nordlicht Moebel", date(2026, 3, 19), date(2026, 3, 20)),
        ("Closed Shop", date(2026, 3, 1), date(2026, 3, 20)),
    ],
)
def test_insights_of_ads_are_the_truth(ask, standing, name, since, until):
    account = standing.world.account(name).id
    truth = standing.truth.metrics(account, since, until, standing.clock.now()).to_pylist()
    params = {"level": "ad", "limit": "5000", "time_increment": "1", "time_range": {"since": str(since), "until": str(until)}}

    rows = ask.rows(
        f"act_{account}/insights",
        **params,
        filtering=ANY_STATUS,
        fields="ad_id,campaign_id,spend,impressions,clicks,actions,action_values",
    )

    wire = {(row["ad_id"], row["campaign_id"], row["date_start"]): of_wire(row) for row in rows}
    expected = {(row["external_id"], row["campaign_id"], str(row["date"])): {metric: row[metric] for metric in METRICS} for row in truth}
    assert len(wire) == len(rows)
    assert wire == expected
    assert expected


@pytest.mark.parametrize("name", NAMES)
def test_totals_of_a_campaign_are_the_sum_of_its_ads_with_the_deleted(age, name):
    account, day = age.account(name), date(2026, 1, 20)
    numbers = age.truth.day_of(account.id, day, world.BEGINNING)
    unit = 1_000_000 // account.spec.minor_units
    deleted = np.array([bool(ad.deleted_at and ad.deleted_at <= world.BEGINNING) for ad in account.ads])

    totals = age.truth.totals(account.id, day, day, world.BEGINNING, complete=True).to_pylist()

    for row in totals:
        inside = np.array([ad.parent.parent.id == row["external_id"] for ad in account.ads]) & numbers.delivered
        spend, revenue = int(numbers.spend[inside].sum()) * unit, int((numbers.purchases * numbers.order_value)[inside].sum()) * unit
        parts = {"leads": numbers.leads, "installs": numbers.installs, "purchases": numbers.purchases, "visitors": numbers.visitors}
        expected = {part: int(values[inside].sum()) * 1_000_000 for part, values in parts.items()}
        expected |= {"impressions": int(numbers.impressions[inside].sum()), "clicks": int(numbers.clicks[inside].sum())}
        expected |= {"spend": spend, "revenue": revenue, "profit": revenue - spend}
        expected["conversions"] = expected["purchases"] + expected["leads"] + expected["installs"]
        assert {metric: row[metric] for metric in METRICS} == expected
    assert (numbers.delivered & deleted).any()
    assert not (numbers.reported & deleted).any()


@pytest.mark.parametrize("name", NAMES)
def test_the_api_reports_totals_of_campaigns_like_the_truth(ask, standing, name):
    account, day = standing.world.account(name), date(2026, 1, 20)
    truth = standing.truth.totals(account.id, day, day, standing.clock.now()).to_pylist()
    any_status = [{"field": "campaign.effective_status", "operator": "IN", "value": ["ACTIVE", "PAUSED", "ARCHIVED"]}]
    fields = "campaign_id,spend,impressions,clicks,actions,action_values"

    rows = ask.rows(
        f"act_{account.id}/insights",
        level="campaign",
        limit="500",
        time_range={"since": str(day), "until": str(day)},
        filtering=any_status,
        fields=fields,
    )

    wire = {row["campaign_id"]: of_wire(row) | ({} if "actions" in row else dict.fromkeys(ACTION_METRICS)) for row in rows}
    assert wire == {row["external_id"]: {metric: row[metric] for metric in METRICS} for row in truth}
    assert any(row["purchases"] is None for row in truth)


def test_totals_omit_metrics_that_the_platform_withholds(age):
    account, day = age.account(), date(2026, 3, 1)
    mixed = {campaign.id for campaign in account.campaigns if mixed_settings(account, campaign)}

    reported = age.truth.totals(account.id, day, day, world.BEGINNING).to_pylist()
    complete = age.truth.totals(account.id, day, day, world.BEGINNING, complete=True).to_pylist()

    without_actions = {row["external_id"] for row in reported if row["purchases"] is None}
    assert without_actions == mixed == {account.campaigns[3].id, account.campaigns[8].id}
    assert all(row[metric] is None for row in reported if row["external_id"] in mixed for metric in ACTION_METRICS)
    assert [row for row in reported if row["external_id"] not in mixed] == [row for row in complete if row["external_id"] not in mixed]
    assert [row["spend"] for row in reported] == [row["spend"] for row in complete]


def test_a_deleted_ad_takes_its_rows_along_and_its_campaign_keeps_them(age):
    account, day = age.account(), date(2026, 3, 1)
    ad = next(candidate for candidate in account.ads if candidate.deleted_at and candidate.deleted_at > world.BEGINNING)

    before, after = age.rows(day, ad.deleted_at - QUARTER), age.rows(day, ad.deleted_at)

    instants = (ad.deleted_at - QUARTER, ad.deleted_at)
    spends = [
        {row["external_id"]: row["spend"] for row in age.truth.totals(account.id, day, day, instant).to_pylist()} for instant in instants
    ]
    assert set(before) - set(after) == {ad.id}
    assert spends[0] == spends[1]


@given(percent=st.decimals(Decimal(0), Decimal(1), places=4))
@settings(max_examples=20)
def test_profit_is_margin_times_revenue_rounded_half_even_less_spend(age, percent):
    account, day = age.account("Sakura Tea").id, date(2026, 3, 1)

    rows = age.truth.metrics(account, day, day, world.BEGINNING, percent).to_pylist()

    for row in rows:
        assert row["profit"] == round(Decimal(row["revenue"]) * percent) - row["spend"]
    assert any(row["revenue"] for row in rows)


def test_entities_have_the_state_of_the_instant(age):
    account = age.account()
    ad = next(entity for entity in account.ads if entity.deleted_at and entity.deleted_at > world.BEGINNING)

    before, after = (
        {row["external_id"]: row for row in age.truth.entities(account.id, instant).to_pylist()}
        for instant in (world.BEGINNING, ad.deleted_at)
    )

    assert (before[ad.id]["effective_status"], before[ad.id]["deleted_at"]) == ("ACTIVE", None)
    assert (after[ad.id]["effective_status"], after[ad.id]["deleted_at"]) == ("DELETED", ad.deleted_at)
    assert before[ad.id]["parent_id"] == ad.parent.id
    assert len(before) == sum(entity.created_at <= world.BEGINNING for entity in account.by_id.values())
