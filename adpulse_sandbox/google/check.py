"""Checks a parsed query against the schema and the compatibility rules, and makes a plan of it. Errors have the platform's codes."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from adpulse_sandbox.google import rules, served
from adpulse_sandbox.google.conditions import Predicate, to_predicate
from adpulse_sandbox.google.days import finite_range, months_before
from adpulse_sandbox.google.errors import AdsError, granularity_not_supported, query_error
from adpulse_sandbox.google.fields import DATES, Field, Schema
from adpulse_sandbox.google.gaql import Query

_CHANGE_RESOURCES = {"change_status": ("change_status.last_change_date_time", 90), "change_event": ("change_event.change_date_time", 30)}
"""The resources that report changes: the field that must be filtered, and how many days back they go."""

_FINE_SEGMENTS = ("segments.date", "segments.week", "segments.hour")
_MONTHS_OF_DAYS = 37
"""Daily, hourly and weekly segments of metrics are available for the last 37 months (reference of DateRangeError)."""

_MAX_CHANGE_ROWS = 10_000
_AD = "ad_group_ad.ad"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A query that can be answered. ``days`` is the finite date range, if the query has one; ``day_predicates`` select days in it."""

    resource: str
    select: tuple[Field, ...]
    predicates: tuple[Predicate, ...]
    day_predicates: tuple[Predicate, ...]
    days: tuple[date, date] | None
    order_by: tuple[tuple[Field, bool], ...]
    limit: int | None
    with_resource_names: bool

    def has_campaign(self, campaign_id: str) -> bool:
        """Whether its conditions leave a campaign in."""
        return all(predicate.accepts(int(campaign_id)) for predicate in self.predicates if predicate.field.name == "campaign.id")

    @property
    def segments(self) -> tuple[str, ...]:
        """The names of the selected segments."""
        return tuple(field.name for field in self.select if field.category == "SEGMENT")

    @property
    def metrics(self) -> tuple[str, ...]:
        """The names of the selected metrics."""
        return tuple(field.name for field in self.select if field.category == "METRIC")

    @property
    def needs_numbers(self) -> bool:
        """Whether the answer needs metrics, and not only attributes."""
        return bool(
            self.metrics or self.segments or self.days or any(predicate.field.category == "METRIC" for predicate in self.predicates)
        )

    @property
    def resource_names(self) -> tuple[str, ...]:
        """The resource names that are returned although the query does not select them.

        With fields of an ad they include the ad's own one, beside that of the link to its ad group.
        """
        if not self.with_resource_names:
            return ()
        selected = [field for field in self.select if field.category == "ATTRIBUTE"]
        owners = [self.resource, *(field.resource for field in selected)]
        owners += [_AD for field in selected if field.name.startswith(f"{_AD}.")]
        return tuple(f"{owner}.resource_name" for owner in dict.fromkeys(owners))


def check(query: Query, schema: Schema, now: datetime, zone: ZoneInfo, *, manager: bool) -> Plan:
    """Decide how to answer a query of one customer.

    Raises:
        AdsError: the platform would refuse the query; the code is the platform's.
    """
    today = now.astimezone(zone).date()
    _check_resource(query.resource, schema)
    served.check_resource(query.resource)
    select = tuple(_field(name, schema) for name in dict.fromkeys(query.select))
    filtered = tuple((condition, _field(condition.field, schema)) for condition in query.where)
    ordered = tuple((_field(ordering.field, schema), ordering.descending) for ordering in query.order_by)
    _check_compatible(query.resource, schema, select, [field for _, field in filtered])
    predicates = tuple(to_predicate(condition, field, today) for condition, field in filtered)
    _check_references(query.resource, select, [field for _, field in filtered], [field for field, _ in ordered])
    metrics = [field for field in (*select, *(field for _, field in filtered)) if field.category == "METRIC"]
    if manager and metrics:
        raise query_error(
            "REQUESTED_METRICS_FOR_MANAGER",
            "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests against each client account "
            "under the manager account.",
        )
    day_predicates = tuple(predicate for predicate in predicates if predicate.field.name in DATES)
    dated = bool(day_predicates) or any(field.name in DATES for field in select)
    if query.resource in _CHANGE_RESOURCES:
        _check_changes(query, predicates, now, zone)
    asked_days = finite_range(day_predicates) if dated else None
    if asked_days and asked_days[0] < months_before(today, _MONTHS_OF_DAYS) and any(field.name in _FINE_SEGMENTS for field in select):
        raise granularity_not_supported()
    return Plan(
        resource=query.resource,
        select=select,
        predicates=tuple(predicate for predicate in predicates if predicate not in day_predicates),
        day_predicates=day_predicates,
        days=asked_days,
        order_by=ordered,
        limit=query.limit,
        with_resource_names=not query.parameters.get("omit_unselected_resource_names"),
    )


def _check_resource(resource: str, schema: Schema) -> None:
    if resource in ("metrics", "segments"):
        raise query_error("PROHIBITED_RESOURCE_TYPE_IN_FROM_CLAUSE", f"'{resource}' cannot be used in the FROM clause.")
    if resource not in schema.resources:
        raise query_error("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"Error in FROM clause: invalid resource '{resource}'.")


def _field(name: str, schema: Schema) -> Field:
    field = schema.fields.get(name)
    if field is None:
        raise query_error("UNRECOGNIZED_FIELD", f"Unrecognized field in the query: '{name}'.")
    return field


def _check_compatible(resource: str, schema: Schema, select: tuple[Field, ...], where: list[Field]) -> None:
    allowed = {resource, *schema.attributed[resource]}
    for clause, fields in (("SELECT", select), ("WHERE", where)):
        for field in fields:
            if field.category == "ATTRIBUTE" and field.resource not in allowed:
                served.check_attributed(field.resource, resource)
                raise query_error(
                    f"PROHIBITED_RESOURCE_TYPE_IN_{clause}_CLAUSE",
                    f"Cannot use fields of the resource '{field.resource}' in the {clause} clause, since it is incompatible with the "
                    f"resource '{resource}' in the FROM clause.",
                )
    for field in where:
        if not field.filterable:
            raise query_error("PROHIBITED_FIELD_IN_WHERE_CLAUSE", f"The field '{field.name}' cannot be filtered.")
    _check_numbers(resource, [*select, *where])


def _check_numbers(resource: str, fields: list[Field]) -> None:
    segments = [field for field in fields if field.category == "SEGMENT"]
    metrics = [field for field in fields if field.category == "METRIC"]
    for field in segments:
        if not rules.segment_allowed(field.name, resource):
            served.check_segment(field.name, resource)
            raise _incompatible("SEGMENT", field.name, f"with '{resource}' in FROM, or with other segmenting resources")
    for field in metrics:
        if not rules.metric_allowed(field, resource):
            raise _incompatible("METRIC", field.name, f"with '{resource}' in FROM, or with other segmenting resources")
        if rules.splits_conversions(segment.name for segment in segments) and not rules.is_conversion_metric(field.name):
            raise _incompatible("SEGMENT_WITH_METRIC", field.name, "with a segment of conversions")


def _incompatible(category: str, name: str, incompatible_with: str) -> AdsError:
    return query_error(f"PROHIBITED_{category}_IN_SELECT_OR_WHERE_CLAUSE", f"'{name}' is incompatible {incompatible_with}.")


def _check_references(resource: str, select: tuple[Field, ...], where: Iterable[Field], ordered: Iterable[Field]) -> None:
    chosen = {field.name for field in select}
    resources = {resource, *(field.resource for field in select)}
    for field in where:
        if field.category == "SEGMENT" and field.name not in DATES and field.name not in chosen:
            raise _unselected(field)
    for field in ordered:
        if not field.sortable:
            raise query_error("PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE", f"The field '{field.name}' cannot be sorted by.")
        if field.name not in chosen and (field.category != "ATTRIBUTE" or field.resource not in resources):
            raise _unselected(field)


def _unselected(field: Field) -> AdsError:
    message = f"The following field must be present in SELECT clause: '{field.name}'."
    return query_error("EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", message)


def _check_changes(query: Query, predicates: tuple[Predicate, ...], now: datetime, zone: ZoneInfo) -> None:
    """Queries of changes need a finite range that begins not too long ago, and a limit."""
    name, reach = _CHANGE_RESOURCES[query.resource]
    family = f"{query.resource}_error"
    lower = [
        predicate.operands[0]
        for predicate in predicates
        if predicate.field.name == name and predicate.operator in (">", ">=", "=", "BETWEEN")
    ]
    upper = [
        predicate.operands[-1]
        for predicate in predicates
        if predicate.field.name == name and predicate.operator in ("<", "<=", "=", "BETWEEN")
    ]
    if not lower or not upper:
        raise _change_error(family, "CHANGE_DATE_RANGE_INFINITE", f"The request must specify a finite range filter on '{name}'.")
    if max(lower) > min(upper):
        raise _change_error(family, "CHANGE_DATE_RANGE_NEGATIVE", f"The range filter on '{name}' ends before it starts.")
    oldest = (now.astimezone(zone) - timedelta(days=reach)).date()
    if date.fromisoformat(max(lower)[:10]) < oldest:
        raise _change_error(family, "START_DATE_TOO_OLD", f"The start of the range on '{name}' is more than {reach} days ago.")
    if query.limit is None:
        raise _change_error(family, "LIMIT_NOT_SPECIFIED", "The request must specify a LIMIT.")
    if query.limit > _MAX_CHANGE_ROWS:
        raise _change_error(family, "INVALID_LIMIT_CLAUSE", f"The LIMIT must not be more than {_MAX_CHANGE_ROWS}.")


def _change_error(family: str, code: str, message: str) -> AdsError:
    return AdsError("INVALID_ARGUMENT", family, code, message)
