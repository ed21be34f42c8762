"""The sliding hour: no history of calls, however taken, holds more than 180 in any 60 minutes."""

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from fakes import SteppedClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from adpulse.errors import RateLimited
from adpulse.model import Heat
from adpulse.planner.budget import Budget
from storage.ledger import Ledger

HOUR = timedelta(hours=1)


def taken(ledger, key, times):
    done = 0
    for _ in range(times):
        try:
            ledger.take(key, "meta", Heat.HOT)
        except RateLimited:
            break
        done += 1
    return done


def test_the_hour_is_full_after_its_limit_and_says_when_it_frees(plane):
    assert taken(plane.ledger, "meta:1", 200) == 180

    plane.clock.advance(minutes=20)
    with pytest.raises(RateLimited) as refused:
        plane.ledger.take("meta:1", "meta", Heat.HOT)
    assert refused.value.retry_after == pytest.approx(40 * 60, abs=1)
    assert refused.value.code is None


def test_waiting_as_long_as_told_is_long_enough(plane):
    taken(plane.ledger, "meta:1", 180)
    with pytest.raises(RateLimited) as refused:
        plane.ledger.take("meta:1", "meta", Heat.HOT)
    plane.clock.advance(seconds=refused.value.retry_after)

    plane.ledger.take("meta:1", "meta", Heat.HOT)


def test_accounts_do_not_share_an_hour(plane):
    taken(plane.ledger, "meta:1", 180)

    assert taken(plane.ledger, "meta:2", 1) == 1


def test_a_closed_hour_never_holds_more_than_the_limit(plane):
    taken(plane.ledger, "meta:1", 180)
    plane.clock.advance(hours=1)

    assert taken(plane.ledger, "meta:1", 1) == 0


def test_threads_at_once_take_exactly_the_limit(plane):
    with ThreadPoolExecutor(8) as pool:
        counts = list(pool.map(lambda _: taken(plane.ledger, "meta:1", 40), range(8)))

    assert sum(counts) == 180


def test_calls_carry_their_heat_and_old_ones_are_pruned(plane):
    plane.ledger.take("meta:1", "meta", Heat.BACKFILL)
    first = plane.clock.now()

    assert plane.ledger.calls("meta:1") == ((first, Heat.BACKFILL),)
    plane.clock.advance(hours=3)
    assert plane.ledger.calls("meta:1") == ()
    assert plane.ledger.prune() == 1


one_database = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Every example has a key of its own instead."""


@one_database
@given(
    limit=st.integers(1, 6),
    steps=st.lists(st.tuples(st.integers(0, 2400), st.integers(1, 5)), min_size=1, max_size=40),
)
def test_no_history_exceeds_the_limit_in_any_hour(plane, limit, steps):
    key, clock = str(uuid4()), SteppedClock()
    ledger, made = Ledger(plane.engine, clock, limit), []
    for seconds, wanted in steps:
        clock.advance(seconds=seconds)
        made += [clock.now()] * taken(ledger, key, wanted)
    with plane.engine.connect() as session:
        stored = session.scalar(text("SELECT count(*) FROM call_ledger WHERE key = :key"), {"key": key})

    assert stored == len(made)
    assert all(later - earlier > HOUR for earlier, later in zip(made, itertools.islice(made, limit, None), strict=False))


@one_database
@given(
    waits=st.lists(st.sampled_from([0, 1, 600, 1200, 3599, 3600, 3601]), min_size=1, max_size=12),
    costs=st.lists(st.integers(1, 4), min_size=12, max_size=12),
)
def test_what_the_planner_says_fits_the_ledger_gives(plane, waits, costs):
    key, clock = str(uuid4()), SteppedClock()
    ledger = Ledger(plane.engine, clock, 6)

    got = []
    for wait, cost in zip(waits, costs, strict=False):
        clock.advance(seconds=wait)
        fits_at = Budget(calls=ledger.calls(key), limit=6, hot_per_hour=0).fits_at(clock.now(), Heat.HOT, cost)
        if fits_at > clock.now():
            clock.advance(seconds=(fits_at - clock.now()).total_seconds())
        got.append(taken(ledger, key, cost) == cost)

    assert all(got)
