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

from adpulse.errors import LeaseLost, RateLimited
from adpulse.frequency import Frequency
from adpulse.model import Heat
from adpulse.planner.budget import AccountLimit, Budget
from adpulse.planner.scopes import ScopeLimit, ScopeLimits
from adpulse.platforms.base import CallLimit
from storage.control.leases import NO_FLOW_RUN
from storage.control.ledger import Ledger
from storage.control.slots import LONGEST_PAUSE, Slots

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
FIVE = timedelta(seconds=300)


def taken(ledger, key, times, scope="meta"):
    done = 0
    for _ in range(times):
        try:
            ledger.take(key, scope, Heat.HOT)
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


def test_connections_that_have_an_accounts_hour_together_are_counted_where_they_are_synced_by_a_schedule(plane):
    first = plane.workspace
    plane.connect("1"), plane.connect("2")
    plane.workspace = plane.workspaces.create("another")
    plane.connect("1", frequency="hourly"), plane.connect("2", frequency="manual"), plane.connect("3")
    plane.workspace = first
    plane.connect("1", provider="google")

    assert plane.ledger.sharing() == plane.ledger.sharing("meta:1") == {"meta:1": 2}
    assert plane.ledger.sharing("meta:2") == plane.ledger.sharing("google:1") == {}


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


def limited(plane, calls=10):
    """A ledger of the same control plane: Google's scopes may make ``calls`` in 24 hours, and Meta's app 15 in one."""
    google = ScopeLimit(provider="google", calls=calls, window=DAY)
    meta = ScopeLimit(provider="meta", calls=15, window=HOUR)
    return Ledger(plane.engine, plane.clock, 180, ScopeLimits(by_provider={"google": google, "meta": meta}))


def refusal(ledger, key="google:new", scope="google:acme"):
    with pytest.raises(RateLimited) as refused:
        ledger.take(key, scope, Heat.HOT)
    return refused.value


def test_all_accounts_of_a_scope_share_its_window_and_each_scope_has_its_own(plane):
    ledger = limited(plane)

    assert [taken(ledger, f"google:{number}", 4, "google:acme") for number in range(4)] == [4, 4, 2, 0]
    assert taken(ledger, "google:9", 4, "google:other") == 4
    assert taken(ledger, "meta:1", 11) == 11


def test_a_scope_that_is_used_up_says_whose_it_is_and_when_its_oldest_call_leaves(plane):
    ledger = limited(plane)
    taken(ledger, "google:1", 6, "google:acme")
    plane.clock.advance(hours=5)
    taken(ledger, "google:2", 6, "google:acme")
    refused = refusal(ledger)

    assert (refused.code, refused.scope) == (None, "app")
    assert refused.retry_after == pytest.approx(19 * 3600, abs=1)
    assert str(refused) == "The 10 operations in 24 h of the Google Cloud project acme are used up; the next slot frees in 19 h."


def test_a_meta_app_has_an_hour(plane):
    ledger = limited(plane)

    assert [taken(ledger, f"meta:{number}", 9) for number in range(3)] == [9, 6, 0]
    assert str(refusal(ledger, "meta:9", "meta")) == "The 15 calls in 60 min of the Meta app are used up; the next slot frees in 60 min."


def test_waiting_as_long_as_the_scope_says_is_long_enough_and_a_millisecond_less_is_not(plane):
    ledger = limited(plane)
    taken(ledger, "google:1", 10, "google:acme")
    plane.clock.advance(seconds=refusal(ledger).retry_after - 0.001)
    assert refusal(ledger).retry_after == pytest.approx(0.001)
    plane.clock.advance(milliseconds=1)

    assert taken(ledger, "google:1", 20, "google:acme") == 10


def test_of_two_full_windows_the_one_that_has_room_last_is_told(plane):
    ledger = limited(plane, calls=200)
    taken(ledger, "google:1", 180, "google:acme")
    assert (refusal(ledger, "google:1").scope, refusal(ledger, "google:1").retry_after) == ("account", 3600.001)
    taken(ledger, "google:2", 20, "google:acme")

    assert (refusal(ledger, "google:1").scope, refusal(ledger, "google:1").retry_after) == ("app", 86400.001)


def test_a_refusal_by_the_scope_takes_no_slot_of_the_account(plane):
    ledger = limited(plane)
    taken(ledger, "google:1", 10, "google:acme")
    refusal(ledger, "google:2")

    assert ledger.calls("google:2") == ()


def test_a_limit_that_was_lowered_is_told_by_when_enough_calls_have_left(plane):
    taken(limited(plane), "google:1", 5, "google:acme")
    plane.clock.advance(hours=1)
    taken(limited(plane), "google:1", 5, "google:acme")

    assert refusal(limited(plane, calls=3)).retry_after == pytest.approx(24 * 3600, abs=1)


@pytest.mark.parametrize("back", [timedelta(minutes=30), timedelta(hours=10), timedelta(days=400)])
def test_calls_before_the_clock_was_set_back_count_for_a_window_and_no_longer(plane, back):
    ledger = limited(plane)
    taken(ledger, "google:1", 10, "google:acme")
    plane.clock.advance(seconds=-back.total_seconds())

    wait = timedelta(seconds=refusal(ledger).retry_after)
    assert DAY <= wait <= DAY + timedelta(seconds=1)
    plane.clock.advance(seconds=(wait + HOUR).total_seconds())
    assert taken(ledger, "google:2", 20, "google:acme") == 10


def test_calls_are_kept_for_as_long_as_their_platforms_limit_looks_back(plane):
    ledger = limited(plane)
    taken(ledger, "google:1", 3, "google:acme")
    taken(ledger, "meta:1", 2)
    plane.clock.advance(hours=24)
    kept = ledger.prune(), taken(ledger, "google:2", 20, "google:acme")
    plane.clock.advance(hours=1, seconds=1)

    assert kept == (2, 7)
    assert ledger.prune() == 3


def test_what_an_account_has_spent_of_its_scope_is_told_apart_by_what_it_was_for(plane):
    ledger = limited(plane)
    taken(ledger, "google:1", 2, "google:acme")
    taken(ledger, "google:2", 1, "google:acme")
    plane.clock.advance(hours=23)
    ledger.take("google:1", "google:acme", Heat.BACKFILL)
    spent = ledger.spent("google:1", "google:acme")

    assert (spent.calls, spent.older) == (3, ((plane.clock.now(), Heat.BACKFILL),))
    plane.clock.advance(hours=2)
    assert ledger.spent("google:1", "google:acme").calls == 1
    assert plane.ledger.spent("google:1", "google:acme").calls == 0  # no limit, nothing to know


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


@one_database
@given(
    limit=st.integers(1, 6),
    steps=st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 3), st.integers(1, 4)), min_size=1, max_size=30),
)
def test_no_history_exceeds_the_scopes_limit_in_any_day(plane, limit, steps):
    scope, clock, made = f"google:{uuid4()}", SteppedClock(), []
    google = ScopeLimit(provider="google", calls=limit, window=DAY)
    ledger = Ledger(plane.engine, clock, 4, ScopeLimits(by_provider={"google": google}))
    for seconds, account, wanted in steps:
        clock.advance(seconds=seconds)
        made += [clock.now()] * taken(ledger, f"{scope}:{account}", wanted, scope)

    assert all(later - earlier > DAY for earlier, later in zip(made, itertools.islice(made, limit, None), strict=False))


def bursting(plane, clock=None, *, limit=180, calls=50):
    """A ledger of the same control plane: an account of Meta may be called so often in five minutes, unless its app has full access."""
    return Ledger(plane.engine, clock or plane.clock, limit, bursts={"meta": CallLimit(calls=calls, window=FIVE)})


def test_the_burst_limit_refuses_before_the_hour_is_full_and_the_refusal_names_it(plane):
    ledger = bursting(plane)

    assert (taken(ledger, "meta:1", 60), taken(ledger, "google:1", 60, "google:acme")) == (50, 60)
    plane.clock.advance(minutes=2)
    refused = refusal(ledger, "meta:1", "meta")
    assert (refused.code, refused.scope, refused.retry_after) == (None, "account", 180.001)
    assert str(refused) == ("The 50 calls in 5 min for meta:1, whose app has limited access, are used up; the next slot frees in 3 min.")
    for _ in range(3):
        plane.clock.advance(minutes=6)
        taken(ledger, "meta:1", 50)
    assert "The 180 calls an hour for meta:1" in str(refusal(ledger, "meta:1", "meta"))


def test_an_account_is_held_to_the_burst_limit_until_all_its_connections_apps_have_full_access(plane):
    ledger, burst = bursting(plane), CallLimit(calls=50, window=FIVE)
    plane.connect("1", scope="meta"), plane.connect("2", scope="meta")
    plane.workspace = plane.workspaces.create("another")
    plane.connect("1", scope="meta:7")

    plane.account_limits.set_full_access("meta", full_access=True)
    assert [ledger.limit(key).burst for key in ("meta:1", "meta:2", "meta:3")] == [burst, None, burst]
    plane.account_limits.set_full_access("meta:7", full_access=True)
    assert ledger.limits() == dict.fromkeys(("meta:1", "meta:2"), AccountLimit(per_hour=180))
    assert taken(ledger, "meta:1", 60) == 60
    plane.account_limits.set_full_access("meta", full_access=False)
    assert taken(ledger, "meta:1", 1) == 0


def test_the_lowest_limit_of_an_accounts_connections_counts_and_none_is_the_installations(plane):
    ledger, first = bursting(plane, limit=100), plane.connect("1")
    plane.connect("2")
    plane.workspace = plane.workspaces.create("another")
    second = plane.connect("1")

    plane.account_limits.set_calls_per_hour(first, 400)
    assert [ledger.limit(key).per_hour for key in ("meta:1", "meta:2", "meta:3")] == [100, 100, 100]
    plane.account_limits.set_calls_per_hour(second, 300)
    plane.account_limits.set_full_access("meta", full_access=True)
    assert taken(ledger, "meta:1", 500) == 300
    assert str(refusal(ledger, "meta:1", "meta")).startswith("The 300 calls an hour for meta:1 are used up")
    plane.connections.disconnect(second.id, "gone")
    assert taken(ledger, "meta:1", 500) == 100
    plane.account_limits.set_calls_per_hour(first, None)
    assert ledger.limits() == {"meta:1": AccountLimit(per_hour=100), "meta:2": AccountLimit(per_hour=100)}


def test_a_limit_below_what_the_hour_has_used_refuses_until_enough_calls_have_left(plane):
    ledger, connection = bursting(plane, calls=500), plane.connect("1")
    taken(ledger, "meta:1", 20)
    plane.clock.advance(minutes=10)
    taken(ledger, "meta:1", 20)
    plane.account_limits.set_calls_per_hour(connection, 30)

    assert refusal(ledger, "meta:1", "meta").retry_after == pytest.approx(50 * 60, abs=1)


def test_a_read_that_has_begun_waits_for_its_next_call_and_one_that_has_not_is_refused(plane):
    plane.connect("1")
    (lease,) = plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, NO_FLOW_RUN)
    ledger, slept = bursting(plane), []

    def sleep(seconds):
        slept.append(seconds)
        plane.clock.advance(seconds=seconds)

    slots = Slots(plane.runs, ledger, lease, Heat.COLD, sleep)
    for _ in range(60):
        slots.take()
    assert (sum(slept) >= FIVE.total_seconds(), max(slept) <= 5) == (True, True)
    assert plane.runs.get(lease.run_id).calls == 60
    taken(ledger, "meta:1", 60)
    with pytest.raises(RateLimited):
        Slots(plane.runs, ledger, lease, Heat.COLD, sleep).take()


def test_a_read_that_waits_makes_no_call_once_its_lease_is_lost_and_does_not_wait_for_an_hour(plane):
    plane.connect("1")
    (lease,) = plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, NO_FLOW_RUN)
    slots = Slots(plane.runs, bursting(plane), lease, Heat.COLD, lambda _: plane.leases.release([lease]))
    for _ in range(50):
        slots.take()
    with pytest.raises(LeaseLost):
        slots.take()

    plane.clock.advance(hours=2)
    (lease,) = plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, NO_FLOW_RUN)
    slept = []
    slots = Slots(plane.runs, bursting(plane, limit=3), lease, Heat.COLD, slept.append)
    for _ in range(3):
        slots.take()
    with pytest.raises(RateLimited) as refused:
        slots.take()
    assert (slept, refused.value.retry_after > LONGEST_PAUSE.total_seconds()) == ([], True)


@one_database
@given(
    limit=st.integers(2, 9),
    burst=st.integers(1, 4),
    steps=st.lists(st.tuples(st.sampled_from([0, 1, 60, 299, 300, 301, 900, 3300, 3600]), st.integers(1, 6)), min_size=1, max_size=40),
)
def test_no_history_exceeds_either_window_of_an_account(plane, limit, burst, steps):
    key, clock, made = f"meta:{uuid4()}", SteppedClock(), []
    ledger = bursting(plane, clock, limit=limit, calls=burst)
    for seconds, wanted in steps:
        clock.advance(seconds=seconds)
        made += [clock.now()] * taken(ledger, key, wanted)

    for most, window in ((limit, HOUR), (burst, FIVE)):
        assert all(later - earlier > window for earlier, later in zip(made, itertools.islice(made, most, None), strict=False))
