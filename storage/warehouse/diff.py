"""Compares what the platform answered with what is stored, a whole batch of connections at once. Step: diff.

The comparison is SQL over Arrow (``sql/diff_*.sql``); this module lays the answers out for it and splits the result
into one :class:`RunChanges` per run. It only reads: the same code runs against a read-only warehouse and, for a
workspace without one, against an empty one in memory.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adpulse import entity_names
from adpulse.entities import ENTITY_SCHEMA, GONE_STATUSES
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import MARGIN_UNIT, METRICS, PROFIT
from adpulse.missing_entities import MissingEntity
from adpulse.model import FetchKind, Level, RunCounts
from adpulse.platforms.registry import platform_of
from storage.warehouse.batches import (
    METRIC_CHANGE_SCHEMA,
    NAME_CHANGE_SCHEMA,
    READ_DAY_SCHEMA,
    REMAINDER_SCHEMA,
    RunChanges,
    RunFetch,
    by_days,
    days_of,
    portions,
    read_day_rows,
)
from storage.warehouse.sql import query

_TOLD = [name for name in METRICS if name != PROFIT.name]

_COVERAGE_SCHEMA = pa.schema([METRIC_SCHEMA.field("connection_id"), METRIC_SCHEMA.field("date"), pa.field("closed", pa.bool_())])
_WALK_SCHEMA = pa.schema([pa.field("connection_id", pa.string()), pa.field("first", pa.int64())])
_MARGIN_SCHEMA = pa.schema([pa.field("connection_id", pa.string()), pa.field("gross_margin", pa.decimal128(9, 6))])
_GONE = pa.table([pa.array(GONE_STATUSES, pa.string())], names=["status"])
_TABLES = {FetchKind.ADS: "metric_facts", FetchKind.CAMPAIGNS: "platform_totals"}
_TOLD_BY = {FetchKind.ADS: {FetchKind.ADS, FetchKind.CATEGORIES}, FetchKind.CAMPAIGNS: {FetchKind.CAMPAIGNS}}


ROWS_AT_ONCE = 10_000
"""Rows of metrics that one join takes: DuckDB needs 2 kB of memory for each, and a worker has to stay small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """What a portion of a batch changes; ``keys`` and ``changed`` as in :class:`_Answered`, of leaves and campaigns."""

    facts: pa.Table
    totals: pa.Table
    unreported: pa.Table
    keys: Counter[str]
    changed: Counter[str]


@dataclass(frozen=True, slots=True)
class _Answered:
    """Of each connection, how many different keys its answers hold, and how many of those are other than what is stored."""

    keys: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


def compare(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> list[RunChanges]:
    """The changes of each run, in the order of ``batch``; one join per kind of row for all of them, up to ``ROWS_AT_ONCE``.

    A day asked for twice is what the later answer says. A key twice within one answer is what comes last.
    A connection may occur once. Of a connection with a new margin every stored row is among the changes, whatever was asked.
    """
    if len({run.connection_id for run in batch}) < len(batch):
        raise ValueError("A batch holds each connection once.")
    entities = _compare_entities(warehouse, batch)
    found_names = _compare_names(warehouse, batch)
    tell_removed = [run.connection_id for run in batch if platform_of(run.provider).reports_removed]
    warehouse.register("tell_removed", pa.table([pa.array(tell_removed, pa.string())], names=["connection_id"]))
    warehouse.register("confirmed", _confirmed([run for run in batch if not platform_of(run.provider).reports_removed]))
    margins = _new_margins(warehouse, batch)
    # A new margin changes every stored day, whatever was read: there is nothing to take in portions.
    in_portions = [batch] if margins else portions((part for run in batch for part in by_days(run, ROWS_AT_ONCE)), ROWS_AT_ONCE)
    found = [_compare_portion(warehouse, portion, margins) for portion in in_portions]
    tables = {name: pa.concat_tables(getattr(each, name) for each in found) for name in ("facts", "totals", "unreported")}
    keys, changed = (sum((getattr(each, name) for each in found), Counter[str]()) for name in ("keys", "changed"))
    tables |= {"entities": entities, "names": found_names}
    tables |= {"days": _compare_days(warehouse, batch, {*margins, *_owners(tables.values())})}
    return [
        _changes_of(
            run,
            tables,
            (keys[run.connection_id], changed[run.connection_id]),
            remargined=run.connection_id in margins,
        )
        for run in batch
    ]


def _compare_portion(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], margins: Mapping[str, Decimal]) -> "_Compared":
    facts, leaves = _compare_metrics(warehouse, batch, FetchKind.ADS, margins)
    totals, campaigns = _compare_metrics(warehouse, batch, FetchKind.CAMPAIGNS, margins)
    return _Compared(
        facts=facts,
        totals=totals,
        unreported=_compare_remainders(warehouse, batch, facts, totals, margins),
        keys=leaves.keys + campaigns.keys,
        changed=leaves.changed + campaigns.changed,
    )


def missing_entities(warehouse: duckdb.DuckDBPyConnection, run: RunFetch) -> list[MissingEntity]:
    """Stored leaves and campaigns with numbers that the answers lack and that are not known to be gone.

    They vanished or were deleted; which of the two only the platform knows.
    """
    _compare_entities(warehouse, [run])
    levels, statuses = ([pair[place] for pair in sorted(run.left_out)] for place in (0, 1))
    warehouse.register("left_out", pa.table([pa.array(levels, pa.string()), pa.array(statuses, pa.string())], names=["level", "status"]))
    found: list[MissingEntity] = []
    told = {one.fetch.kind for one in run.fetched}
    for kind, table in _TABLES.items():
        if kind not in told:
            continue
        warehouse.register("answer", _metric_answers([run], kind))
        warehouse.register("coverage", _coverage([run], kind))
        for level, external_id, campaign, ad_set, gone in warehouse.sql(query("missing_entities", table=table)).fetchall():
            parents = {"campaign_id": campaign, "ad_set_id": ad_set, "gone_parent": gone}
            found.append(MissingEntity(level=Level(level), external_id=external_id, **parents))
    return found


def _in_time(fetched: Sequence[FetchResult]) -> list[FetchResult]:
    return sorted(fetched, key=lambda one: one.fetched_at)


def _days_told(run: RunFetch, kind: FetchKind) -> Iterator[tuple[FetchResult, set[date]]]:
    """Each answer with the days on which it has the last word."""
    answers = [one for one in _in_time(run.fetched) if one.fetch.kind is kind]
    speaker = {day: position for position, one in enumerate(answers) for day in days_of(one)}
    for position, one in enumerate(answers):
        yield one, {day for day in days_of(one) if speaker[day] == position}


def _metric_answers(batch: Sequence[RunFetch], kind: FetchKind) -> pa.Table:
    tables = [METRIC_SCHEMA.empty_table()]
    for run in batch:
        for one, days in _days_told(run, kind):
            whole = len(days) == len(days_of(one))
            tables.append(one.table if whole else one.table.filter(pc.is_in(one.table["date"], pa.array(sorted(days), pa.date32()))))
    return _numbered(pa.concat_tables(tables))


def _leaf_answers(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    """The answers about leaves, each row with all of its metrics: what an answer does not say is as it is stored."""
    base = _metric_answers(batch, FetchKind.ADS)
    split_coverage = _coverage(batch, FetchKind.CATEGORIES)
    if not split_coverage.num_rows and not any(base[name].null_count for name in _TOLD):
        return base
    warehouse.register("base", base)
    warehouse.register("split", _metric_answers(batch, FetchKind.CATEGORIES))
    warehouse.register("base_coverage", _coverage(batch, FetchKind.ADS))
    warehouse.register("split_coverage", split_coverage)
    whole = warehouse.sql(query("complete_leaves")).to_arrow_table().select(METRIC_SCHEMA.names).cast(METRIC_SCHEMA)
    mine = [(run, whole.filter(pc.equal(whole["connection_id"], run.connection_id))) for run in batch]
    return _numbered(pa.concat_tables([with_profit(rows, run.gross_margin) for run, rows in mine]))


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
    return entities


def _compare_names(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    """Names of entities that no walk has named, this batch's walks included, where they are new or changed."""
    found, answers, rows = [NAME_CHANGE_SCHEMA.empty_table()], list[pa.Table](), 0
    for run in batch:
        told = entity_names.merge_names(one.names for one in _in_time(run.fetched))
        answers.append(told.add_column(0, NAME_CHANGE_SCHEMA.field(0), pa.array([run.connection_id] * told.num_rows, pa.string())))
        rows += told.num_rows
        if rows >= ROWS_AT_ONCE or run is batch[-1]:
            warehouse.register("names_answer", pa.concat_tables(answers))
            found.append(warehouse.sql(query("diff_names")).to_arrow_table().cast(NAME_CHANGE_SCHEMA))
            answers, rows = [], 0
    return pa.concat_tables(found)


def _compare_days(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], writing: set[str]) -> pa.Table:
    """The notes of days that are to be written; ``writing``: connections of which anything else is."""
    known = [(run.connection_id, run.timezone, run.read_days) for run in batch if run.read_days is not None]
    if not known:
        return READ_DAY_SCHEMA.empty_table()
    warehouse.register("day_notes", pa.concat_tables(read_day_rows(owner, days) for owner, _, days in known))
    owners, zones, _ = zip(*known, strict=True)
    warehouse.register(
        "day_owners", pa.table([pa.array(owners, pa.string()), pa.array(zones, pa.string())], names=["connection_id", "timezone"])
    )
    warehouse.register("writing", pa.table([pa.array(sorted(writing), pa.string())], names=["connection_id"]))
    return warehouse.sql(query("diff_days")).to_arrow_table().cast(READ_DAY_SCHEMA)


def _owners(tables: Iterable[pa.Table]) -> set[str]:
    """The connections that have a row in one of these."""
    return {owner for table in tables for owner in pc.unique(table["connection_id"]).to_pylist()}


def _confirmed(batch: Sequence[RunFetch]) -> pa.Table:
    """The entities that the platform said live when it was asked about what its answers lack, and that these would hold."""
    tables = [ENTITY_SCHEMA.empty_table()]
    for run in batch:
        for one in run.fetched:
            if one.fetch.kind is FetchKind.ENTITIES_CONFIRMED:
                told = zip(one.table["level"].to_pylist(), one.table["status"].to_pylist(), strict=True)
                held = [status not in GONE_STATUSES and (level, status) not in run.left_out for level, status in told]
                tables.append(one.table.filter(pa.array(held, pa.bool_())))
    return pa.concat_tables(tables)


def _new_margins(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> Mapping[str, Decimal]:
    """The margins of connections whose stored rows have another one."""
    margins = {run.connection_id: run.gross_margin.quantize(MARGIN_UNIT) for run in batch}
    warehouse.register("margins", pa.table([list(margins), list(margins.values())], schema=_MARGIN_SCHEMA))
    changed = warehouse.sql(query("new_margins")).fetchall()
    warehouse.register("remargined", pa.table([pa.array([each for (each,) in changed], pa.string())], names=["connection_id"]))
    return {connection_id: margins[connection_id] for (connection_id,) in changed}


def _at_new_margin(warehouse: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, margins: Mapping[str, Decimal]) -> pa.Table:
    """What the table holds of each connection with a new margin, at that margin."""
    select = f"SELECT {', '.join(schema.names)} FROM {table} WHERE connection_id = ?"  # noqa: S608 - our own names
    stored = {each: warehouse.sql(select, params=[each]).to_arrow_table().cast(schema) for each in margins}
    return pa.concat_tables([schema.empty_table(), *(with_profit(rows, margins[each]) for each, rows in stored.items())])


def _compare_metrics(
    warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], kind: FetchKind, margins: Mapping[str, Decimal]
) -> tuple[pa.Table, _Answered]:
    """The changed rows, and how many rows were answered."""
    told = {one.fetch.kind for run in batch for one in run.fetched}
    if not margins and not told & _TOLD_BY[kind]:
        return METRIC_CHANGE_SCHEMA.empty_table(), _Answered()
    warehouse.register("at_new_margin", _at_new_margin(warehouse, _TABLES[kind], METRIC_SCHEMA, margins))
    answer = _leaf_answers(warehouse, batch) if kind is FetchKind.ADS else _metric_answers(batch, kind)
    warehouse.register("answer", answer)
    warehouse.register("coverage", _coverage(batch, kind))
    warehouse.register("told_days", pa.concat_tables([_coverage(batch, each) for each in sorted(_TOLD_BY[kind])]))
    keys = Counter[str](dict(warehouse.sql(query("answer_keys")).fetchall()))
    if keys.total() < answer.num_rows:
        warehouse.register("answer", warehouse.sql(query("answer_last")).to_arrow_table())
    changes = warehouse.sql(query("diff_metrics", table=_TABLES[kind])).to_arrow_table()
    changed = Counter[str](changes.filter(changes["answered"])["connection_id"].to_pylist())
    return changes.select(METRIC_CHANGE_SCHEMA.names).cast(METRIC_CHANGE_SCHEMA), _Answered(keys=keys, changed=changed)


def _compare_remainders(
    warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], facts: pa.Table, totals: pa.Table, margins: Mapping[str, Decimal]
) -> pa.Table:
    leaf_coverage, total_coverage = _coverage(batch, FetchKind.ADS), _coverage(batch, FetchKind.CAMPAIGNS)
    retaken = total_coverage.num_rows or pc.any(leaf_coverage["closed"]).as_py() or pc.any(facts["inserted"]).as_py()
    if not (retaken or margins):
        # The usual tick: only days still running, whose leaves were read before. Saves a fifth of its time.
        return REMAINDER_SCHEMA.empty_table()
    warehouse.register("leaf_coverage", leaf_coverage)
    warehouse.register("total_coverage", total_coverage)
    warehouse.register("facts_next", facts)
    warehouse.register("totals_next", totals)
    warehouse.register("at_new_margin", _at_new_margin(warehouse, "unreported", REMAINDER_SCHEMA, margins))
    return warehouse.sql(query("diff_unreported")).to_arrow_table().select(REMAINDER_SCHEMA.names).cast(REMAINDER_SCHEMA)


def _changes_of(run: RunFetch, tables: Mapping[str, pa.Table], counts: tuple[int, int], *, remargined: bool) -> RunChanges:
    mine = {name: table.filter(pc.equal(table["connection_id"], run.connection_id)) for name, table in tables.items()}
    metrics = pa.concat_tables([mine["facts"], mine["totals"]])
    inserted = metrics.filter(metrics["inserted"]).num_rows
    fetched, changed = counts
    return RunChanges(
        run_id=run.run_id,
        generation=run.generation,
        connection_id=run.connection_id,
        now=run.now,
        # Rows that nobody answered (they vanished, or follow a new margin) are updated all the same.
        counts=RunCounts(
            fetched=fetched,
            inserted=inserted,
            updated=metrics.num_rows - inserted,
            unchanged=fetched - changed,
            entities_changed=mine["entities"].num_rows,
        ),
        gross_margin=run.gross_margin,
        remargined=remargined,
        **mine,
    )
