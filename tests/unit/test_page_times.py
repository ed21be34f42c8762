"""Instants as the pages write them: the account's time for people, UTC for the script."""

from datetime import UTC, datetime, timedelta

from adpulse.api.pages.times import format_instant, format_since, in_zone

NOON = datetime(2026, 3, 20, 12, 0, 7, tzinfo=UTC)


def test_an_instant_is_the_accounts_for_people_and_utc_for_the_script():
    text = "2026-03-20 21:00 Asia/Tokyo"

    assert in_zone(NOON, "Asia/Tokyo") == text
    assert format_instant(NOON, "Asia/Tokyo") == f'<time datetime="2026-03-20T12:00:07Z" data-at="minute" title="{text}">{text}</time>'


def test_an_instant_may_have_seconds_and_is_utc_where_no_account_is_meant():
    assert 'data-at="second" title="2026-03-20 12:00:07 UTC"' in format_instant(NOON, seconds=True)


def test_an_age_has_the_accounts_time_as_its_title():
    since = format_since(NOON, NOON + timedelta(minutes=2), "America/New_York")

    assert since == '<time datetime="2026-03-20T12:00:07Z" title="2026-03-20 08:00 America/New_York">2 min ago</time>'
    assert format_since(None, NOON) == "never"
