"""The schema of one API version, read from the compiled protos that the official SDK ships: resources, fields, types, enum values.

Fields and their types are never listed by hand. Properties that the platform documents, but the protos do not contain, are rules:
which fields are dates, which refer to another resource, and which can be sorted.
"""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

DATES = ("segments.date", "segments.week", "segments.month", "segments.quarter", "segments.year")
"""The core date segments. Only they can be filtered without being selected, and the filters must leave a finite range."""

NUMBERS = ("INT32", "INT64", "UINT64", "FLOAT", "DOUBLE")
_TYPES = {1: "DOUBLE", 2: "FLOAT", 3: "INT64", 4: "UINT64", 5: "INT32", 8: "BOOLEAN", 9: "STRING", 11: "MESSAGE", 12: "BYTES", 14: "ENUM"}
_STRING, _MESSAGE = 9, 11
_ATOMIC_MESSAGES = (
    "AdMediaBundleAsset", "AdTextAsset", "AudienceExclusionDimension", "ChangedResource", "ContactDetails", "CustomerUserAccess",
    "CustomerUserAccessInvitation", "FieldMask", "LegacyAppInstallAdInfo",
)  # fmt: skip
"""Messages that are returned as a whole; queries cannot select their fields.

Those of ads and audiences are selected as a whole by airbyte-source-google-ads 6.1.7, as in ``ad_group_ad.ad.app_ad.mandatory_ad_text``;
``local_services_lead.contact_details`` by dlt's source (ingestr 0.14.155), and users report its fields as unrecognized.
"""

_RESOURCES_WITH_ATOMIC_MESSAGES = ("Recommendation",)
"""Resources whose nested messages are all returned as a whole."""

_DOCUMENTED_ATTRIBUTED: Mapping[str, tuple[str, ...]] = {
    "ad_group_ad_label": ("ad_group", "ad_group_ad", "campaign", "customer", "label"),
    "ad_group_criterion_label": ("ad_group", "ad_group_criterion", "campaign", "customer", "label"),
    "change_status": (
        "ad_group", "asset", "asset_group", "asset_set", "campaign", "campaign_budget", "combined_audience", "customer", "shared_set",
    ),
    "display_keyword_view": ("ad_group", "ad_group_criterion", "bidding_strategy", "campaign", "customer"),
    "topic_view": ("ad_group", "ad_group_criterion", "bidding_strategy", "campaign", "customer"),
    "keyword_view": ("ad_group", "ad_group_criterion", "bidding_strategy", "campaign", "campaign_budget", "customer"),
}  # fmt: skip
"""Attributed resources, as documented, of resources whose references do not name them."""

_CONSTANTS = ("_constant", "user_interest", "life_event", "detailed_demographic", "domain_category")
"""Suffixes of the names of resources that belong to no customer."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """A field that queries can name. A schema has one object per field, so fields compare by identity.

    ``category`` is ATTRIBUTE, SEGMENT or METRIC; ``path`` has the names of the field and its parents in the protos.
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
        """Whether ORDER BY may name the field."""
        return not self.repeated and self.data_type not in ("MESSAGE", "RESOURCE_NAME")

    @property
    def filterable(self) -> bool:
        """Whether WHERE may name the field."""
        return self.data_type != "MESSAGE" or self.repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """The schema of an API version. ``attributed``: the resources whose fields can be selected together with those of a resource."""

    version: str
    fields: Mapping[str, Field]
    resources: tuple[str, ...]
    attributed: Mapping[str, tuple[str, ...]]

    def of(self, resource: str) -> list[Field]:
        """The fields of a resource, of ``segments`` or of ``metrics``."""
        return [field for field in self.fields.values() if field.resource == resource]


def versions() -> tuple[str, ...]:
    """The versions of the installed SDK, oldest first."""
    package = importlib.import_module("google.ads.googleads")
    return tuple(sorted(module.name for module in iter_modules(package.__path__) if module.name[0] == "v" and module.name[1:].isdigit()))


def module(version: str, name: str) -> ModuleType:
    """A module of one version's protos, as ``services.types.google_ads_service``."""
    return importlib.import_module(f"google.ads.googleads.{version}.{name}")


def message_class(version: str, name: str, message: str) -> Any:  # noqa: ANN401 - compiled at import time, no types
    """The bare protobuf class of a message, which is several times faster than the SDK's wrapper."""
    wrapper = getattr(module(version, name), message)
    return type(wrapper.pb(wrapper()))


@lru_cache(maxsize=8)
def schema(version: str) -> Schema:
    """Read the schema of a version."""
    row = message_class(version, "services.types.google_ads_service", "GoogleAdsRow").DESCRIPTOR
    resources = tuple(field.name for field in row.fields if field.name not in ("metrics", "segments"))
    fields = {field.name: field for top in row.fields for field in _fields(top, frozenset(resources))}
    direct = {resource: _references(fields, resource, resources) for resource in resources}
    attributed = {resource: _attributed(direct, resource, resources) for resource in resources}
    return Schema(version=version, fields=fields, resources=resources, attributed=attributed)


def read_message(message: Any) -> dict[str, Field]:  # noqa: ANN401 - a protobuf descriptor
    """The fields, by name, of a message that is no resource."""
    return {field.name: field for path, leaf in _leaves(message, ()) for field in [_field(path, leaf, "", "ATTRIBUTE", frozenset())]}


def _fields(top: Any, resources: frozenset[str]) -> Iterator[Field]:  # noqa: ANN401 - a protobuf descriptor
    category = {"metrics": "METRIC", "segments": "SEGMENT"}.get(top.name, "ATTRIBUTE")
    for path, leaf in _leaves(top.message_type, (top.name,)):
        yield _field(path, leaf, top.name, category, resources)


def _field(path: tuple[str, ...], leaf: Any, resource: str, category: str, resources: frozenset[str]) -> Field:  # noqa: ANN401 - a descriptor
    # The protos append an underscore to reserved words such as ``type_``; queries name the field without it.
    name = ".".join(part.rstrip("_") for part in path)
    type_descriptor = leaf.enum_type or leaf.message_type
    return Field(
        name=name,
        category=category,
        resource=resource,
        data_type=_data_type(name, leaf, resources),
        repeated=leaf.is_repeated,
        path=path,
        enum={value.name: value.number for value in leaf.enum_type.values} if leaf.enum_type else {},
        type_url=type_descriptor.full_name if type_descriptor else "",
    )


def _leaves(message: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:  # noqa: ANN401 - a protobuf descriptor
    """The fields of a message and of its nested messages, unless those are repeated, empty or returned as a whole."""
    for field in message.fields:
        inner = field.message_type
        if inner and inner.fields and not field.is_repeated and not _is_atomic(inner):
            yield from _leaves(inner, (*path, field.name))
        else:
            yield (*path, field.name), field


def _is_atomic(inner: Any) -> bool:  # noqa: ANN401 - a protobuf descriptor
    above = inner.containing_type
    return inner.name in _ATOMIC_MESSAGES or bool(above and above.name in _RESOURCES_WITH_ATOMIC_MESSAGES)


def _data_type(name: str, leaf: Any, resources: frozenset[str]) -> str:  # noqa: ANN401 - a protobuf descriptor
    if leaf.type != _STRING:
        return _TYPES[leaf.type]
    last = name.rpartition(".")[2]
    if name in DATES or last.endswith(("_date", "_date_time")):
        return "DATE"
    if last in ("resource_name", "labels") or last in resources or name.endswith("_constant"):
        return "RESOURCE_NAME"
    return "STRING"


def _references(fields: Mapping[str, Field], resource: str, resources: tuple[str, ...]) -> tuple[str, ...]:
    """The resources that a resource refers to in a single field of its own; in the protos this is how it names its parents."""
    named = ((other, fields.get(f"{resource}.{other}")) for other in resources if other != resource)
    return tuple(other for other, field in named if field and field.data_type == "RESOURCE_NAME" and not field.repeated)


def _attributed(direct: Mapping[str, tuple[str, ...]], resource: str, resources: tuple[str, ...]) -> tuple[str, ...]:
    """The attributed resources of a resource, in the order of ``resources``.

    A resource of an ad group has those of its campaign too; ``ad_group...`` resources also have what the campaign refers to.
    """
    attributed = {*_DOCUMENTED_ATTRIBUTED.get(resource, direct[resource])}
    if "ad_group" in attributed and resource not in _DOCUMENTED_ATTRIBUTED:
        attributed.add("campaign")
    if resource.startswith("ad_group") and "campaign" in attributed:
        attributed |= {*direct["campaign"]}
    if resource != "customer" and not resource.endswith(_CONSTANTS):
        attributed.add("customer")
    return tuple(other for other in resources if other in attributed and other != resource)
