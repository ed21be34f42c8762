"""A whole installation in one process, against a sandbox, without Prefect: the steps of a sync called one after the other."""

import os

from pydantic import SecretStr

from adpulse import bootstrap, settings
from adpulse.bootstrap import app
from adpulse.cli.proof import Proof, Reads
from adpulse.clock import utc_now
from adpulse.errors import AdpulseError
from adpulse.frequency import Frequency
from adpulse.model import ON_DEMAND_LANES, Provider, RunState
from adpulse.sandbox.remote import Remote
from storage import control
from storage.analytics import read
from tasks.batch import Batch
from tasks.diff import stage_changes
from tasks.entities import read_entities
from tasks.metrics import read_metrics
from tasks.telemetry import prepare, settle
from tasks.upsert import apply_changes


class Installation:
    """Connects accounts of a sandbox and syncs them; ``app`` is the one that the steps use."""

    def __init__(self, home, sandbox, **variables):
        self.sandbox = sandbox
        own = {
            "ADPULSE_HOME": str(home),
            "ADPULSE_META_GRAPH_URL": sandbox.graph_url,
            "ADPULSE_SANDBOX_URL": sandbox.control_url,
            "ADPULSE_PUBLISH_SECONDS": "0",
        }
        self._environment = dict(os.environ)
        os.environ.update(own | variables)
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        home.mkdir(parents=True, exist_ok=True)
        self.engine = control.connect(settings.load().control_url)
        control.migrate(self.engine)
        self.app = app()
        self.remote = Remote(sandbox.control_url)
        self.workspace = next(iter(self.app.workspaces.all()), None) or self.app.workspaces.create("Acme")
        self.notes = {}

    def close(self):
        """Leave the process as it was found: a fixture that outlives its first test must not shape the next one's."""
        os.environ.clear()
        os.environ.update(self._environment)
        self.engine.dispose()
        settings.load.cache_clear()
        bootstrap.app.cache_clear()

    def connect(self, name="Harbor Outdoor", frequency="manual", token="full"):
        secret = SecretStr(self.sandbox.world.token(token).value)
        (facts,) = [each for each in self.app.client_for(secret).accounts(lambda: None) if each.name == name]
        credential = self.app.credentials.store(self.workspace.id, "meta_token", secret, None)
        margin = self.app.settings.gross_margin
        return self.app.connections.create(self.workspace.id, Provider.META, facts, credential, frequency, margin).connection

    def leg(self, connection, *, force=False):
        """One leg of a sync that was asked for: claim, plan, fetch, diff, upsert, telemetry."""
        self.app.runs.request(connection.id, force=force)
        return self.work(self.claim())

    def claim(self, owner="test"):
        """What waits on demand or in the background."""
        return [lease for lane in ON_DEMAND_LANES for lease in self.app.leases.claim_waiting(Provider.META, lane, owner)]

    def tick(self, frequency=Frequency.REALTIME):
        """What a scheduled run does."""
        return self.work(self.app.leases.claim_due(Provider.META, frequency, "test"))

    def work(self, leases):
        """Take every lease through the steps; the runs as they are afterwards."""
        for lease in leases:
            self.take_through(lease)
        return [self.app.runs.get(lease.run_id) for lease in leases]

    def take_through(self, lease):
        """Plan, read, store, settle; what was read before an error is stored, and an error of a step is the sync's."""
        made = error = None
        for step in (self._prepare, self._read, self._store):
            try:
                made = step(lease) or made
            except AdpulseError as caught:
                error = error or caught
            if made is None:
                break
        settle(self.app, lease, made, error)
        self.notes.setdefault(lease.connection.id, []).append(self.app.partitions.ages(lease.connection.id))

    def _prepare(self, lease):
        return prepare(self.app, lease)

    def _read(self, lease):
        read_entities(self.app, lease)
        read_metrics(self.app, lease)

    @staticmethod
    def _store(lease):
        batch = Batch(label="test", workspace_id=lease.connection.workspace_id, runs=((lease.run_id, lease.generation),))
        stage_changes(batch)
        apply_changes(batch)

    def sync(self, connection, *, force=False, legs=20):
        """Legs until the run is closed; time moves to where a postponed run goes on."""
        (run,) = self.leg(connection, force=force)
        return self.finish(run, legs)

    def finish(self, run, legs=20):
        """The run once it is closed or failed; time moves to where it goes on."""
        for _ in range(legs):
            if run.state is not RunState.POSTPONED:
                return run
            self.advance_to(run.until)
            (run,) = self.work(self.claim())
        raise AssertionError(f"it did not end in {legs} legs: {run}")

    def advance_to(self, moment):
        if moment > self.sandbox.clock.now():
            self.sandbox.clock.set(moment)

    @staticmethod
    def later(delta):
        """The wall clock, put ahead: leases are real time."""
        return utc_now() + delta

    def published(self):
        return self.app.settings.home / "published" / f"{self.workspace.id}.duckdb"

    def rows(self, query, parameters=()):
        """An answer from the published copy, row by row."""
        return [tuple(row.values()) for row in read(self.published(), query, parameters).to_pylist()]

    def differences(self, connection):
        """What differs from the sandbox's truth."""
        return Proof(self.published(), connection, self.remote, Reads(notes=tuple(self.notes[connection.id]))).differences()
