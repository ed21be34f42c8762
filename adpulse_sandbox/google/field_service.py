"""GoogleAdsFieldService: the schema and the rules of what goes together, as the platform tells them to its clients."""

from collections.abc import Callable, Mapping
from datetime import date
from functools import lru_cache
from typing import Any

from adpulse_sandbox.google import rules
from adpulse_sandbox.google.conditions import test
from adpulse_sandbox.google.errors import query_error, request_error
from adpulse_sandbox.google.fields import Field, Schema, message_class, read_message
from adpulse_sandbox.google.gaql import parse
from adpulse_sandbox.google.rows import Row

PREFIX = "googleAdsFields/"


@lru_cache(maxsize=8)
def own_fields(version: str) -> Mapping[str, Field]:
    """The fields of GoogleAdsField itself, which queries to this service name without a resource."""
    return read_message(message_class(version, "resources.types.google_ads_field", "GoogleAdsField").DESCRIPTOR)


def get(schema: Schema, resource_name: str) -> Row:
    """Everything about one field or resource.

    Raises:
        AdsError: there is none of this name.
    """
    name = resource_name.removeprefix(PREFIX)
    if not resource_name.startswith(PREFIX) or (name not in schema.fields and name not in schema.resources):
        raise request_error("RESOURCE_NOT_FOUND", f"There is no field '{resource_name}'.")
    return {key: make() for key, make in _about(schema, name).items()}


def search(schema: Schema, text: str) -> list[Row]:
    """The fields and resources that a query of this service asks for.

    Raises:
        AdsError: the query cannot be answered.
    """
    query, own = parse(text, with_from=False), own_fields(schema.version)
    ordered = [each.field for each in query.order_by]
    for name in (*query.select, *(each.field for each in query.where), *ordered):
        if name not in own:
            raise query_error("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
    tests = [test(condition, own[condition.field], date.min) for condition in query.where]
    found = []
    for name in sorted([*schema.resources, *schema.fields]):
        about = _about(schema, name)
        if all(each.met(about[each.field.name]()) for each in tests):
            needed = dict.fromkeys(["resource_name", *query.select, *ordered])
            found.append({key: about[key]() for key in needed if key in about})
    for ordering in reversed(query.order_by):
        if not own[ordering.field].sortable:
            raise query_error("PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE", f"The field '{ordering.field}' cannot be sorted by.")
        found.sort(key=lambda row, field=ordering.field: str(row[field]), reverse=ordering.descending)  # type: ignore[misc] # the default binds it
    shown = {"resource_name", *query.select}
    return [{key: value for key, value in row.items() if key in shown} for row in found[: query.limit]]


def _about(schema: Schema, name: str) -> Mapping[str, Callable[[], Any]]:
    """What there is to say of a field or resource; the long lists are made only when asked for."""
    field = schema.fields.get(name)
    if field is None:
        return {
            **_common(name, "RESOURCE"),
            "selectable_with": lambda: _beside(schema, name),
            "attribute_resources": lambda: list(schema.attributed[name]),
            "metrics": lambda: rules.metrics_of(schema, name),
            "segments": lambda: rules.segments_of(schema, name),
        }
    return {
        **_common(name, field.category),
        "selectable": lambda: True,
        "filterable": lambda: field.filterable,
        "sortable": lambda: field.sortable,
        "is_repeated": lambda: field.repeated,
        "data_type": lambda: field.data_type,
        "type_url": lambda: field.type_url,
        "enum_values": lambda: [value for value in field.enum if value != "UNSPECIFIED"],
        "selectable_with": lambda: _with(schema, field),
    }


def _common(name: str, category: str) -> dict[str, Callable[[], Any]]:
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


def _beside(schema: Schema, resource: str) -> list[str]:
    return [*schema.attributed[resource], *rules.segments_of(schema, resource), *rules.metrics_of(schema, resource)]


def _with(schema: Schema, field: Field) -> list[str]:
    """What can be selected together with a field: for segments and metrics the resources that have them, and one another."""
    if field.category == "ATTRIBUTE":
        return _beside(schema, field.resource)
    if field.category == "METRIC":
        having = [resource for resource in schema.resources if rules.metric_allowed(field, resource)]
        split = [each.name for each in schema.of("segments") if any(rules.segment_allowed(each.name, resource) for resource in having)]
        return [*having, *(name for name in split if name not in rules.CONVERSION_SEGMENTS or rules.is_conversion_metric(field.name))]
    having = [resource for resource in schema.resources if rules.segment_allowed(field.name, resource)]
    conversions = field.name in rules.CONVERSION_SEGMENTS
    counted = {name for resource in having for name in rules.metrics_of(schema, resource)}
    return [*having, *sorted(name for name in counted if not conversions or rules.is_conversion_metric(name))]
