"""What days lack: refused rows stay until their day is read again without them, holes are named by campaign where the others came."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from adpulse.fetch_result import FetchResult
from adpulse.gaps import MOST_ROWS, gaps_of_holes, refused_after
from adpulse.holes import Hole
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.refused_rows import RefusedRow
from adpulse.refused_table import refused_table

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
DAY = date(2026, 3, 20)
HOUR = timedelta(hours=1)


def answer(*rows, kind=FetchKind.ADS, at=NOW, days=1):
    fetch = Fetch(kind=kind, heat=Heat.HOT, cost=1, since=DAY - timedelta(days=days - 1), until=DAY)
    return FetchResult(fetch=fetch, fetched_at=at, table=METRIC_SCHEMA.empty_table(), refused=refused_table(rows))


def row(external_id="a1", day=DAY, reason="clicks: not a count"):
    return RefusedRow(level="ad", external_id=external_id, campaign_id="k1", day=day, reason=reason)


def test_a_refused_row_stays_until_its_day_is_read_without_it_and_keeps_its_beginning():
    first = refused_after([], [answer(row())])
    again = refused_after(first, [answer(row(reason="spend: not a number"), at=NOW + HOUR)])
    other_kind = refused_after(again, [answer(kind=FetchKind.CAMPAIGNS, at=NOW + HOUR)])
    accepted = refused_after(other_kind, [answer(at=NOW + 2 * HOUR)])

    assert [(gap.external_id, gap.campaign_id, gap.day) for gap in first] == [("a1", "k1", DAY)]
    assert [(gap.first_at, gap.last_at, gap.reason) for gap in again] == [(NOW, NOW + HOUR, "spend: not a number")]
    assert (other_kind, accepted) == (again, [])


def test_of_two_answers_about_a_day_the_later_one_counts():
    answers = [answer(at=NOW + HOUR), answer(row())]

    assert refused_after([], answers) == []


def test_of_a_day_that_was_not_read_completely_refused_rows_count_too():
    partial = replace(answer(row()), unread=frozenset([DAY]))

    assert [gap.external_id for gap in refused_after([], [partial])] == ["a1"]


def test_of_very_many_rows_the_last_one_says_how_many_more_there_are():
    gaps = refused_after([], [answer(*(row(f"a{n:03}") for n in range(MOST_ROWS + 5)))])

    assert len(gaps) == MOST_ROWS
    assert [gap.reason for gap in gaps if gap.external_id is None] == ["6 more rows cannot be read, one of them: clicks: not a count"]


def test_what_a_platform_sent_is_stored_short_and_without_nul():
    (gap,) = refused_after([], [answer(row("a\0" + "1" * 5000, reason="x\0" * 5000))])

    assert len(gap.external_id) == len(gap.reason) == 200
    assert "\0" not in gap.external_id + gap.reason


def test_a_hole_is_named_by_the_campaigns_that_were_not_answered():
    hole = Hole(kind=FetchKind.ADS, day=DAY, message="too big", code="1", times=1, first_at=NOW, last_at=NOW + HOUR, retry_at=NOW)

    whole, *campaigns = gaps_of_holes([hole, replace(hole, campaigns=("k1", "k2"))])

    assert (whole.campaign_id, whole.is_refused_row, whole.first_at, whole.last_at) == (None, False, NOW, NOW + HOUR)
    assert [gap.campaign_id for gap in campaigns] == ["k1", "k2"]
