"""Meta's accounts of the sandbox and everything in them: a pure function of a seed and the instant at which the world begins.

Entities have a history (created, renamed, paused, archived, deleted), so their state is computed for an instant.
Several of these changes fall into the two days after the beginning, so that stepping the clock shows them.
"""

import pickle
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache, partial
from zoneinfo import ZoneInfo

import numpy as np

from adpulse_sandbox.meta import tokens
from adpulse_sandbox.meta.specs import VARIED, AccountSpec
from adpulse_sandbox.meta.tokens import Token

BEGINNING = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
"""The default beginning: the 90 days before it contain the USA's change to summer time, the days after it Europe's."""

ACCOUNT, CAMPAIGN, AD_SET, AD = "account", "campaign", "adset", "ad"
DAY = timedelta(days=1)
_ACCOUNTS, _IDS_OF_AN_ACCOUNT = 10**4, 10**9
"""An entity's id contains its account's number."""

_DRAWING = threading.RLock()
"""``cached_property`` has no lock of its own: two threads would draw two sets of entities, and a test changes one of them."""

ATTRIBUTION_SETTINGS = (((7, "CLICK_THROUGH"), (1, "VIEW_THROUGH")), ((1, "CLICK_THROUGH"),), ((7, "CLICK_THROUGH"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of ``name``, ``status`` or, for a Google budget, ``amount_micros``, in effect from ``at`` on."""

    at: datetime
    name: str | None = None
    status: str | None = None
    amount_micros: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """A campaign, ad set or ad with its history. ``index`` is its position within its level."""

    level: str
    id: str
    index: int
    parent: "Entity | None"
    created_at: datetime
    changes: tuple[Change, ...]
    objective: str
    setting: tuple[tuple[int, str], ...]
    budget: int | None

    def own_status(self, at: datetime) -> str:
        """ACTIVE, PAUSED, ARCHIVED or DELETED, as set on the entity itself."""
        return next((change.status for change in reversed(self.changes) if change.status and change.at <= at), "ACTIVE")

    def effective_status(self, at: datetime) -> str:
        """The status that Meta reports: the entity's own, or that a parent does not deliver."""
        own = self.own_status(at)
        above = self.parent.effective_status(at) if self.parent else "ACTIVE"
        for final in ("DELETED", "ARCHIVED"):
            if final in (own, above):
                return final
        if own != "ACTIVE" or above in ("ACTIVE", "ADSET_PAUSED", "CAMPAIGN_PAUSED"):
            return own if own != "ACTIVE" else above
        return "ADSET_PAUSED" if self.parent and self.parent.level == AD_SET else "CAMPAIGN_PAUSED"

    def name(self, at: datetime) -> str:
        """The name at an instant."""
        return next(change.name for change in reversed(self.changes) if change.name and change.at <= max(at, self.created_at))

    def updated_at(self, at: datetime) -> datetime:
        """When the entity last changed."""
        return max([self.created_at, *(change.at for change in self.changes if change.at <= at)])

    @property
    def deleted_at(self) -> datetime | None:
        """When the entity or one of its parents is deleted."""
        own = next((change.at for change in self.changes if change.status == "DELETED"), None)
        above = self.parent.deleted_at if self.parent else None
        return min((instant for instant in (own, above) if instant), default=None)

    @property
    def stops_at(self) -> datetime | None:
        """When the entity or one of its parents stops delivering for good."""
        own = next((change.at for change in self.changes if change.status not in (None, "ACTIVE")), None)
        above = self.parent.stops_at if self.parent else None
        return min((instant for instant in (own, above) if instant), default=None)


@dataclass(frozen=True, eq=False)
class Account:
    """An ad account with all its entities, which ``draw`` makes on first use: one account has 2,000 ads."""

    spec: AccountSpec
    draw: Callable[[], Mapping[str, Sequence[Entity]]] = field(repr=False)
    """The entities of each level."""

    @property
    def id(self) -> str:
        """The id without ``act_``."""
        return str(1_270_000_000_000_000 + self.spec.number * 7_919)

    @cached_property
    def zone(self) -> ZoneInfo:
        """The account's time zone."""
        return ZoneInfo(self.spec.timezone)

    @property
    def campaigns(self) -> Sequence[Entity]:
        """The campaigns in the order of their index."""
        return self._of_level[CAMPAIGN]

    @property
    def ad_sets(self) -> Sequence[Entity]:
        """The ad sets in the order of their index."""
        return self._of_level[AD_SET]

    @property
    def ads(self) -> Sequence[Entity]:
        """The ads in the order of their index."""
        return self._of_level[AD]

    @property
    def _of_level(self) -> Mapping[str, Sequence[Entity]]:
        with _DRAWING:
            return self._drawn

    @cached_property
    def _drawn(self) -> Mapping[str, Sequence[Entity]]:
        return self.draw()

    def has_id(self, entity_id: str) -> bool:
        """Whether an id is one of this account's entities, which tells it without drawing them."""
        return entity_id.isdecimal() and int(entity_id) // _IDS_OF_AN_ACCOUNT % _ACCOUNTS == self.spec.number and entity_id in self.by_id

    @cached_property
    def by_id(self) -> Mapping[str, Entity]:
        """Every entity by id."""
        return {entity.id: entity for entity in (*self.campaigns, *self.ad_sets, *self.ads)}

    @cached_property
    def deletions(self) -> Sequence[tuple[datetime, int]]:
        """The deletions of ads in order of time, as (instant, index of the ad)."""
        return sorted((ad.deleted_at, ad.index) for ad in self.ads if ad.deleted_at)

    @cached_property
    def _instants(self) -> Sequence[datetime]:
        return sorted(at for entity in self.by_id.values() for at in (entity.created_at, *(change.at for change in entity.changes)))

    def version(self, at: datetime) -> int:
        """The number of changes in the account up to an instant. Equal numbers mean equal entities."""
        return bisect_right(self._instants, at)

    def entities(self, level: str, at: datetime) -> list[Entity]:
        """The entities of a level that were created by an instant, deleted ones included."""
        return [entity for entity in self._of_level[level] if entity.created_at <= at]


@dataclass(frozen=True, eq=False)
class World:
    """All accounts and tokens."""

    seed: int
    beginning: datetime
    accounts: Mapping[str, Account]
    tokens: dict[str, Token] = field(repr=False)
    """By value. A login adds tokens."""

    def token(self, label: str) -> Token:
        """The token with this label."""
        return next(token for token in self.tokens.values() if token.label == label)

    def account(self, name: str) -> Account:
        """The account with this name."""
        return next(account for account in self.accounts.values() if account.spec.name == name)

    def find(self, entity_id: str) -> tuple[Account, Entity] | None:
        """The entity with this id and its account; None if no account has it."""
        return next(((account, account.by_id[entity_id]) for account in self.accounts.values() if account.has_id(entity_id)), None)


STANDARD = (
    AccountSpec(number=1, name="Harbor Outdoor", currency="USD", timezone="America/New_York", ads=150),
    AccountSpec(number=2, name="Nordlicht Moebel", currency="EUR", timezone="Europe/Berlin", ads=2000, shape=(10, 4)),
    AccountSpec(number=3, name="Sakura Tea", currency="JPY", timezone="Asia/Tokyo", ads=60, minor_units=1),
    AccountSpec(number=4, name="Closed Shop", currency="USD", timezone="America/Chicago", ads=4, status=2),
)
_LARGE = 1000
EXTRA_ADS = (6,)
"""The numbers of ads of the extra accounts, used in turn."""

_EXTRA_ZONES = (("USD", "America/Los_Angeles"), ("EUR", "Europe/Madrid"), ("GBP", "Europe/London"), ("AUD", "Australia/Sydney"))


def create(seed: int = 1, beginning: datetime = BEGINNING, extra: int = 0, extra_ads: Sequence[int] = EXTRA_ADS) -> World:
    """The standard world with ``extra`` additional small accounts. Equal arguments make equal worlds in any process."""
    standard = [_account(seed, spec, beginning) for spec in (*STANDARD, *_extra_specs(extra, extra_ads))]
    varied = [_account(seed, spec, beginning) for spec in VARIED]
    ids = (tuple(account.id for account in accounts) for accounts in (standard, varied))
    by_value = {token.value: token for token in tokens.standard(seed, beginning, *ids)}
    return World(seed=seed, beginning=beginning, accounts={account.id: account for account in (*standard, *varied)}, tokens=by_value)


def _extra_specs(count: int, ads: Sequence[int]) -> Iterator[AccountSpec]:
    for number in range(count):
        currency, zone = _EXTRA_ZONES[number % len(_EXTRA_ZONES)]
        name, size = f"Corner Store {number + 1}", ads[number % len(ads)]
        shape = (10, 4) if size >= _LARGE else (5, 3)
        yield AccountSpec(number=100 + number, name=name, currency=currency, timezone=zone, ads=size, shape=shape)


def _account(seed: int, spec: AccountSpec, beginning: datetime) -> Account:
    return Account(spec=spec, draw=partial(_own_entities, seed, spec, beginning))


def _own_entities(seed: int, spec: AccountSpec, beginning: datetime) -> Mapping[str, Sequence[Entity]]:
    """Entities of its own for each world: tests change the entities of a running sandbox."""
    drawn: Mapping[str, Sequence[Entity]] = pickle.loads(_pickled_entities(seed, spec, beginning))  # noqa: S301 - written by this process
    return drawn


@lru_cache(maxsize=256)  # tests start thousands of worlds in a process, and drawing an account takes longer than copying it
def _pickled_entities(seed: int, spec: AccountSpec, beginning: datetime) -> bytes:
    rng = np.random.Generator(np.random.Philox(key=[seed, spec.number]))
    per_set, sets_per_campaign = spec.shape
    set_count = -(-spec.ads // per_set)
    campaigns = [_entity(rng, spec, beginning, CAMPAIGN, n, None) for n in range(-(-set_count // sets_per_campaign))]
    ad_sets = [_entity(rng, spec, beginning, AD_SET, n, campaigns[n // sets_per_campaign]) for n in range(set_count)]
    ads = [_entity(rng, spec, beginning, AD, n, ad_sets[n // per_set]) for n in range(spec.ads)]
    return pickle.dumps({CAMPAIGN: campaigns, AD_SET: ad_sets, AD: ads}, pickle.HIGHEST_PROTOCOL)


def _entity(rng: np.random.Generator, spec: AccountSpec, beginning: datetime, level: str, index: int, parent: Entity | None) -> Entity:
    age = {CAMPAIGN: 400, AD_SET: 200, AD: 120}[level] * (0.4 + 0.6 * rng.random())
    created = beginning - timedelta(seconds=int(age * 86_400))
    if level == AD and index % 23 == 7 and spec.ads > 6:  # noqa: PLR2004 - every 23rd ad is created on one of the next two days
        created = beginning + timedelta(minutes=int(30 + rng.integers(0, 45 * 60)))
    if parent:
        created = max(created, parent.created_at + timedelta(minutes=5))
    objective = parent.objective if parent else spec.objectives[index % len(spec.objectives)]
    mixed = level == AD_SET and parent is not None and parent.index % 5 == 3  # noqa: PLR2004 - every fifth campaign mixes settings
    setting = (
        ATTRIBUTION_SETTINGS[index % len(ATTRIBUTION_SETTINGS)]
        if mixed
        else (parent.setting if parent else ATTRIBUTION_SETTINGS[index % 2])
    )
    base = {CAMPAIGN: 23_840, AD_SET: 23_850, AD: 23_860}[level]
    return Entity(
        level=level,
        id=str(base * _ACCOUNTS * _IDS_OF_AN_ACCOUNT + spec.number * _IDS_OF_AN_ACCOUNT + index * 137 + 11),
        index=index,
        parent=parent,
        created_at=created,
        changes=tuple(_history(rng, beginning, level, index, created, spec)),
        objective=objective,
        setting=setting,
        budget=int(rng.integers(10, 400)) * 100 if level != AD else None,
    )


def _history(
    rng: np.random.Generator, beginning: datetime, level: str, index: int, created: datetime, spec: AccountSpec
) -> Iterator[Change]:
    """The first name, and for some entities a change of status or of name, in the past or in the hours after the beginning."""
    yield Change(at=created, name=f"{level.capitalize()} {index:04d} {spec.name}")
    past = beginning - timedelta(days=float(rng.uniform(2, 70)))
    later = beginning + timedelta(minutes=int(rng.integers(20, 23 * 60)))
    draw = int(rng.integers(0, 100))
    # Higher levels change less often, because a stopped parent stops all its children.
    share = {CAMPAIGN: 1, AD_SET: 2, AD: 7}[level]
    if level == AD and index in dict(spec.deletes):
        yield Change(at=max(beginning + timedelta(days=dict(spec.deletes)[index]), created + DAY), status="DELETED")
        return
    if index == 0 or created > beginning:
        return
    statuses = ((share, "PAUSED", past), (2 * share, "ARCHIVED", past), (3 * share, "DELETED", past))
    upcoming = ((3 * share + 2, "PAUSED", later), (3 * share + 4, "ARCHIVED", later), (3 * share + 7, "DELETED", later))
    change = next(((status, at) for limit, status, at in (*statuses, *upcoming) if draw < limit), None)
    if change and change[1] > created + DAY:
        yield Change(at=change[1], status=change[0])
    elif draw >= 92:  # noqa: PLR2004 - the last eight of a hundred are renamed
        yield Change(at=later, name=f"{level.capitalize()} {index:04d} {spec.name} v2")
