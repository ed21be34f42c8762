"""Edges of accounts, campaigns, ad sets and ads: which objects they list, and the parameters that each accepts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adpulse_sandbox.meta.activities import ACTIVITY_PARAMETERS, activity_sources
from adpulse_sandbox.meta.businesses import AGENCY, assigned_user_source
from adpulse_sandbox.meta.conditions import Condition, parse_filtering
from adpulse_sandbox.meta.entities import DELIVERY, KINDS, Snapshot, creative_source, entity_source, label_sources, parent_of, property_of
from adpulse_sandbox.meta.errors import bad_param, unknown_field, unsupported
from adpulse_sandbox.meta.names import Names
from adpulse_sandbox.meta.nodes import Source, constants
from adpulse_sandbox.meta.parameters import OF_PAGES, check_parameters, parse_flag, parse_json, without_effect
from adpulse_sandbox.meta.statuses import DELETED, HIDDEN_STATUSES, check_edge
from adpulse_sandbox.meta.world import AD, AD_SET, CAMPAIGN, Account, Entity

LEVEL_OF_EDGE = {"campaigns": CAMPAIGN, "adsets": AD_SET, "ads": AD}
_ABOVE = {CAMPAIGN: (CAMPAIGN,), AD_SET: (CAMPAIGN, AD_SET), AD: (CAMPAIGN, AD_SET, AD)}
_PROPERTIES = ("id", "name", "effective_status", DELIVERY, "created_time", "updated_time")
_OF_CAMPAIGN = ("objective", "buying_type")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A request of an edge."""

    account: Account
    parent: Entity | None
    params: Mapping[str, str]
    at: datetime

    @property
    def is_inferred(self) -> bool:
        """Whether no source shows its answer: what the words of ``delivery_info`` mean, and which objects are completed."""
        return DELIVERY in self.params.get("filtering", "") or parse_flag("is_completed", self.params.get("is_completed"))

    @property
    def kind(self) -> str:
        """The type of the node that has the edge."""
        return KINDS[self.parent.level] if self.parent else "AdAccount"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What an edge lists: the type of its nodes, their default fields, the accepted parameters, and the nodes of a request."""

    kind: str
    sources: Callable[[Listing], Sequence[Source]]
    accepted: frozenset[str] = frozenset()
    default: str = "id"


def edge_of(listing: Listing, name: str, names: Names) -> Edge:
    """The edge of this name, whose parameters are checked.

    Raises:
        GraphError: the node has no such edge, or it or a parameter is not served.
    """
    if name not in names.nodes[listing.kind].edges:
        error = unknown_field(name, listing.kind)
        raise error if names.exact else error.inferred()
    if name not in EDGES:
        raise unsupported(f"the edge {name} of {listing.kind}")
    edge = EDGES[name]
    known = names.nodes[listing.kind].edges[name] or {}
    # What a table has for another node's edge of this name is accepted here too: the SDK's tables differ by accident.
    accepted = {*OF_PAGES, "summary", *edge.accepted, *without_effect("edges", known)}
    check_parameters(listing.params, accepted, f"the edge {name}")
    for flag in (parameter for parameter, kind in known.items() if kind.kind == "bool"):
        parse_flag(flag, listing.params.get(flag))
    return edge


def list_entities(listing: Listing, level: str) -> list[Entity]:
    """The entities of an edge. Archived entities are listed only when their status is requested, deleted ones never.

    Raises:
        GraphError: the edge does not accept a status, as parameter or as filter.
    """
    params = listing.params
    conditions = parse_filtering(params.get("filtering"), _filters(level), _other_filters())
    requested = _requested_statuses(level, params, conditions)
    by_delivery = any(condition.field in (DELIVERY, f"{level}.{DELIVERY}") for condition in conditions)
    since = _updated_since(params)
    # No campaign and no ad set of this world has an end, so none is completed.
    if parse_flag("is_completed", params.get("is_completed")):
        return []
    entities = []
    for entity in listing.account.entities(level, listing.at):
        status = entity.effective_status(listing.at)
        hidden = status in HIDDEN_STATUSES and not by_delivery
        if status == DELETED or (status not in requested if requested else hidden):
            continue
        if listing.parent and listing.parent.id not in _ids_of_line(entity):
            continue
        snapshot = Snapshot(listing.account, entity, listing.at)
        if entity.updated_at(listing.at).timestamp() >= since and all(_holds(condition, snapshot) for condition in conditions):
            entities.append(entity)
    return entities


def _requested_statuses(level: str, params: Mapping[str, str], conditions: Sequence[Condition]) -> list[str]:
    """The statuses of the listed objects that a request names; the statuses of their parents are checked only."""
    statuses = parse_json("effective_status", params.get("effective_status") or None, list) or []
    for condition in conditions:
        above, _, name = condition.field.rpartition(".")
        if name == "effective_status":
            check_edge(above or level, condition.values)
            if above in ("", level) and condition.operator in ("IN", "EQUAL") and "effective_status" not in params:
                statuses += condition.values
    check_edge(level, statuses)
    return statuses


def _updated_since(params: Mapping[str, str]) -> int:
    text = params.get("updated_since", "0")
    if not text.isdigit():
        raise bad_param("param updated_since must be an integer")
    return int(text)


def _filters(level: str) -> set[str]:
    """The fields of a filter: of the listed objects with or without their level's name, of their parents with it."""
    prefixed = {f"{above}.{name}" for above in _ABOVE[level] for name in _PROPERTIES}
    of_campaign = {f"{CAMPAIGN}.{name}" for name in _OF_CAMPAIGN}
    return {*_PROPERTIES, *prefixed, *of_campaign, *(_OF_CAMPAIGN if level == CAMPAIGN else ())}


def _other_filters() -> set[str]:
    names = (*_PROPERTIES, *_OF_CAMPAIGN, "labels", "start_time", "end_time", "daily_budget", "lifetime_budget", "impressions", "spent")
    return {f"{prefix}{name}" for prefix in ("", "ad.", "adset.", "campaign.", "adgroup.") for name in names}


def _ids_of_line(entity: Entity) -> set[str]:
    return {entity.id} | (_ids_of_line(entity.parent) if entity.parent else set())


def _holds(condition: Condition, snapshot: Snapshot) -> bool:
    level, _, name = condition.field.rpartition(".")
    entity = snapshot.entity if level in ("", snapshot.entity.level) else parent_of(level, snapshot.entity)
    if entity is None:
        return False
    return condition.holds(property_of(entity, name, snapshot.at))


def _entities(level: str) -> Callable[[Listing], list[Source]]:
    return lambda listing: [entity_source(Snapshot(listing.account, entity, listing.at)) for entity in list_entities(listing, level)]


def _creatives(listing: Listing) -> list[Source]:
    """The creatives of all ads that are not deleted."""
    ads = (ad for ad in listing.account.entities(AD, listing.at) if ad.effective_status(listing.at) != DELETED)
    inside = (ad for ad in ads if listing.parent is None or listing.parent.id in _ids_of_line(ad))
    return [creative_source(Snapshot(listing.account, ad, listing.at)) for ad in inside]


def _custom_conversions(listing: Listing) -> list[Source]:
    """The custom conversions that the account's rows count."""
    prefix = "offsite_conversion.custom."
    ids = [kind.removeprefix(prefix) for kind, _ in listing.account.spec.lives_from if kind.startswith(prefix)]
    return [
        constants(
            "CustomConversion",
            id=identifier,
            account_id=listing.account.id,
            name=f"Custom conversion {identifier[-2:]}",
            custom_event_type="OTHER",
            creation_time=f"{listing.account.campaigns[0].created_at:%Y-%m-%dT%H:%M:%S%z}",
            is_archived=False,
            is_unavailable=False,
        )
        for identifier in ids
    ]


def _assigned_users(listing: Listing) -> list[Source]:
    """The person of the agency; another business has nobody here."""
    return [assigned_user_source()] if listing.params.get("business", AGENCY.id) == AGENCY.id else []


def _none(_: Listing) -> list[Source]:
    """An edge of which this world has no objects."""
    return []


_OF_ENTITIES = frozenset({"effective_status", "filtering", "is_completed", "updated_since"})
EDGES: Mapping[str, Edge] = {
    **{edge: Edge(kind=KINDS[level], sources=_entities(level), accepted=_OF_ENTITIES) for edge, level in LEVEL_OF_EDGE.items()},
    "activities": Edge(
        kind="AdActivity",
        sources=lambda listing: activity_sources(listing.account, listing.parent, listing.params, listing.at),
        accepted=ACTIVITY_PARAMETERS,
        default="event_time,event_type,object_id,object_type",
    ),
    "adcreatives": Edge(kind="AdCreative", sources=_creatives),
    "adlabels": Edge(kind="AdLabel", sources=lambda listing: label_sources(listing.account)),
    "assigned_users": Edge(kind="AssignedUser", sources=_assigned_users, accepted=frozenset({"business"}), default="id,name,tasks"),
    "customconversions": Edge(kind="CustomConversion", sources=_custom_conversions),
    "adimages": Edge(kind="AdImage", sources=_none),
    "advideos": Edge(kind="AdVideo", sources=_none),
    "customaudiences": Edge(kind="CustomAudience", sources=_none),
    "leads": Edge(kind="Lead", sources=_none),
}
"""The served edges by name. Accounts of this world have no images, videos, audiences of their own and no leads that can be read."""
