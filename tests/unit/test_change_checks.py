"""Checks of what changed today: which leaves they ask for, and that no change is lost, whoever dies when."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import pytest
from connecting import unstored
from hypothesis import example, given
from hypothesis import strategies as st
from repeats import examples

from adpulse.campaign_range import NO_CAMPAIGNS, WHOLE_ACCOUNT, some_campaigns
from adpulse.frequency import Frequency
from adpulse.model import FetchKind, Heat, Lane, Parts
from adpulse.planner.account import Account
from adpulse.planner.change_check import ChangeCheck, CheckAnswer, after_check, before_reads, calls_asked, can_be_checked, leaf_reads
from adpulse.planner.plan import plan
from adpulse.planner.windows import PartitionAges
from adpulse.platforms.base import Size
from adpulse.platforms.registry import platform_of

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
TODAY = date(2026, 3, 20)
ROOM = 180


def costs(ads=10_000, campaigns=500, provider="meta", page=500):
    return platform_of(provider).costs(Size(ads=ads, campaigns=campaigns), page)


def answer(fingerprints, at=NOW, unreadable=()):
    return CheckAnswer(day=TODAY, at=at, fingerprints=fingerprints, unreadable=frozenset(unreadable))


def known(fingerprints, calls=2, at=NOW - timedelta(minutes=5), day=TODAY):
    return ChangeCheck(day=day, fingerprints=fingerprints, calls=calls, checked_at=at)


def everybody(count=500, changed=()):
    return {f"k{number}": "new" if number in changed else "old" for number in range(count)}


def asked(reads):
    return [fetch.campaigns.only for fetch in reads]


def test_campaigns_that_are_different_new_gone_or_unreadable_have_changed():
    last = known({"same": "1", "other": "1", "gone": "1", "odd": "1"})
    now = answer({"same": "1", "other": "2", "new": "1"}, unreadable=["odd", "odder"])

    assert now.changed_since(last) == {"other", "new", "gone", "odd", "odder"}
    assert (
        now.changed_since(None)
        == now.changed_since(replace(last, day=TODAY - timedelta(days=1)))
        == {"same", "other", "new", "odd", "odder"}
    )


def test_where_nothing_changed_nothing_is_read():
    assert leaf_reads(costs(), answer(everybody()), known(everybody()), ROOM) == ()


def test_only_the_leaves_of_campaigns_that_changed_are_read_a_hundred_ids_a_request():
    reads = leaf_reads(costs(), answer(everybody(changed=range(150))), known(everybody()), ROOM)

    assert [len(ids) for ids in asked(reads)] == [100, 50]
    assert {campaign for ids in asked(reads) for campaign in ids} == {f"k{number}" for number in range(150)}
    assert [(fetch.kind, fetch.heat, fetch.days, fetch.cost) for fetch in reads] == [
        (FetchKind.ADS, Heat.HOT, (TODAY,), 4),
        (FetchKind.ADS, Heat.HOT, (TODAY,), 2),
    ]


@pytest.mark.parametrize(("changed", "whole"), [(474, False), (475, True), (500, True)])
def test_all_leaves_are_read_where_the_changed_ones_and_the_check_take_as_many_calls(changed, whole):
    """Of 20 pages, the check is one: 95 % of the campaigns are 19 pages."""
    reads = leaf_reads(costs(), answer(everybody(changed=range(changed))), known(everybody()), ROOM)

    assert (asked(reads) == [None]) is whole


def test_all_leaves_are_read_where_the_ids_alone_take_as_many_requests():
    reads = leaf_reads(costs(ads=1_000, campaigns=400), answer(everybody(400, range(101))), known(everybody(400)), ROOM)

    assert asked(reads) == [None]


def test_where_all_leaves_do_not_fit_as_many_campaigns_are_read_as_do_and_others_the_next_time():
    new = everybody(changed=range(500))
    first, later = (leaf_reads(costs(), answer(new, NOW + timedelta(seconds=at)), known(everybody()), room=9) for at in (0, 250))

    assert [[fetch.cost for fetch in reads] for reads in (first, later)] == [[4, 4], [4, 4]]
    assert set(asked(first)[0]).isdisjoint(asked(later)[0])
    assert len(leaf_reads(costs(), answer(new), known(everybody()), room=0)) == 1
    all_of_many = answer(everybody(5_000, range(5_000)))
    many = leaf_reads(costs(campaigns=5_000, page=5_000, ads=100_000), all_of_many, known(everybody(5_000)), room=9)
    assert asked(many) == [None], "50 requests of a hundred campaigns instead of 20 pages"


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ({}, True),
        ({"ads": 500, "campaigns": 25}, False),
        ({"ads": 501, "campaigns": 501}, False),
        ({"ads": 50_000, "campaigns": 2_000}, False),
        ({"provider": "google", "page": 1}, False),
        ({"ads": None, "campaigns": None}, False),
    ],
    ids=["20 pages", "one page", "as many campaigns", "read in parts", "Google", "unknown"],
)
def test_an_account_is_checked_where_that_costs_less_than_its_leaves(account, expected):
    assert can_be_checked(costs(**account)) is expected


def test_what_was_not_read_after_a_check_is_found_changed_again():
    last = known({"a": "1", "b": "1", "c": "1"})
    now = answer({"a": "2", "b": "2", "new": "1"})
    some = after_check(costs(), last, now, some_campaigns(["a"]), 3)
    all_of_it = after_check(costs(), last, now, WHOLE_ACCOUNT, 3)

    assert (some.checked_at, some.calls) == (last.checked_at, 3)
    assert answer(now.fingerprints).changed_since(some) == {"b", "c", "new"}
    assert (all_of_it.checked_at, answer(now.fingerprints).changed_since(all_of_it)) == (NOW, set())


SMALL = costs(ads=36_00, campaigns=12, page=100)


@dataclass
class Platform:
    """Leaves with numbers, in campaigns whose totals are their sums."""

    leaves: dict = field(default_factory=lambda: {(f"k{n // 3}", f"a{n}"): 1 for n in range(36)})

    def totals(self):
        sums = {}
        for (campaign, _), number in self.leaves.items():
            sums[campaign] = sums.get(campaign, 0) + number
        return {campaign: str(total) for campaign, total in sums.items()}


@dataclass
class Store:
    """What a worker has stored: leaves, and what its checks have shown."""

    leaves: dict = field(default_factory=dict)
    check: ChangeCheck | None = None

    def read(self, platform, campaigns):
        self.leaves = {key: number for key, number in self.leaves.items() if key[0] not in campaigns}
        self.leaves |= {key: number for key, number in platform.leaves.items() if key[0] in campaigns}

    def sync(self, platform, *, whole=False, stored=99, settles=True, room=ROOM):
        """A check, and the reads that it asks for, of which so many are stored before the worker dies."""
        now = answer(platform.totals())
        reads = leaf_reads(SMALL, now, self.check, room)
        ranges = [WHOLE_ACCOUNT] if whole else [fetch.campaigns for fetch in reads]
        self.check = before_reads(self.check, now) or self.check
        covered = NO_CAMPAIGNS
        for campaigns in ranges[:stored]:
            self.read(platform, campaigns)
            covered = covered.union(campaigns)
        if settles:
            self.check = after_check(SMALL, self.check, now, covered, 1)


campaigns = st.integers(0, 12).map("k{}".format)
changes = st.tuples(st.just("change"), st.tuples(campaigns, st.integers(0, 50).map("a{}".format)), st.integers(0, 5))
syncs = st.tuples(st.just("sync"), st.integers(0, 2), st.booleans())
moves = st.tuples(st.just("move"), campaigns, st.integers(1, 3))


@example([("change", ("k1", "a0"), 1), ("sync", 1, False), ("change", ("k1", "a0"), 0)])  # a worker died, and the change was taken back
@example([("change", ("new", "a0"), 1), ("sync", 1, False), ("change", ("new", "a0"), 0)])
@examples(100)
@given(steps=st.lists(st.one_of(changes, syncs, moves), max_size=30))
def test_after_any_changes_checks_and_deaths_what_changed_in_total_is_stored_and_hourly_everything(steps):
    platform, store = Platform(), Store()
    store.sync(platform, whole=True)
    for step, what, how in steps:
        if step == "change" and how:
            platform.leaves[what] = how
        elif step == "change":
            platform.leaves.pop(what, None)
        elif step == "move":  # between two leaves of a campaign, so that its total stays
            own = [key for key in platform.leaves if key[0] == what][:2]
            if len(own) == 2:
                platform.leaves[own[0]] += how
                platform.leaves[own[1]] -= how
        else:
            store.sync(platform, stored=what, settles=how)
    store.sync(platform)

    sums = Platform(store.leaves).totals()
    assert {campaign: total for campaign, total in sums.items() if total != "0"} == {
        campaign: total for campaign, total in platform.totals().items() if total != "0"
    }
    store.sync(platform, whole=True)
    assert store.leaves == platform.leaves


def account(ads=10_000, **options):
    connection = unstored(frequency=Frequency.REALTIME, ad_count=ads, campaign_count=ads // 20, timezone="UTC")
    usual = {"parts": Parts.BOTH, "on_demand": False, "page_size": 500, "limit": 180, "lane": Lane.REALTIME}
    return Account(**{"connection": connection} | usual | options)


def ages(whole=10, checked=5):
    """All was read so many minutes ago, and today checked later."""
    kinds = (FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT)
    at = NOW - timedelta(minutes=whole)
    days = {(kind, TODAY - timedelta(days=n)): at for kind in kinds for n in range(90)}
    dateless = dict.fromkeys((FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED), at)
    return PartitionAges(days=days, dateless=dateless, checked={TODAY: NOW - timedelta(minutes=checked)})


def hot(account, ages, calls=()):
    return [fetch for fetch in plan(NOW, account, ages, calls).fetches if fetch.heat is Heat.HOT]


def read_today(account, ages, calls=()):
    return [fetch.kind for fetch in hot(account, ages, calls) if TODAY in fetch.days and fetch.kind in (FetchKind.CHECK, FetchKind.ADS)]


BOTH = [FetchKind.CHECK, FetchKind.ADS]


@pytest.mark.parametrize(
    ("check", "known_at", "expected"),
    [
        (known({}), ages(), [FetchKind.CHECK]),
        (None, ages(checked=10), BOTH),
        (known({}, day=TODAY - timedelta(days=1)), ages(checked=10), BOTH),
        (known({}, at=None), ages(checked=10), BOTH),
        (known({}), ages(whole=58), BOTH),
        (known({}), ages(checked=0), []),
        (known({}, calls=21), ages(), []),
    ],
    ids=["checked", "never checked", "yesterday's check", "nothing of a check stored", "an hour later", "just checked", "all was read"],
)
def test_today_is_checked_and_read_whole_hourly_and_where_there_is_nothing_to_compare_with(check, known_at, expected):
    assert read_today(account(check=check), known_at) == expected


def test_a_person_gets_all_of_today_and_so_does_an_account_whose_check_failed():
    assert read_today(account(check=known({}), on_demand=True), ages()) == [FetchKind.ADS]
    assert read_today(account(check=known({}), resting=frozenset({FetchKind.CHECK})), ages(checked=10)) == [FetchKind.ADS]


@pytest.mark.parametrize(("ads", "calls", "minutes"), [(1_000, 3, 15), (10_000, 21, 28)])
def test_checks_rest_for_a_quarter_of_an_hour_or_three_reads_after_two_in_a_row_that_did_not_pay(ads, calls, minutes):
    usual, spent = account(ads=ads), replace(known({}, calls=calls), in_a_row=2)
    rests, rested = (replace(spent, checked_at=NOW - timedelta(minutes=ago)) for ago in (minutes - 1, minutes + 2))

    assert read_today(replace(usual, check=spent), ages(checked=10)) == [FetchKind.ADS]
    assert read_today(replace(usual, check=rests), ages(checked=minutes - 1)) == [FetchKind.ADS]
    assert read_today(replace(usual, check=rested), ages(checked=minutes + 2)) == BOTH
    assert read_today(replace(usual, check=replace(spent, in_a_row=1)), ages(checked=30)) == [FetchKind.CHECK]
    assert read_today(replace(usual, check=replace(spent, calls=calls - 1)), ages(checked=30)) == [FetchKind.CHECK]


def test_checks_that_find_a_change_are_counted_until_one_finds_none_or_comes_late():
    def checked(last, seen, minutes=5, **facts):
        return after_check(costs(), replace(last, **facts), answer(seen, last.checked_at + timedelta(minutes=minutes)), WHOLE_ACCOUNT, 21)

    changed = [everybody(changed=range(number)) for number in range(1, 5)]
    first = checked(known(everybody()), changed[0])
    second = checked(first, changed[1])

    assert (first.in_a_row, second.in_a_row) == (1, 2)
    assert checked(second, changed[1]).in_a_row == 0
    assert checked(second, changed[2], minutes=15).in_a_row == 1, "what happened in between is unknown"
    assert checked(second, changed[2], left=4).in_a_row == 2, "the rest of a change is no change"
    assert checked(second, changed[2], day=TODAY - timedelta(days=1)).in_a_row == 2, "the first of a day has nothing to compare with"
    assert after_check(costs(), None, answer(everybody()), WHOLE_ACCOUNT, 21).in_a_row == 0


def test_a_check_with_a_read_of_everything_counts_for_what_it_would_have_asked_for():
    last = known(everybody(), calls=9)

    assert calls_asked(costs(), answer(everybody()), last) == 1
    assert calls_asked(costs(), answer(everybody(changed=range(5))), last) == 1
    assert calls_asked(costs(), answer(everybody(changed=range(500))), last) == 21
    assert calls_asked(costs(), answer(everybody()), replace(last, day=TODAY - timedelta(days=1))) == 9, "the first of a day, by the last"
    assert calls_asked(costs(), answer(everybody()), None) == 1


def test_the_next_check_waits_for_as_long_as_the_last_one_and_its_reads_take_of_the_hour():
    few, many = (account(check=known({}, calls=calls)).pace(NOW) for calls in (2, 21))

    assert timedelta(seconds=60) < few < timedelta(seconds=90)
    assert timedelta(minutes=8) < many < account().hour.pace * 1.2


def test_what_did_not_fit_is_read_as_soon_as_it_does_and_waited_for_afterwards():
    before = known(everybody(), calls=1)
    part = after_check(costs(), before, answer(everybody(changed=range(500))), some_campaigns(f"k{n}" for n in range(400)), 17)
    left = account(check=part)
    later = answer(everybody(changed=range(500)), NOW + timedelta(minutes=2))
    rest = after_check(costs(), part, later, WHOLE_ACCOUNT, 5)
    again = after_check(costs(), part, later, some_campaigns(f"k{n}" for n in range(450)), 3)

    assert (part.left, left.check_cost) == (4, 1 + 4)
    assert left.pace(NOW) == account(check=known({}, calls=1 + 4)).pace(NOW) < timedelta(minutes=4)
    assert (rest.calls, rest.left) == (17 + 5, 0)
    assert account(check=rest).pace(NOW) > timedelta(minutes=8)
    assert (again.calls, again.left) == (17 + 3, 0), "what is left twice waits for as long as all of it took"
    assert account(check=replace(part, changes=minutes_before(45, 30, 15, 0))).pace(NOW) == left.pace(NOW), "nor does it wait for a change"
    tomorrow = replace(answer(everybody()), day=TODAY + timedelta(days=1))
    assert after_check(costs(), part, tomorrow, WHOLE_ACCOUNT, 1).calls == 1, "another day begins anew"


def minutes_before(*minutes):
    return tuple(NOW - timedelta(minutes=one) for one in minutes)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), True),
        (minutes_before(300), True),
        (minutes_before(47, 31, 16, 2), False),
        (minutes_before(58, 43, 28, 13), False),
        (minutes_before(59, 44, 29, 14), True),
        (minutes_before(67, 52, 37, 22), True),
        (minutes_before(69, 54, 39, 24), False),
        (minutes_before(500, 480, 470, 460), False),
        (minutes_before(3, 2, 1.5, 1), True),
        (minutes_before(20, 16, 12, 1), True),
    ],
    ids=["unknown", "one", "just now", "too early", "soon due", "late", "overdue", "night", "all the time", "no steps"],
)
def test_a_change_is_expected_by_the_times_between_the_last_ones(changes, expected):
    assert replace(known({}), changes=changes).expects_change(NOW) is expected


def test_checks_come_75_seconds_later_while_no_change_is_expected():
    quiet = replace(known({}, calls=1), changes=minutes_before(47, 31, 16, 2))
    usual = known({}, calls=1)

    assert account(check=quiet).pace(NOW) == account(check=usual).pace(NOW) + timedelta(seconds=75)
    assert account(check=replace(quiet, calls=21)).pace(NOW) == account(check=replace(usual, calls=21)).pace(NOW), "that is longer anyway"
    small = account(ads=1_500)
    assert replace(small, check=quiet).pace(NOW) == replace(small, check=usual).pace(NOW) + timedelta(seconds=75)


@pytest.mark.parametrize(
    ("options", "later"),
    [({"ads": 100}, 60), ({"ads": 10_000, "check": known({}, calls=1)}, 75)],
    ids=["read whole", "checked"],
)
def test_an_account_whose_numbers_stand_still_is_read_later(options, later):
    def changed(minutes):
        usual = account(**options)
        return replace(usual, connection=replace(usual.connection, last_metrics_changed_at=NOW - timedelta(minutes=minutes)))

    assert account(**options).pace(NOW) == changed(30).pace(NOW)
    assert changed(31).pace(NOW) == changed(30).pace(NOW) + timedelta(seconds=later)


def test_what_a_check_found_is_remembered_as_a_change_once_and_the_first_of_a_day_is_none():
    before = replace(known(everybody(), calls=1), changes=minutes_before(60, 45, 30, 15))
    changed = answer(everybody(changed=range(500)))
    part = after_check(costs(), before, changed, some_campaigns(["k1"]), 2)
    rest = after_check(costs(), part, answer(changed.fingerprints, NOW + timedelta(minutes=2)), WHOLE_ACCOUNT, 21)

    assert part.changes == (*minutes_before(45, 30, 15), NOW)
    assert rest.changes == part.changes, "the rest of a change is no change"
    assert after_check(costs(), before, answer(everybody()), WHOLE_ACCOUNT, 1).changes == before.changes
    assert after_check(costs(), replace(before, day=TODAY - timedelta(days=1)), changed, WHOLE_ACCOUNT, 1).changes == before.changes
    assert after_check(costs(), None, changed, WHOLE_ACCOUNT, 1).changes == ()


def test_all_of_today_waits_another_hour_for_calls_while_what_changed_is_read():
    full = tuple((NOW - timedelta(minutes=30), Heat.HOT) for _ in range(170))
    hour_old, two = (read_today(account(check=known({}, calls=1)), ages(whole=whole), full) for whole in (61, 122))

    assert hour_old == [FetchKind.CHECK]
    assert two == [], "then nothing else is read of it before all of it"


def test_yesterday_is_a_read_of_its_own_that_today_does_not_wait_for():
    yesterday, whole = TODAY - timedelta(days=1), account(check=known({}, calls=1))
    due = ages(whole=61)
    due = replace(due, days={**due.days, (FetchKind.ADS, yesterday): NOW - timedelta(hours=4)})
    room_for_one_day = tuple((NOW - timedelta(minutes=30), Heat.HOT) for _ in range(150))
    read = [(fetch.kind, fetch.since, fetch.until) for fetch in hot(whole, due) if fetch.kind is FetchKind.ADS]
    just_read = replace(due, days={**due.days, (FetchKind.ADS, TODAY): NOW})

    assert read == [(FetchKind.ADS, TODAY, TODAY), (FetchKind.ADS, yesterday, yesterday)]
    assert read_today(whole, due, room_for_one_day) == BOTH
    assert yesterday not in {fetch.until for fetch in hot(whole, due, room_for_one_day) if fetch.kind is FetchKind.ADS}
    assert [fetch.until for fetch in hot(whole, just_read) if fetch.kind is FetchKind.ADS] == [yesterday], "as soon as there is room"
    small = replace(account(ads=1_500), on_demand=False)
    assert [(fetch.since, fetch.until) for fetch in hot(small, due) if fetch.kind is FetchKind.ADS] == [(yesterday, TODAY)]


def test_all_of_today_waits_for_the_calls_of_yesterday_too_where_both_are_one_read():
    small, room_for_one_day = (
        account(ads=1_500, check=known({}, calls=1)),
        tuple((NOW - timedelta(minutes=30), Heat.HOT) for _ in range(175)),
    )
    today_due = ages(whole=61)
    walked = dict.fromkeys(today_due.dateless, NOW)
    today_due = replace(today_due, dateless=walked, days={**today_due.days, (FetchKind.ADS, TODAY - timedelta(days=1)): NOW})
    yesterday = {(FetchKind.ADS, TODAY - timedelta(days=1)): NOW - timedelta(hours=4)}
    both_due = replace(today_due, days={**today_due.days, **yesterday})

    assert read_today(small, today_due, room_for_one_day) == BOTH
    assert read_today(small, both_due, room_for_one_day) == [FetchKind.CHECK]


def test_today_is_read_a_little_less_in_the_hour_in_which_yesterday_is_due():
    usual = account()

    assert [round(replace(usual, yesterday_due=due).hour.pace / usual.hour.pace, 2) for due in (False, None, True)] == [0.95, 1, 1.11]


def test_a_check_that_is_settled_twice_counts_once():
    before = replace(known(everybody(), calls=1), changes=minutes_before(30, 15))
    now = answer(everybody(changed=range(500)))
    once = after_check(costs(), before, now, some_campaigns(["k1"]), 3)

    assert after_check(costs(), once, now, some_campaigns(["k1"]), 3) == once


def test_a_hole_of_today_is_not_checked():
    hole = replace(ages(), holes={(FetchKind.ADS, TODAY): NOW + timedelta(minutes=30)})

    assert read_today(account(check=known({})), hole) == []
