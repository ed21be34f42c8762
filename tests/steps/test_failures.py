"""What a failure leads to: a retry, a wait, a dead letter; and what a killed worker leaves behind."""

import asyncio
from datetime import timedelta

from adpulse.errors import BadRequest
from adpulse.frequency import Frequency
from adpulse.model import Lane, RunState, SyncStatus
from adpulse.retry import DEAD_AFTER
from tasks.batch import Batch, read_concurrently
from tasks.diff import stage_changes
from tasks.entities import read_entities
from tasks.metrics import read_metrics
from tasks.planning import prepare
from tasks.settling import settle
from tasks.upsert import apply_changes


def batch(*taken, patience=None):
    runs = tuple((each.run_id, each.generation) for each in taken)
    return Batch(label="test", workspace_id=taken[0].connection.workspace_id, runs=runs, patience=patience)


def fetch(installation, lease):
    made = prepare(installation.app, lease)
    read_entities(installation.app, lease)
    read_metrics(installation.app, lease)
    return made


def commit(installation, connection):
    """What a worker did that died between the commit and the telemetry; its lease."""
    installation.app.runs.request(connection.id)
    (lease,) = installation.claim()
    fetch(installation, lease)
    stage_changes(batch(lease))
    apply_changes(batch(lease))
    return lease


def test_a_worker_that_dies_between_the_commit_and_the_telemetry_loses_no_count(installation):
    connection = installation.connect("Corner Store 1")
    first = commit(installation, connection)
    installation.notes[connection.id] = []
    ((inserted, updated),) = installation.rows("SELECT sum(inserted), sum(updated) FROM sync_runs")

    installation.wall.advance(timedelta(hours=1))
    (run,) = installation.work(installation.claim("successor"))

    view = installation.app.connections.get(connection.id)
    assert (run.id, run.counts.inserted, run.counts.updated) == (first.run_id, inserted, updated)
    assert view.total_syncs_with_changes == 1
    assert view.last_metrics_changed_at == installation.sandbox.clock.now()
    assert installation.app.staging.runs() == []


def test_what_a_worker_wrote_is_counted_even_when_its_staged_files_are_gone(installation):
    connection = installation.connect("Corner Store 1")
    first = commit(installation, connection)
    ((inserted,),) = installation.rows("SELECT sum(inserted) FROM sync_runs")
    installation.app.staging.remove(first.run_id)

    installation.wall.advance(timedelta(hours=1))
    (run,) = installation.work(installation.claim("successor"))

    assert run.counts.inserted == inserted
    assert installation.app.connections.get(connection.id).total_syncs_with_changes == 1


def test_a_damaged_staged_answer_is_read_anew(installation):
    connection = installation.connect("Corner Store 1")
    installation.app.runs.request(connection.id)
    (first,) = installation.claim()
    fetch(installation, first)
    for path in (installation.app.settings.home / "staging" / first.run_id).glob("*.arrow"):
        path.write_bytes(b"no arrow")

    installation.wall.advance(timedelta(hours=1))
    installation.work(installation.claim("successor"))

    assert installation.sync(connection).state is RunState.DONE
    assert installation.differences(connection) == []


def test_a_damaged_answer_fails_its_own_connection_only(installation):
    broken, fine = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    for connection in (broken, fine):
        installation.app.runs.request(connection.id)
    taken = {lease.connection.id: lease for lease in installation.claim()}
    for lease in taken.values():
        fetch(installation, lease)
    for path in (installation.app.settings.home / "staging" / taken[broken.id].run_id).glob("*.arrow"):
        path.write_bytes(b"no arrow")

    outcomes = {outcome.run_id: outcome for outcome in stage_changes(batch(*taken.values()))}

    assert "is damaged" in str(outcomes[taken[broken.id].run_id].error)
    assert outcomes[taken[fine.id].run_id].changed


def test_what_keeps_failing_becomes_a_dead_letter_with_its_context(installation, sandbox):
    connection = installation.connect("Corner Store 1", frequency="5min")
    installation.app.client(connection)._sleep = lambda _: None
    sandbox.faults.add([{"action": "server_error"}])

    runs, waits = [], []
    for _ in range(DEAD_AFTER):
        (run,) = installation.work(installation.claim()) or installation.tick(Frequency.EVERY_5_MIN)
        runs.append(run)
        view = installation.app.connections.get(connection.id)
        waits.append((view.next_due_at - sandbox.clock.now()).total_seconds())
        sandbox.clock.set(view.next_due_at)

    (letter,) = installation.app.runs.dead_letters()
    assert {run.id for run in runs} == {letter.id}
    assert [run.state for run in runs] == [RunState.FAILED] * (DEAD_AFTER - 1) + [RunState.DEAD]
    doubled = (60, 120, 240, *[480 / 1.1] * (DEAD_AFTER - 4))
    assert all(least <= wait <= 1.1 * least for wait, least in zip(waits[:-1], doubled, strict=True))
    assert (letter.attempts, letter.error_during.split("-")[0]) == (DEAD_AFTER, "ads")
    assert installation.app.connections.get(connection.id).sync_status is SyncStatus.ERROR

    sandbox.faults.clear()
    installation.tick(Frequency.EVERY_5_MIN)
    installation.sync(connection)
    assert installation.app.runs.dead_letters() == []
    assert installation.app.runs.get(letter.id).resolution == "a later sync succeeded"


def test_a_manual_sync_that_failed_is_tried_again_without_anybody_asking(installation, sandbox):
    connection = installation.connect("Corner Store 1")
    installation.app.client(connection)._sleep = lambda _: None
    sandbox.faults.add([{"action": "server_error", "kind": "insights", "count": 3}])

    (failed,) = installation.leg(connection)
    assert installation.claim() == []
    sandbox.clock.set(failed.until)

    assert installation.app.leases.waiting("meta", Lane.ON_DEMAND) == 1
    (fine,) = installation.work(installation.claim())
    assert (failed.state, fine.id, fine.counts.inserted > 0) == (RunState.FAILED, failed.id, True)


def test_what_we_asked_wrongly_is_a_dead_letter_at_once_and_what_was_read_is_stored(installation):
    connection = installation.connect("Corner Store 1", frequency="5min")
    (lease,) = installation.app.leases.claim_due("meta", Frequency.EVERY_5_MIN, "test")
    made = fetch(installation, lease)
    stage_changes(batch(lease))
    apply_changes(batch(lease))

    settle(installation.app, lease, made, BadRequest("Meta refused a request.", "100"))

    (letter,) = installation.app.runs.dead_letters(connection.id)
    assert letter.counts.inserted > 0
    assert installation.app.connections.get(connection.id).next_due_at - installation.sandbox.clock.now() == timedelta(hours=1)


def test_a_throttle_without_a_hint_doubles_and_ends_with_the_next_success(installation, sandbox):
    connection = installation.connect("Corner Store 1", frequency="hourly")
    sandbox.faults.add([{"action": "throttle", "code": 17, "minutes": 0, "account": connection.external_id}])

    waits = []
    for _ in range(3):
        installation.leg(connection)
        until = installation.app.connections.get(connection.id).cooldown_until
        waits.append((until - sandbox.clock.now()).total_seconds())
        sandbox.clock.set(until)
    sandbox.faults.clear()
    installation.sync(connection)

    assert waits == [60, 120, 240]
    assert installation.app.connections.get(connection.id).consecutive_throttles == 0


def test_a_slow_account_is_late_and_its_read_is_waited_for_and_not_repeated(installation, sandbox):
    slow, quick = installation.connect("Corner Store 1"), installation.connect("Corner Store 2")
    for connection in (slow, quick):
        installation.app.runs.request(connection.id)
    taken = installation.claim()
    for lease in taken:
        prepare(installation.app, lease)
    sandbox.faults.add([{"action": "slow", "seconds": 3.0, "count": 1, "account": slow.external_id}])
    late_run = next(lease.run_id for lease in taken if lease.connection.id == slow.id)

    async def both():
        first = await read_concurrently(batch(*taken, patience=1.0), read_entities)
        return first, await read_concurrently(batch(*taken).only({late_run}), read_entities)

    first, second = asyncio.run(both())

    assert {outcome.run_id: outcome.late for outcome in first} == {lease.run_id: lease.run_id == late_run for lease in taken}
    assert [(outcome.run_id, outcome.error, outcome.late) for outcome in second] == [(late_run, None, False)]
    assert len(installation.remote.calls(slow.external_id)) == len(installation.remote.calls(quick.external_id))


def test_an_account_that_was_slow_is_left_to_the_background_until_it_is_quick_again(installation):
    installation.synced("Corner Store 1", frequency="hourly")
    installation.sandbox.clock.advance(2 * 3600)
    (lease,) = installation.app.leases.claim_due("meta", Frequency.HOURLY, "test")
    settle(installation.app, lease, prepare(installation.app, lease), BadRequest("It was slow, and then it failed."), late=True)
    installation.sandbox.clock.advance(2 * 3600)

    assert installation.app.leases.claim_due("meta", Frequency.HOURLY, "test") == []
    assert installation.app.leases.waiting("meta", Lane.ON_DEMAND) == 0
    installation.work(installation.app.leases.claim_waiting("meta", Lane.BACKGROUND, "test"))
    installation.sandbox.clock.advance(2 * 3600)
    assert len(installation.app.leases.claim_due("meta", Frequency.HOURLY, "test")) == 1


def test_a_long_first_sync_does_not_make_an_account_slow(installation):
    connection = installation.connect("Corner Store 1", frequency="hourly")
    installation.work(installation.app.leases.claim_due("meta", Frequency.HOURLY, "test"))
    (lease,) = installation.app.leases.claim_waiting("meta", Lane.BACKGROUND, "test")
    settle(installation.app, lease, prepare(installation.app, lease), BadRequest("It took long, and then it failed."), late=True)
    installation.sandbox.clock.advance(2 * 3600)

    assert [each.connection.id for each in installation.app.leases.claim_due("meta", Frequency.HOURLY, "test")] == [connection.id]
