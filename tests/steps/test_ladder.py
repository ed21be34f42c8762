"""The ladder on the real path: what a platform cannot answer costs that one thing, is named, and comes back.

The tests print one table in the end: failure and place → steps, calls, what is stored. ``pytest -s`` shows it.
"""

import logging
from collections import Counter
from datetime import date, timedelta
from functools import partial

import pytest
from installation import Installation, shrink
from repeats import first_quick
from sqlalchemy import text

from adpulse import bootstrap
from adpulse.frequency import Frequency
from adpulse.ladder import REPORT_HOURS, RETRY_DAYS, RETRY_TODAY
from adpulse.model import ConnectionStatus, FetchKind, Parts, RunState
from adpulse.platforms.registry import platform_of
from adpulse_sandbox import Sandbox
from storage.control.slots import Slots

META, GOOGLE = "Corner Store 1", "Alpenglow Reisen"
TODAY = date(2026, 3, 20)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
IMPOSSIBLE = TODAY - 30 * DAY
NINETY = [TODAY - n * DAY for n in range(90)]
MOST_REFUSED_CALLS = 25
REPORT_KINDS = ("insights", "insights_job")
REPORTS = (*REPORT_KINDS, "search_stream")
NAMED = [("meta", 1), ("google", None), *(("meta", code) for code in (17, 1504018, 1504038, 1504044))]
PASSING = [("meta", "transient"), ("meta", "server_error"), ("google", "DEADLINE_EXCEEDED"), ("google", "INTERNAL_ERROR")]


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2, extra_ads=(8, 3)) as running:
        shrink(running, GOOGLE)
        yield running


@pytest.fixture
def installation(sandbox, tmp_path):
    made = Installation(tmp_path / "home", sandbox)
    yield made
    made.close()


def ready(installation, name, frequency=Frequency.MANUAL.value):
    connection = installation.connect(name, frequency)
    installation.app.client(connection)._sleep = lambda _: None
    return connection


def of(provider):
    return META if provider == "meta" else GOOGLE


def reports(provider, action="too_much_data", **how):
    """A fault of the platform's reports of metrics, of those that it computes in its own time too."""
    if provider == "google":
        resources = ("ad_group_ad", "asset_group", "campaign")
        return [{"action": action, "platform": "google", "kind": "search_stream", "resource": name} | how for name in resources]
    return [{"action": action, "platform": "meta", "kind": kind} | how for kind in ("insights", "insights_job")]


def struck(sandbox, action):
    return sum(call.fault == action for call in sandbox.calls.calls())


def read_days(installation, connection):
    kinds = platform_of(connection.provider).metric_kinds
    return set(installation.app.partitions.ages(connection.id).complete_days(kinds))


def missing(installation, connection):
    today = connection.today(installation.app.clock.now())
    return [day for day in (today - n * DAY for n in range(90)) if day not in read_days(installation, connection)]


def holes(installation, connection):
    return installation.app.holes.of(connection.id)


def warning(installation, connection):
    warnings = installation.app.connections.get(connection.id).warnings
    return next((each.message for each in warnings if each.kind == "missing_days"), None)


STEPS = {"tasks.ladder": "as %s", "adpulse.platforms.meta.client": "requesting %s"}
"""What takes a step, and the end of its message."""


@pytest.fixture(scope="module")
def table():
    """The rows of the tests that ran, printed in the end."""
    rows = [("failure", "place", "steps", "calls", "refused", "stored")]
    yield rows
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    print("", *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows), sep="\n")


class Steps(logging.Handler):
    """Counts the steps of the ladder by its messages, and prints none of them."""

    def __init__(self):
        super().__init__()
        self.taken = Counter()

    def emit(self, record):
        if record.msg.endswith(STEPS[record.name]):
            self.taken[str(record.args[-1]) if record.name == "tasks.ladder" else "rows"] += 1


@pytest.fixture
def steps():
    """The steps that were taken, each with how often."""
    counting, loggers = Steps(), [logging.getLogger(name) for name in STEPS]
    for logger in loggers:
        logger.addHandler(counting)
        logger.setLevel(logging.INFO)
        logger.propagate = False
    yield counting.taken
    for logger in loggers:
        logger.removeHandler(counting)
        logger.setLevel(logging.NOTSET)
        logger.propagate = True


@pytest.fixture
def show(table, steps):
    """Adds a row of the table."""

    def add(failure, place, installation, connection, calls):
        refused = sum(call.kind in REPORTS and call.fault is not None for call in calls)
        counts = str(len(calls)), str(refused), f"{90 - len(missing(installation, connection))} of 90 days"
        table.append((failure, place, ", ".join(f"{step} {count}" for step, count in steps.items()) or "-", *counts))

    return add


@pytest.mark.parametrize(("provider", "code"), first_quick(NAMED, 2))  # the table of names: tests/contract
def test_one_impossible_day_of_ninety_costs_that_day_alone_and_is_named_within_a_leg(installation, sandbox, show, provider, code):
    connection = ready(installation, of(provider))
    installation.leg(connection)  # today and the account's size
    sandbox.faults.add(reports(provider, day=IMPOSSIBLE.isoformat(), **({"code": code} if code else {})))
    before = len(sandbox.calls.calls())

    (run,) = installation.work(installation.claim())

    show(f"too much data {code or ''}", f"{provider}, one day", installation, connection, sandbox.calls.calls()[before:])
    assert IMPOSSIBLE.isoformat() in warning(installation, connection)
    assert struck(sandbox, "too_much_data") <= MOST_REFUSED_CALLS
    run = installation.finish(run)
    assert (run.state, run.error) == (RunState.DONE, None)
    assert missing(installation, connection) == [IMPOSSIBLE]
    assert installation.app.connections.get(connection.id).connection.status is ConnectionStatus.ACTIVE


@pytest.mark.parametrize("provider", first_quick(["meta", "google"]))
def test_a_hole_is_requested_again_daily_within_three_calls_a_kind_and_filled_once_it_is_answered(installation, sandbox, provider):
    connection = ready(installation, of(provider))
    sandbox.faults.add(reports(provider, day=IMPOSSIBLE.isoformat()))
    installation.sync(connection)
    kinds = {kind for kind, _ in holes(installation, connection)}
    refused = struck(sandbox, "too_much_data")

    sandbox.clock.advance((RETRY_DAYS - 5 * MINUTE).total_seconds())
    installation.sync(connection)
    assert struck(sandbox, "too_much_data") == refused
    sandbox.clock.advance(600)
    installation.sync(connection)
    assert refused < struck(sandbox, "too_much_data") <= refused + 3 * len(kinds)
    assert IMPOSSIBLE.isoformat() in warning(installation, connection)

    sandbox.faults.clear()
    sandbox.clock.advance((RETRY_DAYS + 5 * MINUTE).total_seconds())
    installation.sync(connection)
    assert (missing(installation, connection), holes(installation, connection), warning(installation, connection)) == ([], {}, None)
    assert installation.differences(connection) == []


@pytest.mark.parametrize(("provider", "code"), first_quick(NAMED))
def test_a_query_that_is_too_heavy_for_more_than_three_days_stores_ninety_of_ninety(installation, sandbox, show, provider, code):
    connection = ready(installation, of(provider))
    sandbox.faults.add(reports(provider, above_days=3, **({"code": code} if code else {})))

    run = installation.sync(connection)

    show(f"too much data {code or ''}", f"{provider}, more than 3 days", installation, connection, sandbox.calls.calls())
    assert run.state is RunState.DONE
    assert (missing(installation, connection), holes(installation, connection), warning(installation, connection)) == ([], {}, None)
    assert installation.differences(connection) == []


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "name"), PASSING)
def test_a_query_that_fails_without_a_name_for_more_than_three_days_stores_ninety_of_ninety(
    installation, sandbox, show, monkeypatch, provider, name
):
    # What waits for the hour's next call waits in business time.
    monkeypatch.setattr(bootstrap, "Slots", partial(Slots, sleep=sandbox.clock.advance))
    connection = ready(installation, of(provider))
    rule = {"action": "transient", "reason": name} if provider == "google" else {"action": name}
    sandbox.faults.add(reports(provider, above_days=3, **rule))

    run = installation.sync(connection, legs=60)
    for _ in range(5):
        if run.state is RunState.FAILED:
            installation.advance_to(run.until)
            (run,) = installation.work(installation.claim())
            run = installation.finish(run, legs=60)

    show(name, f"{provider}, more than 3 days", installation, connection, sandbox.calls.calls())
    assert run.state is RunState.DONE
    assert (missing(installation, connection), holes(installation, connection)) == ([], {})
    assert installation.differences(connection) == []


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["meta", "google"])
def test_an_outage_of_six_hours_leaves_no_hole_and_no_smaller_size_and_is_over_within_ten_minutes(installation, sandbox, show, provider):
    connection = ready(installation, of(provider), Frequency.EVERY_5_MIN.value)
    installation.sync(connection)
    sandbox.faults.add([{"action": "server_error", "platform": provider}])
    ended = sandbox.clock.now() + timedelta(hours=6)
    before = len(sandbox.calls.calls())

    while sandbox.clock.now() < ended:
        sandbox.clock.advance(60)
        installation.tick(Frequency.EVERY_5_MIN)
        installation.work(installation.claim())

    show("503 everywhere", f"{provider}, 6 hours", installation, connection, sandbox.calls.calls()[before:])
    assert holes(installation, connection) == {}
    sizes = installation.app.working_sizes.of(connection.ledger_key)
    assert all(sizes.noted(part) is None for part in ("days", *(f"days:{kind}" for kind in FetchKind)))
    sandbox.faults.clear()
    minutes = 0
    while read_at(installation, connection) < ended and minutes < 60:
        minutes += 1
        sandbox.clock.advance(60)
        installation.tick(Frequency.EVERY_5_MIN)
        installation.work(installation.claim())
    assert minutes <= 10


def read_at(installation, connection):
    today = connection.today(installation.app.clock.now())
    ages = installation.app.partitions.ages(connection.id).days
    return max(at for (kind, day), at in ages.items() if kind is FetchKind.ADS and day >= today - DAY)


def test_a_day_that_is_too_big_with_all_of_its_fields_is_read_in_two_halves_of_them(installation, sandbox, show):
    connection = ready(installation, META)
    sandbox.faults.add(reports("meta", day=IMPOSSIBLE.isoformat(), above_fields=9))  # ads have 6 of names and 5 of numbers
    sandbox.faults.add(reports("meta", day=IMPOSSIBLE.isoformat(), above_fields=5, above_days=1))

    installation.sync(connection)

    show("too much data", "meta, fields of one day", installation, connection, sandbox.calls.calls())
    assert "insights_job" not in {call.kind for call in sandbox.calls.calls()}
    assert missing(installation, connection) == []
    assert installation.differences(connection) == []


def ticks(installation, sandbox, count=1):
    """So many ticks of five minutes, each with the legs in which its reports come; the calls that were refused meanwhile."""
    before = struck(sandbox, "too_much_data")
    for _ in range(count):
        sandbox.clock.advance(300)
        for run in installation.tick(Frequency.EVERY_5_MIN):
            installation.finish(run)
    return struck(sandbox, "too_much_data") - before


PARTLY = {
    "fields": [{"kind": "insights", "above_fields": 9}, {"kind": "insights_job", "above_fields": 9}],
    "report": [{"kind": "insights"}],
}


@pytest.mark.slow
@pytest.mark.parametrize("step", PARTLY)
def test_a_tick_costs_only_the_calls_of_the_step_that_answers_and_once_an_hour_the_one_above(installation, sandbox, step):
    connection = ready(installation, META, Frequency.EVERY_5_MIN.value)
    installation.sync(connection)
    today = connection.today(sandbox.clock.now())
    sandbox.faults.add([{"action": "too_much_data", "day": today.isoformat()} | how for how in PARTLY[step]])

    first, later = ticks(installation, sandbox), ticks(installation, sandbox, 9)
    hour_later = ticks(installation, sandbox, 3)

    assert first > 0
    assert later == 0
    assert 0 < hour_later <= 3 * first  # of ads, and of the campaigns' and the account's totals, which are read hourly
    assert holes(installation, connection) == {}
    assert sandbox.clock.now() - installation.app.partitions.ages(connection.id).days[FetchKind.ADS, today] < timedelta(minutes=10)
    sandbox.faults.clear()
    ticks(installation, sandbox, 45)
    whole = [call for call in sandbox.calls.calls() if call.kind == "insights"][-1]
    assert "spend" in whole.params["fields"]
    assert "actions" in whole.params["fields"]
    assert installation.differences(connection) == []


def test_a_day_that_fails_without_a_name_is_requested_in_parts_before_a_report(installation, sandbox, show):
    connection = ready(installation, META)
    sandbox.faults.add(reports("meta", action="server_error", day=IMPOSSIBLE.isoformat(), above_fields=9, above_days=0))

    run = installation.sync(connection)
    for _ in range(20):
        if run.state is not RunState.FAILED:
            break
        installation.advance_to(run.until)
        run = installation.finish(*installation.work(installation.claim()))

    show("503", "meta, all fields of one day", installation, connection, sandbox.calls.calls())
    assert run.state is RunState.DONE
    assert "insights_job" not in {call.kind for call in sandbox.calls.calls()}
    assert (missing(installation, connection), holes(installation, connection)) == ([], {})
    assert installation.differences(connection) == []


def test_two_connections_of_an_account_share_its_two_reports(installation, sandbox):
    first = ready(installation, META)
    installation.workspace = installation.app.workspaces.create("Borealis")
    second = ready(installation, META)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "job_fails", "kind": "insights_job", "value": "Job Running"}])

    for connection in (first, second):
        run = installation.leg(connection)[0]
        for _ in range(5):
            if run.state is RunState.POSTPONED and not holes(installation, connection):
                installation.advance_to(run.until)
                installation.work(installation.claim())
                run = installation.app.runs.get(run.id)

    under_way = [hole.report for connection in (first, second) for hole in holes(installation, connection).values()]
    assert len(under_way) == 4
    assert sum(report is not None for report in under_way) == 2
    assert len([call for call in sandbox.calls.calls() if call.kind == "insights_job"]) == 2


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["meta", "google"])
def test_one_impossible_campaign_costs_itself_alone_on_that_day(installation, sandbox, show, provider):
    connection = ready(installation, "Harbor Outdoor" if provider == "meta" else GOOGLE)
    installation.leg(connection)
    campaigns = installation.app.warehouse(connection.workspace_id).campaigns(connection.id)
    sandbox.faults.add(reports(provider, day=IMPOSSIBLE.isoformat(), campaign=campaigns[0]))

    run = installation.finish(*installation.work(installation.claim()))

    show("too much data", f"{provider}, one campaign of a day", installation, connection, sandbox.calls.calls())
    assert run.state is RunState.DONE
    assert missing(installation, connection) == [IMPOSSIBLE]
    query = "SELECT DISTINCT campaign_id FROM metric_facts WHERE connection_id = $id AND date = $day"

    def stored():
        return {campaign for (campaign,) in installation.rows(query, {"id": connection.id, "day": IMPOSSIBLE})}

    gaps = installation.app.gaps(connection.id)
    assert {(gap.kind, gap.day, gap.campaign_id) for gap in gaps} >= {(FetchKind.ADS, IMPOSSIBLE, campaigns[0])}
    assert {gap.campaign_id for gap in gaps} == {campaigns[0]}
    assert stored() >= set(campaigns[2:4])
    assert campaigns[0] not in stored()
    sandbox.faults.clear()
    sandbox.clock.advance((RETRY_DAYS + MINUTE).total_seconds())
    installation.sync(connection)
    assert (missing(installation, connection), campaigns[0] in stored()) == ([], True)


@pytest.mark.parametrize("provider", first_quick(["meta", "google"]))
def test_a_day_that_is_too_big_with_all_of_its_campaigns_is_read_in_ranges_of_them(installation, sandbox, show, provider):
    connection = ready(installation, of(provider))
    installation.leg(connection)
    half = (len(installation.app.warehouse(connection.workspace_id).campaigns(connection.id)) + 1) // 2
    sandbox.faults.add(reports(provider, day=IMPOSSIBLE.isoformat(), above_campaigns=half))

    run = installation.finish(*installation.work(installation.claim()))

    show("too much data", f"{provider}, more than half the campaigns of a day", installation, connection, sandbox.calls.calls())
    assert run.state is RunState.DONE
    assert "insights_job" not in {call.kind for call in sandbox.calls.calls()}
    assert struck(sandbox, "too_much_data") <= MOST_REFUSED_CALLS
    assert (missing(installation, connection), holes(installation, connection), warning(installation, connection)) == ([], {}, None)
    assert installation.differences(connection) == []


def one_day_as_a_report(sandbox):
    sandbox.faults.add([{"action": "too_much_data", "kind": "insights", "day": IMPOSSIBLE.isoformat()}])


def test_a_day_that_no_request_answers_is_computed_as_a_report_whose_id_survives_a_restart(installation, sandbox, show, tmp_path):
    connection = ready(installation, META)
    installation.leg(connection)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "too_much_data", "kind": "job_insights", "day": IMPOSSIBLE.isoformat(), "count": 0}])

    (run,) = installation.work(installation.claim())
    under_way = [hole.report for hole in holes(installation, connection).values()]
    assert (run.state, run.reason) == (RunState.POSTPONED, "a report of the platform is under way")
    assert (run.until - sandbox.clock.now()).total_seconds() <= 5
    assert all(under_way)
    installation.close()
    again = Installation(tmp_path / "home", sandbox)
    try:
        again.app.client(connection)._sleep = lambda _: None
        again.advance_to(run.until)
        run = again.finish(*again.work(again.claim()))
        show("too much data", "meta, all but a report", again, connection, sandbox.calls.calls())
        started = [call for call in sandbox.calls.calls() if call.kind == "insights_job"]
        assert len(started) == len(under_way)
        assert run.state is RunState.DONE
        assert (missing(again, connection), holes(again, connection), warning(again, connection)) == ([], {}, None)
        installation.notes[connection.id] += again.notes[connection.id]
        again.notes = installation.notes
        assert again.differences(connection) == []
    finally:
        again.close()


@pytest.mark.parametrize("ending", first_quick(["Job Failed", "Job Skipped"]))
def test_a_report_that_ends_without_rows_leaves_a_hole_with_the_reason(installation, sandbox, ending):
    connection = ready(installation, META)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "job_fails", "kind": "insights_job", "value": ending}])

    run = installation.sync(connection)

    assert run.state is RunState.DONE
    assert missing(installation, connection) == [IMPOSSIBLE]
    reason = ending if ending == "Job Skipped" else "The report could not be made"
    assert reason in warning(installation, connection)


@pytest.mark.slow
def test_a_report_that_stays_at_a_hundred_percent_ends_after_an_hour_within_its_polls(installation, sandbox):
    connection = ready(installation, META)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "job_fails", "kind": "insights_job", "value": "Job Running"}])
    began = sandbox.clock.now()

    run = installation.sync(connection, legs=200)

    polls = [call for call in sandbox.calls.calls() if call.kind == "job"]
    assert run.state is RunState.DONE
    assert "within an hour" in warning(installation, connection)
    assert REPORT_HOURS <= sandbox.clock.now() - began <= REPORT_HOURS + 10 * MINUTE
    assert len(polls) <= 76  # of two reports together: ads and campaigns
    assert missing(installation, connection) == [IMPOSSIBLE]


def test_today_is_requested_again_hourly(installation, sandbox):
    connection = ready(installation, META, Frequency.EVERY_5_MIN.value)
    installation.sync(connection)
    sandbox.clock.advance(600)
    today = connection.today(sandbox.clock.now())
    sandbox.faults.add(reports("meta", day=today.isoformat()))

    installation.tick(Frequency.EVERY_5_MIN)

    assert {day for _, day in holes(installation, connection)} == {today}
    assert installation.app.connections.get(connection.id).connection.status is ConnectionStatus.ACTIVE
    sandbox.faults.clear()
    refused_at = sandbox.clock.now()
    while holes(installation, connection) and sandbox.clock.now() - refused_at < 3 * RETRY_TODAY:
        sandbox.clock.advance(300)
        installation.tick(Frequency.EVERY_5_MIN)
    assert RETRY_TODAY <= sandbox.clock.now() - refused_at <= RETRY_TODAY + 10 * MINUTE


def test_a_sync_that_is_forced_does_not_wait_for_a_holes_next_try(installation, sandbox):
    connection = ready(installation, META)
    sandbox.faults.add(reports("meta", day=(TODAY - 5 * DAY).isoformat()))
    installation.sync(connection)
    assert missing(installation, connection) == [TODAY - 5 * DAY]
    sandbox.faults.clear()

    installation.sync(connection, force=True)

    assert (missing(installation, connection), holes(installation, connection)) == ([], {})


def test_a_working_size_is_kept_across_a_restart_and_grows_again_with_the_hours(installation, sandbox):
    connection = ready(installation, META)
    sandbox.faults.add(reports("meta", above_days=4))
    installation.sync(connection)
    sizes = installation.app.working_sizes

    def days():
        return sizes.current(connection.ledger_key, "days:ads", 30)

    first = days()
    assert 1 < first <= 4
    sandbox.clock.advance(2 * 3600)
    assert days() == min(30, 4 * first)


def test_entities_and_numbers_are_asked_for_only_in_their_parts(installation, sandbox):
    """A sync of entities alone leaves the holes as they are."""
    connection = ready(installation, META)
    sandbox.faults.add(reports("meta", day=IMPOSSIBLE.isoformat()))
    installation.sync(connection)
    before = holes(installation, connection)
    sandbox.clock.advance((RETRY_DAYS + MINUTE).total_seconds())
    installation.app.runs.request(connection.id, Parts.ENTITIES)

    installation.finish(*installation.work(installation.claim()))

    assert holes(installation, connection) == before


@pytest.mark.slow
def test_a_report_whose_state_cannot_be_read_is_given_up_after_an_hour(installation, sandbox):
    connection = ready(installation, META)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "server_error", "kind": "job"}])
    began = sandbox.clock.now()

    (run,) = installation.leg(connection)
    while run.state in (RunState.POSTPONED, RunState.FAILED) and sandbox.clock.now() - began < 2 * REPORT_HOURS:
        installation.advance_to(run.until)
        (run,) = installation.work(installation.claim())

    assert run.state is RunState.DONE
    assert missing(installation, connection) == [IMPOSSIBLE]
    assert "HTTP 503" in warning(installation, connection)


def test_totals_of_today_are_not_read_without_its_leaves(installation, sandbox):
    """The remainder would be the new total less the old leaves, and count what comes later twice."""
    connection = ready(installation, META, Frequency.EVERY_5_MIN.value)
    installation.sync(connection)
    today = connection.today(sandbox.clock.now())
    query = "SELECT coalesce(sum(spend), 0) FROM unreported WHERE connection_id = $id AND date = $day"
    before = installation.rows(query, {"id": connection.id, "day": today})
    rules = [{"action": "too_much_data", "day": today.isoformat(), "above_fields": 7, "kind": kind} for kind in REPORT_KINDS]
    sandbox.faults.add(rules)  # of ads, whose names are fields too, and not of campaigns

    for _ in range(20):
        sandbox.clock.advance(300)
        installation.tick(Frequency.EVERY_5_MIN)
    assert (FetchKind.ADS, today) in holes(installation, connection)
    sandbox.faults.clear()
    while (FetchKind.ADS, today) in holes(installation, connection):
        sandbox.clock.advance(300)
        installation.tick(Frequency.EVERY_5_MIN)

    assert not any(day == today and kind is FetchKind.ADS for kind, day in holes(installation, connection))
    assert installation.rows(query, {"id": connection.id, "day": today}) == before


@pytest.mark.slow
def test_totals_of_an_older_day_are_read_again_while_its_leaves_are_a_hole(installation, sandbox):
    connection = ready(installation, META)
    installation.sync(connection)
    day = TODAY - 5 * DAY
    rules = [{"action": "too_much_data", "day": day.isoformat(), "above_fields": 7, "kind": kind} for kind in REPORT_KINDS]
    sandbox.faults.add(rules)  # of ads, whose names are fields too, and not of campaigns
    for _ in range(3):
        sandbox.clock.advance(25 * 3600)
        installation.sync(connection)

    days = installation.app.partitions.ages(connection.id).days
    assert list(holes(installation, connection)) == [(FetchKind.ADS, day)]
    assert sandbox.clock.now() - days[FetchKind.CAMPAIGNS, day] < timedelta(hours=1) < sandbox.clock.now() - days[FetchKind.ADS, day]
    spent = "SELECT sum(spend) FROM {} WHERE connection_id = $id AND date = $day"
    of_day = {"id": connection.id, "day": day}
    ((daily,),) = installation.rows(spent.format("daily"), of_day)
    ((total,),) = installation.rows(spent.format("platform_totals"), of_day)
    assert daily * 1_000_000 == total
    sandbox.faults.clear()
    sandbox.clock.advance((RETRY_DAYS + MINUTE).total_seconds())
    installation.sync(connection)
    assert installation.differences(connection) == []


def test_a_bad_answer_to_a_poll_costs_the_day_alone(installation, sandbox):
    connection = ready(installation, META)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "refused", "kind": "job"}])

    run = installation.sync(connection)

    assert (run.state, missing(installation, connection)) == (RunState.DONE, [IMPOSSIBLE])
    assert IMPOSSIBLE.isoformat() in warning(installation, connection)


def test_a_sync_of_entities_alone_does_not_wait_for_a_report(installation, sandbox):
    connection = ready(installation, META)
    one_day_as_a_report(sandbox)
    sandbox.faults.add([{"action": "job_fails", "kind": "insights_job", "value": "Job Running"}])
    (run,) = installation.leg(connection)
    assert run.state is RunState.POSTPONED
    with installation.engine.begin() as session:
        session.execute(text("UPDATE sync_run SET state = 'dead'"))
    installation.app.runs.request(connection.id, Parts.ENTITIES)

    (run,) = installation.work(installation.claim())

    assert run.state is RunState.DONE


@pytest.mark.slow
@pytest.mark.parametrize(("provider", "ago"), [("meta", 30), ("meta", 2), ("google", 30), ("google", 2)])
def test_a_day_that_fails_without_a_name_costs_itself_alone(installation, sandbox, show, monkeypatch, provider, ago):
    monkeypatch.setattr(bootstrap, "Slots", partial(Slots, sleep=sandbox.clock.advance))
    connection = ready(installation, of(provider))
    day = (TODAY - ago * DAY).isoformat()
    sandbox.faults.add(reports(provider, action="server_error", day=day))

    (run,) = installation.leg(connection)
    for _ in range(60):
        if run.state not in (RunState.POSTPONED, RunState.FAILED):
            break
        installation.advance_to(run.until)
        (run,) = installation.work(installation.claim())

    show("503", f"{provider}, one day, {ago} days ago", installation, connection, sandbox.calls.calls())
    assert set(missing(installation, connection)) <= {TODAY - ago * DAY}


@pytest.mark.slow
def test_a_forced_sync_that_fills_the_holes_ends_their_warning(installation, sandbox):
    connection = ready(installation, META)
    sandbox.faults.add(reports("meta", day=(TODAY - 5 * DAY).isoformat()))
    installation.sync(connection)
    sandbox.faults.clear()

    installation.sync(connection, force=True)

    assert warning(installation, connection) is None


def test_other_time_zone_forgets_reports_of_days_with_the_old_borders(installation, sandbox):
    connection = ready(installation, META)
    one_day_as_a_report(sandbox)
    installation.leg(connection)
    installation.work(installation.claim())
    assert holes(installation, connection)

    installation.app.partitions.forget(connection.id)

    assert holes(installation, connection) == {}
