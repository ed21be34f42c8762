"""A control plane's stores wired together, with a short way to connect accounts."""

from decimal import Decimal

from cryptography.fernet import Fernet
from fakes import MovedClock
from pydantic import SecretStr

from adpulse.crypto import Cipher
from adpulse.model import AccountFacts
from adpulse.targets import Targets
from storage.control.account_limits import AccountLimits
from storage.control.alerts import Alerts
from storage.control.authorizations import Authorizations
from storage.control.budgets import Budgets
from storage.control.bulk import Bulk
from storage.control.change_checks import ChangeChecks
from storage.control.connection_warnings import ConnectionWarnings
from storage.control.connections import Connections
from storage.control.credentials import Credentials
from storage.control.day_parts import StoredDayParts
from storage.control.grants import Grants
from storage.control.keys import ApiKeys
from storage.control.labels import Labels
from storage.control.leases import Leases
from storage.control.ledger import Ledger
from storage.control.mail_outbox import MailOutbox
from storage.control.outbox import Outbox
from storage.control.partitions import Partitions
from storage.control.refusals import Refusals
from storage.control.remainder_notices import RemainderNotices
from storage.control.restatement_checks import RestatementChecks
from storage.control.runs import Runs
from storage.control.sizes import Sizes
from storage.control.staleness import Staleness
from storage.control.version_notices import VersionNotices
from storage.control.webhooks import Webhooks
from storage.control.workspaces import Workspaces


class ControlPlane:
    """The stores of one database, and a short way to connect accounts."""

    def __init__(self, engine, clock):
        self.engine = engine
        self.clock = clock
        self.wall = wall = MovedClock()
        self.workspaces = Workspaces(engine)
        self.keys = ApiKeys(engine, wall=wall)
        cipher = Cipher([Fernet.generate_key().decode()])
        self.credentials = Credentials(engine, cipher, wall=wall)
        self.webhooks = Webhooks(engine, cipher, Targets(private=True), wall=wall, sends_mail=True)
        self.outbox, self.mail_outbox = Outbox(engine, wall=wall), MailOutbox(engine, wall=wall)
        self.alerts = Alerts(engine, wall=wall)
        self.budgets = Budgets(engine)
        self.staleness = Staleness(engine, clock, wall=wall)
        self.grants = Grants(engine, cipher, wall=wall)
        self.authorizations = Authorizations(engine, cipher, wall=wall)
        self.connections = Connections(engine, clock, wall=wall)
        self.account_limits = AccountLimits(engine, clock)
        self.sizes = Sizes(engine)
        self.warnings = ConnectionWarnings(engine, clock)
        self.labels = Labels(engine)
        self.bulk = Bulk(engine, clock, wall=wall)
        self.leases = Leases(engine, clock, wall=wall)
        self.runs = Runs(engine, clock, wall=wall)
        self.ledger = Ledger(engine, clock)
        self.refusals = Refusals(engine, clock, wall=wall)
        self.partitions = Partitions(engine)
        self.day_parts = StoredDayParts(engine)
        self.change_checks = ChangeChecks(engine)
        self.restatement_checks = RestatementChecks(engine)
        self.remainder_notices = RemainderNotices(engine, wall=wall)
        self.version_notices = VersionNotices(engine, wall=wall)
        self.workspace = self.workspaces.create("Acme")
        self.credential = self.credentials.store(self.workspace.id, "meta", SecretStr("t"), None)

    def connect(self, external_id, frequency="5min", name=None, provider="meta", scope="meta", workspace_id=None):
        facts = AccountFacts(
            external_id=external_id, name=name or f"Account {external_id}", currency="USD", timezone="UTC", enabled=True, status="active"
        )
        made = self.connections.create(
            workspace_id or self.workspace.id,
            provider,
            facts,
            credential_id=self.credential,
            scope=scope,
            frequency=frequency,
            gross_margin=Decimal("0.3"),
        )
        return made.connection
