"""One connection's trouble is its own: whatever a step of it raises, its neighbours in the same flow run are stored and true.

The body of the flow runs as it is, without Prefect. Trouble is real odd data where data can make it; an object that raises where not.
"""

import asyncio
from dataclasses import replace

import duckdb
import pyarrow as pa
import pytest
from repeats import first_quick
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import flows.sync
from adpulse.model import RunState
from adpulse_sandbox import Sandbox
from storage.control.unsettled import Ending

NAMES = ("Corner Store 1", "Corner Store 2", "Corner Store 3")
ENDED_WELL = (RunState.DONE, RunState.POSTPONED)
LARGEST = 2**63 - 1
WORKER_DIED = Ending.WORKER_DIED


@pytest.fixture
def sandbox():
    with Sandbox.start(extra=3) as running:
        yield running


@pytest.fixture
def no_prefect(monkeypatch):
    """The flow's own order of steps, each step called as a function."""

    async def nothing(**_):
        pass

    monkeypatch.setattr(flows.sync, "sync_connections", flows.sync.sync_connections.fn)
    monkeypatch.setattr(flows.sync, "acreate_table_artifact", nothing)
    monkeypatch.setattr(flows.sync.syncing.orchestrator, "request_run", lambda *_: None)
    monkeypatch.setattr(flows.sync, "_PAUSES", (0.0, 0.0))


@pytest.fixture
def street(installation, monkeypatch, no_prefect):  # noqa: ARG001 - it shapes the flow
    return Street(installation, monkeypatch)


class Street:
    """Three connections of one workspace, the one in the middle the culprit, and the flow that syncs all of them at once."""

    def __init__(self, installation, monkeypatch):
        self.installation = installation
        self.app = installation.app
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(flows.sync, "BATCHES", 1)  # all in one batch
        self.connections = [installation.connect(name) for name in NAMES]
        self.culprit = self.connections[1]
        self.neighbours = [self.connections[0], self.connections[2]]

    def ask(self):
        for each in self.connections:
            self.app.runs.request(each.id, force=True)

    def flow(self):
        """One flow run that takes everything that waits on demand; its final state."""
        state = asyncio.run(flows.sync.sync(flows.sync.Request(provider="meta")))
        for each in self.neighbours:
            self.installation.notes.setdefault(each.id, []).append(self.app.partitions.ages(each.id))
        return state

    def newest(self, connection):
        return self.app.runs.history(connection.id, 1)[0]

    def row(self, column, value):
        """Write something odd into the culprit's row, past everything that would refuse it."""
        with self.installation.engine.begin() as session:
            session.execute(text(f"UPDATE connection SET {column} = :value WHERE id = :id"), {"value": value, "id": self.culprit.id})

    def before(self, task, trouble):
        """Cause trouble just before this task, once."""
        real, troubles = getattr(flows.sync, task), [trouble]

        async def troubled(batch):
            if troubles:
                troubles.pop()()
            return await real(batch)

        self._monkeypatch.setattr(flows.sync, task, troubled)

    def staged(self):
        return self.app.settings.home / "staging" / self.newest(self.culprit).id

    def truncate(self, pattern):
        for path in self.staged().glob(pattern):
            path.write_bytes(path.read_bytes()[:100])

    def neighbours_are_stored_and_true(self):
        for each in self.neighbours:
            assert self.newest(each).state in ENDED_WELL
            assert self.installation.rows("SELECT count(*) > 0 FROM metric_facts WHERE connection_id = ?", [each.id]) == [(True,)]
            assert self.installation.differences(each) == []

    def culprit_failed(self, said, state=RunState.FAILED):
        with self.installation.engine.connect() as session:
            query = "SELECT sync_status, last_sync_error, consecutive_failures, lease_owner FROM connection WHERE id = :id"
            row = session.execute(text(query), {"id": self.culprit.id}).one()
        run = self.newest(self.culprit)

        assert run.state is state
        assert said in run.error
        assert (row.sync_status, row.consecutive_failures, row.lease_owner) == ("error", 1, None)
        assert row.last_sync_error == run.error
        if state is RunState.FAILED:
            assert 60 <= (run.until - self.app.clock.now()).total_seconds() <= 66


class Raises:
    """Stands for anything; whatever is asked of it raises."""

    def __init__(self, error):
        self._error = error

    def __getattr__(self, _):
        raise self._error


def odd_day(street):
    """A read that is noted for a day that is none."""
    with street.installation.engine.begin() as session:
        values = {"id": street.culprit.id, "at": street.app.clock.now().replace(tzinfo=None).isoformat(" ")}
        session.execute(
            text("INSERT INTO partition_state (connection_id, kind, day, fetched_at) VALUES (:id, 'ads', 'yesterday', :at)"), values
        )


def odd_client(street):
    street.app.client(street.culprit)
    street.app._clients[street.culprit.credential_id, street.culprit.scope] = Raises(ZeroDivisionError("a page of no rows"))


def odd_changes(street):
    """The diff left a row without spend, which the warehouse does not take."""
    run = street.newest(street.culprit)
    changes = street.app.staging.changes(run.id)
    position = changes.facts.schema.get_field_index("spend")
    nothing = pa.nulls(changes.facts.num_rows, pa.int64())
    street.app.staging.write_changes(replace(changes, facts=changes.facts.set_column(position, "spend", nothing)))


PLANTED = {
    "plan, a time zone that does not exist": (lambda street: street.row("timezone", "Mars/Olympus"), "ZoneInfoNotFoundError"),
    "plan, a read of a day that is none": (odd_day, "ValueError"),
    "fetch, a client that divides by zero": (odd_client, "ZeroDivisionError: a page of no rows"),
    "diff, truncated answers": (lambda street: street.before("diff_metrics", lambda: street.truncate("*.arrow")), "is damaged"),
    "upsert, truncated changes": (lambda street: street.before("upsert_metrics", lambda: street.truncate("changes.zip")), "is damaged"),
    "upsert, a row that breaks a constraint": (
        lambda street: street.before("upsert_metrics", lambda: odd_changes(street)),
        "ConstraintException",
    ),
}


@pytest.mark.parametrize("planted", first_quick(PLANTED, 3))
def test_trouble_in_a_step_is_its_own_connections_failure(street, planted):
    plant, said = PLANTED[planted]
    street.ask()
    plant(street)

    state = street.flow()

    assert state.is_completed()
    street.neighbours_are_stored_and_true()
    street.culprit_failed(said, RunState.DEAD if said == "is damaged" else RunState.FAILED)


@pytest.mark.parametrize(("column", "value"), first_quick([("sync_frequency", "fortnightly"), ("gross_margin", "a third")]))
def test_a_row_that_cannot_be_leased_fails_alone_and_is_tried_again_when_it_is_mended(street, column, value):
    street.ask()
    street.row(column, value)

    state = street.flow()

    assert state.is_completed()
    street.neighbours_are_stored_and_true()
    street.culprit_failed("The control plane's row of connection")
    street.row(column, {"sync_frequency": "manual", "gross_margin": "0.3"}[column])
    street.installation.sandbox.clock.advance(120)
    street.flow()
    assert street.newest(street.culprit).state in ENDED_WELL


def test_a_stored_number_that_cannot_be_compared_fails_its_own_connection_only(street):
    street.ask()
    street.flow()
    street.installation.sandbox.clock.advance(2 * 3600)
    live = street.app.settings.home / "warehouse" / f"{street.installation.workspace.id}.duckdb"
    with duckdb.connect(live) as warehouse:
        ghost = (
            f"SELECT * REPLACE ('ghost' AS external_id, -{LARGEST} AS impressions) FROM raw.metric_facts WHERE connection_id = ? LIMIT 1"
        )
        for nth in (1, 2):
            warehouse.execute(f"INSERT INTO raw.metric_facts {ghost.replace('ghost', f'ghost {nth}')}", [street.culprit.id])
    street.ask()

    state = street.flow()

    assert state.is_completed()
    street.neighbours_are_stored_and_true()
    street.culprit_failed("ConversionException")


def test_sizes_below_nothing_are_nobodys_trouble(street):
    street.ask()
    street.row("ad_count", -5)
    street.row("campaign_count", -1)

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    assert street.newest(street.culprit).state in ENDED_WELL


def test_a_staged_plan_of_other_json_is_made_anew(street):
    street.ask()
    folder = street.staged()
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text('{"fetches": 7}')

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    assert street.newest(street.culprit).state in ENDED_WELL


def test_what_was_stored_before_a_failed_settling_is_counted(street, monkeypatch):
    street.ask()
    real = flows.sync.upsert_metrics

    async def stored(batch):
        outcomes = await real(batch)
        street.truncate("*.arrow")
        return outcomes

    monkeypatch.setattr(flows.sync, "upsert_metrics", stored)

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    street.culprit_failed("is damaged", RunState.DEAD)
    ((inserted,),) = street.installation.rows("SELECT sum(inserted) FROM sync_runs WHERE connection_id = ?", [street.culprit.id])
    assert street.newest(street.culprit).counts.inserted == inserted > 0


def settling(street, monkeypatch, trouble):
    """Let the culprit's settling raise what ``trouble`` gives, and settle really when it gives nothing."""
    real = flows.sync.settle

    def troubled(app, lease, *rest, **options):
        if lease.connection.id == street.culprit.id and (error := trouble()):
            raise error
        return real(app, lease, *rest, **options)

    monkeypatch.setattr(flows.sync, "settle", troubled)


def locked():
    return OperationalError("UPDATE connection", {}, Exception("database is locked"))


def test_a_sync_that_cannot_be_settled_gives_its_lease_back_and_ends_nobody_elses(street, monkeypatch):
    street.ask()
    settling(street, monkeypatch, lambda: TypeError("no such thing"))

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    assert street.newest(street.culprit).state is RunState.QUEUED
    assert street.app.runs.leases_of_connection(street.culprit.id) == []


def test_a_sync_that_can_never_be_settled_is_a_dead_letter_after_five_claims_and_its_neighbours_go_on(street, monkeypatch):
    settling(street, monkeypatch, lambda: TypeError("no such thing"))

    for _ in range(5):
        street.ask()
        assert street.flow().is_completed()

    street.neighbours_are_stored_and_true()
    (letter,) = street.app.runs.dead_letters()
    assert (letter.connection_id, letter.error_code, letter.lane) == (street.culprit.id, "unsettled", "on-demand")
    assert street.app.runs.leases_of_connection(street.culprit.id) == []


def test_a_lock_that_stays_gives_the_lease_back_and_is_not_counted(street, monkeypatch):
    settling(street, monkeypatch, locked)

    for _ in range(5):
        street.ask()
        assert street.flow().is_completed()

    street.neighbours_are_stored_and_true()
    assert (street.app.runs.dead_letters(), street.newest(street.culprit).state) == ([], RunState.QUEUED)


def test_a_cancelled_flow_run_is_not_counted(street, monkeypatch):
    def cancelled(*_):
        raise asyncio.CancelledError

    real = flows.sync.prepare
    monkeypatch.setattr(flows.sync, "prepare", cancelled)
    street.ask()

    for _ in range(5):
        with pytest.raises(asyncio.CancelledError):
            street.flow()
        assert street.app.leases.owners() == set()
    monkeypatch.setattr(flows.sync, "prepare", real)
    street.flow()

    assert street.app.runs.dead_letters() == []
    assert street.newest(street.culprit).state in ENDED_WELL


def test_who_is_suspected_of_killing_workers_is_a_dead_letter_without_a_call_and_its_neighbours_go_on(street):
    for _ in range(3):
        street.ask()
        street.app.leases.release([each for each in street.installation.claim() if each.connection.id == street.culprit.id], WORKER_DIED)
        street.app.leases.release(street.app.runs.leases_of_owner("test"))
    street.ask()

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    street.culprit_failed("3 workers in a row died while they synced Corner Store 2", RunState.DEAD)
    assert street.newest(street.culprit).calls == 0
    street.ask()
    street.flow()
    assert street.newest(street.culprit).state in ENDED_WELL


def test_a_settling_that_a_lock_keeps_off_is_tried_again(street, monkeypatch):
    street.ask()
    errors = [locked(), locked()]
    settling(street, monkeypatch, lambda: errors.pop() if errors else None)

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    assert street.newest(street.culprit).state in ENDED_WELL


def test_a_close_that_fails_is_the_connections_failure(street, monkeypatch):
    street.ask()
    runs = street.app.runs

    class Odd:
        def __getattr__(self, name):
            return getattr(runs, name)

        def _ends(self, lease, *rest, **options):
            if lease.connection.id == street.culprit.id:
                raise KeyError("a state that is none")
            return runs.postponed(lease, *rest, **options) if options else runs.done(lease, *rest)

        done = postponed = _ends

    monkeypatch.setattr(street.app, "runs", Odd())

    assert street.flow().is_completed()
    street.neighbours_are_stored_and_true()
    street.culprit_failed("KeyError")


def test_what_prefect_does_not_take_ends_no_sync(street, monkeypatch):
    street.ask()

    async def refused(**_):
        raise ValueError("no such artifact")

    def away(*_):
        raise KeyError("deployment")

    monkeypatch.setattr(flows.sync, "acreate_table_artifact", refused)
    monkeypatch.setattr(flows.sync.syncing.orchestrator, "request_run", away)

    assert street.flow().is_completed()
    assert {street.newest(each).state for each in street.connections} <= set(ENDED_WELL)


def test_a_flow_run_that_is_asked_for_unknown_connections_syncs_the_others(street):
    asked = [street.culprit.id, "nobody"]

    state = asyncio.run(flows.sync.sync(flows.sync.Request(provider="meta", connections=asked)))

    assert state.is_completed()
    assert street.newest(street.culprit).state in ENDED_WELL
