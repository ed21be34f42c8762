"""Accounts, campaigns, ad sets and ads as nodes of the Graph API: their fields, the formats, and the filters of edges."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adpulse_sandbox.meta.errors import bad_param, unknown_field
from adpulse_sandbox.meta.specs import GOALS
from adpulse_sandbox.meta.statuses import DELETED, check_edge
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity

NODES = {"account": "AdAccount", CAMPAIGN: "Campaign", AD_SET: "AdSet", AD: "Ad", "creative": "AdCreative"}
HIDDEN_STATUSES = ("ARCHIVED", DELETED)
"""The statuses of objects that are not listed by default."""

Fields = dict[str, "Fields | None"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An entity of an account at an instant, from which its fields are computed."""

    account: Account
    entity: Entity
    at: datetime


def parse_fields(text: str) -> Fields:
    """Parse ``id,name,creative{id,link_url}`` into a tree.

    Raises:
        GraphError: braces that do not match.
    """
    root: Fields = {}
    stack, name = [root], ""
    for letter in f"{text},":
        if letter in ",{}":
            if name.strip():
                stack[-1][name.strip()] = None
            if letter == "{":
                inner: Fields = {}
                stack[-1][name.strip()] = inner
                stack.append(inner)
            elif letter == "}":
                stack.pop()
                if not stack:
                    raise bad_param("Syntax error in the fields parameter: unexpected }")
            name = ""
        else:
            name += letter
    if len(stack) != 1:
        raise bad_param("Syntax error in the fields parameter: missing }")
    return root


def timestamp(account: Account, at: datetime) -> str:
    """``2026-03-17T08:04:31-0700``, in the account's offset."""
    return at.astimezone(account.zone).strftime("%Y-%m-%dT%H:%M:%S%z")


def account_node(account: Account, fields: Fields) -> dict[str, Any]:
    """An ad account with the requested fields, and always its id.

    Raises:
        GraphError: an ad account does not have a field.
    """
    values = {
        "id": f"act_{account.id}",
        "account_id": account.id,
        "name": account.spec.name,
        "currency": account.spec.currency,
        "timezone_name": account.spec.timezone,
        "account_status": account.spec.status,
        "disable_reason": 0 if account.spec.status == 1 else 1,
        "amount_spent": "39125",
        "spend_cap": "0",
        "balance": "0",
        "created_time": timestamp(account, account.campaigns[0].created_at),
        "business_name": account.spec.name,
    }
    for name in fields:
        if name not in values:
            raise unknown_field(name, NODES["account"])
    return {name: values[name] for name in ["id", *(name for name in fields if name != "id")]}


def entity_node(snapshot: Snapshot, fields: Fields) -> dict[str, Any]:
    """An entity with the requested fields; fields without a value are absent.

    Raises:
        GraphError: the node does not have a field.
    """
    fields_of_level = _FIELDS[snapshot.entity.level]
    node: dict[str, Any] = {}
    for name, inner in {**fields, "id": None}.items():
        if name not in fields_of_level:
            raise unknown_field(name, NODES[snapshot.entity.level])
        value = fields_of_level[name](snapshot)
        if isinstance(value, Snapshot):
            value = entity_node(value, inner or {})
        elif name == "creative":
            value = _creative(snapshot, inner or {})
        if value is not None:
            node[name] = value
    return node


def check_fields(level: str, fields: Fields) -> None:
    """Refuse fields that the node does not have, also when the answer has no rows.

    Raises:
        GraphError: the node does not have a field.
    """
    for name in fields:
        if name not in _FIELDS[level]:
            raise unknown_field(name, NODES[level])


def _creative(snapshot: Snapshot, fields: Fields) -> dict[str, Any]:
    index = snapshot.entity.index
    link = f"https://shop.example/{snapshot.account.spec.number}/landing/{index % 9}"
    values: dict[str, Any] = {
        "id": str(int(snapshot.entity.id) + 5),
        "name": f"Creative {index:04d}",
        "title": f"Title {index % 12}",
        "body": f"Body {index % 17}",
        "link_url": link if index % 3 == 0 else None,
        "object_story_spec": {"page_id": "1000", "link_data": {"link": link, "message": "See more"}} if index % 3 else None,
        "asset_feed_spec": None,
        "url_tags": f"utm_source=meta&utm_campaign={snapshot.entity.index % 40}" if index % 2 else None,
        "thumbnail_url": None,
        "effective_object_story_id": f"1000_{index}",
    }
    for name in fields:
        if name not in values:
            raise unknown_field(name, NODES["creative"])
    return {name: values[name] for name in {"id": None, **fields} if values[name] is not None}


def _parent(level: str) -> Callable[[Snapshot], Any]:
    def find(snapshot: Snapshot) -> Entity | None:
        entity = snapshot.entity.parent
        while entity and entity.level != level:
            entity = entity.parent
        return entity

    return find


def _parent_id(level: str) -> Callable[[Snapshot], Any]:
    return lambda snapshot: getattr(_parent(level)(snapshot), "id", None)


def _parent_node(level: str) -> Callable[[Snapshot], Any]:
    return lambda snapshot: Snapshot(snapshot.account, _parent(level)(snapshot), snapshot.at)


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
    "adlabels": lambda snapshot: [{"id": "77", "name": f"label {snapshot.entity.index % 3}"}] if snapshot.entity.index % 4 == 1 else None,
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
        "spend_cap": lambda _: None,
        "stop_time": lambda _: None,
    },
    AD_SET: {
        **_COMMON,
        "campaign_id": _parent_id(CAMPAIGN),
        "campaign": _parent_node(CAMPAIGN),
        "optimization_goal": lambda snapshot: GOALS[snapshot.entity.objective],
        "billing_event": lambda _: "IMPRESSIONS",
        "attribution_spec": _spec,
        "end_time": lambda _: None,
        "bid_amount": lambda _: None,
        "destination_type": lambda _: "WEBSITE",
    },
    AD: {
        **{name: value for name, value in _COMMON.items() if name not in (*_BUDGETS, "start_time")},
        "campaign_id": _parent_id(CAMPAIGN),
        "adset_id": _parent_id(AD_SET),
        "campaign": _parent_node(CAMPAIGN),
        "adset": _parent_node(AD_SET),
        "creative": lambda _: None,
        "bid_type": lambda _: None,
        "last_updated_by_app_id": lambda _: None,
        "source_ad_id": lambda _: None,
    },
}


@dataclass(frozen=True, slots=True)
class Condition:
    """An element of ``filtering``."""

    field: str
    operator: str
    value: Any

    @property
    def values(self) -> list[Any]:
        """The values to compare with, as a list also for a single value."""
        return self.value if isinstance(self.value, list) else [self.value]

    def holds(self, value: Any) -> bool:
        """Whether a value satisfies the condition.

        Raises:
            GraphError: GREATER_THAN or LESS_THAN with something that is no number.
        """
        if self.operator in ("IN", "NOT_IN"):
            return (str(value) in [str(allowed) for allowed in self.value]) == (self.operator == "IN")
        if self.operator == "CONTAIN":
            return str(self.value).lower() in str(value).lower()
        if self.operator == "EQUAL":
            return str(value) == str(self.value)
        try:
            number, bound = float(value), float(self.value)
        except (TypeError, ValueError):
            raise bad_param(f"param filtering[0][value] must be a number to compare {self.field} with") from None
        return number > bound if self.operator == "GREATER_THAN" else number < bound


OPERATORS = ("IN", "NOT_IN", "EQUAL", "CONTAIN", "GREATER_THAN", "LESS_THAN")


def parse_filtering(text: str | None, allowed: tuple[str, ...]) -> list[Condition]:
    """Parse the ``filtering`` parameter.

    Raises:
        GraphError: it is no JSON list of field, operator and value, or names a field or operator that is not supported.
    """
    conditions = []
    for element in parse_json("filtering", text, list) or []:
        if not isinstance(element, dict) or not {"field", "operator", "value"} <= set(element):
            raise bad_param("param filtering must be an array of objects with field, operator and value")
        if element["field"] not in allowed:
            raise bad_param(f"Filtering field {element['field']} with operation {str(element['operator']).lower()} is not supported")
        if element["operator"] not in OPERATORS:
            raise bad_param(f"param filtering[0][operator] must be one of the following values: {', '.join(OPERATORS)}")
        if element["operator"] in ("IN", "NOT_IN") and not isinstance(element["value"], list):
            raise bad_param("param filtering[0][value] must be an array")
        conditions.append(Condition(element["field"], element["operator"], element["value"]))
    return conditions


def parse_json(name: str, text: str | None, kind: type) -> Any:
    """Parse a JSON parameter; None when the request does not have it.

    Raises:
        GraphError: it is no valid JSON, or of another type.
    """
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError:
        raise bad_param(f"param {name} must be valid JSON") from None
    if not isinstance(value, kind):
        raise bad_param(f"param {name} must be {'an array' if kind is list else 'an object'}")
    return value


ENTITY_FILTERS = ("updated_time", "created_time", "effective_status", "id", "name", "campaign.id", "adset.id", "ad.id")


def list_entities(
    account: Account, level: str, at: datetime, parent: Entity | None, statuses: list[str] | None, conditions: list[Condition]
) -> list[Entity]:
    """The entities of an edge. Archived entities are listed only when their status is requested, deleted ones never.

    Raises:
        GraphError: the edge does not accept a status, as parameter or as filter.
    """
    by_status = [condition for condition in conditions if condition.field == "effective_status"]
    check_edge(level, [*(statuses or []), *(status for condition in by_status for status in condition.values)])
    requested = statuses or [status for condition in by_status if condition.operator in ("IN", "EQUAL") for status in condition.values]
    entities = []
    for entity in account.entities(level, at):
        snapshot = Snapshot(account, entity, at)
        status = entity.effective_status(at)
        if status == DELETED or (status not in requested if requested else status in HIDDEN_STATUSES):
            continue
        if parent and parent.id not in _ids_of_line(entity):
            continue
        if all(condition.holds(_filter_value(snapshot, condition.field)) for condition in conditions):
            entities.append(entity)
    return entities


def _ids_of_line(entity: Entity) -> set[str]:
    return {entity.id} | (_ids_of_line(entity.parent) if entity.parent else set())


def _filter_value(snapshot: Snapshot, field: str) -> Any:
    entity = snapshot.entity
    if field == "updated_time":
        return int(entity.updated_at(snapshot.at).timestamp())
    if field == "created_time":
        return int(entity.created_at.astimezone(UTC).timestamp())
    if field.endswith(".id"):
        level = field.removesuffix(".id")
        return entity.id if level == entity.level else getattr(_parent(level)(snapshot), "id", "")
    return {"effective_status": entity.effective_status, "name": entity.name}.get(field, lambda _: entity.id)(snapshot.at)
