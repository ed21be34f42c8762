"""Connections that share a Google Cloud project, for more than a day: fair, and never more than the project allows."""

import itertools
from bisect import bisect_left
from collections import Counter
from datetime import timedelta

import pytest
from connecting import unstored
from fakes import SteppedClock

from adpulse.errors import RateLimited
from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Heat, Parts
from adpulse.planner.account import Account, Spent
from adpulse.planner.plan import plan
from adpulse.planner.scopes import ScopeLimit, ScopeLimits
from adpulse.planner.shares import divide
from adpulse.planner.windows import PartitionAges
from storage.control import database, migrations
from storage.control.ledger import Ledger

SCOPE = "google:acme"
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
REALTIME, FIVE = Frequency.REALTIME, Frequency.EVERY_5_MIN


class Member:
    """One of those that share the project; reads as its plans say, taking every call from the ledger."""

    def __init__(self, number, frequency):
        self.connection = unstored(
            id=str(number),
            provider="google",
            external_id=str(number),
            name=str(number),
            timezone=("UTC", "America/New_York", "Asia/Tokyo")[number % 3],
            frequency=frequency,
            scope=SCOPE,
            ad_count=300,
            campaign_count=10,
            asset_group_count=0,
        )
        self.days, self.dateless, self.calls, self.reads, self.refused = {}, {}, [], [], 0

    def account(self, **values):
        return Account(connection=self.connection, parts=Parts.BOTH, page_size=500, limit=180, **{"on_demand": False} | values)

    def within(self, now, span):
        return self.calls[bisect_left(self.calls, now - span, key=lambda call: call[0]) :]

    def spent(self, now):
        recent = self.within(now, DAY)
        return Spent(calls=len(recent), older=tuple(call for call in recent if call[1] is not Heat.HOT))

    def rhythm(self, share, now):
        return self.account(share=share, spent=self.spent(now)).rhythm.interval

    def tick(self, now, share, ledger, *, on_demand=False):
        account = self.account(share=share, spent=self.spent(now), on_demand=on_demand)
        ages = PartitionAges(dateless=dict(self.dateless), days=dict(self.days))
        try:
            for fetch in plan(now, account, ages, tuple(self.within(now, HOUR))).fetches:
                self.read(fetch, now, ledger)
        except RateLimited:
            self.refused += 1

    def read(self, fetch, now, ledger):
        for _ in range(1 if fetch.kind is FetchKind.ENTITIES_CHANGED else fetch.cost):  # mostly nothing has changed
            ledger.take(self.connection.ledger_key, SCOPE, fetch.heat)
            self.calls.append((now, fetch.heat))
        if not fetch.kind.has_dates:
            self.dateless[fetch.kind] = now
        self.days |= {(fetch.kind, day): now for day in fetch.days}
        if fetch.kind is FetchKind.ADS and fetch.heat is Heat.HOT:
            self.reads.append(now)


class Project:
    """Members that share a project of so many operations in 24 hours, in business time on a real ledger."""

    def __init__(self, engine, operations, frequencies):
        self.limit = ScopeLimit(provider="google", calls=operations, window=DAY)
        self.clock = SteppedClock()
        self.ledger = Ledger(engine, self.clock, 180, ScopeLimits(by_provider={"google": self.limit}))
        self.members = [Member(number, frequency) for number, frequency in enumerate(frequencies)]
        self.begun = self.clock.now()

        self.shares = divide(self.limit, Counter(each.account().demand for each in self.members))

    def share(self, member):
        return self.shares.of(member.account().demand)

    def run(self, hours, step=MINUTE):
        """Realtime is ticked every minute, the others every five."""
        for _ in range(round(hours * HOUR / step)):
            for member in self.members:
                if member.connection.frequency is REALTIME or self.clock.now().minute % 5 == 0:
                    member.tick(self.clock.now(), self.share(member), self.ledger)
            self.clock.advance(seconds=step.total_seconds())

    def reads(self):
        return {
            frequency: [len(each.reads) for each in self.members if each.connection.frequency is frequency]
            for frequency in (REALTIME, FIVE)
        }

    def waits(self, frequency, after):
        """The longest wait for today's numbers of each member, once the first syncs are over."""
        reads = [[at for at in each.reads if at >= self.begun + after] for each in self.members if each.connection.frequency is frequency]
        return [max(later - earlier for earlier, later in itertools.pairwise(each)) for each in reads]

    def most_in_a_day(self):
        times = sorted(at for each in self.members for at, _ in each.calls)
        return max(bisect_left(times, at + DAY + timedelta(milliseconds=1)) - number for number, at in enumerate(times))


@pytest.fixture
def engine(tmp_path):
    made = database.connect(f"sqlite:///{tmp_path / 'control.db'}")
    migrations.migrate(made)
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("realtime", "five", "operations"),
    [(1, 4, 2500), pytest.param(6, 24, 15_000, marks=pytest.mark.slow)],  # the same shares; access level basic takes a minute
)
def test_those_who_share_a_project_stay_within_it_and_realtime_is_served_more_often(engine, realtime, five, operations):
    project = Project(engine, operations, [REALTIME] * realtime + [FIVE] * five)

    project.run(26)

    assert project.most_in_a_day() <= operations
    assert sum(each.refused for each in project.members) == 0
    assert max(project.waits(REALTIME, 2 * HOUR)) <= 3 * MINUTE
    assert max(project.waits(FIVE, 2 * HOUR)) <= 30 * MINUTE
    counts = project.reads()
    assert min(counts[REALTIME]) > 5 * max(counts[FIVE])
    assert max(counts[FIVE]) <= 1.2 * min(counts[FIVE])


@pytest.mark.slow
def test_who_goes_on_asking_is_slowed_and_the_others_are_not(engine):
    """One of ten asks all day long: its later reads pay for it, and the ledger refuses nobody."""
    project = Project(engine, 5000, [FIVE] * 10)
    greedy = project.members[0]
    project.run(3)
    for _ in range(30):
        for _ in range(5):
            greedy.tick(project.clock.now(), None, project.ledger, on_demand=True)
        project.run(0.2)
    paced = {each: each.rhythm(project.share(each), project.clock.now()) for each in project.members}

    assert sum(each.refused for each in project.members) == 0
    assert all(paced[greedy] > 1.5 * every for each, every in paced.items() if each is not greedy)
