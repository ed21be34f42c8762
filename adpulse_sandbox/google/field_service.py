"""GoogleAdsFieldService: the schema and the compatibility rules, as the platform reports them to its clients."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from adpulse_sandbox.google import rules
from adpulse_sandbox.google.conditions import to_predicate
from adpulse_sandbox.google.errors import query_error, request_error
from adpulse_sandbox.google.fields import Field, Schema, message_class, read_message
from adpulse_sandbox.google.gaql import parse
from adpulse_sandbox.google.rows import Row

PREFIX = "googleAdsFields/"


@lru_cache(maxsize=8)
def own_fields(version: str) -> Mapping[str, Field]:
    """The fields of GoogleAdsField itself, which queries of this service name without a resource."""
    return read_message(message_class(version, "resources.types.google_ads_field", "GoogleAdsField").DESCRIPTOR)


def get(schema: Schema, resource_name: str) -> Row:
    """All properties of a field or resource.

    Raises:
        AdsError: there is no field or resource of this name.
    """
    name = resource_name.removeprefix(PREFIX)
    if not resource_name.startswith(PREFIX) or (name not in schema.fields and name not in schema.resources):
        raise request_error("RESOURCE_NOT_FOUND", f"There is no field '{resource_name}'.")
    return {key: make() for key, make in _properties(schema, name).items()}


def search(schema: Schema, text: str) -> tuple[list[Row], int]:
    """The fields and resources that match a query of this service, and how many match it without its LIMIT.

    Raises:
        AdsError: the query is invalid.
    """
    query, own = parse(text, with_from=False), own_fields(schema.version)
    ordered = [element.field for element in query.order_by]
    for name in (*query.select, *(element.field for element in query.where), *ordered):
        if name not in own:
            raise query_error("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
    predicates = [to_predicate(condition, own[condition.field], date.min) for condition in query.where]
    rows = []
    for name in sorted([*schema.resources, *schema.fields]):
        properties = _properties(schema, name)
        if all(element.accepts(properties[element.field.name]()) for element in predicates):
            needed = dict.fromkeys(["resource_name", *query.select, *ordered])
            rows.append({key: properties[key]() for key in needed if key in properties})
    for ordering in reversed(query.order_by):
        if not own[ordering.field].sortable:
            raise query_error("PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE", f"The field '{ordering.field}' cannot be sorted by.")
        rows.sort(key=lambda row, field=ordering.field: str(row[field]), reverse=ordering.descending)  # type: ignore[misc] # the default binds it
    shown = {"resource_name", *query.select}
    return [{key: value for key, value in row.items() if key in shown} for row in rows[: query.limit]], len(rows)


def _properties(schema: Schema, name: str) -> Mapping[str, Callable[[], Any]]:
    """The properties of a field or resource as functions, because the lists are long and seldom requested."""
    field = schema.fields.get(name)
    if field is None:
        return {
            **_defaults(name, "RESOURCE"),
            "selectable_with": lambda: _selectable_with_resource(schema, name),
            "attribute_resources": lambda: list(schema.attributed[name]),
            "metrics": lambda: rules.metrics_of(schema, name),
            "segments": lambda: rules.segments_of(schema, name),
        }
    return {
        **_defaults(name, field.category),
        "selectable": lambda: True,
        "filterable": lambda: field.filterable,
        "sortable": lambda: field.sortable,
        "is_repeated": lambda: field.repeated,
        "data_type": lambda: field.data_type,
        "type_url": lambda: field.type_url,
        "enum_values": lambda: [value for value in field.enum if value != "UNSPECIFIED"],
        "selectable_with": lambda: _selectable_with_field(schema, field),
    }


def _defaults(name: str, category: str) -> dict[str, Callable[[], Any]]:
    nothing: dict[str, Callable[[], Any]] = dict.fromkeys(
        ("selectable_with", "attribute_resources", "metrics", "segments", "enum_values"), list
    )
    denied: dict[str, Callable[[], Any]] = dict.fromkeys(("selectable", "filterable", "sortable", "is_repeated"), bool)
    return {
        **nothing,
        **denied,
        "resource_name": lambda: PREFIX + name,
        "name": lambda: name,
        "category": lambda: category,
        "data_type": lambda: "MESSAGE",
        "type_url": str,
    }


def _selectable_with_resource(schema: Schema, resource: str) -> list[str]:
    return [*schema.attributed[resource], *rules.segments_of(schema, resource), *rules.metrics_of(schema, resource)]


def _selectable_with_field(schema: Schema, field: Field) -> list[str]:
    """The names that can be selected together with a field: for a segment or metric its resources, and the matching metrics or segments."""
    if field.category == "ATTRIBUTE":
        return _selectable_with_resource(schema, field.resource)
    if field.category == "METRIC":
        resources = [resource for resource in schema.resources if rules.metric_allowed(field, resource)]
        split = [
            segment.name
            for segment in schema.of("segments")
            if any(rules.segment_allowed(segment.name, resource) for resource in resources)
        ]
        return [*resources, *(name for name in split if name not in rules.CONVERSION_SEGMENTS or rules.is_conversion_metric(field.name))]
    resources = [resource for resource in schema.resources if rules.segment_allowed(field.name, resource)]
    conversions = field.name in rules.CONVERSION_SEGMENTS
    counted = {name for resource in resources for name in rules.metrics_of(schema, resource)}
    return [*resources, *sorted(name for name in counted if not conversions or rules.is_conversion_metric(name))]
