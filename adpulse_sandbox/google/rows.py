"""The rows of a plan: entities with the selected fields and their numbers; filtered, ordered and limited."""

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
"""Values by field name. Enum values are names; a field that is not set is None or absent."""

_CACHED_ANSWERS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a query. ``summary`` has the metrics of all rows together, and ``total`` counts them, both before any limit."""

    rows: list[Row]
    total: int
    summary: Row


class Rows:
    """Answers plans from a world and its true numbers. The pages of a query share a ``cached_answer``."""

    def __init__(self, world: GoogleWorld, truth: GoogleTruth) -> None:
        self._world, self._truth = world, truth
        self.cached_answer = lru_cache(maxsize=_CACHED_ANSWERS)(self.answer)

    def answer(self, plan: Plan, customer: Customer, now: datetime) -> Answer:
        """All rows of a plan, as of an instant."""
        rows: list[Row] = []
        totals = [0] * len(QUANTITIES)
        for row, sums in self._rows(plan, customer, now):
            rows.append(row)
            totals = [total + addend for total, addend in zip(totals, sums, strict=True)]
        for field, descending in reversed(plan.order_by):
            rows.sort(key=lambda row, name=field.name: _sortable(row.get(name)), reverse=descending)  # type: ignore[misc] # the default binds it
        whole = dict(zip(QUANTITIES, totals, strict=True))
        return Answer(rows=rows[: plan.limit], total=len(rows), summary={name: numbers.metric(name)(whole) for name in plan.metrics})

    def stream(self, plan: Plan, customer: Customer, now: datetime) -> Iterator[Row]:
        """The same rows as an iterator, which does not hold all of them unless they must be sorted."""
        if plan.order_by:
            return iter(self.answer(plan, customer, now).rows)
        return islice((row for row, _ in self._rows(plan, customer, now)), plan.limit)

    def _rows(self, plan: Plan, customer: Customer, now: datetime) -> Iterator[tuple[Row, list[int]]]:
        """The rows in no particular order, each with the sums that its metrics are computed from."""
        describer = _EntityDescriber(plan, customer, now)
        entities = nodes(plan.resource, customer, self._world, now)
        if plan.needs_numbers:
            yield from self._measured(plan, customer, now, entities, describer)
            return
        for entity in entities:
            row = describer.attributes(entity)
            if describer.accepts_row(row):
                yield row, [0] * len(QUANTITIES)

    def _measured(
        self, plan: Plan, customer: Customer, now: datetime, entities: list[Node], describer: "_EntityDescriber"
    ) -> Iterator[tuple[Row, list[int]]]:
        by_action = plan.resource == "conversion_action"
        groups = (numbers.per_action if by_action else numbers.groups)(plan, customer, self._truth, now)
        segments, selected = plan.segments, plan.metrics
        if not segments and not groups:
            groups = {(): numbers.nothing(customer)}
        described = [describer.attributes(entity) for entity in entities]
        makers = [(name, numbers.metric(name)) for name in describer.metrics]
        for key, leaves in groups.items():
            split = dict(zip(segments, key, strict=True))
            columns = (leaves if by_action else numbers.per_entity(leaves, entities, plan.resource, customer)).T.tolist()
            for attributes, sums in zip(described, columns, strict=True):
                # With segments the platform omits rows without delivery; without segments it returns their zeros.
                if segments and not any(sums):
                    continue
                column = dict(zip(QUANTITIES, sums, strict=True))
                row = {**attributes, **split, **{name: make(column) for name, make in makers}}
                shown = not segments or not selected or any(row[name] for name in selected)
                if shown and describer.accepts_row(row):
                    yield row, sums


class _EntityDescriber:
    """Computes the selected attributes of entities. Parents are cached, because many rows share them."""

    def __init__(self, plan: Plan, customer: Customer, now: datetime) -> None:
        self._plan, self._customer, self._now = plan, customer, now
        needed = [*plan.select, *(predicate.field for predicate in plan.predicates), *(field for field, _ in plan.order_by)]
        fields = {field.name: field for field in needed}.values()
        self.metrics = tuple(field.name for field in fields if field.category == "METRIC")
        self._attributes = [
            (field.name, field.resource, field.name.removeprefix(f"{field.resource}.")) for field in fields if field.category == "ATTRIBUTE"
        ]
        self._attributes += [(name, name.partition(".")[0], name.partition(".")[2]) for name in plan.resource_names]
        self._described: dict[tuple[str, int, str], Mapping[str, Any]] = {}

    def attributes(self, entity: Node) -> dict[str, Any]:
        return {name: self._describe(entity, resource).get(inner) for name, resource, inner in self._attributes}

    def accepts_row(self, row: Row) -> bool:
        return all(predicate.accepts(row.get(predicate.field.name)) for predicate in self._plan.predicates)

    def _describe(self, entity: Node, resource: str) -> Mapping[str, Any]:
        node = related(entity, resource, self._customer)
        if node is None:
            return {}
        # The node of a customer is a new object on every call; all others live at least as long as the query.
        key = (node.kind, id(node) if node.kind != "customer" else 0, resource)
        if key not in self._described:
            self._described[key] = describe(node, resource, self._customer, self._now)
        return self._described[key]


def _sortable(value: Any) -> tuple[bool, Any]:  # noqa: ANN401 - of any type a field can have
    return value is not None, value if value is not None else 0
