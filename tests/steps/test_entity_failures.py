"""A walk of the entities that fails is a warning, and the numbers go on; a walk that works ends the warning."""

from datetime import timedelta

import pytest
from installation import shrink
from repeats import first_quick

from adpulse import presentation
from adpulse.errors import RateLimited
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, Fetch, FetchKind, Heat, Parts, RunState, SyncStatus
from adpulse.planner.windows import FIRST_SYNC_DAYS
from adpulse.platforms.google import normalise as google_normalise
from adpulse.platforms.meta import normalise as meta_normalise
from adpulse.retry import LONGEST_WARNING_BACKOFF
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options
from tasks.optional import optional

META, GOOGLE = "Corner Store 1", "Alpenglow Reisen"
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SECONDS = timedelta(seconds=1)


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=2, google=Options(extra=1)) as running:
        shrink(running, GOOGLE)
        yield running


def connect(installation, name, frequency=Frequency.MANUAL.value):
    connection = installation.connect(name, frequency)
    installation.app.client(connection)._sleep = lambda _: None
    return connection


def aimed(name, action, **how):
    """A fault that strikes every walk and nothing else."""
    aim = {"kind": "ads"} if name == META else {"resource": "ad_group"}
    return [{"action": action, **aim, **how}]


def warnings(installation, connection):
    return {each.kind: each for each in installation.app.connections.get(connection.id).warnings}


def odd(*_):
    raise KeyError("effective_status")


QUICK = ((META, "server_error"), (META, "odd entity"), (GOOGLE, "oversized"))
"""One of each kind; the others go the same way."""
FAILURES = [
    (META, "refused", {}, "100"),
    (META, "too_much_data", {}, "100/1487534"),
    (META, "truncated", {}, "malformed"),
    (META, "server_error", {}, "http-503"),
    (META, "odd entity", {}, None),
    (GOOGLE, "server_error", {}, "UNAVAILABLE"),
    (GOOGLE, "transient", {"reason": "DEADLINE_EXCEEDED"}, "DEADLINE_EXCEEDED"),
    (GOOGLE, "oversized", {}, "message too big"),
    (GOOGLE, "odd entity", {}, None),
]


def cell(name, action, *rest):
    return pytest.param(name, action, *rest, id=f"{name}: {action}", marks=() if (name, action) in QUICK else pytest.mark.slow)


@pytest.mark.parametrize(("name", "action", "how", "code"), [cell(*each) for each in FAILURES])
def test_without_any_walk_all_days_of_the_first_sync_are_stored(installation, monkeypatch, name, action, how, code):
    connection = connect(installation, name)
    if action == "odd entity":
        monkeypatch.setattr(meta_normalise if name == META else google_normalise, "entities", odd)
    else:
        installation.sandbox.faults.add(aimed(name, action, **how))

    run = installation.sync(connection)

    view = installation.app.connections.get(connection.id)
    assert (run.state, run.error) == (RunState.DONE, None)
    assert (view.sync_status, view.last_sync_error, view.last_sync_completed_at is not None) == (SyncStatus.IDLE, None, True)
    assert view.connection.ad_count is None
    warning = warnings(installation, connection)[FetchKind.ENTITIES_FULL.value]
    assert (warning.code, warning.first_at <= warning.last_at < warning.retry_at) == (code, True)
    assert len({day for _, day in installation.app.partitions.ages(connection.id).days}) == FIRST_SYNC_DAYS
    assert installation.rows("SELECT count(*) FROM entities") == [(0,)]
    assert installation.differences(connection) == []

    monkeypatch.undo()
    installation.sandbox.faults.clear()
    installation.sync(connection)

    assert warnings(installation, connection) == {}
    assert installation.app.connections.get(connection.id).connection.ad_count > 0
    assert installation.differences(connection) == []


@pytest.mark.parametrize("name", [META, GOOGLE])
def test_facts_that_cannot_be_read_are_a_warning(installation, name):
    connection = connect(installation, name)
    aim = {"kind": "node"} if name == META else {"resource": "customer"}
    installation.sandbox.faults.add([{"action": "server_error", **aim}])

    run = installation.sync(connection)

    assert run.state is RunState.DONE
    # Of Google both are queries of the resource customer.
    assert set(warnings(installation, connection)) == ({"account_facts"} if name == META else {"account_facts", "account"})
    assert installation.app.connections.get(connection.id).connection.ad_count > 0
    assert installation.differences(connection) == []


@pytest.mark.parametrize(
    ("action", "state", "status"),
    [
        ("throttle", RunState.POSTPONED, ConnectionStatus.ACTIVE),
        ("expired_token", RunState.DEAD, ConnectionStatus.NEEDS_REAUTH),
        ("permission_lost", RunState.DEAD, ConnectionStatus.NEEDS_PERMISSION),
    ],
)
@pytest.mark.parametrize("name", [META, GOOGLE])
def test_what_concerns_the_whole_account_still_stops_it(installation, name, action, state, status):
    connection = connect(installation, name)
    installation.sandbox.faults.add(aimed(name, action))

    (run,) = installation.leg(connection)

    assert (run.state, installation.app.connections.get(connection.id).connection.status) == (state, status)
    assert warnings(installation, connection) == {}
    assert installation.app.partitions.ages(connection.id).days == {}


def test_a_throttle_of_campaigns_and_ads_alone_is_a_warning_for_as_long_as_meta_says_and_numbers_go_on(installation):
    connection = connect(installation, META, Frequency.EVERY_5_MIN.value)
    clock = installation.sandbox.clock
    installation.sandbox.faults.add(aimed(META, "throttle", code=80004, minutes=47))
    (run,) = installation.tick(Frequency.EVERY_5_MIN)
    installation.finish(run)

    view = installation.app.connections.get(connection.id)
    (warning,) = view.warnings
    assert (warning.kind, warning.code, warning.retry_at - warning.last_at) == ("entities_full", "80004/2446079", 47 * MINUTE)
    assert (view.cooldown_until, view.last_sync_error, view.last_sync_completed_at is not None) == (None, None, True)
    struck = installation.sandbox.faults.as_json()[0]["struck"]
    clock.set(warning.retry_at - 5 * MINUTE)
    installation.tick(Frequency.EVERY_5_MIN)
    assert installation.sandbox.faults.as_json()[0]["struck"] == struck == 1
    assert installation.app.partitions.ages(connection.id).days[FetchKind.ADS, connection.today(clock.now())] == clock.now()

    installation.sandbox.faults.clear()
    clock.set(warning.retry_at + 5 * MINUTE)
    for again in installation.tick(Frequency.EVERY_5_MIN):
        installation.finish(again)
    assert warnings(installation, connection) == {}
    assert installation.differences(connection) == []


@pytest.mark.slow
def test_the_pause_after_a_failed_walk_doubles_to_six_hours_and_ticks_read_numbers_meanwhile(installation):
    connection = connect(installation, META, Frequency.EVERY_5_MIN.value)
    clock = installation.sandbox.clock
    installation.sandbox.faults.add(aimed(META, "server_error"))
    installation.finish(*installation.tick(Frequency.EVERY_5_MIN))
    retries = [warnings(installation, connection)["entities_full"]]

    while len(retries) < 12:
        clock.set(retries[-1].retry_at + 5 * MINUTE)
        for run in installation.tick(Frequency.EVERY_5_MIN):
            assert installation.finish(run).state is RunState.DONE
        retries.append(warnings(installation, connection)["entities_full"])
        assert installation.app.partitions.ages(connection.id).days[FetchKind.ADS, connection.today(clock.now())] == clock.now()

    pauses = [(each.retry_at - each.last_at) / SECONDS for each in retries]
    expected = [min(60 * 2**n, LONGEST_WARNING_BACKOFF / 1.1) for n in range(12)]
    assert [each.times for each in retries] == list(range(1, 13))
    assert all(least <= pause <= 1.1 * least for pause, least in zip(pauses, expected, strict=True))
    assert max(pauses) <= LONGEST_WARNING_BACKOFF
    assert {each.first_at for each in retries} == {retries[0].first_at}
    view = installation.app.connections.get(connection.id)
    assert (view.consecutive_failures, installation.app.runs.dead_letters()) == (0, [])


def test_a_walk_in_its_pause_is_not_made_by_ticks_but_by_a_person_who_asks(installation):
    connection = connect(installation, META, Frequency.EVERY_5_MIN.value)
    installation.sandbox.faults.add(aimed(META, "refused"))
    installation.finish(*installation.tick(Frequency.EVERY_5_MIN))
    installation.sandbox.clock.set(warnings(installation, connection)["entities_full"].retry_at + MINUTE)
    installation.leg(connection)  # fails a second time: the pause is longer than what a tick takes
    times = warnings(installation, connection)["entities_full"].times
    installation.sandbox.clock.advance(60)
    asked = len(walks(installation, connection))

    installation.tick(Frequency.EVERY_5_MIN)
    after_tick = len(walks(installation, connection))
    installation.leg(connection)

    assert after_tick == asked
    assert len(walks(installation, connection)) > asked
    assert warnings(installation, connection)["entities_full"].times == times + 1


def walks(installation, connection):
    return [call for call in installation.sandbox.calls.calls(connection.external_id) if call.kind == "ads"]


def test_a_sync_of_entities_alone_that_fails_says_so_and_holds_up_no_numbers(installation):
    connection = connect(installation, META, Frequency.EVERY_5_MIN.value)
    installation.finish(*installation.tick(Frequency.EVERY_5_MIN))
    installation.sandbox.faults.add(aimed(META, "refused"))
    operations_ask = installation.app.runs.request(connection.id, Parts.ENTITIES)

    (run,) = installation.work(installation.claim())

    view = installation.app.connections.get(connection.id)
    assert (run.id, run.state, run.error_code, run.error_during) == (operations_ask.run_id, RunState.DEAD, "100", "entities_changed")
    assert run.error == warnings(installation, connection)["entities_changed"].message
    assert (view.sync_status, view.last_sync_error, view.consecutive_failures) == (SyncStatus.IDLE, None, 0)
    installation.sandbox.clock.advance(300)
    (tick,) = installation.tick(Frequency.EVERY_5_MIN)
    assert (tick.state, tick.parts) == (RunState.DONE, Parts.BOTH)
    assert installation.app.partitions.ages(connection.id).days[FetchKind.ADS, connection.today(view.last_sync_attempted_at)]


def test_a_walk_of_changes_goes_on_while_the_full_one_fails(installation):
    connection = connect(installation, GOOGLE)
    installation.sync(connection)
    installation.sandbox.clock.advance(25 * 3600)
    installation.sandbox.faults.add([{"action": "server_error", "resource": "ad_group", "count": 3}])
    installation.leg(connection)
    before = installation.app.partitions.ages(connection.id).dateless
    installation.app.connections.set_frequency(connection.id, Frequency.HOURLY.value)

    installation.tick(Frequency.HOURLY)

    after = installation.app.partitions.ages(connection.id).dateless
    assert set(warnings(installation, connection)) == {"entities_full"}
    assert after[FetchKind.ENTITIES_FULL] == before[FetchKind.ENTITIES_FULL]
    assert after[FetchKind.ENTITIES_CHANGED] == installation.sandbox.clock.now()


def test_a_failed_walk_is_not_repeated_when_its_step_is(installation):
    """A task that is tried again, or a batch that waited, calls the platform no second time for it."""
    from tasks.entities import read_entities  # noqa: PLC0415 - beside its use
    from tasks.planning import prepare  # noqa: PLC0415 - beside its use

    connection = connect(installation, META)
    installation.sandbox.faults.add(aimed(META, "refused"))
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    prepare(installation.app, lease)
    read_entities(installation.app, lease)
    asked = len(walks(installation, connection))

    read_entities(installation.app, lease)

    assert len(walks(installation, connection)) == asked
    assert warnings(installation, connection)["entities_full"].times == 1


def test_a_call_that_is_answered_by_another_version_is_a_warning_until_it_is_not(installation):
    connection = connect(installation, META)
    installation.sandbox.faults.add([{"action": "auto_upgrade", "kind": "node", "value": "v27.0"}])
    run = installation.sync(connection)
    warning = warnings(installation, connection)["api_version"]
    installation.sandbox.faults.clear()

    installation.sandbox.clock.advance(DAY.total_seconds())
    installation.sync(connection)

    assert run.state is RunState.DONE
    assert warning.message == "Meta Ads answers with version v27.0, though v25.0 is called. Set ADPULSE_META_VERSION to v27.0."
    assert warnings(installation, connection) == {}


def test_a_worker_that_lost_its_lease_leaves_no_warning(installation):
    from adpulse.errors import BadRequest  # noqa: PLC0415 - beside its use

    connection = connect(installation, META)
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    installation.app.leases.release([lease])

    installation.app.warnings.record(lease, FetchKind.ENTITIES_FULL, BadRequest("Meta refused it.", "100"))

    assert warnings(installation, connection) == {}


def test_status_tells_the_warning(installation):
    connection = connect(installation, META)
    installation.sandbox.faults.add(aimed(META, "refused"))
    installation.sync(connection)
    view, now = installation.app.connections.get(connection.id), installation.sandbox.clock.now()
    cadence = installation.app.cadences([view.connection])[connection.id]

    told = dict(presentation.telemetry_lines(view, cadence, now))

    (warning,) = view.warnings
    assert told["State"] == "Idle, 1 warning"
    assert told["Warning"].startswith("Cannot read the list of campaigns and all below them (first ")
    assert warning.message in told["Warning"]
    assert f"tried again at {warning.retry_at:%Y-%m-%d %H:%M} UTC" in told["Warning"]


@pytest.mark.parametrize("name", first_quick([META, GOOGLE]))
def test_names_come_with_the_numbers_and_a_walks_names_win_for_good(installation, name):
    connection = connect(installation, name)
    installation.sandbox.faults.add(aimed(name, "server_error"))
    installation.sync(connection)
    unnamed = "SELECT count(*) FROM daily WHERE campaign IS NULL"
    before = installation.rows(unnamed)
    seen = dict(installation.rows("SELECT external_id, name FROM seen_names WHERE name IS NOT NULL"))
    installation.sandbox.faults.clear()

    installation.sync(connection)
    walked = dict(installation.rows("SELECT external_id, name FROM entities"))
    changes = installation.rows("SELECT count(*) FROM entity_changes")
    installation.sandbox.clock.advance(120)
    run = installation.sync(connection)

    assert before == [(0,)]
    assert seen
    assert seen.items() <= walked.items()
    assert installation.rows("SELECT count(*) FROM seen_names") == [(0,)]
    assert dict(installation.rows("SELECT external_id, name FROM entities")).keys() == walked.keys()
    assert changes == installation.rows("SELECT count(*) FROM entity_changes") or run.counts.entities_changed


@pytest.mark.parametrize(("kind", "rests"), [(FetchKind.ENTITIES_FULL, True), (FetchKind.ENTITIES_CHANGED, False)])
def test_a_full_walk_that_the_hour_has_no_room_for_leaves_the_next_hour_to_the_numbers(installation, kind, rests):
    connection = connect(installation, META)
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()

    def full():
        raise RateLimited("the hour is used up", retry_after=60.0)

    with pytest.raises(RateLimited):
        optional(installation.app.warnings, lease, Fetch(kind=kind, heat=Heat.COLD, cost=1), full)

    assert (kind in installation.app.warnings.resting(connection.id)) is rests
