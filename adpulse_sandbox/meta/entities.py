"""Accounts, campaigns, ad sets, ads and what hangs on them, as nodes of the Graph API: their fields and formats."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adpulse_sandbox.meta.businesses import business_of
from adpulse_sandbox.meta.nodes import Source, constants
from adpulse_sandbox.meta.specs import GOALS
from adpulse_sandbox.meta.statuses import delivery_info
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity

KINDS = {CAMPAIGN: "Campaign", AD_SET: "AdSet", AD: "Ad"}
"""The type of node by level."""

DELIVERY = "delivery_info"
"""The property that a filter names for whether an object delivers."""

PAGE_ID = "1000"
"""The Facebook page of every ad."""

_LABELS = 3
_FIRST_LABEL = 77


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An entity of an account at an instant, from which its fields are computed."""

    account: Account
    entity: Entity
    at: datetime


def timestamp(account: Account, at: datetime) -> str:
    """``2026-03-17T08:04:31-0700``, in the account's offset."""
    return at.astimezone(account.zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def account_source(account: Account, at: datetime) -> Source:
    """An ad account."""
    offset = at.astimezone(account.zone).utcoffset()
    values: Mapping[str, Any] = {
        "id": f"act_{account.id}",
        "account_id": account.id,
        "name": account.spec.name,
        "currency": account.spec.currency,
        "timezone_name": account.spec.timezone,
        "timezone_offset_hours_utc": offset.total_seconds() / 3600 if offset is not None else None,
        "account_status": account.spec.status,
        "disable_reason": 0 if account.spec.status == 1 else 1,
        "amount_spent": "39125",
        "spend_cap": "0",
        "balance": "0",
        "created_time": timestamp(account, account.campaigns[0].created_at),
        "business_name": account.spec.name,
        "business": {"id": business_of(account).id, "name": business_of(account).name},
    }
    return constants("AdAccount", **values)


def entity_source(snapshot: Snapshot) -> Source:
    """A campaign, an ad set or an ad."""
    level = snapshot.entity.level
    return Source(kind=KINDS[level], subject=snapshot, fields=_FIELDS[level])


def creative_id(ad: Entity) -> str:
    """The id of an ad's creative."""
    return str(int(ad.id) + 5)


def ad_of_creative(account: Account, identifier: str) -> Entity | None:
    """The ad that has the creative with this id; None if it is no creative's."""
    ad = account.by_id.get(str(int(identifier) - 5))
    return ad if ad is not None and ad.level == AD else None


def creative_source(snapshot: Snapshot) -> Source:
    """The creative of an ad."""
    index = snapshot.entity.index
    link = f"https://shop.example/{snapshot.account.spec.number}/landing/{index % 9}"
    values: Mapping[str, Any] = {
        "id": creative_id(snapshot.entity),
        "account_id": snapshot.account.id,
        "actor_id": PAGE_ID,
        "name": f"Creative {index:04d}",
        "title": f"Title {index % 12}",
        "body": f"Body {index % 17}",
        "status": "ACTIVE",
        "object_type": "SHARE",
        "call_to_action_type": "SHOP_NOW",
        "link_url": link if index % 3 == 0 else None,
        "object_story_spec": {"page_id": PAGE_ID, "link_data": {"link": link, "message": "See more"}} if index % 3 else None,
        "url_tags": f"utm_source=meta&utm_campaign={index % 40}" if index % 2 else None,
        "effective_object_story_id": f"{PAGE_ID}_{index}",
    }
    return constants("AdCreative", **values)


def label(number: int) -> dict[str, str]:
    """One of the labels of an account's objects."""
    return {"id": str(_FIRST_LABEL + number % _LABELS), "name": f"label {number % _LABELS}"}


def label_sources(account: Account) -> list[Source]:
    """All labels of an account."""
    at = timestamp(account, account.campaigns[0].created_at)
    reference = {"id": f"act_{account.id}", "account_id": account.id}
    return [constants("AdLabel", **label(number), account=reference, created_time=at, updated_time=at) for number in range(_LABELS)]


def parent_of(level: str, entity: Entity) -> Entity | None:
    """The entity's parent of a level."""
    parent = entity.parent
    while parent and parent.level != level:
        parent = parent.parent
    return parent


def property_of(entity: Entity, name: str, at: datetime) -> str | int:
    """The entity's value that a filter is about: times are seconds since 1970."""
    values: Mapping[str, Callable[[], str | int]] = {
        "id": lambda: entity.id,
        "name": lambda: entity.name(at),
        "effective_status": lambda: entity.effective_status(at),
        DELIVERY: lambda: delivery_info(entity.effective_status(at)),
        "created_time": lambda: int(entity.created_at.timestamp()),
        "updated_time": lambda: int(entity.updated_at(at).timestamp()),
        "objective": lambda: entity.objective,
        "buying_type": lambda: "AUCTION",
    }
    return values[name]()


def _parent_id(level: str) -> Callable[[Snapshot], Any]:
    return lambda snapshot: getattr(parent_of(level, snapshot.entity), "id", None)


def _parent_node(level: str) -> Callable[[Snapshot], Source | None]:
    def source(snapshot: Snapshot) -> Source | None:
        parent = parent_of(level, snapshot.entity)
        return entity_source(Snapshot(snapshot.account, parent, snapshot.at)) if parent else None

    return source


def _spec(snapshot: Snapshot) -> list[dict[str, Any]]:
    return [{"event_type": kind, "window_days": days} for days, kind in snapshot.entity.setting]


_COMMON: dict[str, Callable[[Snapshot], Any]] = {
    "id": lambda snapshot: snapshot.entity.id,
    "account_id": lambda snapshot: snapshot.account.id,
    "name": lambda snapshot: snapshot.entity.name(snapshot.at),
    "status": lambda snapshot: snapshot.entity.own_status(snapshot.at),
    "configured_status": lambda snapshot: snapshot.entity.own_status(snapshot.at),
    "effective_status": lambda snapshot: snapshot.entity.effective_status(snapshot.at),
    "created_time": lambda snapshot: timestamp(snapshot.account, snapshot.entity.created_at),
    "updated_time": lambda snapshot: timestamp(snapshot.account, snapshot.entity.updated_at(snapshot.at)),
    "start_time": lambda snapshot: timestamp(snapshot.account, snapshot.entity.created_at),
    "adlabels": lambda snapshot: [label(snapshot.entity.index)] if snapshot.entity.index % 4 == 1 else None,
    "daily_budget": lambda snapshot: str(snapshot.entity.budget) if snapshot.entity.budget and snapshot.entity.index % 2 else None,
    "lifetime_budget": lambda snapshot: str(snapshot.entity.budget) if snapshot.entity.budget and not snapshot.entity.index % 2 else None,
    "bid_strategy": lambda _: "LOWEST_COST_WITHOUT_CAP",
}
_BUDGETS = ("daily_budget", "lifetime_budget", "bid_strategy")
_FIELDS: Mapping[str, dict[str, Callable[[Snapshot], Any]]] = {
    CAMPAIGN: {
        **_COMMON,
        "objective": lambda snapshot: snapshot.entity.objective,
        "buying_type": lambda _: "AUCTION",
        "special_ad_categories": lambda _: [],
    },
    AD_SET: {
        **_COMMON,
        "campaign_id": _parent_id(CAMPAIGN),
        "campaign": _parent_node(CAMPAIGN),
        "optimization_goal": lambda snapshot: GOALS[snapshot.entity.objective],
        "billing_event": lambda _: "IMPRESSIONS",
        "attribution_spec": _spec,
        "destination_type": lambda _: "WEBSITE",
    },
    AD: {
        **{name: value for name, value in _COMMON.items() if name not in (*_BUDGETS, "start_time")},
        "campaign_id": _parent_id(CAMPAIGN),
        "adset_id": _parent_id(AD_SET),
        "campaign": _parent_node(CAMPAIGN),
        "adset": _parent_node(AD_SET),
        "creative": creative_source,
    },
}
