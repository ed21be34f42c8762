"""Composition root: Settings → clock, control plane, warehouses, platform clients; once per process."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import SecretStr

from adpulse import home, redact, settings
from adpulse.clock import Clock, SandboxClock, SystemClock
from adpulse.crypto import Cipher
from adpulse.errors import Usage
from adpulse.gaps import Gap, gaps_of_holes
from adpulse.mail_server import MailServer
from adpulse.model import Connection, Heat, Lane, Lease, Provider
from adpulse.planner.account import Account
from adpulse.planner.cadence import Cadence, cadence
from adpulse.planner.change_check import can_be_checked
from adpulse.planner.completeness import gaps_of_parts
from adpulse.planner.costs import costs_of
from adpulse.planner.demand import Demand, demand
from adpulse.planner.scopes import scope_limits
from adpulse.planner.shares import Shares, divide
from adpulse.platforms.base import CallLimit, CallSlot, Credential, PlatformClient
from adpulse.platforms.registry import PLATFORMS, platform_of
from adpulse.platforms.versions import PinnedVersion, pinned_version
from adpulse.settings import Settings
from adpulse.targets import Targets
from storage.control import database, migrations
from storage.control.account_limits import AccountLimits
from storage.control.alerts import Alert, Alerts
from storage.control.authorizations import Authorizations
from storage.control.backfills import Backfills
from storage.control.budgets import Budgets
from storage.control.bulk import Bulk
from storage.control.change_checks import ChangeChecks
from storage.control.connection_warnings import ConnectionWarnings
from storage.control.connections import Connections
from storage.control.conversion_types import StoredConversionTypes
from storage.control.credentials import Credentials
from storage.control.day_parts import StoredDayParts
from storage.control.descriptions import Descriptions
from storage.control.filters import Filters
from storage.control.gauges import Gauges
from storage.control.grants import Grants
from storage.control.holes import Holes
from storage.control.homes import Homes
from storage.control.imports import Imports
from storage.control.keys import ApiKeys
from storage.control.labels import Labels
from storage.control.leader import Leadership
from storage.control.leases import Leases
from storage.control.ledger import Ledger
from storage.control.mail_outbox import MailOutbox
from storage.control.mappings import Mappings
from storage.control.numbered_list import NumberedList
from storage.control.outbox import Outbox
from storage.control.overview import Overview
from storage.control.partitions import Partitions
from storage.control.refusals import Refusals
from storage.control.refused_rows import RefusedRows
from storage.control.remainder_notices import RemainderNotices
from storage.control.restatement_checks import RestatementChecks
from storage.control.rotation import Rotation, has_secrets
from storage.control.runs import Runs
from storage.control.schedule_changes import ScheduleChanges
from storage.control.sessions import Sessions
from storage.control.sizes import Sizes
from storage.control.slots import Slots
from storage.control.staleness import Staleness
from storage.control.version_notices import VersionNotices
from storage.control.webhooks import Webhooks
from storage.control.working_sizes import WorkingSizes
from storage.control.workspaces import Workspaces
from storage.home_id import home_id
from storage.staging import Staging
from storage.warehouse.alert_query import Answer, run_query
from storage.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from adpulse.platforms.consent import Consent


wall: Clock = SystemClock()
"""The real clock of this process. A test that moves real time puts its own here before the App is wired."""


def clock_of(config: Settings, wall: Clock) -> Clock:
    """Business time: the sandbox's where one is set, else real time."""
    return SandboxClock(config.sandbox_url) if config.sandbox_url else wall


def burst_limits() -> dict[Provider, CallLimit]:
    """The short limits of an account's calls, of platforms that have one."""
    return {name: platform.burst_limit for name, platform in PLATFORMS.items() if platform.burst_limit}


class App:
    """Everything a step needs, wired. Safe to share between threads."""

    def __init__(self, config: Settings, engine: database.Engine, *, wall: Clock) -> None:
        self.settings = config
        self.wall = wall
        self.clock = clock_of(config, wall)
        self.workspaces = Workspaces(engine)
        self.homes = Homes(engine, config.home, partial(home_id, config.home))
        self.keys = ApiKeys(engine, wall=wall)
        self.sessions = Sessions(engine, wall=wall)
        self.cipher = Cipher.load(config.secret_key, config.home, is_needed=lambda: has_secrets(engine))
        self.credentials = Credentials(engine, self.cipher, wall=wall)
        self.grants = Grants(engine, self.cipher, wall=wall)
        self.authorizations = Authorizations(engine, self.cipher, wall=wall)
        self.rotation = Rotation(engine, self.cipher)
        self.connections = Connections(engine, self.clock, wall=wall)
        self.account_limits = AccountLimits(engine, self.clock)
        self.imports = Imports(engine, self.cipher, self.clock, wall=wall)
        self.sizes = Sizes(engine)
        self.warnings = ConnectionWarnings(engine, self.clock)
        self.holes = Holes(engine, self.clock)
        self.day_parts = StoredDayParts(engine)
        self.change_checks, self.restatement_checks = ChangeChecks(engine), RestatementChecks(engine)
        self.refused_rows = RefusedRows(engine)
        self.working_sizes = WorkingSizes(engine, self.clock)
        self.filters = Filters(engine)
        self.mappings = Mappings(engine, self.clock)
        self.conversion_types = StoredConversionTypes(engine, self.clock)
        self.bulk = Bulk(engine, self.clock, wall=wall)
        self.leases = Leases(engine, self.clock, wall=wall, own_home=self.homes.own_id)
        self.runs = Runs(engine, self.clock, wall=wall)
        self.scopes = scope_limits(config)
        self.ledger = Ledger(engine, self.clock, config.calls_per_hour, self.scopes, burst_limits())
        self.refusals = Refusals(engine, self.clock, wall=wall)
        self.partitions = Partitions(engine)
        self.backfills = Backfills(engine, self.clock)
        self.overview, self.numbered_list = Overview(engine, self.clock, wall=wall), NumberedList(engine)
        self.leadership = Leadership(engine, wall=wall)
        self.targets, self.mail_server = Targets(private=config.webhook_private_targets), MailServer.of(config)
        self.webhooks = Webhooks(engine, self.cipher, self.targets, wall=wall, sends_mail=self.mail_server is not None)
        self.outbox, self.mail_outbox = Outbox(engine, wall=wall), MailOutbox(engine, wall=wall)
        self.alerts, self.budgets = Alerts(engine, wall=wall), Budgets(engine)
        self.labels, self.descriptions = Labels(engine), Descriptions(engine, self.budgets)
        self.remainder_notices = RemainderNotices(engine, wall=wall)
        self.version_notices = VersionNotices(engine, wall=wall)
        self.schedule_changes = ScheduleChanges(engine)
        self.staleness = Staleness(engine, self.clock, wall=wall)
        self.gauges = Gauges(engine, self.clock, self.scopes, wall=wall)
        self.staging = Staging(config.home / "staging")
        self._readers = home.readers(config)
        self._clients: dict[tuple[str, str], PlatformClient] = {}
        self._warehouses: dict[str, Warehouse] = {}
        self._lock = Lock()

    def warehouse(self, workspace_id: str) -> Warehouse:
        """The workspace's DuckDB file, live and published.

        Raises:
            WarehouseElsewhere: another home has it.
        """
        with self._lock:
            if workspace_id not in self._warehouses:
                live = self.settings.home / "warehouse" / f"{workspace_id}.duckdb"
                self.homes.require(workspace_id, claim=live.exists())
                describe = partial(self.descriptions.of, workspace_id)
                copy = self.published(workspace_id)
                self._warehouses[workspace_id] = Warehouse(live, copy, readers=self._readers, describe=describe)
            return self._warehouses[workspace_id]

    @property
    def bell(self) -> Path:
        """A file that is touched after each request for a flow run: workers of this machine poll at once, others at their interval."""
        return self.settings.home / "bell"

    def published(self, workspace_id: str) -> Path:
        """Where the workspace's copy for readers is, once something was published."""
        return self.settings.home / home.PUBLISHED / f"{workspace_id}.duckdb"

    def gaps(self, connection_id: str) -> list[Gap]:
        """What a connection's days lack, as it was settled last."""
        in_parts = gaps_of_parts(self.partitions.ages(connection_id))
        return [*gaps_of_holes(self.holes.of(connection_id).values()), *self.refused_rows.of(connection_id), *in_parts]

    def run_query(self, alert: Alert) -> Answer:
        """The rows that an alert finds now.

        Raises:
            Usage, Unavailable: the query cannot be run; the message says why.
        """
        return run_query(self.published(alert.workspace_id), alert.query)

    def client(self, connection: Connection) -> PlatformClient:
        """The client of the connection's credential, cached. The scope and the access that it learns are stored, for all workers."""
        key = connection.credential_id, connection.scope
        with self._lock:
            if key not in self._clients:
                secret = self.credentials.open(connection.credential_id)
                issuer = platform_of(connection.provider).issuer_of_scope(connection.scope)
                self._clients[key] = self.client_for(connection.provider, secret, issuer)
            client = self._clients[key]
        if client.scope != connection.scope:  # Meta refused a proof, or the app has become the installation's own
            self.credentials.set_scope(connection.credential_id, client.scope)
        if client.full_access not in (None, connection.full_access):
            self.account_limits.set_full_access(connection.scope, full_access=bool(client.full_access))
        return client

    def client_for(self, provider: Provider, secret: SecretStr, app_id: str | None = None) -> PlatformClient:
        """A client for a credential that is not stored (yet), issued by this app; None takes it for the installation's own.

        Raises:
            Usage: the credential is incomplete.
        """
        platform = platform_of(provider)
        credential = Credential(secret=secret, app_id=app_id)
        return platform.client(self.settings.of(platform), self.clock, credential, self.working_sizes)

    def consent(self, provider: Provider) -> "Consent | None":
        """How a person consents in the browser; None without an app of the installation's own at the platform."""
        platform = platform_of(provider)
        return platform.consent(self.settings.of(platform), self.clock)

    def api_versions(self) -> dict[Provider, PinnedVersion]:
        """The version that each platform is called by, and how long it lives."""
        today = self.clock.now().date()
        versions = {name: pinned_version(platform, self.settings.of(platform), today) for name, platform in PLATFORMS.items()}
        return {name: version for name, version in versions.items() if version}

    def demands(self, scope: str) -> Counter[Demand]:
        """What the connections that are synced now need of the scope's limit: how many there are of each demand; none without a limit."""
        limit, groups = self.scopes.of(scope), Counter[Demand]()
        if limit is None:
            return groups
        platform = platform_of(limit.provider)
        page_size = platform.page_size(self.settings.of(platform))
        for group in self.connections.groups_of(scope, page_size):
            costs = platform.costs(group.size, page_size)
            groups[demand(group.frequency, costs, self.settings.calls_per_hour)] += group.count
        return groups

    def shares(self, scope: str) -> Shares | None:
        """How the scope's limit is divided among the connections that are synced now; None if it has none."""
        limit = self.scopes.of(scope)
        return divide(limit, self.demands(scope)) if limit else None

    def account(self, lease: Lease) -> Account:
        """What the lease's sync is planned for, with what it may call of a limit that it shares."""
        key, platform = lease.connection.ledger_key, platform_of(lease.connection.provider)
        limit = self.ledger.limit(key)
        account = Account(
            connection=lease.connection,
            sharing=self.ledger.sharing(key).get(key, 1),
            parts=lease.parts,
            on_demand=lease.on_demand,
            page_size=platform.page_size(self.settings.of(platform)),
            limit=limit.sustained,
            burst=limit.burst,
            lane=lease.lane,
            resting=self.warnings.resting(lease.connection.id),
            history_since=self.backfills.since(lease.connection.id) if lease.lane is Lane.BACKGROUND else None,
        )
        if can_be_checked(account.costs):
            account = replace(account, check=self.change_checks.of(lease.connection.id))
        shares = self.shares(lease.connection.scope)
        if shares is None:
            return account
        spent = self.ledger.spent(key, lease.connection.scope)
        return replace(account, share=shares.of(account.demand), spent=spent)

    def cadences(self, connections: Iterable[Connection]) -> dict[str, Cadence]:
        """How often each connection is really read, by its id."""
        shares, part = cache(self.shares), self.parts_of_hours()
        return {
            connection.id: self._cadence(connection, shares(connection.scope), part(connection.ledger_key)) for connection in connections
        }

    def parts_of_hours(self) -> Callable[[str], int]:
        """The calls an hour that each of an account's scheduled connections may make, by the account's key."""
        sharing, limits = self.ledger.sharing(), self.ledger.limits()

        def part(key: str) -> int:
            limit = limits[key].sustained if key in limits else self.settings.calls_per_hour
            return max(limit // sharing.get(key, 1), 1)

        return part

    def _cadence(self, connection: Connection, shares: Shares | None, limit: int) -> Cadence:
        costs = costs_of(connection, self.settings)
        share = shares.of(demand(connection.frequency, costs, limit)) if shares else None
        return cadence(connection.frequency, costs, limit, share)

    def slot(self, lease: Lease, heat: Heat) -> CallSlot:
        """What a client calls before each request of one read: the lease must still be valid, and every limit must have room."""
        return Slots(self.runs, self.ledger, lease, heat).take


def require_control_plane(config: Settings, engine: database.Engine) -> None:
    """Make sure that the control plane is not new while the home has warehouses: then it was lost, and a new one would not know them.

    Raises:
        Usage: it was lost; the message says what to do.
    """
    warehouses = sorted((config.home / "warehouse").glob("*.duckdb"))
    if warehouses and migrations.current(engine) is None:
        raise Usage(
            f"The control plane is lost: its database is empty, and {config.home / 'warehouse'} has the numbers of {len(warehouses)} "
            "workspaces. Restore the newest backup: adpulse restore FOLDER (on PostgreSQL with pg_restore). "
            "Without a backup, move that folder away, run adpulse migrate, and connect every account again."
        )


def _require_installation(config: Settings) -> None:
    """Make sure that there is one: a command that only uses it creates no home, whatever it was asked.

    Raises:
        Usage: neither the home folder nor a control plane is there.
    """
    control = database.file_of(config.control_url)
    if control is not None and not control.exists() and not config.home.exists():
        raise Usage(f"There is no adpulse in {config.home.absolute()}. Set ADPULSE_HOME to its folder, or create it here: adpulse migrate")


@cache
def app() -> App:
    """The process's App.

    Raises:
        Usage: wrong configuration, or the control plane's schema is not current (run ``adpulse migrate``).
    """
    redact.install()
    config = settings.load()
    _require_installation(config)
    home.make_private(config)
    engine = database.connect(redact.protect_url(config.control_url))
    require_control_plane(config, engine)
    migrations.require_current(engine)
    return App(config, engine, wall=wall)
