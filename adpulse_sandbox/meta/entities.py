"""Accounts, campaigns, ad sets and ads as the Graph API shows them: which fields a node has and how they look."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from adpulse_sandbox.meta.errors import bad_param, unknown_field
from adpulse_sandbox.meta.statuses import DELETED, check_edge
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, GOALS, Account, Entity

NODES = {"account": "AdAccount", CAMPAIGN: "Campaign", AD_SET: "AdSet", AD: "Ad", "creative": "AdCreative"}
HIDDEN = ("ARCHIVED", DELETED)

Fields = dict[str, "Fields | None"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An entity of an account at an instant: what fields are computed from."""

    account: Account
    entity: Entity
    at: datetime


def parse_fields(text: str) -> Fields:
    """``id,name,creative{id,link_url}`` as a tree.

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
    """An ad account with the fields asked for; the id always comes along."""
    shown = {
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
        if name not in shown:
            raise unknown_field(name, NODES["account"])
    return {name: shown[name] for name in ["id", *(name for name in fields if name != "id")]}


def entity_node(shown: Shown, fields: Fields) -> dict[str, Any]:
    """An entity with the fields asked for; those without a value are absent."""
    known = _FIELDS[shown.entity.level]
    node: dict[str, Any] = {}
    for name, inner in {**fields, "id": None}.items():
        if name not in known:
            raise unknown_field(name, NODES[shown.entity.level])
        value = known[name](shown)
        if isinstance(value, Shown):
            value = entity_node(value, inner or {})
        elif name == "creative":
            value = _creative(shown, inner or {})
        if value is not None:
            node[name] = value
    return node


def check_fields(level: str, fields: Fields) -> None:
    """Refuse fields the node does not have, even where there is no row to show."""
    for name in fields:
        if name not in _FIELDS[level]:
            raise unknown_field(name, NODES[level])


def _creative(shown: Shown, fields: Fields) -> dict[str, Any]:
    index = shown.entity.index
    link = f"https://shop.example/{shown.account.spec.number}/landing/{index % 9}"
    known: dict[str, Any] = {
        "id": str(int(shown.entity.id) + 5),
        "name": f"Creative {index:04d}",
        "title": f"Title {index % 12}",
        "body": f"Body {index % 17}",
        "link_url": link if index % 3 == 0 else None,
        "object_story_spec": {"page_id": "1000", "link_data": {"link": link, "message": "See more"}} if index % 3 else None,
        "asset_feed_spec": None,
        "url_tags": f"utm_source=meta&utm_campaign={shown.entity.index % 40}" if index % 2 else None,
        "thumbnail_url": None,
        "effective_object_story_id": f"1000_{index}",
    }
    for name in fields:
        if name not in known:
            raise unknown_field(name, NODES["creative"])
    return {name: known[name] for name in {"id": None, **fields} if known[name] is not None}


def _parent(level: str) -> Callable[[Shown], Any]:
    def find(shown: Shown) -> Entity | None:
        entity = shown.entity.parent
        while entity and entity.level != level:
            entity = entity.parent
        return entity

    return find


def _parent_id(level: str) -> Callable[[Shown], Any]:
    return lambda shown: getattr(_parent(level)(shown), "id", None)


def _parent_node(level: str) -> Callable[[Shown], Any]:
    return lambda shown: Shown(shown.account, _parent(level)(shown), shown.at)


def _spec(shown: Shown) -> list[dict[str, Any]]:
    return [{"event_type": kind, "window_days": days} for days, kind in shown.entity.setting]


_COMMON: dict[str, Callable[[Shown], Any]] = {
    "id": lambda shown: shown.entity.id,
    "account_id": lambda shown: shown.account.id,
    "name": lambda shown: shown.entity.name(shown.at),
    "status": lambda shown: shown.entity.own_status(shown.at),
    "configured_status": lambda shown: shown.entity.own_status(shown.at),
    "effective_status": lambda shown: shown.entity.effective_status(shown.at),
    "created_time": lambda shown: timestamp(shown.account, shown.entity.created_at),
    "updated_time": lambda shown: timestamp(shown.account, shown.entity.updated_at(shown.at)),
    "start_time": lambda shown: timestamp(shown.account, shown.entity.created_at),
    "adlabels": lambda shown: [{"id": "77", "name": f"label {shown.entity.index % 3}"}] if shown.entity.index % 4 == 1 else None,
    "daily_budget": lambda shown: str(shown.entity.budget) if shown.entity.budget and shown.entity.index % 2 else None,
    "lifetime_budget": lambda shown: str(shown.entity.budget) if shown.entity.budget and not shown.entity.index % 2 else None,
    "bid_strategy": lambda _: "LOWEST_COST_WITHOUT_CAP",
}
_BUDGETS = ("daily_budget", "lifetime_budget", "bid_strategy")
_FIELDS: Mapping[str, dict[str, Callable[[Shown], Any]]] = {
    CAMPAIGN: {
        **_COMMON,
        "objective": lambda shown: shown.entity.objective,
        "buying_type": lambda _: "AUCTION",
        "special_ad_categories": lambda _: [],
        "spend_cap": lambda _: None,
        "stop_time": lambda _: None,
    },
    AD_SET: {
        **_COMMON,
        "campaign_id": _parent_id(CAMPAIGN),
        "campaign": _parent_node(CAMPAIGN),
        "optimization_goal": lambda shown: GOALS[shown.entity.objective],
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
    """One element of ``filtering``."""

    field: str
    operator: str
    value: Any

    @property
    def values(self) -> list[Any]:
        """What it compares with, one or several."""
        return self.value if isinstance(self.value, list) else [self.value]

    def holds(self, value: Any) -> bool:
        """Whether a value satisfies it.

        Raises:
            GraphError: more or less than something that is no number.
        """
        if self.operator in ("IN", "NOT_IN"):
            return (str(value) in [str(each) for each in self.value]) == (self.operator == "IN")
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
    """The ``filtering`` parameter.

    Raises:
        GraphError: not a JSON list of field, operator, value; or a field or operator that cannot be filtered by.
    """
    made = []
    for each in parse_json("filtering", text, list) or []:
        if not isinstance(each, dict) or not {"field", "operator", "value"} <= set(each):
            raise bad_param("param filtering must be an array of objects with field, operator and value")
        if each["field"] not in allowed:
            raise bad_param(f"Filtering field {each['field']} with operation {str(each['operator']).lower()} is not supported")
        if each["operator"] not in OPERATORS:
            raise bad_param(f"param filtering[0][operator] must be one of the following values: {', '.join(OPERATORS)}")
        if each["operator"] in ("IN", "NOT_IN") and not isinstance(each["value"], list):
            raise bad_param("param filtering[0][value] must be an array")
        made.append(Condition(each["field"], each["operator"], each["value"]))
    return made


def parse_json(name: str, text: str | None, kind: type) -> Any:
    """A parameter that is JSON of a kind; None when it is not given."""
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


def listed(
    account: Account, level: str, at: datetime, parent: Entity | None, statuses: list[str] | None, conditions: list[Condition]
) -> list[Entity]:
    """The entities of an edge, archived ones only when asked for, deleted ones never.

    Raises:
        GraphError: statuses that the edge does not take, as parameter or as filter.
    """
    by_status = [condition for condition in conditions if condition.field == "effective_status"]
    check_edge(level, [*(statuses or []), *(status for condition in by_status for status in condition.values)])
    asked = statuses or [status for condition in by_status if condition.operator in ("IN", "EQUAL") for status in condition.values]
    found = []
    for entity in account.entities(level, at):
        shown = Shown(account, entity, at)
        status = entity.effective_status(at)
        if status == DELETED or (status not in asked if asked else status in HIDDEN):
            continue
        if parent and parent.id not in _line(entity):
            continue
        if all(condition.holds(_filter_value(shown, condition.field)) for condition in conditions):
            found.append(entity)
    return found


def _line(entity: Entity) -> set[str]:
    return {entity.id} | (_line(entity.parent) if entity.parent else set())


def _filter_value(shown: Shown, field: str) -> Any:
    entity = shown.entity
    if field == "updated_time":
        return int(entity.updated_at(shown.at).timestamp())
    if field == "created_time":
        return int(entity.created_at.astimezone(UTC).timestamp())
    if field.endswith(".id"):
        level = field.removesuffix(".id")
        return entity.id if level == entity.level else getattr(_parent(level)(shown), "id", "")
    return {"effective_status": entity.effective_status, "name": entity.name}.get(field, lambda _: entity.id)(shown.at)
