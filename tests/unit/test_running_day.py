"""What the pages work out of an account's running day, without a warehouse."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from repeats import examples

from adpulse.running_day import DAY, WEEK_AGO, YESTERDAY, AccountDay, Numbers, Point, compare, expect, moved_most, quarter_of

TODAY = date(2026, 3, 19)  # a Thursday
NOON = datetime(2026, 3, 19, 12, 0, tzinfo=UTC)
UNIT = 1_000_000


def account(spend=50, days=None, courses=None, **changes):
    """An account at noon; ``days`` and ``courses`` by how many days ago, courses as (hour, units)."""
    facts = {
        "connection_id": "c1",
        "name": "Account c1",
        "currency": "EUR",
        "timezone": "UTC",
        "today": TODAY,
        "interval": timedelta(minutes=5),
        "fresh_until": NOON,
        "settled": False,
        "lacks": (),
        "moved_at": None,
    }
    totals = {TODAY - ago * DAY: Numbers(spend=units * UNIT) for ago, units in {0: spend, **(days or {})}.items()}
    points = {TODAY - ago * DAY: [at(ago, hour, units) for hour, units in course] for ago, course in (courses or {}).items()}
    return AccountDay(**facts | {"days": totals, "courses": points} | changes)


def at(ago, hour, units):
    return Point(at=NOON - ago * DAY + timedelta(hours=hour - 12), spend=round(units * UNIT))


def known(course, **changes):
    return account(courses={1: course}, **changes).known_by(TODAY - DAY)


def test_what_a_day_had_come_to_is_its_last_point_before_the_hour_within_two_intervals():
    assert known([(11.0, 30), (11.8, 40), (12.1, 45)]) == 40 * UNIT
    assert known([(11.0, 30), (12.1, 45)]) == 30 * UNIT, "the point after it is near"
    assert known([(12.1, 45)]) == 0, "nothing was reported before"


@pytest.mark.parametrize("course", [[], [(11.0, 30)], [(13.0, 30)], [(11.0, 30), (13.0, 40)]])
def test_without_a_point_near_the_hour_it_is_not_known(course):
    assert known(course) is None


def test_the_same_spend_on_both_sides_of_the_hour_is_known_however_far_they_are():
    assert known([(6.0, 30), (18.0, 30)]) == 30 * UNIT


def test_a_slower_connection_is_known_from_points_farther_away():
    assert known([(10.5, 30)], interval=timedelta(hours=1)) == 30 * UNIT
    assert known([(10.5, 30)], interval=None) == 30 * UNIT
    assert known([(9.5, 30)], interval=None) is None


def test_days_are_compared_by_the_accounts_own_local_hour():
    """Noon in Berlin is 11 UTC in March, and was 10 UTC after the clocks changed on the 29th."""
    summer = account(
        timezone="Europe/Berlin",
        today=date(2026, 3, 29),
        fresh_until=datetime(2026, 3, 29, 10, 0, tzinfo=UTC),
        courses={},
    )
    course = [Point(at=datetime(2026, 3, 28, hour, 0, tzinfo=UTC), spend=hour) for hour in (9, 10, 11, 12)]

    assert replace(summer, courses={date(2026, 3, 28): course}).known_by(date(2026, 3, 28)) == 11


def test_spend_is_compared_by_the_hour_where_it_is_known_and_else_with_the_whole_day():
    by_hour = account(50, {1: 90, 7: 80}, {1: [(12, 40)]})

    yesterday, week_ago = compare([by_hour], YESTERDAY), compare([by_hour], WEEK_AGO)

    assert (yesterday.earlier, yesterday.by_hour, yesterday.change, yesterday.share) == (40 * UNIT, True, 10 * UNIT, 0.25)
    assert (week_ago.earlier, week_ago.by_hour) == (80 * UNIT, False)


def test_only_accounts_that_are_known_by_this_hour_are_compared_and_that_is_said():
    told, silent = account(50, {1: 90}, {1: [(12, 40)]}), account(1000, {1: 3000}, connection_id="c2")

    compared = compare([told, silent], YESTERDAY)

    assert (compared.today, compared.earlier, compared.accounts, compared.of) == (50 * UNIT, 40 * UNIT, 1, 2)


def test_an_account_that_was_not_read_today_is_compared_with_the_whole_day():
    assert not compare([account(0, {1: 90}, {1: [(12, 40)]}, fresh_until=None)], YESTERDAY).by_hour


def with_history(days, spend=50, **changes):
    """Each day had spent 50 at noon and 100 at its end."""
    return account(spend, dict.fromkeys(range(1, days + 1), 100), {ago: [(12, 50)] for ago in range(1, days + 1)}, **changes)


def test_nothing_is_expected_before_seven_days_of_courses():
    assert expect([with_history(6)]) is None
    assert expect([with_history(7)]) is not None


def test_the_end_of_the_day_is_what_earlier_days_still_spent_at_todays_pace():
    assert expect([with_history(14)]).median == 100 * UNIT
    assert expect([with_history(14, spend=60)]).median == 120 * UNIT
    assert expect([with_history(14, spend=500)]).median == 600 * UNIT, "at most twice as fast"
    assert expect([with_history(14, spend=0)]).median == 25 * UNIT, "at least half as fast"


def test_working_days_are_expected_to_go_on_like_working_days():
    days = {ago: 100 if (TODAY - ago * DAY).weekday() < 5 else 1000 for ago in range(1, 29)}
    courses = {ago: [(12, 50)] for ago in days}

    assert expect([account(50, days, courses)]).high == 100 * UNIT


def test_accounts_without_enough_courses_are_left_out_and_that_is_said():
    expected = expect([with_history(14), with_history(2, connection_id="c2")])

    assert (expected.median, expected.accounts, expected.of) == (100 * UNIT, 1, 2)


@given(st.lists(st.tuples(st.integers(1, 500), st.integers(0, 500)), min_size=7, max_size=28), st.integers(0, 1000))
@examples(50)
def test_a_band_holds_its_median_and_ends_above_what_is_spent(days, spend):
    totals = {ago: noon + rest for ago, (noon, rest) in enumerate(days, start=1)}
    courses = {ago: [(12, noon)] for ago, (noon, _) in enumerate(days, start=1)}

    expected = expect([account(spend, totals, courses)])

    assert spend * UNIT <= expected.low <= expected.median <= expected.high


def test_what_moved_most_is_the_largest_difference_by_this_hour_in_either_direction():
    moved = [account(50, {}, {1: [(12, 50 - change)]}, connection_id=f"c{change}", name=f"{change}") for change in (1, -20, 5, 0)]
    unknown = account(5000, {1: 1}, connection_id="c9")

    assert [compared.change // UNIT for _, compared in moved_most([*moved, unknown], 2)] == [-20, 5]


def test_roas_and_cpa_are_of_spend_and_unknown_without_it():
    numbers = Numbers(spend=50 * UNIT, revenue=200 * UNIT, conversions=4 * UNIT)

    assert (numbers.roas, numbers.cpa) == (4, 12.5)
    assert (Numbers().roas, Numbers().cpa) == (None, None)


@given(
    instant=st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis wants them naive
    zone=st.sampled_from(["America/St_Johns", "Asia/Kathmandu", "Australia/Lord_Howe", "Europe/Berlin", "Pacific/Chatham"]),
)
def test_a_local_date_is_that_of_the_beginning_of_the_quarter_of_an_hour(instant, zone):
    began = quarter_of(instant)

    assert instant - timedelta(minutes=15) < began <= instant
    assert began.astimezone(ZoneInfo(zone)).date() == instant.astimezone(ZoneInfo(zone)).date()
