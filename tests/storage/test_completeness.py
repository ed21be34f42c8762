"""How complete a connection is: the view of the warehouse and the contract in Python say the same, whatever was read and when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from repeats import examples

from adpulse.gaps import Gap
from adpulse.model import FetchKind
from adpulse.planner.completeness import DayLevel, completeness, read_days
from adpulse.planner.windows import PartitionAges

NOW = datetime(2026, 3, 20, 15, tzinfo=UTC)
TODAY = NOW.date()
VIEW = "SELECT level, date, fresh_until, settled, hole, complete_through FROM completeness WHERE connection_id = 'c1' ORDER BY level, date"
STORED = "SELECT level, date, fresh_until, settled FROM read_days ORDER BY ALL"


def ages(*reads):
    """Reads as (kind, days ago, hours ago)."""
    return PartitionAges(days={(kind, TODAY - timedelta(days=day)): NOW - timedelta(hours=hours) for kind, day, hours in reads})


def both(*days, hours=1):
    return ages(*((kind, day, hours) for kind in (FetchKind.ADS, FetchKind.CAMPAIGNS) for day in days))


@pytest.fixture(scope="session")
def note(build):
    """Makes a run that read nothing new, but knows which days were read."""

    def run(known, *fetched, generation=1, connection=None, gaps=()):
        account = connection or build.connection()
        made = build.run(*fetched, generation=generation, provider=account.provider)
        return replace(made, read_days=read_days(NOW, account, known, gaps), gaps=gaps)

    return run


reads = st.lists(
    st.tuples(st.sampled_from([FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.CATEGORIES]), st.integers(0, 130), st.integers(0, 2400)),
    max_size=40,
)


def refused(day, entity="a1", reason="clicks: not a count", kind=FetchKind.ADS):
    at = NOW - timedelta(hours=1)
    return Gap(
        kind=kind,
        day=TODAY - timedelta(days=day),
        reason=reason,
        first_at=at,
        last_at=at,
        entity_level="ad",
        external_id=entity,
        campaign_id="k1",
    )


def hole(day, kind=FetchKind.ADS, campaign=None):
    return replace(refused(day, kind=kind, reason="too big"), entity_level=None, external_id=None, campaign_id=campaign)


@st.composite
def some_gaps(draw):
    made = [refused, hole]
    kinds = st.sampled_from([FetchKind.ADS, FetchKind.CAMPAIGNS])
    gaps = [draw(st.sampled_from(made))(draw(st.integers(0, 130)), kind=draw(kinds)) for _ in range(draw(st.integers(0, 5)))]
    return list(dict.fromkeys(gaps))


@examples(10)
@given(reads=reads, gaps=some_gaps(), provider=st.sampled_from(["meta", "google"]))
@example(reads=[(FetchKind.ADS, 0, 1), (FetchKind.ADS, 5, 1)], gaps=[], provider="meta")
@example(reads=[(FetchKind.ADS, 0, 1), (FetchKind.ADS, 40, 1)], gaps=[refused(40), hole(0)], provider="meta")
def test_the_view_says_what_the_contract_says(new_workspace, build, note, reads, gaps, provider):
    workspace, account = new_workspace(), build.connection(provider=provider)
    workspace.sync(note(ages(*reads), connection=account, gaps=gaps), connections=[account])

    levels = {level.level: level for level in completeness(NOW, account, ages(*reads), gaps)}
    days = {(day.level, day.day): day for day in read_days(NOW, account, ages(*reads), gaps)}
    lacking = workspace.rows("SELECT level, date FROM completeness WHERE lacks IS NOT NULL") if levels else []
    assert set(lacking) == {(level, gap.day) for level, known in levels.items() for gap in known.gaps if gap.day in known.span.dates}

    seen = {level: [row[1:] for row in workspace.rows(VIEW) if row[0] == level] for level in DayLevel} if days else {}
    assert {level for level, rows in seen.items() if rows} == set(levels)
    for level, known in levels.items():
        rows = seen[level]
        assert [row[0] for row in rows] == [known.span.since + timedelta(days=n) for n in range(len(rows))]
        assert rows[-1][0] == known.span.until
        assert {row[4] for row in rows} == {known.complete_through}
        assert [row[0] for row in rows if row[3]] == [day for span in known.holes for day in in_span(span)]
        for day, fresh_until, settled, hole, _ in rows:
            read = days.get((level, day))
            assert (fresh_until, settled, hole) == ((read.fresh_until, read.settled, False) if read else (None, False, True))


def test_gaps_appear_and_end_in_the_file_with_their_reasons(workspace, note):
    lacks = "SELECT date, lacks, settled, complete_through FROM completeness WHERE level = 'leaf' AND lacks IS NOT NULL ORDER BY date"
    days = [TODAY - timedelta(days=n) for n in range(41)]
    known, before = both(*range(41)), days[40] - timedelta(days=1)
    gaps = [refused(40), refused(40, "a2"), hole(3, campaign="k7"), hole(0)]
    workspace.sync(note(known, gaps=gaps))

    assert workspace.rows(lacks) == [
        (
            days[40],
            "ad a1 of campaign k1: clicks: not a count; ad a2 of campaign k1: clicks: not a count",
            False,
            days[40] - timedelta(days=1),
        ),
        (days[3], "ads of campaign k7: too big", False, before),
        (days[0], "ads: too big", False, before),
    ]
    workspace.sync(note(known, gaps=[refused(40, "a2", reason="spend: missing")], generation=2))
    assert [row[1] for row in workspace.rows(lacks)] == ["ad a2 of campaign k1: spend: missing"]
    (none,) = workspace.warehouse.diff([note(known, gaps=[refused(40, "a2", reason="spend: missing")], generation=3)])
    workspace.sync(note(known, gaps=[], generation=4))

    assert none.gaps.num_rows == 0
    assert workspace.rows("SELECT * FROM day_gaps") == []
    assert workspace.rows("SELECT DISTINCT complete_through FROM completeness") == [(TODAY,)]
    assert workspace.rows("SELECT settled FROM completeness WHERE level = 'leaf' ORDER BY date LIMIT 1") == [(True,)]


def test_another_connections_gaps_stay(workspace, build, note):
    workspace.sync(note(both(0), gaps=[hole(0)]))
    other = replace(build.run(connection_id="c2"), gaps=[])

    workspace.sync(other, note(both(0), build.ads({"clicks": 5}), gaps=[hole(0)], generation=2))

    assert workspace.rows("SELECT connection_id FROM day_gaps") == [("c1",)]


def in_span(span):
    return list(span.dates)


def test_a_day_of_no_traffic_is_known_although_it_has_no_rows(workspace, build, note):
    assert workspace.sync(note(both(0), build.ads(), build.totals())) == {"c1-r1"}

    assert workspace.rows("SELECT * FROM daily") == []
    assert workspace.rows("SELECT level, date, hole FROM completeness ORDER BY level") == [
        ("campaign", TODAY, False),
        ("leaf", TODAY, False),
    ]


def test_with_google_leaves_are_as_fresh_as_the_older_of_their_two_reads(build):
    google = build.connection(provider="google")
    known = ages((FetchKind.ADS, 0, 1), (FetchKind.ADS, 1, 1), (FetchKind.CATEGORIES, 0, 5))

    assert [(day.level, day.day, day.fresh_until) for day in read_days(NOW, google, known)] == [
        (DayLevel.LEAF, TODAY, NOW - timedelta(hours=5)),
    ]


@pytest.mark.parametrize(("hours", "settled"), [(39.01, False), (39, True)], ids=["just before", "at its end"])
def test_a_day_is_settled_once_it_was_read_after_the_lookback_window_had_ended(build, hours, settled):
    """Meta's is 28 days, so that of 18 February ends with 18 March, in UTC for this account; it is 15:00 on the 20th now."""
    known = ages((FetchKind.CAMPAIGNS, 30, hours))

    (day,) = read_days(NOW, build.connection(), known)

    assert day.settled is settled


def test_only_a_note_that_says_something_new_is_written(workspace, note):
    workspace.sync(note(both(0, 1, hours=3)))
    before = workspace.path.stat().st_mtime_ns

    (soon,) = workspace.warehouse.diff([note(both(0, 1, hours=2.5), generation=2)])
    (later,) = workspace.warehouse.diff([note(both(0, 1, hours=2), generation=3)])

    assert soon.empty
    assert later.days.num_rows == 4
    assert workspace.path.stat().st_mtime_ns == before


def test_what_is_written_anyway_carries_how_fresh_it_is(workspace, build, note):
    workspace.sync(note(both(0, hours=3), build.ads({"clicks": 1})))

    workspace.sync(note(both(0, hours=2.9), build.ads({"clicks": 2}), generation=2))

    assert {row[2] for row in workspace.rows(STORED)} == {NOW - timedelta(hours=2.9)}


def test_what_is_due_to_be_read_again_was_read_all_the_same(workspace, note):
    """Whoever forces a sync makes the whole lookback due; its numbers stay as they are until then."""
    workspace.sync(note(both(0, 1, 2)))

    workspace.sync(note(both(0, hours=0.5), generation=2))

    assert {row[1] for row in workspace.rows(STORED)} == {TODAY - timedelta(days=n) for n in range(3)}
    assert {row[5] for row in workspace.rows(VIEW)} == {TODAY}


def test_days_with_other_borders_leave_the_note(workspace, build, note):
    """The account's time zone changed: what was read of its days was read of others."""
    workspace.sync(note(both(0, 1, 2)))
    moved = build.connection(timezone="Asia/Tokyo")

    workspace.sync(replace(note(both(1), generation=2, connection=moved), timezone=moved.timezone), connections=[moved])
    workspace.sync(replace(note(both(1, 3), generation=3, connection=moved), timezone=moved.timezone), connections=[moved])

    assert {row[1] for row in workspace.rows(STORED)} == {TODAY - timedelta(days=n) for n in (1, 3)}


def test_another_connections_notes_stay_as_they_are(workspace, build, note):
    workspace.sync(note(both(0, 1)))
    stored = workspace.rows(STORED)
    other = build.connection("c2")
    run = replace(build.run(connection_id="c2"), read_days=read_days(NOW, other, both(4)))

    workspace.sync(run, build.run(build.ads({"clicks": 5}), generation=2))

    assert workspace.rows(f"{STORED.replace('ORDER', 'WHERE connection_id = ? ORDER')}", ["c1"]) == stored
    assert len(workspace.rows(STORED)) == len(stored) + 2
