"""A whole installation in one process, against a sandbox, without Prefect: the steps of a sync called one after the other."""

import os
from dataclasses import replace
from pathlib import Path

from fakes import MovedClock
from migrated import copy_migrated
from pydantic import SecretStr
from sqlalchemy import update

from adpulse import bootstrap, orchestrator, settings
from adpulse.bootstrap import app
from adpulse.cli.proof import Proof, Reads
from adpulse.clock import SandboxClock
from adpulse.errors import AdpulseError
from adpulse.frequency import Frequency
from adpulse.model import ON_DEMAND_LANES, ConnectionStatus, RunState
from adpulse.platforms.registry import PLATFORMS
from adpulse_sandbox.google import login as google
from adpulse_sandbox.meta import graph
from adpulse_sandbox.remote import Remote
from storage.control import database, migrations
from storage.control.tables import ConnectionRow
from storage.warehouse.analytics import read
from tasks.batch import Batch
from tasks.diff import stage_changes
from tasks.entities import read_entities
from tasks.metrics import read_metrics
from tasks.planning import prepare
from tasks.settling import settle
from tasks.upsert import apply_changes


class Installation:
    """Connects accounts of a sandbox and syncs them; ``app`` is the one that the steps use, ``wall`` its real time."""

    def __init__(self, home, sandbox, **variables):
        self.sandbox = sandbox
        own = {
            "ADPULSE_HOME": str(home),
            "ADPULSE_META_GRAPH_URL": sandbox.graph_url,
            "ADPULSE_META_LOGIN_URL": sandbox.login_url,
            "ADPULSE_META_APP_ID": graph.APP_ID,
            "ADPULSE_META_APP_SECRET": graph.APP_SECRET,
            "ADPULSE_GOOGLE_ENDPOINT": sandbox.google.endpoint,
            "ADPULSE_GOOGLE_AUTH_URL": sandbox.login_url + google.PATH,
            "ADPULSE_GOOGLE_TOKEN_URL": sandbox.google.token_url,
            "ADPULSE_GOOGLE_CLIENT_ID": google.CLIENT_ID,
            "ADPULSE_GOOGLE_CLIENT_SECRET": google.CLIENT_SECRET,
            "ADPULSE_GOOGLE_ACCESS": "standard",
            "ADPULSE_SANDBOX_URL": sandbox.control_url,
            "ADPULSE_PUBLISH_SECONDS": "0",
        }
        self._environment = dict(os.environ)
        os.environ.update(own | variables)
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        self._wall_before, self.wall = bootstrap.wall, MovedClock()
        bootstrap.wall = self.wall
        bootstrap.SandboxClock = lambda _: sandbox.clock  # the same clock: a request for each look is a sixth of a sync's time
        home.mkdir(parents=True, exist_ok=True)
        self.engine = database.connect(settings.load().control_url)
        if self.engine.dialect.name == "sqlite" and not Path(self.engine.url.database).exists():
            copy_migrated(self.engine.url.database)
        else:
            migrations.migrate(self.engine)
        self.app = app()
        self.remote = Remote(sandbox.control_url)
        self.workspace = next(iter(self.app.workspaces.all()), None) or self.app.workspaces.create("Acme")
        self.notes = {}

    def close(self):
        """Leave the process as it was found: a fixture that outlives its first test must not shape the next one's."""
        os.environ.clear()
        os.environ.update(self._environment)
        bootstrap.wall = self._wall_before
        self.engine.dispose()
        bootstrap.SandboxClock = SandboxClock
        for cached in (settings.load, bootstrap.app, orchestrator._client, orchestrator._deployment_id):
            cached.cache_clear()

    def connect(self, name="Harbor Outdoor", frequency="manual", token="full"):
        """Connect an account of either platform, by its name."""
        customers = self.sandbox.google.world.customers.values()
        provider = "google" if any(each.spec.name == name for each in customers) else "meta"
        secret = self.secret(provider, token)
        client = self.app.client_for(provider, secret)
        (facts,) = [each for each in client.accounts(lambda: None) if each.name == name]
        made = self.app.connections.create(
            self.workspace.id,
            provider,
            facts,
            credential_id=self.app.credentials.store(self.workspace.id, provider, secret, None),
            scope=client.scope,
            frequency=frequency,
            gross_margin=self.app.settings.gross_margin,
        )
        return made.connection

    def secret(self, provider, token="full"):
        """One of the sandbox's credentials."""
        if token == "service account":
            return SecretStr((self.sandbox.google.files / "service-account.json").read_text())
        if provider == "google":
            return SecretStr(self.sandbox.google.world.credentials[token].refresh_token)
        return SecretStr(self.sandbox.world.token(token).value)

    def leg(self, connection, *, force=False):
        """One leg of a sync that was asked for: claim, plan, fetch, diff, upsert, telemetry."""
        self.app.runs.request(connection.id, force=force)
        return self.work(self.claim())

    def claim(self, owner="test"):
        """What waits on demand or in the background."""
        claim = self.app.leases.claim_waiting
        return [lease for lane in ON_DEMAND_LANES for provider in PLATFORMS for lease in claim(provider, lane, owner)]

    def tick(self, frequency=Frequency.REALTIME):
        """What a scheduled run does."""
        return self.work([lease for provider in PLATFORMS for lease in self.app.leases.claim_due(provider, frequency, "test")])

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
        for step in (stage_changes, apply_changes):
            for outcome in step(batch):
                if outcome.error:
                    raise outcome.error

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

    def published(self):
        return self.app.settings.home / "published" / f"{self.workspace.id}.duckdb"

    def rows(self, query, parameters=()):
        """An answer from the published copy, row by row."""
        return [tuple(row.values()) for row in read(self.published(), query, parameters).to_pylist()]

    def differences(self, connection):
        """What differs from the sandbox's truth."""
        return Proof(self.published(), connection, self.remote, Reads(notes=tuple(self.notes[connection.id]))).differences()


def shrink(sandbox, name="Alpenglow Reisen"):
    """Leave a customer four ads and two asset groups, before anything was read of it; its id."""
    customer = sandbox.google.world.customer(name)
    few = (("SEARCH", 1, 2, 2), ("PERFORMANCE_MAX", 1, 0, 2))
    sandbox.google.world.change(customer.id, replace(customer.spec, campaigns=few))
    return customer.id


def share_credential(installation, connection, other):
    """Let a connection use another one's credential, as those do that were connected together."""
    with installation.engine.begin() as session:
        session.execute(update(ConnectionRow).where(ConnectionRow.id == connection.id).values(credential_id=other.credential_id))
    installation.app.connections.set_status(connection.id, ConnectionStatus.ACTIVE, None)
