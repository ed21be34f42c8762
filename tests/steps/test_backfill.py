"""A backfill against the sandbox, which is three years old: what is stored equals the truth, whoever is killed and whatever is refused."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from installation import Installation
from repeats import first_quick
from sqlalchemy import func, select, update

from adpulse.errors import Usage
from adpulse.model import Fetch, FetchKind, Heat, Lane, RunState
from adpulse.planner.history import first_day
from adpulse.planner.room import HISTORY_CALLS
from adpulse.services import backfilling, reconciling
from adpulse_sandbox import Sandbox
from adpulse_sandbox.meta.world import BEGINNING
from storage.control.backfills import BackfillRow
from storage.control.tables import PartitionRow
from tasks.settling import settle

OLD = timedelta(days=1300)


@pytest.fixture(scope="module")
def old_sandbox():
    """Accounts that began long ago: they have numbers of every day since."""
    with Sandbox.start(now=BEGINNING - OLD, extra=1) as running:
        running.clock.set(BEGINNING)
        yield running


@pytest.fixture
def installation(old_sandbox, tmp_path):
    old_sandbox.clock.set(BEGINNING)
    made = Installation(tmp_path / "home", old_sandbox)
    yield made
    made.close()


def synced(installation, name, frequency="manual"):
    """An account whose first sync is over, which happens once in a process."""
    return installation.begin_as(_synced, name, frequency)


def _synced(installation, name, frequency):
    installation.sandbox.clock.set(BEGINNING)
    connection = installation.connect(name, frequency)
    installation.sync(connection)
    return connection


def begin(installation, connection, since):
    return backfilling.begin(installation.app, connection, since, dispatcher=lambda *_: None)


def read_history(installation, connection, legs=200):
    """Legs until the history is read, each when it goes on."""
    for _ in range(legs):
        backfill = installation.app.backfills.of(connection.id)
        if backfill is None or backfill.next_at is None:
            return
        installation.advance_to(backfill.next_at)
        (run,) = installation.work(installation.claim())
        assert run.state is RunState.DONE, run.error
    raise AssertionError(f"it was not read in {legs} legs: {backfill}")


def days_stored(installation, connection):
    return installation.rows("SELECT min(date), count(DISTINCT date) FROM metric_facts WHERE connection_id = ?", [connection.id])[0]


@pytest.mark.parametrize("name", first_quick(["Corner Store 1", "Alpenglow Reisen"]))
def test_a_backfill_stores_what_the_platform_has_and_restates_nothing(installation, name):
    connection = synced(installation, name)
    before = installation.rows("SELECT count(*) FROM restatements")
    today = connection.today(installation.app.clock.now())
    since = today - timedelta(days=150)
    assert days_stored(installation, connection)[0] == today - timedelta(days=89)

    begin(installation, connection, since)
    read_history(installation, connection)

    assert days_stored(installation, connection)[0] == since
    assert installation.differences(connection) == []
    assert installation.rows("SELECT count(*) FROM restatements") == before
    levels = installation.rows(
        "SELECT level, min(date), bool_or(hole), max(complete_through) FROM completeness GROUP BY level ORDER BY level"
    )
    assert [(level, first, holes) for level, first, holes, _ in levels] == [("campaign", since, False), ("leaf", since, False)]
    assert all(through == today for *_, through in levels)
    assert backfilling.progress(installation.app, connection).percent == 100


def test_killed_legs_are_gone_on_with_and_nothing_of_the_history_is_read_twice(installation):
    """Each worker dies before what it read is stored; the next one takes its answers."""
    connection = synced(installation, "Corner Store 1")
    since = connection.today(installation.app.clock.now()) - timedelta(days=400)
    begin(installation, connection, since)
    requested = Counter()
    while (backfill := installation.app.backfills.of(connection.id)).next_at is not None:
        installation.advance_to(backfill.next_at)
        (lease,) = installation.claim()
        requested.update(history_of(installation, lease))
        installation._read(lease)  # and dies
        installation.wall.advance(timedelta(minutes=4))
        (lease,) = installation.claim()
        requested.update(history_of(installation, lease))
        installation._read(lease)
        installation._store(lease)  # and dies
        installation.wall.advance(timedelta(minutes=4))
        (lease,) = installation.claim()
        installation.take_through(lease)
        assert installation.app.runs.get(lease.run_id).state is RunState.DONE

    assert len(requested) > 4
    assert set(requested.values()) == {1}
    assert days_stored(installation, connection)[0] == since
    assert installation.differences(connection) == []
    assert count_of_rows(installation, connection) <= 200


def test_planned_reads_wait_when_others_took_the_sixty_calls_of_the_hour_meanwhile(installation):
    connection = synced(installation, "Corner Store 1")
    begin(installation, connection, connection.today(installation.app.clock.now()) - timedelta(days=400))
    (lease,) = installation.claim()
    plan, key = installation._prepare(lease), connection.ledger_key
    for _ in range(HISTORY_CALLS):
        installation.app.ledger.take(key, connection.scope, Heat.HISTORY)

    installation._read(lease)
    settle(installation.app, lease, plan, None)

    backfill = installation.app.backfills.of(connection.id)
    assert Heat.HISTORY in {fetch.heat for fetch in plan.fetches}
    assert [heat for _, heat in installation.app.ledger.calls(key)].count(Heat.HISTORY) == HISTORY_CALLS
    assert (backfill.refusal, f"{HISTORY_CALLS} calls an hour" in backfill.reason) == (None, True)
    assert backfill.next_at > installation.app.clock.now()


def history_of(installation, lease):
    """What the leg is about to request of the history."""
    plan = installation._prepare(lease)
    staged = installation.app.staging
    return [fetch.label for fetch in plan.fetches if fetch.heat is Heat.HISTORY and not staged.has(lease.run_id, fetch)]


def count_of_rows(installation, connection):
    query = select(func.count()).select_from(PartitionRow).where(PartitionRow.connection_id == connection.id)
    with installation.engine.connect() as session:
        return session.scalar(query)


@pytest.mark.parametrize(
    ("name", "words"), first_quick([("Corner Store 1", "beyond 37 months"), ("Alpenglow Reisen", "granularity is not supported")])
)
def test_days_that_the_platform_refuses_as_too_old_begin_the_history_later_and_fail_nothing(installation, name, words):
    connection = synced(installation, name, "hourly")
    oldest = first_day(connection.today(installation.app.clock.now()))
    begin(installation, connection, oldest)
    (lease,) = installation.claim()
    plan = installation._prepare(lease)
    asked = Fetch(kind=FetchKind.CAMPAIGNS, heat=Heat.HISTORY, cost=1, since=oldest, until=oldest + timedelta(days=5))
    too_old = replace(asked, since=oldest - timedelta(days=5))
    with installation.engine.begin() as session:
        session.execute(update(BackfillRow).values(since=str(too_old.since)))
    plan = replace(plan, fetches=(too_old,))
    installation.app.staging.save_plan(lease.run_id, lease.generation, plan)

    installation._read(lease)
    settle(installation.app, lease, plan, None)

    backfill = installation.app.backfills.of(connection.id)
    assert words in backfill.refusal
    assert backfill.since == oldest
    assert installation.app.runs.get(lease.run_id).state is RunState.DONE
    assert installation.app.connections.get(connection.id).last_sync_error is None


@pytest.mark.parametrize(("action", "pause"), first_quick([("refused", timedelta(days=1)), ("transient", timedelta(minutes=15))]))
def test_a_history_that_is_not_answered_rests_and_today_goes_on(installation, old_sandbox, action, pause):
    connection = synced(installation, "Corner Store 1", "hourly")
    begin(installation, connection, connection.today(installation.app.clock.now()) - timedelta(days=120))
    old_sandbox.faults.add([{"action": action, "kind": "insights"}])
    (run,) = installation.work(installation.claim())
    old_sandbox.faults.clear()

    backfill = installation.app.backfills.of(connection.id)
    assert (run.state, run.error) == (RunState.DONE, None)
    assert backfill.next_at == installation.app.clock.now() + pause
    assert backfill.refusal == backfill.reason
    assert installation.claim() == []

    read_history(installation, connection)
    assert installation.differences(connection) == []


def test_a_stopped_backfill_reads_nothing_more_and_keeps_what_it_has(installation):
    connection = synced(installation, "Corner Store 1")
    begin(installation, connection, connection.today(installation.app.clock.now()) - timedelta(days=400))
    installation.work(installation.claim())
    kept = days_stored(installation, connection)

    backfilling.stop(installation.app.backfills, connection)
    installation.sandbox.clock.advance(7200)

    assert installation.claim() == []
    assert days_stored(installation, connection) == kept
    with pytest.raises(Usage, match="has no backfill"):
        backfilling.stop(installation.app.backfills, connection)


def test_what_syncs_read_anyway_is_no_backfill(installation):
    connection = installation.connect("Corner Store 1")

    with pytest.raises(Usage, match="by the syncs of Corner Store 1 anyway"):
        begin(installation, connection, connection.today(installation.app.clock.now()) - timedelta(days=10))


def test_a_run_that_waits_for_something_else_is_not_claimed_for_the_history(installation):
    connection = synced(installation, "Corner Store 1")
    begin(installation, connection, connection.today(installation.app.clock.now()) - timedelta(days=120))
    run_id = installation.app.runs.request(connection.id).run_id

    claim = installation.app.leases.claim_waiting
    assert claim("meta", Lane.BACKGROUND, "test") == []
    (lease,) = claim("meta", Lane.ON_DEMAND, "test")
    assert (lease.run_id, lease.on_demand) == (run_id, True)


def test_a_leg_of_the_history_alone_completes_no_sync(installation):
    connection = synced(installation, "Corner Store 1")
    before = installation.app.connections.get(connection.id).last_sync_completed_at
    begin(installation, connection, connection.today(installation.app.clock.now()) - timedelta(days=120))
    installation.sandbox.clock.advance(60)
    (run,) = installation.work(installation.claim())

    heats = {heat for _, heat in installation.app.ledger.calls(connection.ledger_key)}
    assert (run.state, Heat.HISTORY in heats) == (RunState.DONE, True)
    assert installation.app.connections.get(connection.id).last_sync_completed_at == before


def test_days_whose_totals_came_first_are_known_by_campaign_and_are_no_remainder(installation):
    connection = synced(installation, "Corner Store 1")
    since = connection.today(installation.app.clock.now()) - timedelta(days=200)
    begin(installation, connection, since)
    (run,) = installation.work(installation.claim())

    query = "SELECT c.date, sum(c.spend) FROM campaign_day c WHERE c.date < ? GROUP BY ALL ORDER BY ALL"
    totals = "SELECT date, sum(spend) / 1e6 FROM platform_totals WHERE date < ? GROUP BY ALL HAVING sum(spend) > 0 ORDER BY ALL"
    oldest = connection.today(installation.app.clock.now()) - timedelta(days=89)
    shown = {day: float(spend) for day, spend in installation.rows(query, [oldest]) if spend}
    assert (run.state, len(shown)) == (RunState.DONE, 111)
    assert shown == pytest.approx(dict(installation.rows(totals, [oldest])))

    (result,) = reconciling.reconcile(installation.app, connection.workspace_id, [connection])
    assert [remainder for remainder in result.remainders if remainder.day < oldest] == []
    assert not [row for row in installation.rows("SELECT date FROM reconciled_days WHERE level = 'campaign'") if row[0] < oldest]
