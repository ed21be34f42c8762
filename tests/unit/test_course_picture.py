"""The picture of a day's course: in the terminal, and as a file."""

import re
from datetime import UTC, date, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest

from adpulse.api.pages.chart import day_chart
from adpulse.cli.course_picture import CoursePicture, blocks_for, svg
from adpulse.running_day import AccountDay
from adpulse.services.today import by_currency
from storage.warehouse.running_days import Course, RunningDays

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
EURO = 1_000_000


def picture(today=(), yesterday=(), workspace="Acme", now=NOW):
    """Points are (quarters of an hour, euros)."""
    facts = {"connection_id": "c1", "name": "c1", "currency": "EUR", "timezone": "UTC", "today": date(2026, 3, 20), "interval": None}
    read = {"fresh_until": NOW - timedelta(hours=1), "moved_at": NOW - timedelta(hours=3), "settled": False, "lacks": ()}
    courses = tuple(
        Course(currency="EUR", days_ago=ago, points=tuple((quarter, euros * EURO) for quarter, euros in points))
        for ago, points in ((0, today), (1, yesterday))
        if points
    )
    (day,) = by_currency(RunningDays(accounts=(AccountDay(**facts, **read, days={}, courses={}),), courses=courses))
    return CoursePicture(workspace=workspace, currency="EUR", chart=day_chart(day, now))


def test_the_course_of_today_fits_80_columns_and_what_was_not_read_is_empty():
    lines = picture(today=[(32, 1), (40, 1000), (48, 4000)], yesterday=[(8, 9000)]).text().splitlines()

    assert lines == [
        "Acme, EUR: spend of today, 4,000.00 up to 15:00",
        "         4,000 |                      ████████",
        "               |                      ████████",
        "               |                      ████████",
        "               |              ▁▁▁▁████████████",
        "             0 +------------------------------------------------",
        "                00:00       06:00       12:00       18:00       24:00",
    ]
    assert max(map(len, lines)) <= 80


def test_a_long_name_is_cut_and_the_numbers_are_not():
    first, *_ = picture(yesterday=[(40, 999_999_999)], workspace="A" * 200).text().splitlines()

    assert first == f"{'A' * 24}, EUR: spend of yesterday, 999,999,999.00 up to 10:00"
    assert len(first) <= 80


def test_a_day_that_has_just_begun_gives_its_place_to_the_day_before():
    shown = picture(today=[(1, 5)], yesterday=[(40, 10), (72, 40)], now=NOW.replace(hour=0, minute=20)).text()

    assert shown.startswith("Acme, EUR: spend of yesterday, 40.00 up to 18:00\n")


def test_a_course_without_a_whole_hour_and_one_without_spend_are_drawn_too():
    begun = picture(today=[(1, 5)], now=NOW.replace(hour=0, minute=20))

    assert begun.text() == "Acme, EUR: spend of today: no whole hour of it is known yet"
    assert "█" not in picture(today=[(4, 0), (40, 0)]).text()


def test_a_terminal_that_cannot_show_blocks_gets_plain_signs():
    shown = picture(today=[(32, 1), (48, 4000)]).text(blocks_for("ascii"))

    assert shown.isascii()
    assert "##" in shown
    assert blocks_for("utf-8") != blocks_for(None) == blocks_for("latin-1")


@pytest.mark.parametrize("name", ["<Acme> & sons", "Acme\x1b[2J"])
def test_a_workspaces_name_is_text_in_both_pictures(name):
    drawn = picture(today=[(32, 1), (48, 4000)], yesterday=[(40, 10)], workspace=name)
    texts = [text.text for text in ET.fromstring(svg([drawn, drawn])).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own

    assert "\x1b" not in drawn.text()
    assert [text for text in texts if not re.fullmatch(r"\d\d:00", text)] == [drawn.legend] * 2


def test_the_file_has_a_line_for_each_day_of_each_picture():
    both = picture(today=[(32, 1), (48, 40)], yesterday=[(40, 90)])
    drawn = ET.fromstring(svg([both, picture(today=[(8, 1)])]))  # noqa: S314 - our own

    assert [line.get("class") for line in drawn.iter("{http://www.w3.org/2000/svg}polyline")] == ["ago1", "ago0", "ago0"]
    assert "up to 90.00;" in both.legend
