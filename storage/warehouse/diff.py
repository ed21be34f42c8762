"""Compares the platform's answers with the stored rows, a whole batch of connections at once. Step: diff.

The comparison is SQL over Arrow (``sql/diff_*.sql``); this module prepares the answers for it and splits the result
into one :class:`RunChanges` per run. It only reads: the same code runs against a read-only warehouse and, for a
workspace without one, against an empty one in memory.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from adpulse import entity_names, refused_table
from adpulse.entities import ENTITY_SCHEMA
from adpulse.gone_statuses import GONE_STATUSES
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import METRICS, PROFIT
from adpulse.missing_entities import MissingEntity
from adpulse.model import FetchKind, Level, RunCounts
from adpulse.platforms.registry import platform_of
from storage.warehouse.batches import (
    ACCOUNT_REMAINDER_SCHEMA,
    METRIC_CHANGE_SCHEMA,
    NAME_CHANGE_SCHEMA,
    REMAINDER_SCHEMA,
    RunChanges,
    RunFetch,
    by_days,
    in_time,
    portions,
    rows_not_covered,
)
from storage.warehouse.coverage import COVERAGE_SCHEMA, answers_of, coverage_table, days_read_together, first_open_day
from storage.warehouse.day_notes import compare_days, compare_gaps
from storage.warehouse.margins import at_new_margin, new_margins
from storage.warehouse.sql import query

_REPORTED_METRICS = [name for name in METRICS if name != PROFIT.name]

_DAY_KEY = ["connection_id", "date"]
_DAY_SCHEMA = pa.schema([METRIC_SCHEMA.field(name) for name in _DAY_KEY])
_WALK_SCHEMA = pa.schema([pa.field("connection_id", pa.string()), pa.field("first", pa.int64())])
_DELETED_STATUSES = pa.table([pa.array(GONE_STATUSES, pa.string())], names=["status"])
_ENTITY_TABLES = {FetchKind.ADS: "metric_facts", FetchKind.CAMPAIGNS: "platform_totals"}
_TABLES = {**_ENTITY_TABLES, FetchKind.ACCOUNT: "account_totals"}
_ANSWERED_BY = {kind: {kind} for kind in _TABLES} | {FetchKind.ADS: {FetchKind.ADS, FetchKind.CATEGORIES}}
_REFUSED_SCHEMA = pa.schema([METRIC_SCHEMA.field("connection_id"), *refused_table.SCHEMA])
"""Refused rows with their connection; those of metrics have an entity and a date."""

_CHANGED_TABLES = ("facts", "totals", "unreported", "account_totals", "not_by_campaign")

ROWS_AT_ONCE = 10_000
"""Rows of metrics that one join takes: DuckDB needs 2 kB of memory for each, and a worker has to stay small."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """The changes of a portion of a batch; ``keys`` and ``changed`` as in :class:`_KeyCounts`, of leaves and campaigns."""

    facts: pa.Table
    totals: pa.Table
    unreported: pa.Table
    account_totals: pa.Table
    not_by_campaign: pa.Table
    keys: Counter[str]
    changed: Counter[str]


@dataclass(frozen=True, slots=True)
class _KeyCounts:
    """For each connection, how many different keys its answers have, and how many of those differ from the stored rows."""

    keys: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)


def compare(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> list[RunChanges]:
    """The changes of each run, in the order of ``batch``; one join per kind of row for all of them, up to ``ROWS_AT_ONCE``.

    When two answers cover a day, the later one counts. When a key occurs twice within an answer, the last row counts.
    What is stored of an entity and day of which a row was refused stays, and so does the remainder of its campaign's day while that has
    not ended.
    A connection may occur once. For a connection with a new margin every stored row is among the changes, whatever was fetched.
    """
    if len({run.connection_id for run in batch}) < len(batch):
        raise ValueError("A batch holds each connection once.")
    entities = _compare_entities(warehouse, batch)
    names_changed = _compare_names(warehouse, batch)
    warehouse.register("confirmed", _confirmed_alive([run for run in batch if not platform_of(run.provider).reports_removed]))
    margins = new_margins(warehouse, batch)
    # A new margin changes every stored day, whatever was read, so the answers' days cannot split the batch into portions.
    in_portions = [batch] if margins else portions((part for run in batch for part in by_days(run, ROWS_AT_ONCE)), ROWS_AT_ONCE)
    compared = [_compare_portion(warehouse, portion, margins) for portion in in_portions]
    tables = {name: pa.concat_tables(getattr(part, name) for part in compared) for name in _CHANGED_TABLES}
    keys, changed = (sum((getattr(part, name) for part in compared), Counter[str]()) for name in ("keys", "changed"))
    tables |= {"entities": entities, "names": names_changed, "gaps": compare_gaps(warehouse, batch)}
    tables |= {"days": compare_days(warehouse, batch, {*margins, *_owners(tables.values())})}
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
    account_totals, _ = _compare_metrics(warehouse, batch, FetchKind.ACCOUNT, margins)
    return _Compared(
        facts=facts,
        totals=totals,
        unreported=_compare_remainders(warehouse, batch, facts, totals, margins),
        account_totals=account_totals,
        not_by_campaign=_compare_account(warehouse, batch, facts, totals, account_totals, margins),
        keys=leaves.keys + campaigns.keys,
        changed=leaves.changed + campaigns.changed,
    )


def missing_entities(warehouse: duckdb.DuckDBPyConnection, run: RunFetch) -> list[MissingEntity]:
    """Stored leaves and campaigns with numbers that the answers lack and that are not stored as deleted.

    They vanished or were deleted; only the platform can tell the two apart.
    """
    _compare_entities(warehouse, [run])
    levels, statuses = ([pair[place] for pair in sorted(run.left_out)] for place in (0, 1))
    warehouse.register("left_out", pa.table([pa.array(levels, pa.string()), pa.array(statuses, pa.string())], names=["level", "status"]))
    missing: list[MissingEntity] = []
    kinds = {answer.fetch.kind for answer in run.fetched}
    for kind, table in _ENTITY_TABLES.items():
        if kind not in kinds:
            continue
        warehouse.register("answer", _metric_answers([run], kind))
        warehouse.register("refused", _refused([run], kind))
        warehouse.register("coverage", coverage_table([run], kind))
        for level, external_id, campaign, ad_set, deleted_parent in warehouse.sql(query("missing_entities", table=table)).fetchall():
            entity = MissingEntity(
                level=Level(level), external_id=external_id, campaign_id=campaign, ad_set_id=ad_set, deleted_parent_status=deleted_parent
            )
            missing.append(entity)
    return missing


def _metric_answers(batch: Sequence[RunFetch], kind: FetchKind) -> pa.Table:
    tables = [METRIC_SCHEMA.empty_table()]
    for run in batch:
        newest_first = [rows_not_covered(answer.table, later) for answer, later in answers_of(run, kind)]
        tables += reversed(newest_first)
    return _numbered(pa.concat_tables(tables))


def _refused(batch: Sequence[RunFetch], *kinds: FetchKind) -> pa.Table:
    """The refused rows of the answers that count (_REFUSED_SCHEMA)."""
    tables = [_REFUSED_SCHEMA.empty_table()]
    for run in batch:
        for kind in kinds:
            tables += [_owned(rows_not_covered(answer.refused, later), run) for answer, later in answers_of(run, kind)]
    return pa.concat_tables(tables)


def _owned(rows: pa.Table, run: RunFetch) -> pa.Table:
    return rows.add_column(0, _REFUSED_SCHEMA.field(0), pa.array([run.connection_id] * rows.num_rows, pa.string())).cast(_REFUSED_SCHEMA)


def _leaf_answers(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    """The answers about leaves, each row with all of its metrics: what the answers leave out is taken from the stored row.

    Conversions that are unknown are not left out.
    """
    base = _metric_answers(batch, FetchKind.ADS)
    split_coverage = coverage_table(batch, FetchKind.CATEGORIES)
    if not split_coverage.num_rows and not any(base[name].null_count for name in _REPORTED_METRICS):
        return base
    warehouse.register("base", base)
    warehouse.register("split", _metric_answers(batch, FetchKind.CATEGORIES))
    warehouse.register("base_coverage", coverage_table(batch, FetchKind.ADS))
    warehouse.register("split_coverage", split_coverage)
    by_kind = [run.connection_id for run in batch if run.conversions_by_kind]
    unknown = [run.connection_id for run in batch if run.conversions_may_be_unknown]
    for name, connections in (("split_conversions", by_kind), ("unknown_conversions", unknown)):
        warehouse.register(name, pa.table([pa.array(connections, pa.string())], names=["connection_id"]))
    whole = warehouse.sql(query("complete_leaves")).to_arrow_table().select(METRIC_SCHEMA.names).cast(METRIC_SCHEMA)
    by_run = [(run, whole.filter(pc.equal(whole["connection_id"], run.connection_id))) for run in batch]
    return _numbered(pa.concat_tables([with_profit(rows, run.gross_margin) for run, rows in by_run]))


def _entity_answers(batch: Sequence[RunFetch]) -> tuple[pa.Table, pa.Table]:
    """All entity rows, oldest answer first, and where each connection's last complete walk begins among them."""
    tables, walks, position = [ENTITY_SCHEMA.empty_table()], {}, 0
    for run in batch:
        for answer in in_time(run.fetched):
            if answer.fetch.kind.has_dates:
                continue
            # A row without an id might be of any entity, so after such a walk no entity is taken for gone.
            if answer.fetch.kind is FetchKind.ENTITIES_FULL and not answer.refused["external_id"].null_count:
                walks[run.connection_id] = position
            tables.append(answer.table)
            position += answer.table.num_rows
    return _numbered(pa.concat_tables(tables)), pa.table([list(walks), list(walks.values())], schema=_WALK_SCHEMA)


def _numbered(table: pa.Table) -> pa.Table:
    return table.append_column("ordinal", pa.array(np.arange(table.num_rows, dtype=np.int64)))


def _answered_days(batch: Sequence[RunFetch], kinds: set[FetchKind]) -> pa.Table:
    """The days that the answers of these kinds cover, completely or in part."""
    answers = [(run.connection_id, answer.fetch) for run in batch for answer in run.fetched if answer.fetch.kind in kinds]
    distinct = sorted({(owner, day) for owner, fetch in answers for day in fetch.days})
    schema = pa.schema([COVERAGE_SCHEMA.field("connection_id"), COVERAGE_SCHEMA.field("date")])
    return pa.table([[owner for owner, _ in distinct], [day for _, day in distinct]], schema=schema)


def _holding(batch: Sequence[RunFetch]) -> pa.Table:
    """The refused rows that keep the remainder of their campaign's day as it is: totals, and leaves of a day that has not ended.

    An ended day's remainder is made again with its leaves, so what a refused leaf lacks is in it until the leaf is accepted, and the
    campaign's rows add up to its total.
    """
    totals = _refused(batch, FetchKind.CAMPAIGNS)
    leaves = [_refused([run], *_ANSWERED_BY[FetchKind.ADS]) for run in batch]
    still_open = [rows.filter(pc.greater_equal(rows["date"], first_open_day(run))) for run, rows in zip(batch, leaves, strict=True)]
    return pa.concat_tables([totals, *still_open])


def _compare_entities(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    warehouse.register("deleted_statuses", _DELETED_STATUSES)
    entities = ENTITY_SCHEMA.empty_table()
    if any(not fetched.fetch.kind.has_dates for run in batch for fetched in run.fetched):
        answer, walks = _entity_answers(batch)
        warehouse.register("answer", answer)
        warehouse.register("walks", walks)
        warehouse.register("refused", _refused_entities(batch))
        entities = warehouse.sql(query("diff_entities")).to_arrow_table().cast(ENTITY_SCHEMA)
    warehouse.register("entities_next", entities)
    return entities


def _refused_entities(batch: Sequence[RunFetch]) -> pa.Table:
    walked = [_owned(answer.refused, run) for run in batch for answer in run.fetched if not answer.fetch.kind.has_dates]
    return pa.concat_tables([_REFUSED_SCHEMA.empty_table(), *walked])


def _compare_names(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    """Names of entities that no walk has named, this batch's walks included, where they are new or changed."""
    changes, answers, rows = [NAME_CHANGE_SCHEMA.empty_table()], list[pa.Table](), 0
    for run in batch:
        merged = entity_names.merge_names(answer.names for answer in in_time(run.fetched))
        answers.append(merged.add_column(0, NAME_CHANGE_SCHEMA.field(0), pa.array([run.connection_id] * merged.num_rows, pa.string())))
        rows += merged.num_rows
        if rows >= ROWS_AT_ONCE or run is batch[-1]:
            warehouse.register("names_answer", pa.concat_tables(answers))
            changes.append(warehouse.sql(query("diff_names")).to_arrow_table().cast(NAME_CHANGE_SCHEMA))
            answers, rows = [], 0
    return pa.concat_tables(changes)


def _owners(tables: Iterable[pa.Table]) -> set[str]:
    """The connections that have a row in one of these tables."""
    return {owner for table in tables for owner in pc.unique(table["connection_id"]).to_pylist()}


def _confirmed_alive(batch: Sequence[RunFetch]) -> pa.Table:
    """The missing entities that the platform reported as alive in a lookup, and that its answers should have contained."""
    tables = [ENTITY_SCHEMA.empty_table()]
    for run in batch:
        for answer in run.fetched:
            if answer.fetch.kind is FetchKind.ENTITIES_CONFIRMED:
                states = zip(answer.table["level"].to_pylist(), answer.table["status"].to_pylist(), strict=True)
                expected = [status not in GONE_STATUSES and (level, status) not in run.left_out for level, status in states]
                tables.append(answer.table.filter(pa.array(expected, pa.bool_())))
    return pa.concat_tables(tables)


def _compare_metrics(
    warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], kind: FetchKind, margins: Mapping[str, Decimal]
) -> tuple[pa.Table, _KeyCounts]:
    """The changed rows, and how many keys the answers have."""
    kinds = {fetched.fetch.kind for run in batch for fetched in run.fetched}
    if not margins and not kinds & _ANSWERED_BY[kind]:
        return METRIC_CHANGE_SCHEMA.empty_table(), _KeyCounts()
    # An account is not deleted while it answers, so a row that it lacks is zero on every platform.
    removed = [run.connection_id for run in batch if kind is FetchKind.ACCOUNT or platform_of(run.provider).reports_removed]
    warehouse.register("reports_removed", pa.table([pa.array(removed, pa.string())], names=["connection_id"]))
    warehouse.register("at_new_margin", at_new_margin(warehouse, _TABLES[kind], METRIC_SCHEMA, margins))
    answer = _leaf_answers(warehouse, batch) if kind is FetchKind.ADS else _metric_answers(batch, kind)
    warehouse.register("answer", answer)
    refused = _refused(batch, *sorted(_ANSWERED_BY[kind]))
    warehouse.register("refused", refused)
    if refused.num_rows:
        answer = warehouse.sql(query("answer_accepted")).to_arrow_table()
        warehouse.register("answer", answer)
    remapped = [(run.connection_id, day) for run in batch for day in sorted(run.remapped)]
    warehouse.register("remapped", pa.Table.from_pylist([dict(zip(_DAY_KEY, pair, strict=True)) for pair in remapped], schema=_DAY_SCHEMA))
    warehouse.register("coverage", coverage_table(batch, kind))
    warehouse.register("answered_days", _answered_days(batch, _ANSWERED_BY[kind]))
    keys = Counter[str](dict(warehouse.sql(query("answer_keys")).fetchall()))
    if keys.total() < answer.num_rows:
        warehouse.register("answer", warehouse.sql(query("answer_last")).to_arrow_table())
    changes = warehouse.sql(query("diff_metrics", table=_TABLES[kind])).to_arrow_table()
    changed = Counter[str](changes.filter(changes["answered"])["connection_id"].to_pylist())
    return changes.select(METRIC_CHANGE_SCHEMA.names).cast(METRIC_CHANGE_SCHEMA), _KeyCounts(keys=keys, changed=changed)


def _compare_remainders(
    warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], facts: pa.Table, totals: pa.Table, margins: Mapping[str, Decimal]
) -> pa.Table:
    leaf_coverage, total_coverage = coverage_table(batch, FetchKind.ADS), coverage_table(batch, FetchKind.CAMPAIGNS)
    retaken = total_coverage.num_rows or pc.any(leaf_coverage["closed"]).as_py() or pc.any(facts["inserted"]).as_py()
    if not (retaken or margins):
        # The usual tick reads only unfinished days whose leaves were read before. Skipping them saves a fifth of its time.
        return REMAINDER_SCHEMA.empty_table()
    warehouse.register("leaf_coverage", leaf_coverage)
    warehouse.register("total_coverage", total_coverage)
    warehouse.register("facts_next", facts)
    warehouse.register("totals_next", totals)
    warehouse.register("refused", _holding(batch))
    warehouse.register("at_new_margin", at_new_margin(warehouse, "unreported", REMAINDER_SCHEMA, margins))
    return warehouse.sql(query("diff_unreported")).to_arrow_table().select(REMAINDER_SCHEMA.names).cast(REMAINDER_SCHEMA)


def _compare_account(
    warehouse: duckdb.DuckDBPyConnection,
    batch: Sequence[RunFetch],
    facts: pa.Table,
    totals: pa.Table,
    account: pa.Table,
    margins: Mapping[str, Decimal],
) -> pa.Table:
    """Changed rows of what the account has beyond its campaigns: of days whose totals of both were read together.

    And of days on which a campaign appeared or vanished without that.
    """
    together = [(run.connection_id, day) for run in batch for day in days_read_together(run)]
    campaigns_differ = pc.any(pc.or_(totals["inserted"], pc.equal(totals["cause"], "vanished"))).as_py()
    if not (together or margins or campaigns_differ):
        return ACCOUNT_REMAINDER_SCHEMA.empty_table()
    owners, days = zip(*together, strict=True) if together else ((), ())
    warehouse.register("read_together", pa.table([pa.array(owners, pa.string()), pa.array(days, pa.date32())], names=_DAY_KEY))
    warehouse.register("totals_next", totals)
    warehouse.register("facts_next", facts)
    warehouse.register("account_next", account)
    warehouse.register("refused", _refused(batch, FetchKind.CAMPAIGNS, FetchKind.ACCOUNT))
    warehouse.register("at_new_margin", at_new_margin(warehouse, "not_by_campaign", ACCOUNT_REMAINDER_SCHEMA, margins))
    rows = warehouse.sql(query("diff_not_by_campaign")).to_arrow_table()
    return rows.select(ACCOUNT_REMAINDER_SCHEMA.names).cast(ACCOUNT_REMAINDER_SCHEMA)


def _changes_of(run: RunFetch, tables: Mapping[str, pa.Table], counts: tuple[int, int], *, remargined: bool) -> RunChanges:
    own = {name: table.filter(pc.equal(table["connection_id"], run.connection_id)) for name, table in tables.items()}
    metrics = pa.concat_tables([own["facts"], own["totals"]])
    inserted = metrics.filter(metrics["inserted"]).num_rows
    fetched, changed = counts
    return RunChanges(
        run_id=run.run_id,
        generation=run.generation,
        connection_id=run.connection_id,
        now=run.now,
        # Rows that are in no answer (they vanished, or follow a new margin) count as updated, too.
        counts=RunCounts(
            fetched=fetched,
            inserted=inserted,
            updated=metrics.num_rows - inserted,
            unchanged=fetched - changed,
            entities_changed=own["entities"].num_rows,
        ),
        gross_margin=run.gross_margin,
        remargined=remargined,
        **own,
    )
