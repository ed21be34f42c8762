"""The schema of one API version, read from the compiled protos that the official SDK ships: resources, fields, types, enum values.

Which fields exist and of what type they are is never listed by hand here. What the protos do not say, and the platform
documents, is stated as rules: what is a date, what a reference to another resource, what can be sorted.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

DATES = ("segments.date", "segments.week", "segments.month", "segments.quarter", "segments.year")
"""The core date segments: the only ones that may be filtered without being selected, and always within a finite range."""

NUMBERS = ("INT32", "INT64", "UINT64", "FLOAT", "DOUBLE")
_TYPES = {1: "DOUBLE", 2: "FLOAT", 3: "INT64", 4: "UINT64", 5: "INT32", 8: "BOOLEAN", 9: "STRING", 11: "MESSAGE", 12: "BYTES", 14: "ENUM"}
_STRING, _MESSAGE = 9, 11
_LEAF_MESSAGES = ("ChangedResource", "CustomerUserAccess", "CustomerUserAccessInvitation", "FieldMask")
"""Messages that are told whole; their own fields cannot be asked for."""

_OF_LEAF_MESSAGES = ("Recommendation",)
"""Resources whose own messages are all told whole."""

_DOCUMENTED: Mapping[str, tuple[str, ...]] = {
    "change_status": (
        "ad_group", "asset", "asset_group", "asset_set", "campaign", "campaign_budget", "combined_audience", "customer", "shared_set",
    ),
    "keyword_view": ("ad_group", "ad_group_criterion", "bidding_strategy", "campaign", "campaign_budget", "customer"),
}  # fmt: skip
"""Resources whose attributed resources do not follow from the references they hold."""

_CONSTANTS = ("_constant", "user_interest", "life_event", "detailed_demographic", "domain_category")
"""Ends of the names of resources that belong to no customer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """One field that queries can name: one object for all who do.

    ``category`` is ATTRIBUTE, SEGMENT or METRIC; ``path`` its names in the protos.
    """

    name: str
    category: str
    resource: str
    data_type: str
    repeated: bool
    path: tuple[str, ...]
    enum: Mapping[str, int]
    type_url: str

    @property
    def sortable(self) -> bool:
        """Whether ORDER BY may name it."""
        return not self.repeated and self.data_type not in ("MESSAGE", "RESOURCE_NAME")

    @property
    def filterable(self) -> bool:
        """Whether WHERE may name it."""
        return self.data_type != "MESSAGE" or self.repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What one version knows. ``attributed`` says which resources' fields may be asked for beside those of a resource."""

    version: str
    fields: Mapping[str, Field]
    resources: tuple[str, ...]
    attributed: Mapping[str, tuple[str, ...]]

    def of(self, resource: str) -> list[Field]:
        """The fields of a resource, of ``segments`` or of ``metrics``."""
        return [field for field in self.fields.values() if field.resource == resource]


def versions() -> tuple[str, ...]:
    """The versions the installed SDK speaks, oldest first."""
    package = importlib.import_module("google.ads.googleads")
    return tuple(sorted(module.name for module in iter_modules(package.__path__) if module.name[0] == "v" and module.name[1:].isdigit()))


def module(version: str, name: str) -> ModuleType:
    """A module of one version's protos, as ``services.types.google_ads_service``."""
    return importlib.import_module(f"google.ads.googleads.{version}.{name}")


def message_class(version: str, name: str, message: str) -> Any:  # noqa: ANN401 - compiled at import time, no types
    """The bare protobuf class of a message: several times faster than the SDK's wrapper around it."""
    wrapper = getattr(module(version, name), message)
    return type(wrapper.pb(wrapper()))


@lru_cache(maxsize=8)
def schema(version: str) -> Schema:
    """Read a version's schema."""
    row = message_class(version, "services.types.google_ads_service", "GoogleAdsRow").DESCRIPTOR
    resources = tuple(field.name for field in row.fields if field.name not in ("metrics", "segments"))
    found = {field.name: field for top in row.fields for field in _fields(top, frozenset(resources))}
    direct = {resource: _references(found, resource, resources) for resource in resources}
    attributed = {resource: _attributed(direct, resource, resources) for resource in resources}
    return Schema(version=version, fields=found, resources=resources, attributed=attributed)


def read_message(message: Any) -> dict[str, Field]:  # noqa: ANN401 - a protobuf descriptor
    """The fields of a message that stands alone, by name."""
    return {field.name: field for path, leaf in _leaves(message, ()) for field in [_field(path, leaf, "", "ATTRIBUTE", frozenset())]}


def _fields(top: Any, resources: frozenset[str]) -> Iterator[Field]:  # noqa: ANN401 - a protobuf descriptor
    category = {"metrics": "METRIC", "segments": "SEGMENT"}.get(top.name, "ATTRIBUTE")
    for path, leaf in _leaves(top.message_type, (top.name,)):
        yield _field(path, leaf, top.name, category, resources)


def _field(path: tuple[str, ...], leaf: Any, resource: str, category: str, resources: frozenset[str]) -> Field:  # noqa: ANN401 - a descriptor
    name = ".".join(part.rstrip("_") for part in path)
    spelled = leaf.enum_type or leaf.message_type
    return Field(
        name=name,
        category=category,
        resource=resource,
        data_type=_data_type(name, leaf, resources),
        repeated=leaf.is_repeated,
        path=path,
        enum={value.name: value.number for value in leaf.enum_type.values} if leaf.enum_type else {},
        type_url=spelled.full_name if spelled else "",
    )


def _leaves(message: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - a protobuf descriptor
    """Every field below a message; messages are walked into unless they are repeated, empty, or told whole."""
    for field in message.fields:
        inner = field.message_type
        if inner and inner.fields and not field.is_repeated and not _told_whole(inner):
            yield from _leaves(inner, (*path, field.name))
        else:
            yield (*path, field.name), field


def _told_whole(inner: Any) -> bool:  # noqa: ANN401 - a protobuf descriptor
    above = inner.containing_type
    return inner.name in _LEAF_MESSAGES or bool(above and above.name in _OF_LEAF_MESSAGES)


def _data_type(name: str, leaf: Any, resources: frozenset[str]) -> str:  # noqa: ANN401 - a protobuf descriptor
    if leaf.type != _STRING:
        return _TYPES[leaf.type]
    last = name.rpartition(".")[2]
    if name in DATES or last.endswith(("_date", "_date_time")):
        return "DATE"
    if last in ("resource_name", "labels") or last in resources or name.endswith("_constant"):
        return "RESOURCE_NAME"
    return "STRING"


def _references(found: Mapping[str, Field], resource: str, resources: tuple[str, ...]) -> tuple[str, ...]:
    """Resources that a resource names in a single field of its own, which is how the protos tell what it belongs to."""
    named = ((other, found.get(f"{resource}.{other}")) for other in resources if other != resource)
    return tuple(other for other, field in named if field and field.data_type == "RESOURCE_NAME" and not field.repeated)


def _attributed(direct: Mapping[str, tuple[str, ...]], resource: str, resources: tuple[str, ...]) -> tuple[str, ...]:
    """What is in an ad group belongs to its campaign, and the ad group's family to what the campaign refers to as well."""
    reached = {*_DOCUMENTED.get(resource, direct[resource])}
    if "ad_group" in reached and resource not in _DOCUMENTED:
        reached.add("campaign")
    if resource.startswith("ad_group") and "campaign" in reached:
        reached |= {*direct["campaign"]}
    if resource != "customer" and not resource.endswith(_CONSTANTS):
        reached.add("customer")
    return tuple(other for other in resources if other in reached and other != resource)
