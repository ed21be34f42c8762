"""The rows of a plan: entities with the fields asked for, and the numbers of each; filtered, ordered, limited."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from adpulse_sandbox.google import numbers
from adpulse_sandbox.google.check import Plan
from adpulse_sandbox.google.describe import describe, nodes, related
from adpulse_sandbox.google.numbers import QUANTITIES
from adpulse_sandbox.google.truth import GoogleTruth
from adpulse_sandbox.google.world import Customer, GoogleWorld, Node

Row = Mapping[str, Any]
"""Values by field name; enum values by name, None or absent for what is not set."""

_ANSWERS_KEPT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a query is answered with. ``summary`` are the metrics of all rows together, before any limit."""

    rows: list[Row]
    summary: Row


class Rows:
    """Answers plans from a world and its truth. ``kept`` is ``answer`` for pages, which are all cut from the one answer."""

    def __init__(self, world: GoogleWorld, truth: GoogleTruth) -> None:
        self._world, self._truth = world, truth
        self.kept = lru_cache(maxsize=_ANSWERS_KEPT)(self.answer)

    def answer(self, plan: Plan, customer: Customer, now: datetime) -> Answer:
        """Every row that the plan asks for, as of an instant."""
        found: list[Row] = []
        totals = [0] * len(QUANTITIES)
        for row, sums in self._rows(plan, customer, now):
            found.append(row)
            totals = [total + each for total, each in zip(totals, sums, strict=True)]
        for field, descending in reversed(plan.order_by):
            found.sort(key=lambda row, name=field.name: _sortable(row.get(name)), reverse=descending)  # type: ignore[misc] # the default binds it
        whole = dict(zip(QUANTITIES, totals, strict=True))
        return Answer(rows=found[: plan.limit], summary={name: numbers.metric(name)(whole) for name in plan.metrics})

    def one_by_one(self, plan: Plan, customer: Customer, now: datetime) -> Iterator[Row]:
        """The same rows without holding all of them, where no order is asked for."""
        if plan.order_by:
            return iter(self.answer(plan, customer, now).rows)
        return islice((row for row, _ in self._rows(plan, customer, now)), plan.limit)

    def _rows(self, plan: Plan, customer: Customer, now: datetime) -> Iterator[tuple[Row, list[int]]]:
        """Rows in no particular order, each with the sums its metrics are made of."""
        told = _Told(plan, customer, now)
        entities = nodes(plan.resource, customer, self._world, now)
        if plan.measured:
            yield from self._measured(plan, customer, now, entities, told)
            return
        for entity in entities:
            row = told.attributes(entity)
            if told.keep(row):
                yield row, [0] * len(QUANTITIES)

    def _measured(
        self, plan: Plan, customer: Customer, now: datetime, entities: list[Node], told: "_Told"
    ) -> Iterator[tuple[Row, list[int]]]:
        by_action = plan.resource == "conversion_action"
        groups = (numbers.per_action if by_action else numbers.groups)(plan, customer, self._truth, now)
        segments, selected = plan.segments, plan.metrics
        if not segments and not groups:
            groups = {(): numbers.nothing(customer)}
        described = [told.attributes(entity) for entity in entities]
        makers = [(name, numbers.metric(name)) for name in told.metrics]
        for key, leaves in groups.items():
            split = dict(zip(segments, key, strict=True))
            columns = (leaves if by_action else numbers.per_entity(leaves, entities, plan.resource, customer)).T.tolist()
            for attributes, sums in zip(described, columns, strict=True):
                if segments and not any(sums):
                    continue
                column = dict(zip(QUANTITIES, sums, strict=True))
                row = {**attributes, **split, **{name: make(column) for name, make in makers}}
                shown = not segments or not selected or any(row[name] for name in selected)
                if shown and told.keep(row):
                    yield row, sums


class _Told:
    """What rows of one query say of their entities; what is above many of them is described once."""

    def __init__(self, plan: Plan, customer: Customer, now: datetime) -> None:
        self._plan, self._customer, self._now = plan, customer, now
        needed = [*plan.select, *(test.field for test in plan.tests), *(field for field, _ in plan.order_by)]
        fields = {field.name: field for field in needed}.values()
        self.metrics = tuple(field.name for field in fields if field.category == "METRIC")
        self._attributes = [
            (field.name, field.resource, field.name.removeprefix(f"{field.resource}.")) for field in fields if field.category == "ATTRIBUTE"
        ]
        self._attributes += [(f"{resource}.resource_name", resource, "resource_name") for resource in plan.named]
        self._described: dict[tuple[str, int, str], Mapping[str, Any]] = {}

    def attributes(self, entity: Node) -> dict[str, Any]:
        return {name: self._of(entity, resource).get(inner) for name, resource, inner in self._attributes}

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
