"""A whole installation in one process, against a sandbox, without Prefect: the steps of a sync called one after the other."""

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fakes import MovedClock
from migrated import copy_migrated
from pydantic import SecretStr
from sqlalchemy import update

from adpulse import bootstrap, orchestrator, settings
from adpulse.bootstrap import app
from adpulse.cli.history_proof import history_differences
from adpulse.cli.proof import Proof, Reads
from adpulse.cli.sandboxed import living_versions
from adpulse.errors import AdpulseError, UnknownConnection, Usage
from adpulse.frequency import Frequency
from adpulse.model import ON_DEMAND_LANES, ConnectionStatus, RunState
from adpulse.platforms.registry import PLATFORMS
from adpulse.services import changing, connecting
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


@dataclass(frozen=True, kw_only=True)
class Original:
    """An installation that others are copies of: its folder, what ``make`` returned, and what the sandbox's clock said then."""

    folder: TemporaryDirectory
    answer: Any
    now: datetime
    notes: dict


_originals: dict[tuple, Original] = {}


class Installation:
    """Connects accounts of a sandbox and syncs them; ``app`` is the one that the steps use, ``wall`` its real time."""

    def __init__(self, home, sandbox, **variables):
        self.sandbox = sandbox
        self._variables = variables
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
            **living_versions(sandbox.versions),
        }
        self._environment = dict(os.environ)
        os.environ.update(own | variables)
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        self._before, self.wall = (bootstrap.wall, bootstrap.SandboxClock), MovedClock()
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
        self._new = self._touched()

    def close(self):
        """Leave the process as it was found: a fixture that outlives its first test must not shape the next one's."""
        os.environ.clear()
        os.environ.update(self._environment)
        bootstrap.wall, bootstrap.SandboxClock = self._before
        self.engine.dispose()
        for cached in (settings.load, bootstrap.app, orchestrator.client, orchestrator._deployment_id):
            cached.cache_clear()

    def connected(self, name):
        """The account's connection, which an earlier test may have connected."""
        try:
            return self.app.connections.get(name).connection
        except UnknownConnection:
            return self.connect(name)

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

    def synced(self, name="Harbor Outdoor", frequency="manual"):
        """Connect an account and sync it, in an installation that is new: a copy of the one that did so first in this process."""
        return self.begin_as(_synced, name, frequency)

    def begin_as(self, make, *arguments):
        """Become what ``make(installation, *arguments)`` makes of a new installation, and return its answer.

        It is called once per process, settings, and accounts of the sandbox, which has forgotten its calls. The copy begins where the
        sandbox's time began. What ``make`` returns must not belong to its installation.
        """
        assert self._touched() == self._new, "Only a new installation can become a copy: it would lose what was stored in it."
        key = make, arguments, tuple(self._variables.items()), _platforms(self.sandbox)
        if key not in _originals:
            _originals[key] = self._original(make, arguments)
        original, home = _originals[key], self.app.settings.home
        for engine in (self.engine, self.app.workspaces._engine):
            engine.dispose()  # the last one to close a SQLite file removes its log, by name
        shutil.rmtree(home)
        shutil.copytree(Path(original.folder.name) / "home", home)
        self.sandbox.calls.clear()
        self.sandbox.clock.set(original.now)
        os.environ.update(living_versions(self.sandbox.versions) | self._variables)  # an earlier test may have left it years later
        settings.load.cache_clear()
        bootstrap.app.cache_clear()
        self.app = app()
        self.workspace = next(iter(self.app.workspaces.all()))
        self.notes = {connection: list(noted) for connection, noted in original.notes.items()}
        return original.answer

    def _touched(self):
        """What changes when something is stored in the SQLite file, or when time moves."""
        files = (Path(f"{self.engine.url.database}{end}") for end in ("", "-wal"))
        return self.sandbox.clock.now(), [(file.stat().st_mtime_ns, file.stat().st_size) for file in files if file.exists()]

    def _original(self, make, arguments):
        folder = TemporaryDirectory(prefix="adpulse-original-")
        self.sandbox.clock.set(self.sandbox.world.beginning)
        first = Installation(Path(folder.name) / "home", self.sandbox, **self._variables)
        try:
            answer = make(first, *arguments)
        finally:
            first.close()
        return Original(folder=folder, answer=answer, now=self.sandbox.clock.now(), notes=first.notes)

    def mend(self, connection):
        """Resume a connection that stopped, or where that is not enough, reconnect it with a credential that its platform accepts."""
        with suppress(Usage):
            changing.resume(self.app, connection.id)
        if self.app.connections.get(connection.id).connection.status is not ConnectionStatus.ACTIVE:
            connecting.reconnect(self.app, connection.id, self.secret(connection.provider))

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

    def history_differences(self, connection):
        """Where the history does not end at what is stored now."""
        return list(history_differences(self.published(), connection))


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


def _synced(installation, name, frequency):
    connection = installation.connect(name, frequency)
    run = installation.sync(connection)
    assert run.state is RunState.DONE
    return connection


def _platforms(sandbox):
    """What decides what the platforms answer: their accounts, and the faults."""
    meta, google = sandbox.world, sandbox.google.world
    specs = [each.spec for each in (*meta.accounts.values(), *google.customers.values())]
    return meta.seed, meta.beginning, tuple(specs), str(sandbox.faults.as_json())
