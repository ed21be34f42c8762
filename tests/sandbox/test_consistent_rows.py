"""No row of the truth costs anything, or is clicked, without impressions: of any account, level, day and moment, on both platforms."""

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse_sandbox.google import world as google
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.meta import specs
from adpulse_sandbox.meta import world as meta
from adpulse_sandbox.meta.truth import Truth

STEPS = (1, 60, 900)
META = [spec.name for spec in (*meta.STANDARD, *specs.VARIED)]
GOOGLE = ["Alpenglow Reisen", "Pacific Trail Outfitters", "Grand Catalogue", *(spec.name for spec in google.VARIED)]


@pytest.fixture(scope="module")
def truths():
    """By platform: the world, and its truth at several steps of refreshing."""
    worlds = {"meta": meta.create(), "google": google.create(1, meta.BEGINNING)}
    kinds = {"meta": lambda seconds: Truth(worlds["meta"], seconds), "google": lambda seconds: GoogleTruth(worlds["google"], 1, seconds)}
    return {name: (world, {seconds: kinds[name](seconds) for seconds in STEPS}) for name, world in worlds.items()}


def numbers(table, name):
    """A column; what the platform withholds of a total is no number."""
    return np.array([value or 0 for value in table[name].to_pylist()])


DAYS = st.dates(date(2026, 1, 5), date(2026, 3, 20))
MINUTES = st.one_of(st.integers(0, 120), st.integers(0, 1500), st.integers(0, 60 * 24 * 90))


@pytest.mark.parametrize("level", ["metrics", "totals", "account_totals"])
@given(name=st.sampled_from([*META, *GOOGLE]), day=DAYS, minutes=MINUTES, seconds=st.sampled_from(STEPS))
@examples(30)
def test_a_row_without_impressions_has_neither_cost_nor_clicks(truths, level, name, day, minutes, seconds):
    world, by_step = truths["google" if name in GOOGLE else "meta"]
    account = world.customer(name) if name in GOOGLE else world.account(name)
    as_of = datetime.combine(day, time(), account.zone).astimezone(UTC) + timedelta(minutes=minutes)
    table = getattr(by_step[seconds], level)(account.id, day, day, as_of)
    impressions, clicks, spend = (numbers(table, metric) for metric in ("impressions", "clicks", "spend"))

    assert not np.any((impressions == 0) & ((clicks > 0) | (spend > 0)))
    assert np.all((clicks >= 0) & (clicks <= impressions) & (spend >= 0))


@pytest.mark.parametrize(
    "segments",
    [
        ["segments.hour"],
        ["segments.device"],
        ["segments.ad_network_type"],
        ["segments.hour", "segments.device", "segments.ad_network_type"],
    ],
    ids=",".join,
)
def test_a_part_of_googles_day_without_impressions_has_neither_cost_nor_clicks(alpenglow, segments):
    columns = ("impressions", "clicks", "cost_micros", "interactions")
    selected = ", ".join(("ad_group_ad.ad.id", *segments, *(f"metrics.{name}" for name in columns)))
    rows = alpenglow.rows(f"SELECT {selected} FROM ad_group_ad WHERE segments.date DURING TODAY")
    found = [tuple(row.get(f"metrics.{name}", 0) for name in columns) for row in rows]

    assert any(impressions for impressions, *_ in found)
    assert [row for row in found if not row[0] and any(row)] == []
    assert [row for row in found if row[1] > row[0]] == []


@pytest.mark.parametrize("segments", [(), ("segments.hour",), ("segments.device",), ("segments.ad_network_type",)])
def test_the_parts_of_googles_day_add_up_to_it(alpenglow, segments):
    columns = [f"metrics.{name}" for name in ("impressions", "clicks", "cost_micros", "conversions")]
    whole, parts = (
        alpenglow.rows(f"SELECT {', '.join(['campaign.id', *chosen, *columns])} FROM campaign WHERE segments.date DURING TODAY")
        for chosen in ((), segments)
    )

    def sums(rows):
        return [round(sum(row.get(name, 0) for row in rows), 6) for name in columns]

    assert sums(whole) == sums(parts)
