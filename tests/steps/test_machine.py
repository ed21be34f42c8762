"""Whatever people, platforms, workers and the clock do, in any order: what must hold always holds, and in the end everything is true.

Hypothesis chooses what happens. The steps are those of the product, called one after the other; a worker that dies stops between two of
them and leaves its lease, and one that is late wakes up again and goes on with a lease that is no longer its own.
"""

import shutil
from bisect import bisect_left
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test
from installation import Installation, share_credential, shrink
from kills import invariants
from sqlalchemy import select, update

from adpulse.errors import AdpulseError
from adpulse.frequency import SCHEDULED, Frequency
from adpulse.metrics import parse_margin
from adpulse.model import ConnectionStatus, Lane, RunState
from adpulse.platforms.registry import PLATFORMS
from adpulse.services import changing, connecting, syncing
from adpulse_sandbox import Sandbox
from adpulse_sandbox.google.running import Options
from adpulse_sandbox.meta.world import BEGINNING
from storage.control.database import reading
from storage.control.tables import WORKING, ConnectionRow, RunRow
from storage.control.unsettled import Ending
from tasks.batch import Batch
from tasks.diff import stage_changes
from tasks.entities import read_entities
from tasks.metrics import read_metrics
from tasks.planning import prepare
from tasks.settling import settle
from tasks.upsert import apply_changes

ACCOUNTS = {"Corner Store 1": "meta", "Side Street 1": "google", "Corner Store 2": "meta"}
NAMES = tuple(ACCOUNTS)
LIMIT, PAGE = 24, 60
HOUR = timedelta(hours=1)
MARGINS = ("0", "0.333333", "35%", "1")
FAULTS = (
    {"action": "throttle", "minutes": 9},
    {"action": "throttle", "minutes": 0},
    {"action": "throttle", "platform": "meta", "code": 4, "minutes": 3, "count": 1},
    {"action": "throttle", "platform": "google", "scope": "DEVELOPER", "minutes": 3, "count": 1},
    {"action": "expired_token"},
    {"action": "revoked_token", "kind": "token", "count": 1},
    {"action": "permission_lost", "count": 1},
    {"action": "transient", "count": 4},
    {"action": "server_error", "platform": "meta", "kind": "insights"},
    {"action": "server_error", "platform": "google", "resource": "campaign"},
    {"action": "drop_midway", "count": 3},
    {"action": "duplicate_row", "count": 1},
    {"action": "too_much_data", "platform": "google", "above_days": 1, "count": 2},
)
whose = st.integers(0, len(ACCOUNTS) - 1)
QUEUES = tuple((provider, lane) for lane in (Lane.ON_DEMAND, Lane.BACKGROUND, *SCHEDULED) for provider in PLATFORMS)
queues = st.permutations(QUEUES)
MID_READ, COMMITTED, APPLIED = 3, 5, 6
"""So many steps a worker has made."""

deaths = st.sampled_from([0, 1, 2, MID_READ, MID_READ, 4, COMMITTED, COMMITTED, APPLIED, APPLIED])


def pause(app, reference):
    changing.pause(app.connections, reference)


@dataclass(kw_only=True)
class Work:
    """One lease on its way through the steps; ``at`` is the next one."""

    lease: object
    at: int = 0
    plan: object = None
    error: AdpulseError | None = None

    @property
    def batch(self):
        lease = self.lease
        return Batch(label="test", workspace_id=lease.connection.workspace_id, runs=((lease.run_id, lease.generation),))


class Worker:
    """Takes leases through the steps, as far as it is let."""

    def __init__(self, installation, owner):
        self._installation = installation
        self._app = installation.app
        self.owner = owner
        self.works = []
        self.steps = (self._plan, self._entities, self._metrics, self._diff, self._commit, self._apply, self._settle)

    def claim(self, queue):
        """Everything that a flow run of this platform's lane or group takes."""
        leases, (provider, lane) = self._app.leases, queue
        claim = leases.claim_due if isinstance(lane, Frequency) else leases.claim_waiting
        found = claim(provider, lane, self.owner)
        self.works += [Work(lease=each) for each in sorted(found, key=lambda each: each.connection.name)]
        return found

    def go_on(self, steps):
        """The next steps of every lease. Whatever goes wrong is the lease's own error."""
        for work in self.works:
            while work.at < min(steps, len(self.steps)):
                self.steps[work.at](work)
                work.at += 1

    def _plan(self, work):
        try:
            work.plan = prepare(self._app, work.lease)
        except AdpulseError as error:
            work.error = error

    def _entities(self, work):
        self._read(work, read_entities)

    def _metrics(self, work):
        self._read(work, read_metrics)

    def _read(self, work, step):
        if work.error:
            return
        try:
            self._app.client(work.lease.connection)._sleep = lambda _: None
            step(self._app, work.lease)
        except AdpulseError as error:
            work.error = error

    def forget_answers(self, count):
        """It died before its last reads were staged."""
        for work in self.works:
            for fetch in reversed(work.plan.fetches[-count:] if work.plan and count else ()):
                self._app.staging.drop(work.lease.run_id, fetch)

    def _diff(self, work):
        if work.plan:
            stage_changes(work.batch)

    def _commit(self, work):
        """The warehouse has it, the control plane does not know yet."""
        mine = self._app.runs.is_leased(work.lease.run_id, work.lease.generation)
        changes = self._app.staging.changes(work.lease.run_id)
        warehouse = self._app.warehouse(work.batch.workspace_id)
        if (
            work.plan
            and mine
            and changes
            and warehouse.apply([changes], holds_lease=self._app.runs.is_leased, connections=[work.lease.connection])
        ):
            self._installation.noted(work.lease)

    def _apply(self, work):
        if work.plan:
            apply_changes(work.batch)

    def _settle(self, work):
        settle(self._app, work.lease, work.plan, work.error)
        self._installation.noted(work.lease)


class Observed(Installation):
    """Keeps when what was read, also of workers that died before they could tell."""

    def noted(self, lease):
        """A day that is read again hides the read before, which is the last one of what was deleted in between."""
        reads = [each.complete for each in self.app.staging.read(lease.run_id)]
        ages = self.app.partitions.ages(lease.connection.id)
        self.notes.setdefault(lease.connection.id, []).append(ages.after(reads))


class Machine(RuleBasedStateMachine):
    """One installation with accounts of both platforms, all of one person."""

    def __init__(self, sandbox, template, folders):
        super().__init__()
        self.sandbox = sandbox
        sandbox.clock.set(BEGINNING)
        sandbox.faults.clear()
        sandbox.calls.clear()
        home = next(folders)
        home.mkdir()
        shutil.copy(template, home / "control.db")
        pages = {"ADPULSE_META_PAGE_SIZE": str(PAGE), "ADPULSE_META_LARGEST_PAGE": str(PAGE)}
        self.installation = Observed(home, sandbox, ADPULSE_CALLS_PER_HOUR=str(LIMIT), ADPULSE_PUBLISH_SECONDS="1000000", **pages)
        self.app = self.installation.app
        self.numbers = count(1)
        self.dead, self.late = [], []

    @initialize(frequency=st.sampled_from(["manual", "5min", "hourly"]))
    def connect_the_first(self, frequency):
        self.installation.connect(NAMES[0], frequency=frequency)
        syncing.request_sync(self.app, NAMES[0])
        self.works(QUEUES)

    @precondition(lambda self: len(self.app.connections.all()) < len(ACCOUNTS))
    @rule(frequency=st.sampled_from(["manual", "5min", "daily"]))
    def connect_the_next(self, frequency):
        with suppress(AdpulseError):  # the platform may be away
            connected = [view.connection for view in self.app.connections.all()]
            made = self.installation.connect(NAMES[len(connected)], frequency=frequency)
            usable = [each for each in connected if each.status is not ConnectionStatus.DISCONNECTED and each.provider == made.provider]
            if usable:
                share_credential(self.installation, made, usable[0])
            syncing.request_sync(self.app, made.id)

    @rule(queues=queues)
    def works(self, queues):
        worker = self.claimed(queues)
        worker.go_on(len(worker.steps))

    @rule(queues=queues, steps=deaths, forgotten=st.integers(0, 3), followed=st.booleans())
    def a_worker_dies(self, queues, steps, forgotten, followed):
        worker = self.claimed(queues)
        worker.go_on(steps)
        if steps == MID_READ:
            worker.forget_answers(forgotten)
        self.dead.append(worker)
        if followed:
            self.a_successor_gives_back_what_the_dead_held()
            self.works(queues)

    @rule(queues=queues, steps=deaths)
    def a_worker_is_slow(self, queues, steps):
        worker = self.claimed(queues)
        worker.go_on(steps)
        self.late.append(worker)

    @precondition(lambda self: self.late)
    @rule()
    def a_slow_worker_goes_on(self):
        worker = self.late.pop(0)
        worker.go_on(len(worker.steps))

    @precondition(lambda self: self.dead)
    @rule()
    def a_successor_gives_back_what_the_dead_held(self):
        for worker in self.dead:
            self.app.leases.release(self.app.runs.leases_of_owner(worker.owner), Ending.WORKER_DIED)
        self.dead.clear()

    @precondition(lambda self: self.dead or self.late)
    @rule()
    def leases_run_out(self):
        with self.installation.engine.begin() as session:
            leased = ConnectionRow.lease_owner.is_not(None)
            session.execute(update(ConnectionRow).where(leased).values(lease_until=self.app.wall.now() - timedelta(seconds=1)))

    @rule(nth=whose, force=st.booleans())
    def a_person_asks(self, nth, force):
        self.try_to(syncing.request_sync, nth, force=force)

    @rule(nth=whose, frequency=st.sampled_from(["manual", "5min", "hourly", "daily"]))
    def a_person_changes_the_frequency(self, nth, frequency):
        self.try_to(lambda app, reference: app.connections.set_frequency(reference, frequency), nth)

    @rule(nth=whose, margin=st.sampled_from(MARGINS))
    def a_person_changes_the_margin(self, nth, margin):
        self.try_to(changing.set_margin, nth, parse_margin(margin))

    @rule(nth=whose, deed=st.sampled_from([pause, changing.resume, changing.resume, changing.disconnect]))
    def a_person_stops_or_resumes(self, nth, deed):
        self.try_to(deed, nth)

    @rule(nth=whose)
    def a_person_reconnects(self, nth):
        self.try_to(lambda app, reference: connecting.reconnect(app, reference, self.fresh(reference)), nth)

    @rule(nth=st.one_of(st.none(), whose), fault=st.sampled_from(FAULTS))
    def the_platform_fails(self, nth, fault):
        account = {} if nth is None else {"account": self.account(NAMES[nth])}
        self.sandbox.faults.add([fault | account])

    @rule()
    def the_platform_recovers(self):
        self.sandbox.faults.clear()

    @rule(minutes=st.sampled_from([1, 5, 30, 61, 200, 720, 1440]))
    def time_passes(self, minutes):
        self.sandbox.clock.advance(minutes * 60)

    def view(self, name):
        return self.app.connections.get(name)

    def account(self, name):
        """Its id at the platform."""
        found = self.sandbox.world.account if ACCOUNTS[name] == "meta" else self.sandbox.google.world.customer
        return found(name).id

    def fresh(self, reference):
        """A credential that its platform accepts."""
        return self.installation.secret(self.view(reference).connection.provider)

    def try_to(self, deed, nth, *arguments, **options):
        """Do it to one of the connections, if it can be done."""
        connections = self.app.connections.all()
        with suppress(AdpulseError):
            deed(self.app, connections[nth % len(connections)].connection.id, *arguments, **options)

    def claimed(self, queues):
        """A worker with what waits in the first of these queues in which anything does."""
        now = self.app.clock.now()
        before = {view.connection.id: view for view in self.app.connections.all()}
        worker = Worker(self.installation, f"worker-{next(self.numbers)}")
        for lease in next(filter(None, map(worker.claim, queues)), ()):
            view = before[lease.connection.id]
            note(f"{worker.owner} has {view.connection.name}, generation {lease.generation}, {lease.lane}")

            assert view.connection.status is ConnectionStatus.ACTIVE
            assert view.cooldown_until is None or view.cooldown_until <= now
        return worker

    @invariant()
    def who_has_a_lease_has_a_run_to_work_on_and_nobody_else_has(self):
        with reading(self.installation.engine).connect() as session:
            leased = select(ConnectionRow.id, ConnectionRow.lease_generation).where(ConnectionRow.lease_owner.is_not(None))
            working = select(RunRow.connection_id, RunRow.generation).where(RunRow.state.in_(WORKING))
            leases, runs = ([tuple(row) for row in session.execute(each)] for each in (leased, working))

        assert sorted(leases) == sorted(runs)

    @invariant()
    def no_hour_has_more_calls_than_the_limit(self):
        for name in ACCOUNTS:
            made = sorted(call.at for call in self.sandbox.calls.calls(self.account(name)))

            assert max((n - bisect_left(made, at - HOUR) + 1 for n, at in enumerate(made)), default=0) <= LIMIT

    @invariant()
    def the_warehouse_has_nothing_twice_and_the_runs_tell_what_it_has(self):
        with invariants.opened(self.live(), self.installation.published()) as files:
            assert invariants.doubled_keys(files) == []
            assert invariants.history_apart_from_present(files) == []
            both, found = files
            query = "SELECT run_id, generation, inserted, updated, entities_changed FROM live.raw.sync_runs"
            legs = both.sql(query).fetchall() if "live" in found else []
        with reading(self.installation.engine).connect() as session:
            for run in session.execute(select(RunRow.__table__)):
                settled = [leg[2:] for leg in legs if leg[0] == run.id and leg[1] <= run.settled_generation]

                assert [run.inserted, run.updated, run.entities_changed] == [sum(each) for each in zip((0, 0, 0), *settled, strict=True)]

    def live(self):
        return self.app.settings.home / "warehouse" / f"{self.installation.workspace.id}.duckdb"

    def teardown(self):
        try:
            self.everything_is_true_in_the_end()
        finally:
            self.installation.close()

    def everything_is_true_in_the_end(self):
        """The platform recovers, people mend what they can, and every day is read once more."""
        self.sandbox.faults.clear()
        self.leases_run_out()
        self.sandbox.clock.advance(3600)
        for view in self.app.connections.all():
            if view.connection.status is not ConnectionStatus.ACTIVE:
                self.installation.mend(view.connection)
            syncing.request_sync(self.app, view.connection.id, force=True)
        self.until_nothing_is_left()
        self.app.warehouse(self.installation.workspace.id).publish(min_interval_seconds=0)
        for view in self.app.connections.all():
            assert view.connection.status is ConnectionStatus.ACTIVE
            assert self.installation.differences(view.connection) == []
        for check in (self.who_has_a_lease_has_a_run_to_work_on_and_nobody_else_has, self.no_hour_has_more_calls_than_the_limit):
            check()

    def until_nothing_is_left(self):
        for _ in range(200):
            self.works(QUEUES)
            runs = [self.app.runs.history(view.connection.id, 1)[0] for view in self.app.connections.all()]
            left = [run for run in runs if run.state not in (RunState.DONE, RunState.DEAD)]
            if not left:
                suspected = [run for run in runs if run.error_code == "worker_died"]
                assert {run.state for run in runs if run not in suspected} <= {RunState.DONE}, runs
                if not suspected:
                    return
                for run in suspected:
                    syncing.request_sync(self.app, run.connection_id, force=True)
                continue
            cooling = [view.cooldown_until for view in self.app.connections.all() if view.cooldown_until]
            self.installation.advance_to(min(run.until or max(cooling, default=self.app.clock.now()) for run in left))
        raise AssertionError(f"there is always something left to do: {left}")


@pytest.fixture(scope="module")
def world():
    with Sandbox.start(extra=2, google=Options(extra=1)) as running:
        shrink(running, "Side Street 1")
        yield running


@pytest.fixture
def machine(world, tmp_path):
    """Makes machines that share a sandbox, each at its beginning, and an empty control plane to copy."""
    first = Installation(tmp_path / "template", world)
    first.close()
    with first.engine.begin() as session:
        session.exec_driver_sql("DELETE FROM workspace")
    first.engine.dispose()
    folders = (tmp_path / str(number) for number in count())
    return lambda: Machine(world, tmp_path / "template" / "control.db", folders)


def often(examples, steps):
    slow = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    return settings(max_examples=examples, stateful_step_count=steps, suppress_health_check=slow, print_blob=True)


def test_whatever_happens_in_whatever_order_the_end_is_true(machine):
    run_state_machine_as_test(machine, settings=often(2, 14))


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_whatever_happens_in_whatever_order_the_end_is_true_many_times(machine):
    run_state_machine_as_test(machine, settings=often(20, 40))
