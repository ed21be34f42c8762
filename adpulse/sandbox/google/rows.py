"""The rows of a plan: entities with the fields asked for, and the numbers of each; filtered, ordered, limited."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from adpulse.sandbox.google import numbers
from adpulse.sandbox.google.check import Plan
from adpulse.sandbox.google.describe import describe, nodes, related
from adpulse.sandbox.google.truth import GoogleTruth
from adpulse.sandbox.google.world import Customer, GoogleWorld, Node

Row = Mapping[str, Any]
"""Values by field name; enum values by name, None or absent for what is not set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query is answered with. ``summary`` are the metrics of all rows together, before any limit."""

    rows: list[Row]
    summary: Row


_ANSWERS_KEPT = 2


class Rows:
    """Answers plans from a world and its truth. ``kept`` is ``answer`` for pages, which are all cut from the one answer."""

    def __init__(self, world: GoogleWorld, truth: GoogleTruth) -> None:
        self._world, self._truth = world, truth
        self.kept = lru_cache(maxsize=_ANSWERS_KEPT)(self.answer)

    def answer(self, plan: Plan, customer: Customer, now: datetime) -> Answer:
        """Every row that the plan asks for, as of an instant."""
        told = _Told(plan, customer, now)
        entities = nodes(plan.resource, customer, self._world, now)
        totals = dict.fromkeys(numbers.QUANTITIES, 0)
        if not plan.measured:
            described: list[Row] = [told.attributes(entity) for entity in entities]
            found = [row for row in described if told.keep(row)]
        else:
            found = []
            for row, column in self._measured(plan, customer, now, entities, told):
                found.append(row)
                for name, value in column.items():
                    totals[name] += value
        for field, descending in reversed(plan.order_by):
            found.sort(key=lambda row, name=field.name: _sortable(row.get(name)), reverse=descending)  # type: ignore[misc] # the default binds it
        return Answer(rows=found[: plan.limit], summary={name: numbers.metric(name, totals) for name in plan.metrics})

    def _measured(
        self, plan: Plan, customer: Customer, now: datetime, entities: list[Node], told: "_Told"
    ) -> Iterator[tuple[Row, Mapping[str, int]]]:
        by_action = plan.resource == "conversion_action"
        groups = (numbers.per_action if by_action else numbers.groups)(plan, customer, self._truth, now)
        if not plan.segments and not groups:
            groups = {(): numbers.nothing(customer)}
        described = [told.attributes(entity) for entity in entities]
        for key, sums in groups.items():
            segments = dict(zip(plan.segments, key, strict=True))
            columns = (sums if by_action else numbers.per_entity(sums, entities, plan.resource, customer)).T.tolist()
            for attributes, values in zip(described, columns, strict=True):
                column = dict(zip(numbers.QUANTITIES, values, strict=True))
                measured = {name: numbers.metric(name, column) for name in told.metrics}
                row = {**attributes, **segments, **measured}
                shown = any(measured[name] for name in plan.metrics) if plan.metrics else any(values)
                if (shown or not plan.segments) and told.keep(row):
                    yield row, column


class _Told:
    """What rows of one query say of their entities; what is above many of them is described once."""

    def __init__(self, plan: Plan, customer: Customer, now: datetime) -> None:
        self._plan, self._customer, self._now = plan, customer, now
        needed = [*plan.select, *(test.field for test in plan.tests), *(field for field, _ in plan.order_by)]
        self._fields = tuple({field.name: field for field in needed}.values())
        self.metrics = tuple(field.name for field in self._fields if field.category == "METRIC")
        self._described: dict[tuple[str, int, str], Mapping[str, Any]] = {}

    def attributes(self, entity: Node) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for resource in self._plan.named:
            told[f"{resource}.resource_name"] = self._of(entity, resource).get("resource_name")
        for field in self._fields:
            if field.category == "ATTRIBUTE":
                told[field.name] = self._of(entity, field.resource).get(field.name[len(field.resource) + 1 :])
        return told

    def keep(self, row: Row) -> bool:
        return all(test.met(row.get(test.field.name)) for test in self._plan.tests)

    def _of(self, entity: Node, resource: str) -> Mapping[str, Any]:
        node = related(entity, resource, self._customer)
        if node is None:
            return {}
        key = (node.kind, id(node) if node.kind != "customer" else 0, resource)
        if key not in self._described:
            self._described[key] = describe(node, resource, self._customer, self._now)
        return self._described[key]


def _sortable(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - of any type a field can have
    return value is not None, value if value is not None else 0
