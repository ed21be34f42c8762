"""What kind each change of a day is: its first numbers, what completes it, what restates it, and what is not of the platform."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from repeats import examples

KINDS = "SELECT metric, kind FROM changes WHERE level = 'ad' ORDER BY changed_at, metric"
DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.fixture
def read(workspace, build):
    """Reads today's leaf, and its campaign's total, at instants of the account's clock; ``hours`` count from the end of the day."""
    midnight = datetime.combine(build.today + DAY, datetime.min.time(), BERLIN)
    generations = iter(range(1, 100))

    def at(hours, row, *, total=None, provider="meta", beside=(), **day):
        answers = [build.ads({**row, **day}), build.totals({**(total or row), **day})]
        connection = build.connection(timezone="Europe/Berlin", provider=provider)
        now, generation = midnight + timedelta(hours=hours), next(generations)
        if provider == "google":
            answers.append(build.split({**row, **day}))
        run = build.noted(*answers, *beside, connection=connection, generation=generation, now=now, provider=provider)
        workspace.sync(run, connections=[connection])

    return at


def test_a_change_completes_the_day_up_to_its_first_read_three_hours_after_midnight_and_restates_it_later(workspace, read):
    for hours, spend in ((-2, 10), (2.9, 20), (3.5, 30), (4, 40)):
        read(hours, {"spend": spend})

    assert workspace.rows(KINDS) == [("spend", "first"), ("spend", "completion"), ("spend", "completion"), ("spend", "restatement")]
    assert workspace.rows("SELECT before * 1000000, after * 1000000, age_days FROM restatements") == [(30, 40, 1)]


def test_googles_conversions_complete_a_day_for_fifteen_hours(workspace, read):
    for hours, number in ((4, 10), (14, 20), (15.1, 30), (16, 40)):
        read(hours, {"spend": number, "conversions": number}, provider="google")

    kinds = workspace.rows(KINDS)
    assert [kind for metric, kind in kinds if metric == "spend"] == ["first", "restatement", "restatement", "restatement"]
    assert [kind for metric, kind in kinds if metric == "conversions"] == ["first", "completion", "completion", "restatement"]


def test_a_day_of_which_only_the_ads_were_read_is_complete_as_far_as_they_go(workspace, build):
    for generation in (1, 2):
        leaf = build.ads({"spend": generation})
        workspace.sync(build.noted(leaf, generation=generation, now=build.now + generation * DAY + timedelta(hours=12)))
    workspace.sync(build.noted(build.totals({"spend": 5}), generation=3, now=build.now + 3 * DAY))

    kinds = workspace.rows("SELECT level, kind FROM changes WHERE metric = 'spend' ORDER BY changed_at")
    assert kinds == [("ad", "first"), ("ad", "restatement"), ("unreported", "first")]


def test_a_row_that_appears_on_a_complete_day_restates_it_from_zero(workspace, read, build):
    read(5, {"spend": 10})
    read(6, {"spend": 10}, beside=[build.ads({"spend": 10}, {"external_id": "late", "spend": 3}, at=build.now + 2 * DAY)])

    assert workspace.rows("SELECT external_id, before, after * 1000000 FROM restatements WHERE level = 'ad'") == [("late", 0, 3)]


def test_what_vanished_and_what_a_margin_moved_is_no_restatement(workspace, build):
    both = {"spend": 10, "revenue": 100}
    late = build.now + 2 * DAY
    workspace.sync(build.noted(build.ads(both, both | {"external_id": "a2"}), now=late))
    alive = build.confirmed({"external_id": "a2"})
    workspace.sync(build.noted(build.ads(both), alive, generation=2, now=late + DAY))
    workspace.sync(build.noted(generation=3, now=late + 2 * DAY, gross_margin=build.connection().gross_margin * 2))

    kinds = dict(workspace.rows("SELECT kind, string_agg(DISTINCT metric, ' ' ORDER BY metric) FROM changes GROUP BY kind"))
    assert {kind: kinds.get(kind) for kind in ("vanished", "margin", "restatement")} == {
        "vanished": "revenue spend",
        "margin": "profit",
        "restatement": None,
    }


def test_when_a_day_was_complete_never_moves(workspace, read):
    for hours in (5, 6, 30):
        read(hours, {"spend": hours})

    complete = workspace.rows("SELECT DISTINCT complete_at FROM read_days")
    assert [at.astimezone(BERLIN).hour for (at,) in complete] == [5]


def test_an_older_files_days_are_complete_with_the_first_sync_that_changed_something_afterwards(workspace, read):
    for hours in (2, 5, 6, 20):
        read(hours, {"spend": hours})
    before = workspace.rows(KINDS)
    workspace.downgrade(9)
    read(21, {"spend": 21})

    assert workspace.rows(KINDS) == [*before, ("spend", "restatement")]


@given(steps=st.lists(st.tuples(st.integers(-5, 40), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4))
@examples(3, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_changes_of_a_day_add_up_to_its_rows(new_workspace, build, steps):
    workspace = new_workspace()
    for generation, (hours, leaf, more) in enumerate(sorted(steps), start=1):
        answers = build.ads({"spend": leaf}), build.totals({"spend": leaf + more})
        now = datetime.combine(build.today + DAY, datetime.min.time(), ZoneInfo("UTC")) + timedelta(hours=hours, minutes=generation)
        workspace.sync(build.noted(*answers, generation=generation, now=now))

    deltas = workspace.value("SELECT coalesce(sum(delta), 0) FROM changes WHERE metric = 'spend'")
    assert deltas == workspace.value("SELECT coalesce(sum(spend), 0) FROM daily")
