"""What a sync leaves behind when a step goes wrong: nothing lost, nothing twice, and a sentence that says what happened."""

import asyncio
from datetime import timedelta

import pytest
from installation import Installation
from sqlalchemy import select

from adpulse.errors import LeaseLost, WarehouseBusy
from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, FetchKind, Heat, Parts, RunState, SyncStatus
from storage.control.tables import ConnectionRow
from tasks.account_totals import read_account_totals
from tasks.batch import Batch, read_concurrently
from tasks.diff import stage_changes
from tasks.entities import read_entities
from tasks.metrics import read_metrics
from tasks.planning import prepare
from tasks.settling import settle
from tasks.upsert import apply_changes

HOUR = timedelta(hours=1)


def claim(installation, connection, **asked):
    installation.app.runs.request(connection.id, **asked)
    (lease,) = installation.claim()
    return lease


def batch(*leases):
    return Batch(
        label="test", workspace_id=leases[0].connection.workspace_id, runs=tuple((each.run_id, each.generation) for each in leases)
    )


def fetch(installation, lease):
    made = prepare(installation.app, lease)
    read_entities(installation.app, lease)
    read_metrics(installation.app, lease)
    return made


def test_what_was_not_stored_does_not_count_as_read(installation):
    connection = installation.connect("Corner Store 1")
    lease = claim(installation, connection)
    made = fetch(installation, lease)
    stage_changes(batch(lease))

    settle(installation.app, lease, made, WarehouseBusy("The warehouse was in use."))

    run = installation.app.runs.get(lease.run_id)
    assert (run.state, run.counts.inserted) == (RunState.FAILED, 0)
    assert installation.app.partitions.ages(connection.id).days == {}
    assert installation.sync(connection).state is RunState.DONE
    assert installation.differences(connection) == []


def test_answers_that_were_complete_before_a_crash_are_not_asked_for_again(installation):
    connection = installation.connect("Corner Store 1")
    first = claim(installation, connection)
    fetch(installation, first)
    calls = len(installation.remote.calls(connection.external_id))

    installation.wall.advance(HOUR)
    (adopted,) = installation.claim("successor")
    installation.take_through(adopted)

    assert adopted.run_id == first.run_id
    assert len(installation.remote.calls(connection.external_id)) == calls
    assert installation.rows("SELECT count(*) FROM metric_facts")[0][0] > 0


def test_whoever_lost_the_lease_calls_nothing_and_stores_nothing_more(installation):
    connection = installation.connect("Corner Store 1")
    first = claim(installation, connection)
    fetch(installation, first)
    installation.wall.advance(HOUR)
    (second,) = installation.claim("successor")

    stage_changes(batch(first))
    applied = apply_changes(batch(first))

    assert applied == []
    assert installation.app.runs.is_leased(second.run_id, second.generation)
    with pytest.raises(LeaseLost):
        installation.app.runs.calling(first)
    (outcome,) = asyncio.run(read_concurrently(batch(first), read_metrics))
    assert isinstance(outcome.error, LeaseLost)


@pytest.fixture
def tight(sandbox, tmp_path):
    made = Installation(
        tmp_path / "tight", sandbox, ADPULSE_CALLS_PER_HOUR="20", ADPULSE_META_PAGE_SIZE="25", ADPULSE_META_LARGEST_PAGE="25"
    )
    yield made
    made.close()


def test_our_own_limit_postpones_to_when_there_is_room_again(tight):
    connection = tight.connect("Corner Store 1")

    (first,) = tight.leg(connection)
    reasons = [run.reason for _ in range(3) for run in tight.work(tight.claim())]
    last = tight.sync(connection)

    assert (first.state, last.state) == (RunState.POSTPONED, RunState.DONE)
    assert "the account's call budget of 20 an hour" in " ".join(str(reason) for reason in reasons)
    assert len(tight.remote.calls(connection.external_id)) > 20
    assert tight.differences(connection) == []


def test_a_throttled_account_rests_as_long_as_meta_says_and_the_others_go_on(installation, sandbox):
    throttled, other = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    sandbox.faults.add([{"action": "throttle", "code": 17, "minutes": 9, "account": throttled.external_id}])

    (run,) = installation.leg(throttled)
    (fine,) = installation.leg(other)

    view = installation.app.connections.get(throttled.id)
    assert run.state is RunState.POSTPONED
    assert view.cooldown_until - sandbox.clock.now() == timedelta(minutes=9)
    assert "Meta throttles" in view.cooldown_reason
    assert fine.counts.inserted > 0
    assert installation.app.connections.get(other.id).cooldown_until is None
    installation.app.runs.request(throttled.id)
    assert throttled.id not in [lease.connection.id for lease in installation.claim()]
    sandbox.faults.clear()
    sandbox.clock.advance(9 * 60)
    assert installation.sync(throttled).state is RunState.DONE


def test_the_apps_own_limit_rests_every_account(installation, sandbox):
    first, second = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    sandbox.faults.add([{"action": "throttle", "code": 4, "minutes": 2, "account": first.external_id}])

    installation.leg(first)

    assert installation.app.connections.get(second.id).cooldown_until is not None
    installation.app.runs.request(second.id)
    assert installation.claim() == []


@pytest.mark.parametrize(
    ("fault", "status", "told"),
    [
        ("expired_token", ConnectionStatus.NEEDS_REAUTH, "fresh token"),
        ("permission_lost", ConnectionStatus.NEEDS_PERMISSION, "ads_read"),
    ],
)
def test_a_connection_that_a_person_must_mend_is_left_alone_with_its_data(installation, sandbox, fault, status, told):
    connection = installation.synced("Corner Store 1", frequency="hourly")
    before = installation.rows("SELECT count(*) FROM metric_facts")
    sandbox.faults.add([{"action": fault}])

    (run,) = installation.leg(connection)
    sandbox.clock.advance(7200)

    view = installation.app.connections.get(connection.id)
    assert run.state is RunState.DEAD
    assert view.connection.status is status
    assert told in view.status_reason
    assert view.sync_status is SyncStatus.ERROR
    assert installation.app.leases.claim_due("meta", Frequency.HOURLY, "test") == []
    assert installation.rows("SELECT count(*) FROM metric_facts") == before


def test_who_presses_while_the_hour_is_full_gets_todays_numbers_when_there_is_room(installation, sandbox):
    connection = installation.synced("Corner Store 1", frequency="hourly")
    sandbox.clock.advance(20 * 60)
    ledger = installation.app.ledger
    for _ in range(180 - len(ledger.calls(connection.ledger_key))):
        ledger.take(connection.ledger_key, connection.scope, Heat.HOT)
    installation.app.runs.request(connection.id)
    (run,) = installation.work(installation.claim())
    assert run.state is RunState.POSTPONED

    installation.advance_to(run.until)
    (run,) = installation.work(installation.claim())

    today = connection.today(sandbox.clock.now())
    assert installation.app.partitions.ages(connection.id).days[FetchKind.ADS, today] >= sandbox.clock.now() - timedelta(seconds=5)


def test_a_failure_that_passes_is_told_backed_off_and_cleared_by_the_next_success(installation, sandbox):
    connection = installation.connect("Corner Store 1", frequency="5min")
    installation.app.client(connection)._sleep = lambda _: None
    sandbox.faults.add([{"action": "server_error", "kind": "insights"}])

    (failed,) = installation.tick(Frequency.EVERY_5_MIN)
    view = installation.app.connections.get(connection.id)
    sandbox.faults.clear()
    sandbox.clock.advance(66)
    (fine,) = installation.tick(Frequency.EVERY_5_MIN)

    assert failed.state is RunState.FAILED
    assert view.connection.status is ConnectionStatus.ACTIVE
    assert "Meta failed to answer" in view.last_sync_error or "Meta's answer" in view.last_sync_error
    assert fine.counts.inserted > 0
    assert installation.app.connections.get(connection.id).last_sync_error is None


@pytest.mark.parametrize(
    ("parts", "kinds"),
    [
        (Parts.ENTITIES, {FetchKind.ACCOUNT_FACTS, FetchKind.ENTITIES_CHANGED, FetchKind.ENTITIES_FULL}),
        (Parts.METRICS, {FetchKind.ADS, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT}),
    ],
)
def test_only_the_half_that_was_asked_for_is_read(installation, sandbox, parts, kinds):
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(3 * 3600)
    lease = claim(installation, connection, parts=parts)

    made = prepare(installation.app, lease)

    assert made.fetches
    assert {planned.kind for planned in made.fetches} <= kinds


def test_the_account_is_not_read_for_days_whose_campaigns_were_read_at_another_time(installation, sandbox):
    """A dead worker read these: what the account has beyond them would be what happened since."""
    connection = installation.synced("Corner Store 1")
    sandbox.clock.advance(3 * 3600)
    lease = claim(installation, connection)
    fetch = next(fetch for fetch in prepare(installation.app, lease).fetches if fetch.kind is FetchKind.ACCOUNT)
    calls = len(installation.remote.calls(connection.external_id))

    read_account_totals(installation.app, lease, connection, fetch, frozenset())
    (skipped,) = installation.app.staging.read(lease.run_id)
    installation.app.staging.drop(lease.run_id, fetch)
    read_account_totals(installation.app, lease, connection, fetch, frozenset(fetch.days[:1]))
    (read,) = installation.app.staging.read(lease.run_id)

    assert (skipped.days, read.days) == ((), fetch.days[:1])
    assert len(installation.remote.calls(connection.external_id)) == calls + 1


def test_every_call_of_a_sync_has_its_slot_and_is_counted(installation, sandbox):
    connection = installation.connect("Corner Store 1")
    sandbox.faults.add([{"action": "transient", "kind": "insights", "count": 1}])

    run = installation.sync(connection)

    calls = len(installation.remote.calls(connection.external_id))
    assert run.calls == calls
    assert len(installation.app.ledger.calls(connection.ledger_key)) == calls


@pytest.mark.slow
def test_half_an_hour_of_realtime_ticks_spends_at_most_half_the_hour_beyond_the_first_sync(quiet, sandbox):
    quiet.app.workspaces.grant_realtime(quiet.workspace.id)
    connection = quiet.connect("Harbor Outdoor", frequency="realtime")

    quiet.sync(connection)
    first = len(quiet.remote.calls(connection.external_id))
    for _ in range(60):
        quiet.tick()
        quiet.work(quiet.claim())
        sandbox.clock.advance(30)
    quiet.tick()

    quiet.app.warehouse(quiet.workspace.id).publish(min_interval_seconds=0)
    assert 60 <= len(quiet.remote.calls(connection.external_id)) - first <= 90
    assert len(quiet.app.runs.history(connection.id, limit=500)) >= 59
    assert quiet.differences(connection) == []


def left_by_a_dead_worker(installation, lease):
    """What the next worker does for it at its start."""
    installation.app.leases.release([lease])


def test_who_asks_after_a_worker_died_gets_todays_numbers_as_they_are_now(installation, sandbox):
    connection = installation.synced("Corner Store 1")
    lease = claim(installation, connection)
    fetch(installation, lease)
    left_by_a_dead_worker(installation, lease)
    sandbox.clock.advance(40 * 60)

    installation.app.runs.request(connection.id)
    (adopted,) = installation.claim("successor")
    (run,) = installation.work([adopted])

    today = connection.today(sandbox.clock.now())
    read_at = installation.app.partitions.ages(connection.id).days
    assert (adopted.run_id, run.state) == (lease.run_id, RunState.DONE)
    assert read_at[FetchKind.ADS, today] == sandbox.clock.now()
    assert installation.differences(connection) == []


def test_a_worker_that_died_between_ads_and_campaign_totals_leaves_no_remainder_of_two_times(installation, sandbox):
    connection = installation.connect("Corner Store 1")
    lease = claim(installation, connection)
    made = fetch(installation, lease)
    (totals,) = [each for each in made.fetches if each.kind is FetchKind.CAMPAIGNS]
    installation.app.staging.drop(lease.run_id, totals)
    installation.wall.advance(HOUR)
    sandbox.clock.advance(30 * 60)

    (run,) = installation.work(installation.claim("successor"))

    day = {"day": connection.today(sandbox.clock.now())}
    ((of_ads,),) = installation.rows("SELECT sum(spend) FROM metric_facts WHERE date = $day", day)
    ((of_campaigns,),) = installation.rows("SELECT sum(spend) FROM platform_totals WHERE date = $day", day)
    assert run.id == lease.run_id
    assert of_ads == of_campaigns > 0


def test_the_spend_of_a_week_decides_who_is_claimed_first(installation, sandbox):
    connections = [installation.connect(name, frequency="hourly") for name in ("Corner Store 1", "Corner Store 2")]
    for connection in connections:
        installation.sync(connection)
    week = "SELECT sum(spend) FROM metric_facts WHERE connection_id = $id AND date > $today - INTERVAL 7 DAY"
    today = sandbox.clock.now().date()
    spent = {each.id: installation.rows(week, {"id": each.id, "today": today})[0][0] for each in connections}
    with installation.engine.connect() as session:
        told = dict(session.execute(select(ConnectionRow.id, ConnectionRow.trailing_spend)).all())
    sandbox.clock.advance(3600)

    leases = installation.app.leases.claim_due("meta", Frequency.HOURLY, "test")

    assert told == spent
    assert [lease.connection.id for lease in leases] == sorted(spent, key=spent.get, reverse=True)
