"""Instants as the pages write them: the account's time for people, UTC for the script."""

from datetime import UTC, datetime, timedelta

from adpulse.api.pages.times import format_instant, format_since, format_words, in_zone

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


def test_the_instants_of_a_sentence_are_elements_of_their_own_and_the_rest_is_text():
    words = format_words("fresh until 2026-03-20 12:00 UTC; <odd> & not complete", NOON, "Asia/Tokyo")
    minute = NOON.replace(second=0)

    assert words == f"fresh until {format_instant(minute, 'Asia/Tokyo')}; &lt;odd&gt; &amp; not complete"
    assert format_words("nothing waits", NOON) == "nothing waits"


def test_a_time_without_a_date_is_the_next_one():
    waits = [format_words(f"until {time} UTC: a limit", NOON) for time in ("12:00:07", "12:30:00", "00:05:00")]
    instants = (NOON, NOON.replace(minute=30, second=0), NOON.replace(day=21, hour=0, minute=5, second=0))

    assert waits == [f"until {format_instant(instant, seconds=True)}: a limit" for instant in instants]


def test_times_that_are_none_stay_as_they_are():
    for words in ("25:00 UTC and 2026-13-40 10:00 UTC", "9999-12-31 23:59 UTC", "0001-01-01 00:00 UTC"):
        assert format_words(words, NOON, "Asia/Tokyo") == format_words(words, NOON, "America/New_York") == words
