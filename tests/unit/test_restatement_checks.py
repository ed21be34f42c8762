"""Checks of older days: which leaves they ask for, that no restatement is lost, whoever dies when, and when a day is read whole."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta

import pytest
from connecting import unstored
from hypothesis import example, given
from hypothesis import strategies as st
from repeats import examples

from adpulse.campaign_range import NO_CAMPAIGNS, WHOLE_ACCOUNT, some_campaigns
from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Heat, Lane, Parts, days_between
from adpulse.planner.account import Account
from adpulse.planner.change_check import CheckAnswer
from adpulse.planner.costs import cost_of_days
from adpulse.planner.plan import plan
from adpulse.planner.restatement_check import (
    MOST_DAYS,
    DayCheck,
    Sizes,
    after_restatements,
    before_restatements,
    least_calls,
    restated_reads,
    restatements_can_be_checked,
)
from adpulse.planner.windows import PartitionAges, checked_days
from adpulse.platforms.base import CALLS_PER_LEG, Size
from adpulse.platforms.registry import platform_of

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
TODAY = NOW.date()
ROOM = 20
DAY = timedelta(days=1)


def costs(ads=10_000, campaigns=500, provider="meta", page=500):
    return platform_of(provider).costs(Size(ads=ads, campaigns=campaigns), page)


def sizes(leaves=None, **account):
    return Sizes(costs=costs(**account), leaves=leaves or {})


def back(days):
    return TODAY - days * DAY


def everybody(count=500, changed=()):
    return {f"k{number}": "new" if number in changed else "old" for number in range(count)}


def answers(changed, at=NOW, count=500):
    """What a check shows of days, by how many days back they are: these campaigns changed."""
    return [CheckAnswer(day=back(days), at=at, fingerprints=everybody(count, numbers)) for days, numbers in changed.items()]


def known(days, fingerprints=None, at=NOW - DAY):
    return {back(number): DayCheck(fingerprints=everybody() if fingerprints is None else fingerprints, checked_at=at) for number in days}


def asked(reads):
    """Of each read: its kind, how many campaigns it names, and from how many days back to how many."""
    return [(fetch.kind, len(fetch.campaigns.only), (TODAY - fetch.since).days, (TODAY - fetch.until).days) for fetch in reads]


ADS, TOTALS = FetchKind.ADS, FetchKind.CAMPAIGNS


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({}, True),
        ({"ads": 800, "campaigns": 40}, True),
        ({"ads": 700, "campaigns": 35}, False),
        ({"ads": 10_000, "campaigns": 3_000}, False),
        ({"ads": 50_000, "campaigns": 2_500}, False),
        ({"provider": "google", "page": 1}, False),
        ({"ads": None, "campaigns": None}, False),
    ],
    ids=["20 pages a day", "more than a leg", "one leg", "few ads a campaign", "read in parts", "Google", "unknown"],
)
def test_older_days_are_checked_where_they_are_more_than_a_leg_and_their_totals_far_less(account, expected):
    assert restatements_can_be_checked(costs(**account), CALLS_PER_LEG) is expected


def test_where_nothing_was_restated_nothing_is_read():
    assert restated_reads(sizes(), answers({2: (), 3: ()}), known([2, 3]), ROOM) == ()


def test_leaves_and_totals_of_restated_campaigns_are_read_newest_day_first():
    reads = restated_reads(sizes(), answers({9: [5], 2: [1], 6: [2, 3]}), known([2, 6, 9]), ROOM)

    assert asked(reads) == [(ADS, 1, 2, 2), (TOTALS, 1, 2, 2), (ADS, 2, 6, 6), (TOTALS, 2, 6, 6), (ADS, 1, 9, 9), (TOTALS, 1, 9, 9)]
    assert {(fetch.heat, fetch.cost) for fetch in reads} == {(Heat.COLD, 1)}
    assert reads[2].campaigns == reads[3].campaigns == some_campaigns(["k2", "k3"])


def test_neighbouring_days_are_one_read_where_that_is_no_more_calls():
    few = restated_reads(sizes(), answers({2: [1], 3: [2], 4: [3], 6: [4]}), known([2, 3, 4, 6]), ROOM)
    many = restated_reads(sizes(), answers({2: range(90), 3: range(100, 190)}), known([2, 3]), ROOM)

    assert asked(few) == [(ADS, 3, 4, 2), (TOTALS, 3, 4, 2), (ADS, 1, 6, 6), (TOTALS, 1, 6, 6)]
    assert asked(many)[0] == (ADS, 90, 2, 2)
    assert sum(fetch.cost for fetch in many) == 2 * (4 + 1)


def test_campaigns_are_reckoned_with_the_leaves_that_they_have():
    """One of 500 campaigns has half of the account's 10,000 ads: ten pages a day, and a read is no more than there is room for."""
    large = sizes({"k7": 5_000} | {f"k{number}": 10 for number in range(500) if number != 7})
    reads = restated_reads(large, answers({days: [7, 8] for days in range(2, 9)}), known(range(2, 9)), ROOM)

    assert [fetch.cost for fetch in reads] == [11, 1]
    assert [fetch.cost for fetch in restated_reads(large, answers({2: [8], 3: [8]}), known([2, 3]), ROOM)] == [1, 1]


def test_a_request_names_at_most_a_hundred_campaigns():
    reads = restated_reads(sizes(), answers({2: range(150)}), known([2]), ROOM)

    assert asked(reads) == [(ADS, 100, 2, 2), (TOTALS, 100, 2, 2), (ADS, 50, 2, 2), (TOTALS, 50, 2, 2)]


def test_as_many_campaigns_are_read_as_there_are_calls_for_and_one_at_least():
    changed = answers(dict.fromkeys(range(2, 12), range(80)))
    reads = restated_reads(sizes(), changed, known(range(2, 12)), ROOM)

    assert 0 < sum(fetch.cost for fetch in reads) <= ROOM
    assert len(restated_reads(sizes(), changed, known(range(2, 12)), room=1)) == 2


def test_a_day_whose_restated_campaigns_take_as_many_calls_as_all_of_it_is_forgotten_and_so_read_whole():
    (answer,) = answers({2: range(480)})

    assert restated_reads(sizes(), [answer], known([2]), ROOM) == ()
    assert after_restatements(sizes(), answer, known([2]), NO_CAMPAIGNS) is None
    assert after_restatements(sizes(), answer, known([2]), WHOLE_ACCOUNT) == DayCheck(fingerprints=answer.fingerprints, checked_at=NOW)


def test_nothing_is_remembered_of_a_day_whose_campaigns_are_mostly_silent():
    """All of their leaves are read each time anyway."""
    (answer,) = answers({2: ()})
    silent = [replace(answer, unreadable=frozenset(list(answer.fingerprints)[:number])) for number in (100, 500)]
    few, most = (after_restatements(sizes(), one, known([2]), WHOLE_ACCOUNT) for one in silent)

    assert few.fingerprints == answer.fingerprints
    assert silent[0].changed_from(few.fingerprints) == silent[0].unreadable
    assert most is None


def test_what_was_not_read_is_found_restated_again_and_the_day_is_known_as_before():
    (answer,), before = answers({2: [1, 2]}), known([2])
    after = after_restatements(sizes(), answer, before, some_campaigns(["k1"]))

    assert after.checked_at == before[back(2)].checked_at
    assert answer.changed_from(after.fingerprints) == {"k2"}
    assert after_restatements(sizes(), answer, {}, some_campaigns(["k1"])) is None, "of a day that was never known nothing is"


def test_a_campaign_whose_totals_moved_while_its_leaves_were_read_is_found_restated_again():
    (answer,) = answers({2: [1]})
    after = after_restatements(sizes(), answer, {}, WHOLE_ACCOUNT, moved=["k1", "gone"])

    assert (answer.changed_from(after.fingerprints), after.checked_at) == ({"k1"}, NOW)


def test_what_is_being_read_is_doubtful_until_it_is_stored():
    doubtful = before_restatements(answers({2: [1], 3: (), 4: [2]}), known([2, 3]))

    assert doubtful == known([2], {**everybody(), "k1": ""})


SMALL = costs(ads=9_000, campaigns=12, page=100)
SPAN = days_between(back(5), back(2))


@dataclass
class Platform:
    """Leaves of four days with numbers, in campaigns whose totals are their sums."""

    leaves: dict = field(default_factory=lambda: {(day, f"k{n // 3}", f"a{n}"): 1 for n in range(36) for day in SPAN})

    def totals(self, day):
        sums = {}
        for (of_day, campaign, _), number in self.leaves.items():
            if of_day == day:
                sums[campaign] = sums.get(campaign, 0) + number
        return {campaign: str(total) for campaign, total in sums.items()}


@dataclass
class Store:
    """What a worker has stored: leaves, and what its checks have shown."""

    leaves: dict = field(default_factory=dict)
    checks: dict = field(default_factory=dict)

    def read(self, platform, days, campaigns):
        self.leaves = {key: number for key, number in self.leaves.items() if key[0] not in days or key[1] not in campaigns}
        self.leaves |= {key: number for key, number in platform.leaves.items() if key[0] in days and key[1] in campaigns}

    def sync(self, platform, *, stored=99, settles=True, room=9):
        """A check, and the reads that it asks for, of which so many are stored before the worker dies."""
        shown = [CheckAnswer(day=day, at=NOW, fingerprints=platform.totals(day)) for day in SPAN]
        reads = [fetch for fetch in restated_reads(Sizes(costs=SMALL, leaves={}), shown, self.checks, room) if fetch.kind is ADS]
        self.checks |= before_restatements(shown, self.checks)
        covered = dict.fromkeys(SPAN, NO_CAMPAIGNS)
        for fetch in reads[:stored]:
            self.read(platform, fetch.days, fetch.campaigns)
            covered |= {day: covered[day].union(fetch.campaigns) for day in fetch.days}
        self.settle(shown, covered if settles else {})

    def settle(self, shown, covered):
        for answer in shown:
            if answer.day in covered:
                after = after_restatements(Sizes(costs=SMALL, leaves={}), answer, self.checks, covered[answer.day])
                self.checks.pop(answer.day, None)
                self.checks |= {answer.day: after} if after else {}

    def read_whole(self, platform):
        """The days of which nothing is known, each after a check."""
        for day in set(SPAN) - self.checks.keys():
            self.read(platform, [day], WHOLE_ACCOUNT)
            self.settle([CheckAnswer(day=day, at=NOW, fingerprints=platform.totals(day))], {day: WHOLE_ACCOUNT})


days = st.sampled_from(SPAN)
campaigns = st.integers(0, 12).map("k{}".format)
leaves = st.tuples(days, campaigns, st.integers(0, 50).map("a{}".format))
changes = st.tuples(st.just("change"), leaves, st.integers(0, 5))
syncs = st.tuples(st.just("sync"), st.integers(0, 3), st.booleans())


@example([("change", (SPAN[0], "k1", "a0"), 1), ("sync", 1, False), ("change", (SPAN[0], "k1", "a0"), 0)])  # a death, and it was taken back
@example([("change", (SPAN[1], "new", "a0"), 1), ("sync", 1, False), ("change", (SPAN[1], "new", "a0"), 0)])
@examples(100)
@given(steps=st.lists(st.one_of(changes, syncs), max_size=30))
def test_after_any_restatements_checks_and_deaths_what_was_restated_is_stored(steps):
    platform, store = Platform(), Store()
    store.read_whole(platform)
    for step, what, how in steps:
        if step == "change" and how:
            platform.leaves[what] = how
        elif step == "change":
            platform.leaves.pop(what, None)
        else:
            store.sync(platform, stored=what, settles=how)
    for _ in range(60):
        store.sync(platform)
        store.read_whole(platform)
    assert store.leaves == platform.leaves


def account(**options):
    connection = unstored(frequency=Frequency.REALTIME, ad_count=10_000, campaign_count=500, timezone="UTC")
    usual = {"parts": Parts.BOTH, "on_demand": False, "page_size": 500, "limit": 180, "lane": Lane.BACKGROUND}
    return Account(**{"connection": connection} | usual | options)


def midnight(days):
    return datetime.combine(back(days), time(), UTC)


def ages(checked=timedelta(hours=1), known_days=range(2, 29), read=None, **options):
    """Everything was read whole since the last midnight at which it had to be, and these days were checked so long ago.

    ``read``: when days were read whole instead, by how many days back they are.
    """
    kinds = (FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)
    at = {days: midnight((days - 2) % 7) + timedelta(hours=1) if 2 <= days <= 28 else NOW for days in range(90)}
    at |= read or {}
    of_days = {(kind, back(days)): instant for kind in kinds for days, instant in at.items()}
    dateless = dict.fromkeys((FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED), NOW)
    return PartitionAges(days=of_days, dateless=dateless, restatements_checked={back(n): NOW - checked for n in known_days}, **options)


def older(ages, **options):
    """Of the reads of older days: the kind, and from how many days back to how many."""
    made = plan(NOW, account(**options), ages, ())
    cold = [fetch for fetch in made.fetches if fetch.heat is Heat.COLD and fetch.days]
    return [(fetch.kind, (TODAY - fetch.since).days, (TODAY - fetch.until).days) for fetch in cold]


CHECK = FetchKind.RESTATEMENTS


def test_days_known_up_to_a_day_ago_are_checked_in_pieces_that_leave_calls_for_what_they_ask():
    (check,) = [fetch for fetch in plan(NOW, account(), ages(checked=DAY), ()).fetches if fetch.kind is CHECK]
    calls = [costs().read(TOTALS, days) for days in (account().longest_check, account().longest_check + 1)]

    assert older(ages(checked=DAY)) == [(CHECK, 3, 3)], "the second was read whole last night; the others follow"
    most = max(account().piece * 3 // 4, least_calls(costs()))
    assert calls[0] <= min(most // 2, most - cost_of_days(costs(), 1)) < calls[1]
    assert check.cost == most < account().piece
    assert older(ages(checked=DAY, known_days=[3])) == [(CHECK, 3, 3)]
    assert older(ages(checked=timedelta(hours=5))) == []


def test_the_last_week_is_checked_every_six_hours():
    assert older(ages(checked=timedelta(hours=6))) == [(CHECK, 2, 2)], "the next five follow"


def test_a_day_is_read_whole_after_a_check_every_seventh_day_of_its_age_and_when_it_is_final():
    """Yesterday's reads of days that were to be read whole last night, and of one that no check was ever made of."""
    yesterday = NOW - timedelta(hours=26)

    for days in (9, 16, 23):
        assert older(ages(read={days: yesterday})) == [
            (CHECK, days, days),
            (ADS, days, days),
            (TOTALS, days, days),
            (FetchKind.ACCOUNT, days, days),
        ]
    for days in (3, 8, 10, 17):
        assert older(ages(read={days: yesterday})) == []
    assert older(ages(read={29: yesterday})) == [(ADS, 29, 29), (TOTALS, 29, 29), (FetchKind.ACCOUNT, 29, 29)]


def test_a_day_that_was_never_checked_or_has_a_hole_or_a_refused_row_is_read_whole_daily():
    yesterday, whole = {5: NOW - timedelta(hours=26)}, [(CHECK, 5, 5), (ADS, 5, 5), (TOTALS, 5, 5), (FetchKind.ACCOUNT, 5, 5)]
    hole = {(TOTALS, back(5)): NOW + timedelta(hours=1)}

    assert older(ages(read=yesterday, known_days=set(range(2, 29)) - {5})) == whole
    assert older(ages(read=yesterday, refused=frozenset({(ADS, back(5))}))) == whole
    assert (ADS, 5, 5) in older(ages(read=yesterday, holes=hole))


def test_an_account_whose_pieces_do_not_hold_a_check_and_a_day_is_read_whole():
    small, enough = account(limit=96), account(limit=100)
    yesterday = ages(read={5: NOW - timedelta(hours=26)}, checked=DAY)

    assert (small.piece, enough.piece) == (cost_of_days(costs(), 1) + 1, least_calls(costs()))
    assert (small.checks_restatements, enough.checks_restatements) == (False, True)
    assert CHECK not in {kind for kind, *_ in older(yesterday, limit=96)}


def test_while_checks_fail_days_are_read_whole_daily():
    reads = older(ages(read=dict.fromkeys(range(2, 29), NOW - timedelta(hours=26))), resting=frozenset({CHECK}))

    assert reads[:2] == [(ADS, 2, 2), (TOTALS, 2, 2)]


def test_a_check_from_the_future_counts_for_nothing():
    at = ages(checked=timedelta(hours=-1))

    assert older(at) == older(replace(at, restatements_checked={})) != []


def test_a_day_is_known_up_to_its_check_at_both_levels():
    at = ages(checked=timedelta(hours=1), read={5: NOW - 3 * DAY})

    assert [at.known_at(kind, back(5)) for kind in (ADS, TOTALS)] == [NOW - timedelta(hours=1)] * 2
    assert at.known_at(FetchKind.ACCOUNT, back(5)) == NOW - 3 * DAY
    assert replace(at, days={}).known_at(ADS, back(5)) is None


def test_today_has_the_calls_of_older_days_once_most_of_them_are_checked():
    def kept(known_days, **options):
        usual = account(days_are_checked=len(known_days) >= MOST_DAYS, **options)
        return 180 - usual.hour.hot - costs().changed_walk

    day = cost_of_days(costs(), 1)
    assert kept(range(2, 29)) == least_calls(costs()) + costs().read(FetchKind.ACCOUNT, 1) + 1, "today has 150 at most"
    assert kept(range(2, 29), resting=frozenset({CHECK})) == day + max(day, costs().lookup)
    assert kept(range(2, 20)) == day + max(day, costs().lookup)
    small = account(days_are_checked=False, limit=90).hour
    assert 90 - small.hot - costs().changed_walk == 2 * day, "no lookup in a small hour"


def test_a_plan_gives_today_these_calls_by_the_checks_that_are_known():
    def next_read(known_days):
        last = ages(known_days=known_days)
        pace = account().hour.pace
        hot = {(FetchKind.ADS, TODAY): NOW - pace}
        made = plan(NOW, account(), replace(last, days={**last.days, **hot}), ())
        return [fetch.kind for fetch in made.fetches if fetch.heat is Heat.HOT and TODAY in fetch.days]

    assert next_read(range(2, 29)) != []
    assert next_read([3]) == []


def test_a_first_sync_that_died_goes_on_without_a_check_of_days_that_it_read_in_part():
    def backfill(leaves_of):
        read = {n: NOW for n in range(90) if n not in (5, 6)}
        whole = ages(read=read, known_days=[])
        unread = {(kind, back(n)) for kind in platform_of("meta").metric_kinds for n in (5, 6)}
        days = {part: at for part, at in whole.days.items() if part not in unread}
        days |= {(FetchKind.ADS, back(n)): NOW - timedelta(hours=1) for n in leaves_of}
        of_few_pages = account(connection=unstored(frequency=Frequency.REALTIME, ad_count=2_000, campaign_count=100, timezone="UTC"))
        fetches = plan(NOW, of_few_pages, replace(whole, days=days), ()).fetches
        return [(fetch.kind, len(fetch.days)) for fetch in fetches if fetch.heat is Heat.BACKFILL]

    totals = [(FetchKind.CAMPAIGNS, 2), (FetchKind.ACCOUNT, 2)]
    assert backfill([]) == [(CHECK, 2), (FetchKind.ADS, 2), *totals]
    assert backfill([5]) == [(FetchKind.ADS, 1), *totals]


def test_checks_of_days_that_are_not_read_daily_any_more_do_not_count():
    assert len(checked_days(NOW, account().connection, ages(known_days=range(2, 60)))) == 27
