"""One odd row costs itself: the rest of its answer is stored, and the connection says which row of which day was refused, and why."""

import json
from datetime import date, timedelta

import pytest
from installation import shrink
from repeats import first_quick

from adpulse import presentation
from adpulse.model import FetchKind, RunState, days_between
from adpulse_sandbox import Sandbox

META, GOOGLE = "Corner Store 1", "Alpenglow Reisen"
DAY = timedelta(days=1)


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2) as running:
        shrink(running, GOOGLE)
        yield running


@pytest.fixture
def synced(installation):
    """Connects and syncs an account."""

    def sync(name):
        connection = installation.connect(name)
        installation.app.client(connection)._sleep = lambda _: None
        assert installation.sync(connection).state is RunState.DONE
        return installation.app.connections.get(connection.id).connection

    return sync


def rewrite(installation, place, value=None, **how):
    installation.sandbox.faults.add([{"action": "rewrite", "place": place, "value": value, **how}])


def warnings(installation, connection):
    return installation.app.connections.get(connection.id).warnings


def numbers(installation):
    """Every stored row of numbers by its table, entity and day."""
    return {
        (table, *row[:2]): row[2:]
        for table in ("metric_facts", "platform_totals")
        for row in installation.rows(f"SELECT external_id, date::VARCHAR, * EXCLUDE (external_id, changed_at, run_id) FROM {table}")
    }


CASES = [
    (META, {"kind": "insights"}, "data[0].campaign_id", None, "campaign_id: missing"),
    (META, {"kind": "insights"}, "data[0].clicks", "many", "clicks: not a count"),
    (META, {"kind": "insights"}, "data[0].actions", [{"action_type": "lead", "value": "1"}] * 2, "actions: lead occurs twice"),
    (GOOGLE, {"resource": "ad_group_ad"}, "results[0].campaign.id", 0, "campaign.id: missing"),
    (GOOGLE, {"resource": "ad_group_ad"}, "results[0].metrics.conversions", float("nan"), "metrics.conversions: not a number"),
]


@pytest.mark.parametrize("case", first_quick([(case,) for case in CASES]), ids=[case[-1] for case in CASES])
def test_an_odd_row_costs_its_leafs_day_and_is_named(installation, synced, case):
    name, aim, place, value, reason = case
    connection = synced(name)
    installation.sandbox.clock.advance(3600)
    before = numbers(installation)
    rewrite(installation, place, value, count=1, **aim)

    run = installation.sync(connection)

    after = numbers(installation)
    (warning,) = warnings(installation, connection)
    kind, read, day = warning.kind.split()
    (named,) = {key[1] for key in before if f"ad {key[1]} ({reason})" in warning.message}
    assert run.state is RunState.DONE
    assert (kind, read, warning.code) == ("refused_rows", FetchKind.ADS, "refused_rows")
    assert f" of {day} that cannot be read" in warning.message
    assert after["metric_facts", named, day] == before["metric_facts", named, day]
    assert {key[0] for key in before if after[key] != before[key]} == {"metric_facts", "platform_totals"}
    (gap,) = installation.app.gaps(connection.id)
    assert (gap.kind, str(gap.day), gap.entity_level, gap.external_id, gap.reason) == (FetchKind.ADS, day, "ad", named, reason)
    lacks = "SELECT date::VARCHAR, complete_through < date, lacks FROM completeness WHERE lacks IS NOT NULL"
    ((lacking, is_before, why),) = installation.rows(lacks)
    assert (lacking, is_before) == (day, True)
    assert named in why
    assert reason in why

    installation.sync(connection, force=True)

    assert warnings(installation, connection) == ()
    assert installation.app.gaps(connection.id) == []
    assert installation.rows(lacks) == []
    assert installation.differences(connection) == []


def test_the_warning_of_a_day_stays_until_that_day_is_read_again(installation, synced):
    connection = synced(META)
    installation.sandbox.clock.advance(86_400)
    yesterday = connection.today(installation.sandbox.clock.now()) - DAY
    rewrite(installation, "data[0].clicks", "many", kind="insights", above_days=1, count=1)

    installation.sync(connection)
    first = warnings(installation, connection)
    installation.sandbox.clock.advance(120)
    installation.leg(connection)

    assert len(first) == 1
    assert str(yesterday) >= first[0].kind.split()[-1]
    assert warnings(installation, connection) == first


@pytest.mark.parametrize(
    ("name", "aim", "place", "value"),
    first_quick(
        [(META, {"kind": "insights"}, "data[1].ad_id", ""), (GOOGLE, {"resource": "ad_group_ad"}, "results[1].ad_group_ad.ad.id", 0)]
    ),
)
def test_a_row_whose_entity_cannot_be_told_makes_the_days_of_its_read_holes(installation, synced, name, aim, place, value):
    connection = synced(name)
    installation.sandbox.clock.advance(3600)
    before = installation.rows("SELECT * FROM metric_facts ORDER BY ALL")
    rewrite(installation, place, value, **aim)

    (run,) = installation.leg(connection)

    today = connection.today(installation.sandbox.clock.now())
    assert run.state is RunState.DONE
    assert {day for _, day in installation.app.holes.of(connection.id)} == {today, today - timedelta(days=1)}
    assert {(warning.kind, warning.code) for warning in warnings(installation, connection)} == {("missing_days", "malformed")}
    assert installation.rows("SELECT * FROM metric_facts ORDER BY ALL") == before


def test_an_answer_that_cannot_be_told_once_is_read_again_by_days(installation, synced):
    connection = synced(META)
    installation.sandbox.clock.advance(3600)
    rewrite(installation, "data[1].ad_id", "", count=1, kind="insights")

    (run,) = installation.leg(connection)

    assert (run.state, installation.app.holes.of(connection.id), warnings(installation, connection)) == (RunState.DONE, {}, ())
    assert installation.differences(connection) == []


def test_rows_of_several_days_are_read_again_day_by_day(installation, synced):
    connection = synced(META)
    installation.sandbox.clock.advance(86_400)
    rewrite(installation, "data[0].date_start", "2026-01-01", kind="insights", above_days=1, count=1)

    run = installation.sync(connection)

    calls = [call for call in installation.sandbox.calls.calls(connection.external_id) if call.kind == "insights"]
    struck = next(number for number, call in enumerate(calls) if call.fault)
    since, until = (date.fromisoformat(json.loads(calls[struck].params["time_range"])[name]) for name in ("since", "until"))
    days = [json.loads(call.params["time_range"]) for call in calls[struck + 1 :]][: (until - since).days + 1]
    assert run.state is RunState.DONE
    assert days == [dict.fromkeys(("since", "until"), day.isoformat()) for day in reversed(days_between(since, until))]
    assert warnings(installation, connection) == ()
    assert installation.differences(connection) == []


@pytest.mark.parametrize(
    ("name", "aim", "place", "how"),
    first_quick(
        [
            (META, {"kind": "ads"}, "data[0].effective_status", {"remove": True}),
            (META, {"kind": "ads"}, "data[0].id", {"remove": True}),
            (GOOGLE, {"resource": "ad_group_ad", "kind": "search_stream"}, "results[0].ad_group_ad.ad.id", {"remove": True}),
        ]
    ),
)
def test_an_odd_entity_costs_itself_and_nobody_is_gone(installation, name, aim, place, how):
    connection = installation.connect(name)
    installation.sync(connection)
    before = dict(installation.rows("SELECT external_id, status FROM entities WHERE level = 'ad'"))
    walked = installation.app.partitions.ages(connection.id).dateless[FetchKind.ENTITIES_FULL]
    installation.sandbox.clock.set(walked + timedelta(hours=25))
    rewrite(installation, place, count=1, **aim, **how)

    run = installation.sync(connection)

    statuses = dict(installation.rows("SELECT external_id, status FROM entities WHERE level = 'ad'"))
    assert run.state is RunState.DONE
    assert {external_id for external_id, status in statuses.items() if status == "GONE"} <= {
        external_id for external_id, status in before.items() if status == "GONE"
    }
    assert [warning.kind for warning in warnings(installation, connection)] == [f"refused_rows {FetchKind.ENTITIES_FULL}"]


def test_of_very_many_warnings_the_first_ten_are_shown(installation, synced):
    connection = synced(META)
    installation.sandbox.clock.advance(86_400)
    rewrite(installation, "data[*].clicks", "many", kind="insights")
    installation.sync(connection, force=True)
    view, now = installation.app.connections.get(connection.id), installation.sandbox.clock.now()

    shown = presentation.describe_warnings(view, now)

    assert len(view.warnings) > 10
    assert len(shown) == 11
    assert shown[-1] == f"And {len(view.warnings) - 10} more, which GET /connections/{connection.id} lists."


@pytest.mark.parametrize(
    ("name", "aim", "place", "value", "named"),
    first_quick(
        [
            (META, {"kind": "ads"}, "data[0].effective_status", "IN_ORBIT", "ad status IN_ORBIT (1)"),
            (META, {"kind": "campaigns"}, "data[*].objective", "OUTCOME_ORBIT", "campaign objective OUTCOME_ORBIT"),
            (GOOGLE, {"resource": "ad_group"}, "results[0].ad_group.status", 99, "ad_group status 99 (1)"),
            (GOOGLE, {"resource": "ad_group"}, "results[0].ad_group.status", 1, "ad_group status UNKNOWN (1)"),
        ]
    ),
)
def test_statuses_and_types_that_nobody_knows_are_counted_until_none_is_listed(installation, name, aim, place, value, named):
    connection = installation.connect(name)
    rewrite(installation, place, value, **aim)
    installation.sync(connection)
    (warning,) = warnings(installation, connection)

    installation.sandbox.faults.clear()
    installation.sandbox.clock.advance(25 * 3600)
    installation.sync(connection)

    assert warning.kind == "unknown_values"
    assert named in warning.message
    assert warnings(installation, connection) == ()
