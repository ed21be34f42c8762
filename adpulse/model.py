"""The words of the domain: connections, leases, fetches."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, NewType
from zoneinfo import ZoneInfo

from adpulse import zones
from adpulse.campaign_range import WHOLE_ACCOUNT, CampaignRange
from adpulse.frequency import Frequency
from adpulse.mapping import ConversionMapping
from adpulse.status_filter import WIDEST, ReportFilters

Provider = NewType("Provider", str)
"""Name of an advertising platform, as :mod:`adpulse.platforms.registry` lists them."""


class Level(StrEnum):
    """Where in the hierarchy an entity or a row of numbers sits."""

    ACCOUNT = "account"
    CAMPAIGN = "campaign"
    AD_SET = "adset"
    AD_GROUP = "ad_group"
    AD = "ad"
    ASSET_GROUP = "asset_group"


class ConnectionStatus(StrEnum):
    """Whether a connection is synced at all, and if not, why."""

    ACTIVE = "active"
    PAUSED = "paused"
    NEEDS_REAUTH = "needs_reauth"
    NEEDS_PERMISSION = "needs_permission"
    NEEDS_LOGIN = "needs_login"
    """Its user must log in at the platform first; the same credential works again then."""
    BLOCKED = "blocked"
    """The platform has blocked its user, or the app."""
    DISABLED = "disabled"
    CURRENCY_CHANGED = "currency_changed"
    VERSION_SUNSET = "version_sunset"
    DISCONNECTED = "disconnected"
    DELETING = "deleting"
    """Confirmed, and finished by the sweep; nothing brings it back."""


RECHECKED = (
    ConnectionStatus.NEEDS_PERMISSION,
    ConnectionStatus.NEEDS_LOGIN,
    ConnectionStatus.BLOCKED,
    ConnectionStatus.DISABLED,
)
"""Statuses that end at the platform: it is asked again by itself whether they have."""

RESUMABLE = (ConnectionStatus.PAUSED, *RECHECKED, ConnectionStatus.VERSION_SUNSET)
"""Statuses after which a connection goes on as it is, once somebody resumes it."""

WITHOUT_CREDENTIAL = (ConnectionStatus.NEEDS_REAUTH, ConnectionStatus.DISCONNECTED)
"""Statuses that only a fresh credential ends."""


class SyncStatus(StrEnum):
    """What a connection is doing now."""

    IDLE = "idle"
    QUEUED = "queued"
    SYNCING = "syncing"
    ERROR = "error"


class Lane(StrEnum):
    """Which queue of the work pool serves a sync, most urgent first; each lane has its own places in the worker.

    What takes long (a first sync's 90 days, an account whose platform answers slowly) goes on in the background, where it
    holds up nobody.
    """

    REALTIME = "realtime"
    ON_DEMAND = "on-demand"
    SCHEDULED = "scheduled"
    BACKGROUND = "background"


ON_DEMAND_LANES = (Lane.ON_DEMAND, Lane.BACKGROUND)
"""Lanes without schedules: their flow runs are requested when something waits."""


class RunState(StrEnum):
    """States of a sync run; the legal moves are in ``adpulse.run_states``."""

    QUEUED = "queued"
    LEASED = "leased"
    FETCHED = "fetched"
    APPLIED = "applied"
    DONE = "done"
    POSTPONED = "postponed"
    FAILED = "failed"
    DEAD = "dead"


class Parts(StrEnum):
    """Which halves of a sync are requested."""

    BOTH = "both"
    ENTITIES = "entities"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountFacts:
    """An account as its platform reports it. ``external_id`` is without ``act_`` and without dashes.

    ``login_customer_id``: the Google manager that the account is reached through. A ``manager`` has no numbers of its own.
    """

    external_id: str
    name: str
    currency: str
    timezone: str
    enabled: bool
    status: str
    login_customer_id: str | None = None
    manager: bool = False

    @property
    def flaw(self) -> str | None:
        """What the platform does not report of an account that is in order, as it continues "it is"; None if nothing is missing."""
        if not self.enabled or self.manager:
            return None
        if not self.currency:
            return "without a currency"
        if not zones.is_known(self.timezone):
            return f"in the unknown time zone '{self.timezone[:60]}'" if self.timezone else "without a time zone"
        return None

    @property
    def can_be_synced(self) -> bool:
        """Whether it can be connected."""
        return self.enabled and not self.manager and self.flaw is None

    @property
    def condition(self) -> str:
        """The platform's status, and what it does not report."""
        return f"{self.status}, {self.flaw}" if self.flaw else self.status


@dataclass(frozen=True, slots=True, kw_only=True)
class PageSizes:
    """Rows a page of reports and of walks through entities; None: no page was answered yet, or answers come whole."""

    report: int | None = None
    walk: int | None = None


NO_PAGES = PageSizes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One advertising account as one workspace connected it."""

    id: str
    workspace_id: str
    provider: Provider
    external_id: str
    name: str
    currency: str
    timezone: str
    frequency: Frequency
    status: ConnectionStatus
    gross_margin: Decimal
    credential_id: str
    scope: str
    """What the platform counts together with other accounts: ``meta`` (the app), ``google:<Cloud project>``."""
    ad_count: int | None
    """Ads of the last full entity walk that are not gone; None before the first walk."""
    campaign_count: int | None = None
    """Campaigns that the last full entity walk listed; None before the first walk."""
    asset_group_count: int | None = None
    """Most asset groups that any walk has seen, removed ones included; None before the first walk."""
    delivering_ads: int | None = None
    delivering_campaigns: int | None = None
    """Most leaves, and campaigns, that a day read before the first walk had numbers of: an estimate. None: no day was read yet."""
    page_sizes: PageSizes = NO_PAGES
    """The page sizes that the account's reads have reached."""
    login_customer_id: str | None = None
    filters: ReportFilters = WIDEST
    """By which statuses Meta's reports are filtered."""
    full_access: bool = False
    """Whether the platform reported that its app is not held to the platform's burst limit."""
    calls_per_hour: int | None = None
    """Most calls of its account in any hour; None is the installation's limit. Of several connections of an account the lowest counts."""
    mapping: ConversionMapping | None = None
    """What counts as its conversions; None is the platform's default."""
    mapping_since: datetime | None = None
    """When the mapping was chosen (business time); None if nobody chose one."""
    last_metrics_changed_at: datetime | None = None
    """When a sync found a metric changed last; None before the first one."""

    @property
    def zone(self) -> ZoneInfo:
        """The account's time zone; its days are the dates of every row."""
        return ZoneInfo(self.timezone)

    @property
    def ledger_key(self) -> str:
        """The account whose sliding hour this connection's calls are counted in."""
        return f"{self.provider}:{self.external_id}"

    def today(self, now: datetime) -> date:
        """The account's local date at ``now``."""
        return now.astimezone(self.zone).date()

    def currency_change_message(self, currency: str) -> str:
        """The message for an account that the platform now reports in another currency than its history's."""
        return (
            f"{self.name} ({self.external_id}) now reports in {currency}, its history is in {self.currency}. "
            "Connect the account again as a new connection; the history stays."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to sync one connection once; void as soon as the connection's generation moved on."""

    run_id: str
    generation: int
    connection: Connection
    parts: Parts
    force_refresh: bool
    on_demand: bool = False
    """A person requested the sync and this is the run's first leg: nothing recent is skipped."""
    lane: Lane = Lane.ON_DEMAND
    """Where it is worked on; only the background has time for older days."""
    settled_generation: int = 0
    """The last generation whose leg was closed; what later ones wrote or staged belongs to a worker that died."""
    worker_deaths: int = 0
    """Workers that died in a row while they had this connection leased."""
    calls_before: int = 0
    """Platform calls of the run's earlier legs."""
    wrote_before: bool = False
    """Whether an earlier leg of the run wrote metrics."""

    @property
    def adopts(self) -> bool:
        """Whether an earlier leg may have been left unfinished."""
        return self.generation > self.settled_generation + 1

    @property
    def next_lane(self) -> Lane:
        """The lane of the run's next leg, if nothing decides otherwise."""
        return self.lane if self.lane is Lane.BACKGROUND else Lane.ON_DEMAND


class FetchKind(StrEnum):
    """What one fetch asks the platform for."""

    ACCOUNT_FACTS = "account_facts"
    ENTITIES_CHANGED = "entities_changed"
    ENTITIES_FULL = "entities_full"
    ENTITIES_CONFIRMED = "entities_confirmed"
    DELETED_CAMPAIGNS = "deleted_campaigns"
    """Campaigns that no report lists, each by its id: what they are called, and their totals of the days of the leg."""
    DELETED_BEFORE = "deleted_before"
    """The same in a leg that reads older days alone."""
    ADS = "ads"
    """The leaves' numbers: of ads, with Google also of asset groups, and there without the split of conversions."""
    CATEGORIES = "categories"
    """The leaves' conversions split by category; Google only."""
    CAMPAIGNS = "campaigns"
    CHECK = "check"
    """The campaigns' totals of today, only to see which campaigns changed since the last check: nothing of them is stored as numbers."""
    RESTATEMENTS = "restatements"
    """The campaigns' totals of older days, only to see which were restated since the last such check: nothing of them is stored either."""
    ACCOUNT = "account"
    """The whole account's numbers, which also hold what is reported for none of its campaigns."""

    @property
    def has_dates(self) -> bool:
        """Whether the fetch covers days (metrics) or the present (entities, facts)."""
        return self in (FetchKind.ADS, FetchKind.CATEGORIES, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT) or self in CHECKS


CHECKS = frozenset({FetchKind.CHECK, FetchKind.RESTATEMENTS})
"""Reads that only say what else is to be read."""

WALKS = frozenset({FetchKind.ENTITIES_FULL, FetchKind.ENTITIES_CHANGED})


class Heat(StrEnum):
    """Which share of the call budget a fetch may use, most urgent first."""

    HOT = "hot"
    COLD = "cold"
    BACKFILL = "backfill"
    HISTORY = "history"
    """Days before the first sync's, which a person asked for."""


def days_between(since: date, until: date) -> tuple[date, ...]:
    """Every day from one to the other, both included, oldest first."""
    return tuple(since + timedelta(days=n) for n in range((until - since).days + 1))


class CompleteRead(NamedTuple):
    """What was read completely, and when: ``days`` of a kind that has dates, oldest first, or the present of another kind."""

    kind: FetchKind
    days: tuple[date, ...]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """One complete-or-nothing read of some campaigns. ``since`` and ``until`` are account-local dates, both included.

    ``cost`` is the planner's upper bound of platform calls, for today and yesterday what as many rows take as were read last;
    ``changed_since`` only for ENTITIES_CHANGED.
    """

    kind: FetchKind
    heat: Heat
    cost: int
    since: date | None = None
    until: date | None = None
    changed_since: datetime | None = None
    campaigns: CampaignRange = WHOLE_ACCOUNT

    @property
    def label(self) -> str:
        """Short name for logs and file names, for example ``ads-2026-11-01-2026-11-07``."""
        return "-".join([self.kind, *(d.isoformat() for d in (self.since, self.until) if d), *self._campaigns_label])

    @property
    def _campaigns_label(self) -> tuple[str, ...]:
        if self.campaigns.is_whole:
            return ()
        return ("other-campaigns" if self.campaigns.only is None else f"{len(self.campaigns.only)}-campaigns",)

    @property
    def request_key(self) -> tuple[FetchKind, date | None, date | None, datetime | None, CampaignRange]:
        """What identifies the platform request. Two fetches with the same key make the same calls; only heat and cost may differ."""
        return self.kind, self.since, self.until, self.changed_since, self.campaigns

    @property
    def days(self) -> tuple[date, ...]:
        """The days it covers, oldest first; none for a fetch without dates."""
        return () if self.since is None or self.until is None else days_between(self.since, self.until)

    def complete_at(self, at: datetime) -> CompleteRead:
        """The fetch as read completely at this instant."""
        return CompleteRead(self.kind, self.days, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """What one run did to the warehouse: metric rows (leaves and totals) and changed entities."""

    fetched: int = 0
    inserted: int = 0
    updated: int = 0
    unchanged: int = 0
    entities_changed: int = 0

    @property
    def written(self) -> int:
        """Rows inserted or updated, entities included."""
        return self.inserted + self.updated + self.entities_changed

    def __add__(self, other: "RunCounts") -> "RunCounts":
        """The counts of both."""
        return RunCounts(**{name: getattr(self, name) + getattr(other, name) for name in RunCounts.__dataclass_fields__})


@dataclass(frozen=True, slots=True, kw_only=True)
class Restated:
    """How many stored rows of leaves, of days before the account's today, a leg changed, and the first and last of these days."""

    rows: int
    since: date
    until: date
