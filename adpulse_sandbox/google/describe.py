"""The resources that a customer has at an instant, and the values of their fields."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from adpulse_sandbox.google.world import AD, AD_GROUP, ASSET_GROUP, BUDGET, CAMPAIGN, Customer, GoogleWorld, Node

CHANGE_DELAY = timedelta(minutes=3)
"""How long it takes until a change appears in ``change_status`` and ``change_event``."""

_COLLECTIONS = {
    "ad_group": "adGroups", "ad_group_ad": "adGroupAds", "ad_group_criterion": "adGroupCriteria", "asset": "assets",
    "asset_group": "assetGroups", "asset_group_asset": "assetGroupAssets", "bidding_strategy": "biddingStrategies", "campaign": "campaigns",
    "campaign_budget": "campaignBudgets", "campaign_criterion": "campaignCriteria", "campaign_label": "campaignLabels",
    "conversion_action": "conversionActions", "keyword_view": "keywordViews", "label": "labels",
}  # fmt: skip
_WITH_PRIMARY_STATUS = (CAMPAIGN, AD_GROUP, AD, ASSET_GROUP)
_CHANGING = (CAMPAIGN, AD_GROUP, AD, ASSET_GROUP, BUDGET, "ad_group_criterion", "campaign_criterion")
_PLACES = ((2276, "DE", "Germany"), (2840, "US", "United States"), (2826, "GB", "United Kingdom"))
_LANGUAGES = ((1000, "en", "English"), (1001, "de", "German"))
_CURRENCIES = (("EUR", "Euro", "€"), ("GBP", "Pound sterling", "£"), ("USD", "US dollar", "$"))
_PRODUCTS = ((1, "Animals & Pet Supplies", None), (2, "Pet Supplies", 1), (166, "Apparel & Accessories", None))


def nodes(resource: str, customer: Customer, world: GoogleWorld, at: datetime) -> list[Node]:
    """The nodes that a query of a resource has rows for, at an instant."""
    special = _SPECIAL.get(resource)
    if special:
        return list(special(customer, world, at))
    return customer.existing("ad_group_criterion" if resource == "keyword_view" else resource, at)


def related(node: Node, resource: str, customer: Customer) -> Node | None:
    """The node itself, or the node of another resource that it belongs to; None if there is none."""
    if resource == "customer":
        return customer_node(customer)
    if node.kind == resource or (node.kind, resource) == ("ad_group_criterion", "keyword_view"):
        return node
    campaign = node.refs.get(CAMPAIGN)
    return node.refs.get(resource) or (campaign.refs.get(resource) if campaign else None)


def describe(node: Node, resource: str, customer: Customer, at: datetime) -> Mapping[str, Any]:
    """The fields that are set, by their names within the resource. Enum values are names, messages are dicts."""
    if node.kind in ("customer_client", "change_status", "change_event") or node.kind.endswith("_constant"):
        return node.facts
    if node.kind == "customer":
        return node.facts
    parents = {kind: resource_name(other, customer) for kind, other in node.refs.items()}
    fields = {"resource_name": resource_name(node, customer, resource), **parents, **node.facts}
    if node.kind == AD:
        return {
            **fields,
            "ad.id": node.id,
            "ad.resource_name": f"customers/{customer.id}/ads/{node.id}",
            **_state_fields(node, at, "ad.name"),
        }
    if node.kind == "ad_group_criterion":
        return {**fields, "criterion_id": node.id, "display_name": node.facts["keyword.text"]} if resource == node.kind else fields
    if node.kind == "campaign_criterion":
        return {**fields, "criterion_id": node.id}
    fields |= {"id": node.id, **_state_fields(node, at, "name")}
    if node.kind == BUDGET:
        fields["amount_micros"] = node.amount_at(at)
    if node.kind == CAMPAIGN:
        started = node.created_at.astimezone(customer.zone)
        fields |= {"labels": list(_labels(customer).get(node, ())), "start_date": started.date().isoformat()}
        fields |= {"start_date_time": f"{started:%Y-%m-%d} 00:00:00"}
    return fields


def customer_node(customer: Customer) -> Node:
    """The customer as a node."""
    spec = customer.spec
    facts = {
        "resource_name": f"customers/{customer.id}",
        "id": int(customer.id),
        "descriptive_name": spec.name,
        "currency_code": spec.currency,
        "time_zone": spec.timezone,
        "manager": spec.manager,
        "test_account": False,
        "auto_tagging_enabled": True,
        "status": spec.status,
        "conversion_tracking_setting.conversion_tracking_status": "CONVERSION_TRACKING_MANAGED_BY_SELF",
    }
    return Node(kind="customer", id=int(customer.id), name=spec.name, created_at=customer.beginning, facts=facts)


def resource_name(node: Node, customer: Customer, resource: str | None = None) -> str:
    """The resource name of a node. A keyword has two: as a criterion and as a view."""
    parts = [str(node.refs[kind].id) for kind in _parents(node.kind) if kind in node.refs]
    if node.kind not in ("campaign_label", "asset_group_asset"):
        parts.append(str(node.id))
    elif node.kind == "asset_group_asset":
        parts.append(str(node.facts["field_type"]))
    return f"customers/{customer.id}/{_COLLECTIONS[resource or node.kind]}/{'~'.join(parts)}"


def _parents(kind: str) -> tuple[str, ...]:
    return {
        AD: (AD_GROUP,), "ad_group_criterion": (AD_GROUP,), "campaign_criterion": (CAMPAIGN,), "campaign_label": (CAMPAIGN, "label"),
        "asset_group_asset": (ASSET_GROUP, "asset"),
    }.get(kind, ())  # fmt: skip


def _state_fields(node: Node, at: datetime, name: str) -> dict[str, Any]:
    fields: dict[str, Any] = {name: node.name_at(at)}
    if node.kind in _WITH_PRIMARY_STATUS:
        fields["status"] = node.status(at)
        parent_status = node.parent.status(at) if node.parent else "ENABLED"
        own = {"ENABLED": "ELIGIBLE"}.get(fields["status"], fields["status"])
        fields["primary_status"] = "NOT_ELIGIBLE" if (own, parent_status) in (("ELIGIBLE", "PAUSED"), ("ELIGIBLE", "REMOVED")) else own
    return fields


@lru_cache(maxsize=32)
def _labels(customer: Customer) -> Mapping[Node, list[str]]:
    labels: dict[Node, list[str]] = {}
    for link in customer.of("campaign_label"):
        labels.setdefault(link.refs[CAMPAIGN], []).append(resource_name(link.refs["label"], customer))
    return labels


def _clients(customer: Customer, world: GoogleWorld, at: datetime) -> Iterator[Node]:
    for client, level in world.clients(customer):
        spec = client.spec
        facts = {
            "resource_name": f"customers/{customer.id}/customerClients/{client.id}",
            "client_customer": f"customers/{client.id}",
            "id": int(client.id),
            "level": level,
            "manager": spec.manager,
            "hidden": False,
            "test_account": False,
            "descriptive_name": spec.name,
            "currency_code": spec.currency,
            "time_zone": spec.timezone,
            "status": spec.status,
        }
        yield Node(kind="customer_client", id=int(client.id), name=spec.name, created_at=at, facts=facts)


def _changes(customer: Customer, at: datetime) -> Iterator[tuple[Node, datetime, str]]:
    """The visible changes up to an instant: the node, the time, and ADDED, CHANGED or REMOVED.

    A budget has a resource type of its own. Whether its campaigns are reported as changed too is not documented, so they are not.
    """
    for kind in _CHANGING:
        for node in customer.of(kind):
            events = [(node.created_at, "ADDED"), *((c.at, "REMOVED" if c.status == "REMOVED" else "CHANGED") for c in node.changes)]
            yield from ((node, when, change) for when, change in events if when + CHANGE_DELAY <= at)


def _local_time(when: datetime, customer: Customer) -> str:
    return f"{when.astimezone(customer.zone):%Y-%m-%d %H:%M:%S.%f}"


def _change_status(customer: Customer, _: GoogleWorld, at: datetime) -> Iterator[Node]:
    """The latest change of every resource."""
    latest = {node: (when, change) for node, when, change in _changes(customer, at)}
    for node, (when, change) in latest.items():
        facts = {
            "resource_name": f"customers/{customer.id}/changeStatus/{int(when.timestamp() * 1_000_000)}-{node.id}",
            "last_change_date_time": _local_time(when, customer),
            "resource_type": node.kind.upper(),
            "resource_status": change,
            **{kind: resource_name(other, customer) for kind, other in {**node.refs, node.kind: node}.items()},
        }
        yield Node(kind="change_status", id=node.id, name="", created_at=when, facts=facts, refs={**node.refs, node.kind: node})


def _change_event(customer: Customer, _: GoogleWorld, at: datetime) -> Iterator[Node]:
    for node, when, change in _changes(customer, at):
        body, operation = _new_values(node, when, change)
        facts = {
            "resource_name": f"customers/{customer.id}/changeEvents/{int(when.timestamp() * 1_000_000)}~{node.id}~0",
            "change_date_time": _local_time(when, customer),
            "change_resource_type": node.kind.upper(),
            "change_resource_name": resource_name(node, customer),
            "client_type": "GOOGLE_ADS_WEB_CLIENT",
            "user_email": "buyer@agency.example",
            "resource_change_operation": operation,
            "changed_fields": {"paths": list(body) or ["status"]},
            "old_resource": {},
            "new_resource": {node.kind: {"resource_name": resource_name(node, customer), **body}},
            **{
                kind: resource_name(other, customer)
                for kind, other in {**node.refs, node.kind: node}.items()
                if kind in (CAMPAIGN, AD_GROUP)
            },
        }
        yield Node(kind="change_event", id=node.id, name="", created_at=when, facts=facts, refs={**node.refs, node.kind: node})


def _new_values(node: Node, when: datetime, change: str) -> tuple[dict[str, Any], str]:
    operation = {"ADDED": "CREATE", "CHANGED": "UPDATE", "REMOVED": "REMOVE"}[change]
    if node.kind == BUDGET:
        return {"amount_micros": node.amount_at(when)}, operation
    if node.kind in (CAMPAIGN, AD_GROUP, ASSET_GROUP) and node.name_at(when) != node.name:
        return {"name": node.name_at(when)}, operation
    return ({"status": node.status(when)} if node.kind in _WITH_PRIMARY_STATUS else {}), operation


def _constants(
    kind: str, collection: str, facts: Mapping[Any, Mapping[str, Any]]
) -> Callable[[Customer, GoogleWorld, datetime], Iterator[Node]]:
    def constant_nodes(_: Customer, __: GoogleWorld, at: datetime) -> Iterator[Node]:
        for key, fields in facts.items():
            yield Node(kind=kind, id=0, name="", created_at=at, facts={"resource_name": f"{collection}/{key}", **fields})

    return constant_nodes


_SPECIAL: Mapping[str, Callable[[Customer, GoogleWorld, datetime], Iterator[Node]]] = {
    "customer": lambda customer, _, __: iter([customer_node(customer)]),
    "customer_client": _clients,
    "change_status": _change_status,
    "change_event": _change_event,
    "geo_target_constant": _constants(
        "geo_target_constant",
        "geoTargetConstants",
        {
            key: {"id": key, "name": name, "country_code": code, "target_type": "Country", "status": "ENABLED"}
            for key, code, name in _PLACES
        },
    ),
    "language_constant": _constants(
        "language_constant",
        "languageConstants",
        {key: {"id": key, "code": code, "name": name, "targetable": True} for key, code, name in _LANGUAGES},
    ),
    "currency_constant": _constants(
        "currency_constant",
        "currencyConstants",
        {code: {"code": code, "name": name, "symbol": symbol, "billable_unit_micros": 10_000} for code, name, symbol in _CURRENCIES},
    ),
    "product_category_constant": _constants(
        "product_category_constant",
        "productCategoryConstants",
        {
            f"LEVEL{2 if parent else 1}~{key}": {
                "category_id": key,
                "level": f"LEVEL{2 if parent else 1}",
                "state": "ENABLED",
                "localizations": [{"region_code": "US", "language_code": "en", "value": name}],
                **({"product_category_constant_parent": f"productCategoryConstants/LEVEL1~{parent}"} if parent else {}),
            }
            for key, name, parent in _PRODUCTS
        },
    ),
}
