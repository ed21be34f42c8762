"""The interface of an advertising platform and of its client; each platform implements it in its folder.

A :class:`Platform` is everything that differs between platforms. The code outside the platforms' folders names no platform.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic_settings import BaseSettings, SettingsConfigDict

from adpulse.conversion_types import ConversionTypes
from adpulse.mapping import MappingRules
from adpulse.metrics_request import MetricsRequest, Step
from adpulse.model import NO_PAGES, AccountFacts, Connection, Fetch, FetchKind, Level, PageSizes, Provider

if TYPE_CHECKING:  # help of the command line must answer without pyarrow
    import pyarrow as pa
    from pydantic import SecretStr

    from adpulse.clock import Clock
    from adpulse.deleted_campaigns import DeletedCampaigns, DeletedSearch
    from adpulse.entities import EntitiesAnswer
    from adpulse.entity_names import MetricsAnswer
    from adpulse.missing_entities import MissingEntity
    from adpulse.platforms.consent import Consent
    from adpulse.probe.platform_probe import PlatformProbe

CallSlot = Callable[[], None]
"""Takes one slot of the account's sliding hour; called before each request, raises RateLimited when none is free."""

CALLS_PER_LEG = 40
"""Most calls for older days in one leg in the background: numbers appear as they come, and other accounts get their turn."""

COMPLETE_AFTER = timedelta(hours=3)
"""How long after a day ended its delivery has come in. Source: Google Ads Help, "About data freshness" (read 2026-11-29): most statistics
are delayed by less than 3 hours. Meta documents none, and refreshes about every 15 minutes."""

GROWTH = 1.05
"""Ads created since the last walk: the cost of a piece must stay an upper bound."""


class PlatformClient(Protocol):
    """One credential's view of a platform. Every method is blocking; every call takes a slot first."""

    @property
    def scope(self) -> str:
        """What the platform counts this credential's calls together with, as far as it is known by now."""
        ...

    @property
    def full_access(self) -> bool | None:
        """Whether the platform reported that the app is not held to ``Platform.burst_limit``; None if no answer said so or the contrary."""
        ...

    @property
    def answered_by(self) -> str | None:
        """The API version that answered last, if it is another one than was called; None otherwise, and where answers name none."""
        ...

    def accounts(self, slot: CallSlot) -> list[AccountFacts]:
        """Every account the credential reaches, managers too."""
        ...

    def facts(self, connection: Connection, slot: CallSlot) -> AccountFacts:
        """The connection's account as the platform reports it now."""
        ...

    def entities(self, connection: Connection, fetch: Fetch, slot: CallSlot) -> "EntitiesAnswer":
        """ENTITY_SCHEMA rows, all of them or those changed since ``fetch.changed_since``, and the rows that were refused."""
        ...

    def page_sizes(self, connection: Connection) -> PageSizes:
        """Rows requested per page at present, which decide what reads cost; none where answers come whole."""
        ...

    def look_up(self, connection: Connection, absent: "Sequence[MissingEntity]", slot: CallSlot) -> "pa.Table":
        """ENTITY_SCHEMA rows of these, deleted ones too, maybe of their parents; entities that the platform no longer knows are GONE.

        Those that would take too many calls are missing.
        """
        ...

    def deleted_campaigns(
        self, connection: Connection, request: MetricsRequest, search: "DeletedSearch", slot: CallSlot
    ) -> "DeletedCampaigns":
        """Campaigns that reports leave out, and their totals of the request's days; asked only where ``reports_removed`` is not."""
        ...

    def metrics(self, connection: Connection, request: MetricsRequest, slot: CallSlot) -> "MetricsAnswer":
        """METRIC_SCHEMA rows of the request's days and campaigns, complete or an error, names that came with them, and refused rows.

        Raises:
            TooMuchData: the platform cannot answer a request this big; a smaller one may be answered.
            Unreadable: a row does not say which entity or day it is of.
        """
        ...

    def conversion_types(self, connection: Connection, since: date, until: date, slot: CallSlot) -> ConversionTypes:
        """What the account reports of each type of conversions, these days added up, both included, in one call.

        Raises:
            Unavailable: the answer cannot be read.
        """
        ...

    @property
    def reports(self) -> "Reports | None":
        """How the platform computes reports in its own time; None where it does not."""
        ...


class Reports(Protocol):
    """Reports that a platform computes in its own time, for what is too big for an answer."""

    def start(self, connection: Connection, request: MetricsRequest, slot: CallSlot) -> str:
        """Request a report; its id."""
        ...

    def read(self, connection: Connection, request: MetricsRequest, report_id: str, slot: CallSlot) -> "MetricsAnswer | None":
        """The report's rows, as :meth:`PlatformClient.metrics` returns them; None while it is computed.

        Raises:
            TooMuchData: the platform could not compute it.
            ObjectGone: the platform has it no more.
        """
        ...


class WorkingSizes(Protocol):
    """How much of an account may be requested at once, after the platform found more too big. ``part`` is an edge or a kind of read."""

    def current(self, account: str, part: str, full: int) -> int:
        """The size to request now: the one that was answered last, growing again up to the full one."""
        ...

    def note(self, account: str, part: str, size: int) -> None:
        """Remember a size that was answered."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much an account holds, as of the last full walk, or as its numbers show before the first one; None: nothing was read.

    ``delivering``: how many ads and campaigns had numbers on a day, by the last reads of today and yesterday.
    """

    ads: int | None
    campaigns: int | None = None
    asset_groups: int | None = None
    delivering_ads: int | None = None
    delivering_campaigns: int | None = None
    page_sizes: PageSizes = NO_PAGES

    @classmethod
    def of(cls, connection: Connection) -> "Size":
        """A connection's size. Before the first walk it is estimated: pages are rows with delivery, so what delivers is what costs."""
        if connection.ad_count is None:
            ads, campaigns = connection.delivering_ads, connection.delivering_campaigns
        else:
            ads, campaigns = connection.ad_count, connection.campaign_count
        return cls(
            ads=ads,
            campaigns=campaigns,
            asset_groups=connection.asset_group_count,
            delivering_ads=connection.delivering_ads,
            delivering_campaigns=connection.delivering_campaigns,
            page_sizes=connection.page_sizes,
        )


class Costs(Protocol):
    """What one account's reads cost; every number of calls is an upper bound unless it is called an estimate."""

    @property
    def provider(self) -> Provider:
        """Whose account it is."""
        ...

    @property
    def full_walk(self) -> int:
        """Calls to read every entity."""
        ...

    @property
    def changed_walk(self) -> int:
        """Calls to read the entities that changed."""
        ...

    @property
    def usual_changed_walk(self) -> float:
        """Estimate of what reading the changed entities takes on average."""
        ...

    @property
    def lookup(self) -> int:
        """Calls to look up the entities that are missing from a report."""
        ...

    @property
    def per_leg(self) -> int:
        """Most calls for older days in one leg in the background."""
        ...

    def __hash__(self) -> int:
        """Costs are keys of caches."""
        ...

    def read(self, kind: FetchKind, days: int) -> int:
        """Calls to read these many consecutive days; 0 if the platform has no such read."""
        ...

    def usual(self, kind: FetchKind, days: int) -> int:
        """Calls to read so many recent days when about as much delivers as in the last reads of today."""
        ...

    def longest(self, days: int, calls: int) -> int:
        """How many of ``days`` consecutive older days may be read in one piece of at most so many calls; always one."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential as a client uses it. ``app_id`` is the app that issued it; None takes it for the installation's own."""

    secret: "SecretStr"
    app_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialPrompt:
    """How a person hands over a credential on the command line: the variable that may hold it, and what it is called."""

    variable: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimit:
    """How many calls may be made in any ``window``."""

    calls: int
    window: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a platform's API that works with this adpulse.

    ``ends`` is the first day on which the platform may refuse it; None while no end is announced.
    """

    name: str
    ends: date | None = None


class PlatformSettings(BaseSettings):
    """What an installation may set about one platform; each field is a variable that begins with ``ADPULSE_`` and the platform's name."""

    model_config = SettingsConfigDict(frozen=True)


S = TypeVar("S", bound=PlatformSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform(Generic[S]):
    """One advertising platform: its facts, and how the parts that know its API are made.

    What imports an SDK is a function, so that a process loads the SDKs of the platforms that it meets.
    """

    name: Provider
    settings: type[S]
    label: str
    """What a person reads."""

    levels: str
    """Its kinds of entities, as a person reads them: ``campaigns, ad sets, ads``."""

    metric_kinds: tuple[FetchKind, ...]
    """The reads that a day's numbers are complete with."""

    account_totals_age: timedelta | None
    """How old an account's totals of a day may be when its campaigns' totals are read; the two are read together. None: never read."""

    metrics: Mapping[str, str]
    """How it reports each metric, for people; a metric that is missing is not reported."""

    mapping: MappingRules
    """What may count as conversions of each kind, and the presets."""

    export_columns: Mapping[str, Sequence[str]]
    """Names of the columns of reports that people export from its pages, by what they hold: a metric, or one of ``FIELDS`` in
    ``adpulse.verification.columns``."""

    conversions_complete_after: timedelta
    """How long after a day ended its conversions have come in, at least :data:`COMPLETE_AFTER`; later changes restate the day."""

    lookback_days: int
    """How long the platform may restate a day's conversions; later the day is final."""

    reads_days_whole: bool
    """Whether a day's campaign totals are only read together with its leaves: there a read costs the same whatever its range."""

    smaller_requests: tuple[Step, ...]
    """How a request for a day's numbers can be made smaller, beside fewer days; see ``adpulse.ladder``."""

    reports_removed: bool
    """Whether reports still contain removed entities: then a missing row means zero, whatever the entity's status."""

    scope_owner: str
    """What the accounts of one scope have in common: ``Meta app``."""

    call_unit: str
    """The platform's word for a counted call: ``operations``."""

    entrypoint: str
    """Its Prefect flow, dotted: the flow's module is loaded once and under its own name."""

    knows: Callable[[Level, str, str], bool]
    """Whether this version knows a value of an entity's column ``status`` or ``objective``; unknown ones are stored all the same."""

    tick_delay: timedelta
    """By how much its scheduled flow runs start later than their slot, so that platforms do not start together."""

    credential: CredentialPrompt
    connect_help: str
    """Help of ``adpulse connect``."""

    accounts_help: str
    """Help of the option of ``adpulse plan`` that says how many of its accounts there are."""

    app_settings: str
    """The settings without which nobody can consent in a browser, for a sentence."""

    addresses: tuple[str, ...]
    """Those of its settings that say where the platform is; in production they have their defaults."""

    versions: tuple[Version, ...]
    """The versions of its API, oldest first; empty where requests name none."""

    pinned: Callable[[S], str]
    """The version that requests name; not called where there are none."""

    access_levels: tuple[str, ...]
    """The values of its setting ``access``, for planning; empty where there is no such setting."""

    plain_http_host: str | None
    """The only host to which people are sent back without https; None if every loopback host is accepted."""

    renewed_scope: str | None
    """The scope whose credentials can be exchanged for ones that end later; None if none can."""

    issuer_of_scope: Callable[[str], str | None]
    """The id of the app that issued the credentials of a scope; None is the installation's own."""

    scope_notice: Callable[[str], str]
    """A notice for people about a credential with this scope; empty if there is none."""

    account_id: Callable[[str], str]
    """An account's id as the platform's API has it, however a person wrote it."""

    page_size: Callable[[S], int]
    """Rows of an account's first pages; 1 where answers come whole."""

    largest_page: Callable[[S], int]
    """Rows up to which pages grow."""

    costs: Callable[[Size, int], Costs]
    """The costs of reads of an account of this size, at this page size."""

    shared_limit: Callable[[S], CallLimit | None]
    """The limit of all accounts of a scope together, under these settings; None where there is none."""

    burst_limit: CallLimit | None
    """The limit of one account in less than an hour, until the platform reports that the app has full access; None where there is none."""

    client: "Callable[[S, Clock, Credential, WorkingSizes], PlatformClient]"
    """Raises Usage when the credential is incomplete."""

    consent: "Callable[[S, Clock], Consent | None]"
    """How a person consents in the browser; None without an app of the installation's own at the platform."""

    production_checks: Callable[[S], Iterator[str]]
    """Points that a person should check before production, one sentence each."""

    probe: "Callable[[], PlatformProbe] | None"
    """Its part of ``adpulse probe``; None if it has none."""


AnyPlatform = Platform[Any]
"""A platform whose settings have any type."""
