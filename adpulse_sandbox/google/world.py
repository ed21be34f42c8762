"""Google's part of the world: managers, customers and their contents, a pure function of the seed and the world's beginning.

The contents of a customer are built on first use, because one customer has 5,000 ads.
"""

import threading
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from adpulse_sandbox.google import catalogue
from adpulse_sandbox.meta.world import DAY, Change

CAMPAIGN, AD_GROUP, AD, ASSET_GROUP, BUDGET = "campaign", "ad_group", "ad_group_ad", "asset_group", "campaign_budget"
_BUILDING = threading.RLock()
"""``cached_property`` has no lock of its own: two threads would build two sets of nodes, which compare by identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerSpec:
    """The properties of a customer. Its content and its ids are derived from ``number``.

    ``campaigns`` are (channel, number of campaigns, ad groups per campaign, leaves per ad group or campaign).
    """

    number: int
    name: str
    currency: str
    timezone: str
    campaigns: tuple[tuple[str, int, int, int], ...] = ()
    manager: bool = False
    parent: int | None = None
    status: str = "ENABLED"
    visits_count: bool = False
    """Whether page views are a primary conversion action."""
    lives_from: tuple[tuple[str, float], ...] = ()
    """The categories of its conversion actions, each with its conversions per click; without them it has the standard actions."""
    names_ads: bool = True
    """Whether its ads have names, which responsive search ads of real accounts do not."""

    @property
    def id(self) -> str:
        """The customer id of ten digits."""
        return str(5_550_000_000 + self.number * 7_919_003)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """A resource that queries can select. ``facts`` are the fields that never change, ``refs`` the resources it belongs to."""

    kind: str
    id: int
    name: str
    created_at: datetime
    changes: tuple[Change, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    refs: Mapping[str, "Node"] = field(default_factory=dict)

    def status(self, at: datetime) -> str:
        """ENABLED, PAUSED or REMOVED, as set on the node itself."""
        return next((change.status for change in reversed(self.changes) if change.status and change.at <= at), "ENABLED")

    def name_at(self, at: datetime) -> str:
        """The name at an instant."""
        return next((change.name for change in reversed(self.changes) if change.name and change.at <= at), self.name)

    def amount_at(self, at: datetime) -> int | None:
        """A budget's amount at an instant; None if the node is no budget."""
        amounts = (change.amount_micros for change in reversed(self.changes) if change.amount_micros and change.at <= at)
        return next(amounts, self.facts.get("amount_micros"))

    def changed_at(self, at: datetime) -> datetime:
        """When the node was created or last changed."""
        return max([self.created_at, *(change.at for change in self.changes if change.at <= at)])

    @property
    def parent(self) -> "Node | None":
        """The ad group that the node is in, else the campaign."""
        return self.refs.get(AD_GROUP) or self.refs.get(CAMPAIGN)

    @property
    def stops_at(self) -> datetime | None:
        """When the node or one of its parents stops delivering for good."""
        own = next((change.at for change in self.changes if change.status), None)
        parent_stop = self.parent.stops_at if self.parent else None
        return min((instant for instant in (own, parent_stop) if instant), default=None)


@dataclass(frozen=True, eq=False)
class Customer:
    """A customer, manager or not."""

    spec: CustomerSpec
    seed: int
    beginning: datetime

    @property
    def id(self) -> str:
        """The customer id of ten digits, without dashes."""
        return self.spec.id

    @cached_property
    def zone(self) -> ZoneInfo:
        """The customer's time zone."""
        return ZoneInfo(self.spec.timezone)

    @property
    def nodes(self) -> Mapping[str, Sequence[Node]]:
        """All nodes by kind, in the order of creation; all threads get the same objects."""
        with _BUILDING:
            return self._nodes

    @cached_property
    def _nodes(self) -> Mapping[str, Sequence[Node]]:
        return _build(self)

    @cached_property
    def leaves(self) -> Sequence[Node]:
        """The nodes that deliver: ads, asset groups, ad groups of app campaigns, and Smart campaigns."""
        return [node for kind in (AD, ASSET_GROUP, AD_GROUP, CAMPAIGN) for node in self.of(kind) if catalogue.leaf(_channel(node)) == kind]

    @cached_property
    def actions(self) -> tuple[catalogue.Action, ...]:
        """The customer's conversion actions."""
        if self.spec.lives_from:
            return catalogue.own_actions(self.spec.lives_from)
        return catalogue.actions(visits_count=self.spec.visits_count)

    @cached_property
    def _instants(self) -> Sequence[datetime]:
        return sorted(at for nodes in self.nodes.values() for node in nodes for at in (node.created_at, *(c.at for c in node.changes)))

    def of(self, kind: str) -> Sequence[Node]:
        """The nodes of a kind."""
        return self.nodes.get(kind, ())

    def existing(self, kind: str, at: datetime) -> list[Node]:
        """The nodes of a kind that were created by an instant, removed ones included."""
        return [node for node in self.of(kind) if node.created_at <= at]

    def version(self, at: datetime) -> int:
        """The number of changes up to an instant. Equal numbers mean equal nodes."""
        return bisect_right(self._instants, at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user's credential: the customers with direct access, and its flaw, such as ``revoked``, if it has one."""

    label: str
    refresh_token: str
    customers: tuple[str, ...]
    flaw: str | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, eq=False)
class GoogleWorld:
    """All customers and credentials."""

    customers: dict[str, Customer]
    credentials: dict[str, Credential]
    """By label. A login adds credentials."""

    def customer(self, name: str) -> Customer:
        """The customer with this name."""
        return next(customer for customer in self.customers.values() if customer.spec.name == name)

    def change(self, customer_id: str, spec: CustomerSpec) -> None:
        """Replace the properties of a customer from now on; its contents stay the same."""
        self.customers[customer_id] = replace(self.customers[customer_id], spec=spec)

    def clients(self, customer: Customer) -> list[tuple[Customer, int]]:
        """A customer and all customers below it, each with the number of levels below."""
        below: dict[int | None, list[Customer]] = defaultdict(list)
        for client in self.customers.values():
            below[client.spec.parent].append(client)
        clients = [(customer, 0)]
        # The list grows during the loop, so that every level is visited after the level above it.
        for client, level in clients:
            clients += [(child, level + 1) for child in below[client.spec.number]]
        return clients


STANDARD = (
    CustomerSpec(number=10, name="Summit Media Group", currency="EUR", timezone="Europe/Berlin", manager=True),
    CustomerSpec(number=11, name="Summit Media West", currency="USD", timezone="America/Los_Angeles", manager=True, parent=10),
    CustomerSpec(
        number=1, name="Alpenglow Reisen", currency="EUR", timezone="Europe/Berlin", parent=10, visits_count=True,
        campaigns=(("SEARCH", 8, 4, 3), ("PERFORMANCE_MAX", 4, 0, 3)),
    ),
    CustomerSpec(
        number=2, name="Pacific Trail Outfitters", currency="USD", timezone="America/Los_Angeles", parent=11,
        campaigns=(
            ("SEARCH", 3, 3, 3), ("DEMAND_GEN", 2, 2, 2), ("VIDEO", 2, 2, 2), ("SHOPPING", 2, 2, 1), ("MULTI_CHANNEL", 2, 2, 0),
            ("SMART", 2, 0, 0), ("PERFORMANCE_MAX", 1, 0, 2),
        ),
    ),
    CustomerSpec(
        number=3, name="Grand Catalogue", currency="GBP", timezone="Europe/London", parent=11, campaigns=(("SEARCH", 50, 10, 10),)
    ),
    CustomerSpec(number=4, name="Closed Bakery", currency="EUR", timezone="Europe/Vienna", parent=10, status="CANCELED"),
)  # fmt: skip

_SMALL = (("SEARCH", 2, 2, 2), ("PERFORMANCE_MAX", 1, 0, 2))
VARIED = (
    CustomerSpec(
        number=21, name="Quiet Headlines", currency="SEK", timezone="Europe/Stockholm", names_ads=False,
        campaigns=(("SEARCH", 2, 2, 3), ("DEMAND_GEN", 1, 1, 2), ("SHOPPING", 1, 1, 1)),
    ),
    CustomerSpec(
        number=22, name="Signup Cloud", currency="USD", timezone="America/New_York", campaigns=_SMALL, lives_from=(("SIGNUP", 0.09),)
    ),
    CustomerSpec(
        number=23, name="Phone Dentist", currency="AUD", timezone="Australia/Brisbane", campaigns=_SMALL,
        lives_from=(("PHONE_CALL_LEAD", 0.12), ("CONTACT", 0.02)),
    ),
    CustomerSpec(
        number=24, name="Message Motors", currency="BRL", timezone="America/Sao_Paulo", campaigns=_SMALL,
        lives_from=(("MESSAGE_LEAD", 0.1), ("IMPORTED_LEAD", 0.03), ("QUALIFIED_LEAD", 0.02), ("CONVERTED_LEAD", 0.01)),
    ),
)  # fmt: skip
"""Small customers, each of which differs from the standard ones; the credential ``varied`` reaches them directly, and no other does."""

EXTRA_ADS = (6,)
"""The numbers of ads of the extra customers, used in turn."""

MAX_EXTRA = 400
"""The ids of more extra customers would have eleven digits."""

_FIRST_EXTRA = 100
_ADS_IN_GROUP = _GROUPS_IN_CAMPAIGN = 2


def create(seed: int, beginning: datetime, extra: int = 0, extra_ads: Sequence[int] = EXTRA_ADS) -> GoogleWorld:
    """The standard world with ``extra`` additional small customers. Equal arguments make equal worlds in any process.

    Raises:
        ValueError: ``extra`` is more than there are ids for.
    """
    if extra > MAX_EXTRA:
        raise ValueError(f"There can be {MAX_EXTRA} extra customers, not {extra}.")
    customers = {spec.id: Customer(spec, seed, beginning) for spec in (*STANDARD, *VARIED, *_extra_specs(extra, extra_ads))}
    group, alpenglow, closed = (next(spec.id for spec in STANDARD if spec.number == number) for number in (10, 1, 4))
    grants = (
        ("full", (group, alpenglow, closed), None),
        ("single", (alpenglow,), None),
        ("revoked", (group,), "revoked"),
        ("expired", (group,), "expired"),
        ("test_only", (group,), "test_only"),
        ("api_disabled", (group,), "api_disabled"),
        ("scope_missing", (group,), "scope_missing"),
        ("varied", tuple(spec.id for spec in VARIED), None),
        ("none", (), None),
    )
    credentials = {
        label: Credential(label=label, refresh_token=f"1//sandbox-{label}-{seed:04d}", customers=reached, flaw=flaw)
        for label, reached, flaw in grants
    }
    return GoogleWorld(customers=customers, credentials=credentials)


def _extra_specs(count: int, ads: Sequence[int]) -> Iterator[CustomerSpec]:
    """Customers below the manager that every credential with managers has. They have Search campaigns only, which one query reads."""
    for number in range(count):
        yield CustomerSpec(
            number=_FIRST_EXTRA + number,
            name=f"Side Street {number + 1}",
            currency="USD",
            timezone="America/Chicago",
            parent=STANDARD[0].number,
            campaigns=tuple(_spread(ads[number % len(ads)])),
        )


def _spread(ads: int) -> Iterator[tuple[str, int, int, int]]:
    """Search campaigns with this number of ads in total: full campaigns first, then the remaining ads."""
    full, remaining = divmod(ads, _ADS_IN_GROUP * _GROUPS_IN_CAMPAIGN)
    yield "SEARCH", full, _GROUPS_IN_CAMPAIGN, _ADS_IN_GROUP
    groups, single = divmod(remaining, _ADS_IN_GROUP)
    yield "SEARCH", min(groups, 1), groups, _ADS_IN_GROUP
    yield "SEARCH", min(single, 1), 1, single


def _channel(node: Node) -> str:
    campaign = node if node.kind == CAMPAIGN else node.refs[CAMPAIGN]
    channel: str = campaign.facts["advertising_channel_type"]
    return channel


def _build(customer: Customer) -> dict[str, list[Node]]:
    builder = _Builder(customer)
    for channel, campaigns, groups, leaves in customer.spec.campaigns:
        for _ in range(campaigns):
            builder.campaign(channel, groups, leaves)
    return builder.nodes


class _Builder:
    """Builds a customer's nodes in a fixed order from one stream of random numbers, so that equal seeds give equal nodes."""

    def __init__(self, customer: Customer) -> None:
        self.customer = customer
        self.nodes: dict[str, list[Node]] = {}
        self._rng = np.random.Generator(np.random.Philox(key=[customer.seed, 5_000 + customer.spec.number]))
        for node in catalogue.shared(customer.actions):
            self._add(node.kind, node.name, node.facts, age=500.0, number=node.number)

    def campaign(self, channel: str, groups: int, leaves: int) -> None:
        number = len(self.nodes.get(CAMPAIGN, ()))
        strategies = self.nodes.get("bidding_strategy", [])
        budget = self._add(BUDGET, f"Budget {number:03d}", catalogue.budget(int(self._rng.integers(10, 400)), channel), age=130)
        shared = {"bidding_strategy": strategies[0]} if strategies and channel == "SEARCH" and number % 5 == 2 else {}  # noqa: PLR2004 - every fifth
        facts = catalogue.campaign(channel, portfolio=bool(shared))
        campaign = self._add(CAMPAIGN, f"{channel} {number:03d}", facts, {BUDGET: budget, **shared}, age=120)
        if number % 3 == 0:
            label = self.nodes["label"][number % 2]
            self._add("campaign_label", "", {}, {CAMPAIGN: campaign, "label": label}, age=0)
        self._add("campaign_criterion", "", catalogue.location(number), {CAMPAIGN: campaign}, age=0)
        for _ in range(groups):
            self._group(campaign, channel, leaves)
        if catalogue.leaf(channel) == ASSET_GROUP:
            for _ in range(leaves):
                self._asset_group(campaign)

    def _group(self, campaign: Node, channel: str, ads: int) -> None:
        number = len(self.nodes.get(AD_GROUP, ()))
        group = self._add(AD_GROUP, f"Group {number:04d}", catalogue.ad_group(channel), {CAMPAIGN: campaign}, age=100)
        parents = {CAMPAIGN: campaign, AD_GROUP: group}
        for _ in range(ads):
            count = len(self.nodes.get(AD, ()))
            name = f"Ad {count:05d}" if self.customer.spec.names_ads else ""
            self._add(AD, name, catalogue.ad(channel, count), parents, age=90)
        for word in range(2 if channel == "SEARCH" else 0):
            self._add("ad_group_criterion", "", catalogue.keyword(number, word), parents, age=0)

    def _asset_group(self, campaign: Node) -> None:
        number = len(self.nodes.get(ASSET_GROUP, ()))
        group = self._add(ASSET_GROUP, f"Asset group {number:03d}", catalogue.asset_group(number), {CAMPAIGN: campaign}, age=90)
        for asset in self.nodes["asset"]:
            refs = {CAMPAIGN: campaign, ASSET_GROUP: group, "asset": asset}
            self._add("asset_group_asset", "", {"field_type": "HEADLINE"}, refs, age=0)

    def _add(
        self,
        kind: str,
        name: str,
        facts: Mapping[str, Any],
        refs: Mapping[str, Node] | None = None,
        *,
        age: float,
        number: int | None = None,
    ) -> Node:
        """``age`` is the greatest age in days; with 0 the node is created right after its parents."""
        nodes, beginning = self.nodes.setdefault(kind, []), self.customer.beginning
        index, refs = len(nodes), refs or {}
        created = beginning - timedelta(seconds=int(age * (0.4 + 0.6 * self._rng.random()) * 86_400))
        if kind == AD and index % 23 == 7:  # noqa: PLR2004 - every 23rd ad is created on one of the next two days
            created = beginning + timedelta(minutes=int(30 + self._rng.integers(0, 45 * 60)))
        parents = [refs[kind_of_parent] for kind_of_parent in (AD_GROUP, CAMPAIGN, ASSET_GROUP) if kind_of_parent in refs]
        if parents:
            latest = max(parent.created_at for parent in parents) + timedelta(minutes=5)
            created = max(created, latest) if age else latest
        history = tuple(self._history(kind, index, name, created))
        node = Node(
            kind=kind,
            id=number or catalogue.node_id(kind, self.customer.spec.number, index),
            name=name,
            created_at=created,
            changes=history,
            facts=facts,
            refs=refs,
        )
        nodes.append(node)
        return node

    def _history(self, kind: str, index: int, name: str, created: datetime) -> Iterator[Change]:
        """For some nodes a change of status or of name, in the past or in the hours after the beginning."""
        share = {CAMPAIGN: 3, AD_GROUP: 2, AD: 7, ASSET_GROUP: 8}.get(kind)
        if share is None or index == 0:
            return
        beginning, draw = self.customer.beginning, int(self._rng.integers(0, 100))
        past = beginning - timedelta(days=float(self._rng.uniform(2, 40)))
        later = beginning + timedelta(minutes=int(self._rng.integers(20, 23 * 60)))
        steps = (("PAUSED", past), ("REMOVED", past), ("PAUSED", later), ("REMOVED", later))
        status, at = next(((status, at) for n, (status, at) in enumerate(steps, 1) if draw < n * share), (None, later))
        if status and at > created + DAY:
            yield Change(at=at, status=status)
        elif draw >= 92 and name:  # noqa: PLR2004 - the last eight of a hundred are renamed
            yield Change(at=later, name=f"{name} v2")
