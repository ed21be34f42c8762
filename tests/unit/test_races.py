"""Many at once: whatever the order, one run per connection, exact counts, and nobody waits for anybody in a circle."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from adpulse.errors import LeaseLost, RateLimited, Unavailable
from adpulse.frequency import Frequency
from adpulse.model import AccountFacts, Fetch, FetchKind, Heat, Lane, Parts, RunCounts
from adpulse.planner.scopes import ScopeLimit, ScopeLimits
from storage.control import migrations
from storage.control.ledger import Ledger
from storage.control.runs import Leg

DAY = date(2026, 3, 10)
FACTS = AccountFacts(external_id="1", name="x", currency="USD", timezone="UTC", enabled=True, status="active")
CHANGED = Leg(counts=RunCounts(fetched=3, updated=1, unchanged=2))


def at_once(people, do):
    """``do(number)`` by so many threads that begin together; their answers."""
    ready = Barrier(people)

    def begin(number):
        ready.wait(30)
        return do(number)

    with ThreadPoolExecutor(people) as pool:
        return list(pool.map(begin, range(people)))


def test_people_who_ask_at_once_get_the_same_run_and_one_of_them_began_it(plane):
    for number in range(10):
        connection = plane.connect(str(number), "manual")
        tickets = at_once(8, lambda _, connection=connection: plane.runs.request(connection.id))

        assert len({ticket.run_id for ticket in tickets}) == 1
        assert [ticket.created for ticket in tickets].count(True) == 1


def test_a_request_and_a_claim_at_once_meet_in_one_run(plane):
    for number in range(10):
        connection = plane.connect(str(number), "5min")

        def ask_or_claim(who, connection=connection):
            if who % 2:
                return plane.runs.request(connection.id).run_id
            return [lease.run_id for lease in plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, f"w{who}")]

        at_once(6, ask_or_claim)

        assert len(plane.runs.history(connection.id)) == 1


def test_workers_of_both_kinds_never_hold_the_same_connection(plane):
    for number in range(24):
        plane.runs.request(plane.connect(str(number)).id)

    def claim(who):
        if who % 2:
            return plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, f"w{who}")
        return plane.leases.claim_waiting("meta", Lane.ON_DEMAND, f"w{who}")

    claimed = [lease.connection.id for leases in at_once(8, claim) for lease in leases]

    assert (len(claimed), max(Counter(claimed).values())) == (24, 1)


def test_sixteen_at_once_take_exactly_the_limit_of_each_account(plane):
    keys = [f"meta:{number}" for number in range(4)]

    def take_all(who):
        dice, got = random.Random(who), Counter()
        for key in dice.sample(keys * 15, 60):
            try:
                plane.ledger.take(key, "meta", Heat.HOT)
            except RateLimited:
                continue
            got[key] += 1
        return got

    assert sum(at_once(16, take_all), Counter()) == dict.fromkeys(keys, 180)


def test_sixteen_at_once_take_exactly_the_limits_of_accounts_and_scopes(plane):
    google = ScopeLimit(provider="google", calls=100, window=timedelta(days=1))
    ledger = Ledger(plane.engine, plane.clock, 40, ScopeLimits(by_provider={"google": google}))
    places = [(f"google:{number}", f"google:{project}") for number in range(4) for project in ("a", "b")]  # an account may be in both

    def take_all(who):
        dice, got = random.Random(who), Counter()
        for key, scope in dice.sample(places * 6, 48):
            try:
                ledger.take(key, scope, Heat.HOT)
            except RateLimited:
                continue
            got[key] += 1
            got[scope] += 1
        return got

    got = sum(at_once(16, take_all), Counter())
    assert max(got["google:a"], got["google:b"]) <= 100
    assert {number: got[f"google:{number}"] for number in range(4)} == dict.fromkeys(range(4), 40)
    assert got["google:a"] + got["google:b"] == 160


def test_sixteen_at_once_take_exactly_the_limit_of_a_scope(plane):
    google = ScopeLimit(provider="google", calls=100, window=timedelta(days=1))
    ledger = Ledger(plane.engine, plane.clock, 180, ScopeLimits(by_provider={"google": google}))

    def take(who):
        got = 0
        for number in range(20):
            try:
                ledger.take(f"google:{who}:{number % 3}", "google:acme", Heat.HOT)
            except RateLimited:
                continue
            got += 1
        return got

    assert sum(at_once(16, take)) == 100


def test_every_bump_of_the_dispatch_counts_also_the_first_ones(plane):
    at_once(8, lambda _: plane.runs.bump_dispatch("meta", Lane.ON_DEMAND))

    assert plane.runs.dispatch_generation("meta", Lane.ON_DEMAND) == 8


def test_processes_that_start_together_migrate_once(engine):
    at_once(4, lambda _: migrations.migrate(engine))

    migrations.require_current(engine)


class Crowd:
    """Does anything that workers, people and the sweep do, in any order, to the same few connections."""

    def __init__(self, plane, ids):
        self.plane = plane
        self.ids = ids

    def act(self, who):
        dice = random.Random(who)
        deeds = [self.ask, self.force, self.work, self.tick, self.give_back, self.cool, self.read, self.sweep]
        for deed in dice.choices(deeds, weights=[4, 2, 6, 4, 2, 1, 4, 1], k=60):
            deed(dice)

    def ask(self, dice):
        self.plane.runs.request(dice.choice(self.ids), dice.choice(list(Parts)))

    def force(self, dice):
        self.plane.runs.request(dice.choice(self.ids), force=True)

    def work(self, dice):
        self.end(self.plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w"), dice)

    def tick(self, dice):
        self.plane.clock.advance(minutes=5)
        self.end(self.plane.leases.claim_due("meta", Frequency.EVERY_5_MIN, "w"), dice)

    def end(self, leases, dice):
        dice.shuffle(leases)
        for lease in leases:
            try:
                self.plane.runs.calling(lease)
                self.plane.runs.fetched(lease)
                self.plane.runs.applied(lease)
                self.close(lease, dice.choice(["done", "postponed", "failed"]))
            except LeaseLost:
                continue

    def close(self, lease, ending):
        runs, now = self.plane.runs, self.plane.clock.now()
        if ending == "done":
            runs.done(lease, CHANGED)
        elif ending == "postponed":
            runs.postponed(lease, CHANGED, until=now + timedelta(minutes=1), reason="r")
        else:
            runs.failed(lease, Leg(), Unavailable("x"), until=now)

    def give_back(self, dice):
        leases = [*self.plane.leases.claim_waiting("meta", Lane.ON_DEMAND, "w"), *self.plane.runs.leases_of_owner("w")]
        dice.shuffle(leases)
        self.plane.leases.release(leases)

    def cool(self, dice):
        until = self.plane.clock.now() + timedelta(seconds=dice.randint(0, 60))
        connection = self.plane.connections.get(dice.choice(self.ids)).connection
        self.plane.connections.cool_down(connection, dice.choice(["account", "app"]), until, "throttled")

    def read(self, dice):
        days = [DAY - timedelta(days=n) for n in range(5)]
        dice.shuffle(days)
        reads = [Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=1, since=day, until=day) for day in days]
        self.plane.partitions.record(
            dice.choice(self.ids), [fetch.complete_at(self.plane.clock.now()) for fetch in reads], self.plane.clock.now()
        )

    def sweep(self, dice):
        self.plane.leases.waiting("meta", Lane.ON_DEMAND)
        self.plane.connections.set_facts(dice.choice(self.ids), FACTS)
        self.plane.ledger.take(f"meta:{dice.randint(1, 9)}:{self.plane.clock.now()}", "meta", Heat.HOT)
        self.plane.ledger.prune()


@pytest.mark.parametrize("databases", ["postgresql"], indirect=True)  # SQLite has one lock, so no circle of waiting
def test_no_order_of_claims_requests_and_endings_ends_in_a_deadlock(plane):
    crowd = Crowd(plane, [plane.connect(str(number)).id for number in range(4)])

    at_once(8, crowd.act)

    with plane.engine.connect() as session:
        query = "SELECT connection_id, count(*) FROM sync_run WHERE state NOT IN ('done', 'failed', 'dead') GROUP BY connection_id"
        opened = dict(session.execute(text(query)).all())
    assert max(opened.values(), default=0) <= 1
