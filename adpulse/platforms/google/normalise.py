"""Turns Google's answers into Arrow: doubles rounded once, conversions by category joined after adding up. Pure. Step: normalise.

An answer comes as a table with a column per selected field, named like the field.
"""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from adpulse.entities import ENTITY_SCHEMA, EntitiesAnswer
from adpulse.entity_names import names_table
from adpulse.mapping import MAPPED, ConversionMapping
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import MICROS
from adpulse.model import AccountFacts, Connection, Level
from adpulse.platforms.google.metrics import REPORTED, RULES, split_field
from adpulse.platforms.google.metrics import fields as fields_of
from adpulse.platforms.google.shapes import DATE
from adpulse.refused_rows import RefusedRow
from adpulse.refused_table import refused_table

CATEGORY, ACTION = "segments.conversion_action_category", "segments.conversion_action"
_STOPPED = frozenset({"CANCELED", "SUSPENDED", "CLOSED"})
"""Statuses in which nothing can be read. One that is not known yet is no reason to stop: a refusal would say so."""

_NOT_ATTRIBUTES = frozenset({"id", "parent", "name", "status", "objective", "headlines"})

_KEY = ("level", "external_id", "campaign_id", "date")
_LARGEST = 2**63
_UNSURE_FROM = 2.0**51
"""From here on a double is no longer fine enough for its product to tell how the exact one rounds."""

Row = Mapping[str, Any]


def account(row: Row, prefix: str, login_customer_id: str | None) -> AccountFacts:
    """What Google says about a customer; ``prefix`` is the resource that the row's fields are of."""
    status, manager = str(row[f"{prefix}.status"]), bool(row[f"{prefix}.manager"])
    external_id = str(row[f"{prefix}.id"])
    return AccountFacts(
        external_id=external_id,
        name=str(row[f"{prefix}.descriptive_name"]) or f"Customer {external_id}",
        currency=str(row[f"{prefix}.currency_code"]),
        timezone=str(row[f"{prefix}.time_zone"]),
        enabled=status not in _STOPPED and not manager,
        status="manager account" if manager else status.lower(),
        login_customer_id=login_customer_id,
        manager=manager,
    )


def entities(level: Level, answer: pa.Table, connection_id: str, fields: Mapping[str, str]) -> EntitiesAnswer:
    """ENTITY_SCHEMA rows of one level; rows without an id are refused. Of an entity that came twice the last is kept.

    ``fields`` says which column is the ``id``, ``parent``, ``name``, ``status``, ``objective`` and what replaces an empty name
    (``headlines``); every other name is an attribute's.
    """
    own = {name: column for name, column in fields.items() if name in _NOT_ATTRIBUTES}
    attributes = {name: column for name, column in fields.items() if name not in own}
    rows = answer.to_pylist()
    latest = {str(row[own["id"]]): row for row in rows if row[own["id"]]}
    refused = (RefusedRow(level=level.value, external_id=None, reason=f"{own['id']}: missing") for row in rows if not row[own["id"]])
    columns = [
        [connection_id] * len(latest),
        [level.value] * len(latest),
        list(latest),
        [str(row[own["parent"]]) if "parent" in own else None for row in latest.values()],
        [_name(row, fields) for row in latest.values()],
        [row[own["status"]] for row in latest.values()],
        [row[own["objective"]] if "objective" in own else None for row in latest.values()],
        [_attributes(row, attributes) for row in latest.values()],
    ]
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, ENTITY_SCHEMA, strict=True)], schema=ENTITY_SCHEMA)
    return EntitiesAnswer(table, refused_table(refused))


def _name(row: Row, fields: Mapping[str, str]) -> str | None:
    """The name; of an ad without one, which responsive search ads never have, the first headline, else its type and id."""
    name: str | None = row[fields["name"]]
    if name or "headlines" not in fields:
        return name
    headline: str | None = next(filter(None, row[fields["headlines"]] or ()), None)
    return headline or f"{str(row[fields['type']]).replace('_', ' ').capitalize()} {row[fields['id']]}"


def _attributes(row: Row, fields: Mapping[str, str]) -> str:
    """What is set of them, as canonical JSON: the same entity always reads the same."""
    attributes = {name: row[column] for name, column in fields.items() if row[column]}
    return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()


def names(answer: pa.Table, kinds: Mapping[Level, Mapping[str, str]]) -> pa.Table:
    """The entities that an answer names, each once, with their parents; most of Google's ads have no name.

    Of the ad groups of one ad it is always the same one, whatever the order of the answer.
    """
    named: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for level, fields in kinds.items():
        own = {name: fields[name] for name in ("id", "parent", "name") if name in fields}
        distinct = answer.group_by(list(own.values()), use_threads=False).aggregate([])
        for row in distinct.sort_by([(column, "ascending") for column in own.values()]).to_pylist():
            if not row[own["id"]]:
                continue
            parent = str(row[own["parent"]]) if "parent" in own else None
            named[level.value, str(row[own["id"]])] = parent, row[own["name"]] or None
    return names_table(named)


def base(level: Level, answer: pa.Table, within: str, fields: Mapping[str, str], mapping: ConversionMapping = RULES.default) -> pa.Table:
    """Numbers per entity and day without the split of conversions: ``_KEY`` and ``REPORTED`` columns, the split null.

    ``conversions`` are null where the mapping counts others than Google's own total.

    Args:
        level: what the rows are of.
        answer: a row that came twice (data move while a stream runs) counts once.
        within: the column that tells rows of the same entity and day apart: an ad may stand in several ad groups, which add up.
        fields: which columns are the ``id`` and, unless the rows are of the account, the ``campaign``.
        mapping: what counts as conversions.
    """
    rows = _latest(answer, [fields["id"], within, DATE])
    own = {name: column for name, column in fields_of(mapping).items() if name != "conversions" or mapping.counts_own_conversions}
    return _summed(_keyed(level, rows, fields, {name: _plain(rows[column]) for name, column in own.items()}))


def split(level: Level, answer: pa.Table, within: str, fields: Mapping[str, str], mapping: ConversionMapping = RULES.default) -> pa.Table:
    """Conversions per entity and day by kind, the rest null; categories and actions that the mapping does not count make no row.

    A conversion counts once for each metric, also where both its category and its action are mapped.
    """
    actions = [ACTION] if ACTION in answer.column_names else []
    rows = _latest(answer, [fields["id"], within, DATE, CATEGORY, *actions])
    categories = rows[CATEGORY].to_pylist()
    ids = [str(name).rpartition("/")[2] for name in rows[ACTION].to_pylist()] if actions else [""] * len(categories)
    counted_as = {pair: mapping.metrics_of(*pair) for pair in set(zip(categories, ids, strict=True))}
    metrics = [counted_as[pair] for pair in zip(categories, ids, strict=True)]
    kept = pa.array([bool(names) for names in metrics], pa.bool_())
    rows, metrics = rows.filter(kept), [names for names in metrics if names]
    counted = _plain(rows[split_field(mapping)])
    mapped = [name for name in MAPPED if name != "conversions" or not mapping.counts_own_conversions]
    columns = {name: pc.if_else(pa.array([name in names for names in metrics], pa.bool_()), counted, 0) for name in mapped}
    return _summed(_keyed(level, rows, fields, columns))


def joined(parts: Iterable[pa.Table]) -> pa.Table:
    """Base and split of the same entities and days in one row each; a value that one of them lacks is zero."""
    return _summed(_zeroed(pa.concat_tables(parts)))


def rows(parts: Iterable[pa.Table], connection: Connection) -> pa.Table:
    """METRIC_SCHEMA rows, with their profit where the revenue is reported."""
    reported = pa.concat_tables(parts)
    columns = {name: reported[name] for name in (*_KEY, *REPORTED)}
    columns["connection_id"] = pa.array([connection.id] * reported.num_rows, pa.string())
    silent = pa.nulls(reported.num_rows, pa.int64())
    table = pa.table([columns.get(name, silent) for name in METRIC_SCHEMA.names], schema=METRIC_SCHEMA)
    return with_profit(table, connection.gross_margin)


def _keyed(level: Level, rows: pa.Table, fields: Mapping[str, str], columns: Mapping[str, pa.Array]) -> pa.Table:
    count = rows.num_rows
    key = {
        "level": pa.array([level.value] * count, pa.string()),
        "external_id": rows[fields["id"]].cast(pa.string()),
        "campaign_id": rows[fields["campaign"]].cast(pa.string()) if "campaign" in fields else pa.array([""] * count, pa.string()),
        "date": rows[DATE].cast(pa.date32()),
    }
    silent = pa.nulls(count, pa.int64())
    return pa.table({**key, **{name: columns.get(name, silent) for name in REPORTED}})


def _summed(rows: pa.Table) -> pa.Table:
    """One row per key; null stays null where no row says anything."""
    grouped = rows.group_by(list(_KEY), use_threads=False).aggregate([(name, "sum") for name in REPORTED])
    return pa.table({name: grouped[name if name in _KEY else f"{name}_sum"] for name in (*_KEY, *REPORTED)})


def _zeroed(rows: pa.Table) -> pa.Table:
    return pa.table({name: pc.fill_null(rows[name], 0) if name in REPORTED else rows[name] for name in rows.column_names})


def _latest(rows: pa.Table, key: list[str]) -> pa.Table:
    """Every key once: the last of its rows."""
    numbered = rows.append_column("ordinal", pa.array(np.arange(rows.num_rows, dtype=np.int64)))
    last = numbered.group_by(list(dict.fromkeys(key)), use_threads=False).aggregate([("ordinal", "max")])["ordinal_max"]
    return rows if len(last) == rows.num_rows else rows.take(last)


def _plain(column: pa.ChunkedArray) -> pa.Array:
    """Counts as they are, doubles in millionths."""
    return micros(column) if pa.types.is_floating(column.type) else column.combine_chunks()


def micros(column: pa.ChunkedArray) -> pa.Array:
    """Doubles in millionths, each rounded once from its exact value, half to even. All are finite, and their millionths fit 64 bits."""
    values = column.to_numpy()
    product = values * MICROS
    nearest = np.rint(product)
    # The product was rounded itself: where that could have moved it across the middle between two integers, be exact.
    from_middle = np.abs(np.abs(product - nearest) - 0.5)
    size = np.abs(product)
    unsure = np.flatnonzero((size >= _UNSURE_FROM) | (from_middle <= size * 2.0**-51))
    whole = np.where(size < _LARGEST, nearest, 0).astype(np.int64)
    for place in unsure:
        whole[place] = round(Fraction(float(values[place])) * MICROS)
    return pa.array(whole, pa.int64())
