"""The course of a day as it is drawn, and its table."""

from datetime import UTC, date, datetime, timedelta

from adpulse.api.pages.chart import day_chart
from adpulse.running_day import AccountDay
from adpulse.services.today import by_currency
from storage.warehouse.running_days import Course, RunningDays

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)


def chart():
    """Today has points until 10:00 and 12:00, and is fresh until 14:00; yesterday's last one is until 18:00."""
    facts = {"connection_id": "c1", "name": "c1", "currency": "EUR", "timezone": "UTC", "today": date(2026, 3, 20), "interval": None}
    read = {"fresh_until": NOW - timedelta(hours=1), "moved_at": NOW - timedelta(hours=3), "settled": False, "lacks": ()}
    courses = (
        Course(currency="EUR", days_ago=0, points=((40, 10), (48, 20))),
        Course(currency="EUR", days_ago=1, points=((44, 15), (72, 40))),
    )
    (day,) = by_currency(RunningDays(accounts=(AccountDay(**facts, **read, days={}, courses={}),), courses=courses))
    return day_chart(day, NOW)


def test_a_course_is_known_from_its_first_point_to_its_last_and_today_until_now():
    known = {hour: [spend for spend in spends if spend is not None] for hour, spends in chart().rows}

    assert [known[hour] for hour in ("09:00", "10:00", "12:00", "15:00", "16:00", "18:00", "19:00")] == [
        [],
        [10],
        [20, 15],
        [20, 15],
        [15],
        [40],
        [],
    ]


def test_our_delay_ends_now_and_the_platforms_where_ours_begins():
    platforms, ours = chart().bands

    assert (platforms.style, platforms.width, ours.style, ours.width) == ("theirs", 48, "ours", 24)
    assert platforms.x + platforms.width == ours.x
