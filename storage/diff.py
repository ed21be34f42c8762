"""Compares what the platform answered with what is stored, a whole batch of connections at once. Step: diff.

The comparison is SQL over Arrow (``sql/diff_*.sql``); this module lays the answers out for it and splits the result
into one :class:`RunChanges` per run. It only reads: the same code runs against a read-only warehouse and, for a
workspace without one, against an empty one in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adpulse.model import ENTITY_SCHEMA, GONE_STATUSES, METRIC_SCHEMA, METRICS, Fetched, FetchKind, RunCounts
from storage.sql import query

METRIC_CHANGE_SCHEMA = pa.schema(
    [
        *METRIC_SCHEMA,
        pa.field("inserted", pa.bool_(), nullable=False),
        pa.field("changed", pa.int32(), nullable=False),
        pa.field("cause", pa.string(), nullable=False),
    ]
)
"""A row to store, whether its key is new, a bit per metric that differs (in ``METRICS`` order) and why it changed."""

REMAINDER_SCHEMA = pa.schema([METRIC_SCHEMA.field(name) for name in ("connection_id", "campaign_id", "date", *METRICS)])
"""One campaign's day: its total minus its leaves."""

_COVERAGE_SCHEMA = pa.schema([METRIC_SCHEMA.field("connection_id"), METRIC_SCHEMA.field("date"), pa.field("closed", pa.bool_())])
_WALK_SCHEMA = pa.schema([pa.field("connection_id", pa.string()), pa.field("first", pa.int64())])
_GONE = pa.table([pa.array(GONE_STATUSES, pa.string())], names=["status"])
_TABLES = {FetchKind.ADS: "metric_facts", FetchKind.CAMPAIGNS: "platform_totals"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFetch:
    """Everything one run fetched of one connection, as of ``now`` (business time).

    Raises:
        ValueError: an answer holds another connection's rows, other columns, or days that were not asked for.
    """

    run_id: str
    generation: int
    connection_id: str
    now: datetime
    fetched: Sequence[Fetched]

    def __post_init__(self) -> None:
        """Refuse what would be filed under the wrong connection, or silently left out."""
        for one in self.fetched:
            _refuse_foreign(self.connection_id, one)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChanges:
    """What one run is about to change: METRIC_CHANGE_SCHEMA, ENTITY_SCHEMA and REMAINDER_SCHEMA rows."""

    run_id: str
    generation: int
    connection_id: str
    now: datetime
    counts: RunCounts
    facts: pa.Table
    totals: pa.Table
    entities: pa.Table
    unreported: pa.Table

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write. A moved remainder alone is something, though no counted row changed."""
        return not any(table.num_rows for table in (self.facts, self.totals, self.entities, self.unreported))


def compare(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> list[RunChanges]:
    """The changes of each run, in the order of ``batch``; one join per kind of row for all of them.

    A day asked for twice is what the later answer says. A key twice within one answer is what comes last.
    A connection may occur once.
    """
    if len({run.connection_id for run in batch}) < len(batch):
        raise ValueError("A batch holds each connection once.")
    entities = _compare_entities(warehouse, batch)
    facts, leaf_keys = _compare_metrics(warehouse, batch, FetchKind.ADS)
    totals, total_keys = _compare_metrics(warehouse, batch, FetchKind.CAMPAIGNS)
    unreported = _compare_remainders(warehouse, batch, facts, totals)
    keys = {run.connection_id: leaf_keys.get(run.connection_id, 0) + total_keys.get(run.connection_id, 0) for run in batch}
    return [_changes_of(run, keys[run.connection_id], facts, totals, entities, unreported) for run in batch]


def missing_leaves(warehouse: duckdb.DuckDBPyConnection, run: RunFetch) -> list[str]:
    """Ids of stored leaves with numbers that the answers lack and that are not known to be gone.

    They vanished or were deleted; which of the two only the platform knows.
    """
    _compare_entities(warehouse, [run])
    warehouse.register("answer", _metric_answers([run], FetchKind.ADS))
    warehouse.register("coverage", _coverage([run], FetchKind.ADS))
    return [external_id for (external_id,) in warehouse.sql(query("missing_leaves")).fetchall()]


def gone_entities(connection_id: str, level: str, ids: Sequence[str]) -> pa.Table:
    """ENTITY_SCHEMA rows for ids the platform no longer knows; what is stored of them is kept but for the status."""
    count = len(ids)
    columns = [[connection_id] * count, [level] * count, list(ids), [None] * count, [None] * count, ["GONE"] * count, [None] * count]
    return pa.table([*columns, ["{}"] * count], schema=ENTITY_SCHEMA)


def _refuse_foreign(connection_id: str, one: Fetched) -> None:
    schema = METRIC_SCHEMA if one.fetch.kind.has_dates else ENTITY_SCHEMA
    if not one.table.schema.equals(schema):
        raise ValueError(f"The answer to {one.fetch.label} has other columns than the schema of its kind.")
    if one.table.num_rows == 0:
        return
    if pc.unique(one.table["connection_id"]).to_pylist() != [connection_id]:
        raise ValueError(f"The answer to {one.fetch.label} holds rows that are not of connection {connection_id}.")
    if one.fetch.kind.has_dates:
        found = pc.min_max(one.table["date"]).as_py()
        asked = _days(one)
        if found["min"] < asked[0] or found["max"] > asked[-1]:
            raise ValueError(f"The answer to {one.fetch.label} holds days from {found['min']} to {found['max']}.")


def _days(one: Fetched) -> tuple[date, ...]:
    if not one.fetch.days:
        raise ValueError(f"A fetch of kind {one.fetch.kind} needs days: {one.fetch.label}.")
    return one.fetch.days


def _in_time(fetched: Sequence[Fetched]) -> list[Fetched]:
    return sorted(fetched, key=lambda one: one.fetched_at)


def _days_told(run: RunFetch, kind: FetchKind) -> Iterator[tuple[Fetched, set[date]]]:
    """Each answer with the days on which it has the last word."""
    answers = [one for one in _in_time(run.fetched) if one.fetch.kind is kind]
    speaker = {day: position for position, one in enumerate(answers) for day in _days(one)}
    for position, one in enumerate(answers):
        yield one, {day for day in _days(one) if speaker[day] == position}


def _metric_answers(batch: Sequence[RunFetch], kind: FetchKind) -> pa.Table:
    tables = [METRIC_SCHEMA.empty_table()]
    for run in batch:
        for one, days in _days_told(run, kind):
            whole = len(days) == len(_days(one))
            tables.append(one.table if whole else one.table.filter(pc.is_in(one.table["date"], pa.array(sorted(days), pa.date32()))))
    return _numbered(pa.concat_tables(tables))


def _entity_answers(batch: Sequence[RunFetch]) -> tuple[pa.Table, pa.Table]:
    """All entity rows, oldest answer first, and where each connection's last complete walk begins among them."""
    tables, walks, position = [ENTITY_SCHEMA.empty_table()], {}, 0
    for run in batch:
        for one in _in_time(run.fetched):
            if one.fetch.kind.has_dates:
                continue
            if one.fetch.kind is FetchKind.ENTITIES_FULL:
                walks[run.connection_id] = position
            tables.append(one.table)
            position += one.table.num_rows
    return _numbered(pa.concat_tables(tables)), pa.table([list(walks), list(walks.values())], schema=_WALK_SCHEMA)


def _numbered(table: pa.Table) -> pa.Table:
    return table.append_column("ordinal", pa.array(np.arange(table.num_rows, dtype=np.int64)))


def _coverage(batch: Sequence[RunFetch], kind: FetchKind) -> pa.Table:
    """The days the answers of a kind speak for, and whether each is over in every time zone's reckoning of "now"."""
    days = [(run, day) for run in batch for _, told in _days_told(run, kind) for day in sorted(told)]
    # Yesterday in UTC may still be today, or be read as often as today, in the account's zone.
    closed = [day < run.now.date() - timedelta(days=1) for run, day in days]
    return pa.table([[run.connection_id for run, _ in days], [day for _, day in days], closed], schema=_COVERAGE_SCHEMA)


def _compare_entities(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    warehouse.register("gone", _GONE)
    entities = ENTITY_SCHEMA.empty_table()
    if any(not one.fetch.kind.has_dates for run in batch for one in run.fetched):
        answer, walks = _entity_answers(batch)
        warehouse.register("answer", answer)
        warehouse.register("walks", walks)
        entities = warehouse.sql(query("diff_entities")).to_arrow_table().cast(ENTITY_SCHEMA)
    warehouse.register("entities_next", entities)
    warehouse.execute(query("alive"))
    return entities


def _compare_metrics(
    warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], kind: FetchKind
) -> tuple[pa.Table, Mapping[str, int]]:
    """The changed rows, and how many different keys each connection's answers hold."""
    if not any(one.fetch.kind is kind for run in batch for one in run.fetched):
        return METRIC_CHANGE_SCHEMA.empty_table(), {}
    answer = _metric_answers(batch, kind)
    warehouse.register("answer", answer)
    warehouse.register("coverage", _coverage(batch, kind))
    keys = dict(warehouse.sql(query("answer_keys")).fetchall())
    if sum(keys.values()) < answer.num_rows:
        warehouse.register("answer", warehouse.sql(query("answer_last")).to_arrow_table())
    changes = warehouse.sql(query("diff_metrics").format(table=_TABLES[kind])).to_arrow_table()
    return changes.select(METRIC_CHANGE_SCHEMA.names).cast(METRIC_CHANGE_SCHEMA), keys


def _compare_remainders(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], facts: pa.Table, totals: pa.Table) -> pa.Table:
    leaf_coverage, total_coverage = _coverage(batch, FetchKind.ADS), _coverage(batch, FetchKind.CAMPAIGNS)
    if not (total_coverage.num_rows or pc.any(leaf_coverage["closed"]).as_py() or pc.any(facts["inserted"]).as_py()):
        # The usual tick: only days still running, whose leaves were read before. Saves a fifth of its time.
        return REMAINDER_SCHEMA.empty_table()
    warehouse.register("leaf_coverage", leaf_coverage)
    warehouse.register("total_coverage", total_coverage)
    warehouse.register("facts_next", facts)
    warehouse.register("totals_next", totals)
    return warehouse.sql(query("diff_unreported")).to_arrow_table().cast(REMAINDER_SCHEMA)


def _changes_of(run: RunFetch, keys: int, facts: pa.Table, totals: pa.Table, entities: pa.Table, unreported: pa.Table) -> RunChanges:
    facts, totals, entities, unreported = (
        table.filter(pc.equal(table["connection_id"], run.connection_id)) for table in (facts, totals, entities, unreported)
    )
    return RunChanges(
        run_id=run.run_id,
        generation=run.generation,
        connection_id=run.connection_id,
        now=run.now,
        counts=_counts(keys, pa.concat_tables([facts, totals]), entities.num_rows),
        facts=facts,
        totals=totals,
        entities=entities,
        unreported=unreported,
    )


def _counts(keys: int, changes: pa.Table, entities_changed: int) -> RunCounts:
    """Vanished rows are updates of rows nobody answered, so fetched + vanished = inserted + updated + unchanged."""
    inserted = changes.filter(changes["inserted"]).num_rows
    vanished = changes.filter(pc.equal(changes["cause"], "vanished")).num_rows
    updated = changes.num_rows - inserted
    return RunCounts(
        fetched=keys,
        inserted=inserted,
        updated=updated,
        unchanged=keys - inserted - updated + vanished,
        entities_changed=entities_changed,
    )
