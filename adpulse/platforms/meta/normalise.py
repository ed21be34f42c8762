"""Turns Meta's answers into Arrow, one row per key. Pure. Step: normalise."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson
import pyarrow as pa

from adpulse.entities import ENTITY_SCHEMA
from adpulse.entity_names import names_table
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import METRICS
from adpulse.model import AccountFacts, Connection, Level
from adpulse.platforms.meta.metrics import read

_ACCOUNT_STATUS = {
    1: "active", 2: "disabled", 3: "unsettled", 7: "pending risk review", 8: "pending settlement", 9: "in grace period",
    100: "pending closure", 101: "closed",
}  # fmt: skip
_READABLE = (1, 3, 8, 9)
_NOT_ATTRIBUTES = frozenset(
    {"id", "name", "effective_status", "updated_time", "account_id", "campaign_id", "adset_id", "objective", "optimization_goal"}
)

_NAMED = ((Level.AD, "adset_id"), (Level.AD_SET, "campaign_id"), (Level.CAMPAIGN, None))

Row = Mapping[str, Any]


def account(node: Row) -> AccountFacts:
    """What Meta says about an ad account."""
    status = int(node["account_status"])
    return AccountFacts(
        external_id=str(node["account_id"]),
        name=str(node["name"]),
        currency=str(node["currency"]),
        timezone=str(node["timezone_name"]),
        enabled=status in _READABLE,
        status=_ACCOUNT_STATUS.get(status, f"status {status}"),
    )


def entities(level: Level, rows: Iterable[Row], connection_id: str) -> pa.Table:
    """ENTITY_SCHEMA rows of one level. Of an entity that came twice (data move while paging) the last is kept."""
    latest = {str(row["id"]): row for row in rows}
    parent = {Level.CAMPAIGN: None, Level.AD_SET: "campaign_id", Level.AD: "adset_id"}[level]
    goal = {Level.CAMPAIGN: "objective", Level.AD_SET: "optimization_goal", Level.AD: None}[level]
    columns = [
        [connection_id] * len(latest),
        [level.value] * len(latest),
        list(latest),
        [row.get(parent) if parent else None for row in latest.values()],
        [row.get("name") for row in latest.values()],
        [row["effective_status"] for row in latest.values()],
        [row.get(goal) if goal else None for row in latest.values()],
        [_attributes(row) for row in latest.values()],
    ]
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, ENTITY_SCHEMA, strict=True)], schema=ENTITY_SCHEMA)


def _attributes(row: Row) -> str:
    """Everything else the call gave, as canonical JSON: the same entity always reads the same."""
    attributes = {name: value for name, value in row.items() if name not in _NOT_ATTRIBUTES and value is not None}
    return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()


def metrics(level: Level, rows: Iterable[Row], connection: Connection) -> pa.Table:
    """METRIC_SCHEMA rows of one page, one per entity and day; of a key that came twice the last is kept.

    Raises:
        Unavailable: a value that is not a number; nothing of the answer can be trusted.
    """
    key = f"{level.value}_id"
    latest = {(str(row[key]), row["date_start"]): row for row in rows}
    values = [read(row, leaf=level is Level.AD) for row in latest.values()]
    columns: list[pa.Array] = [
        pa.array([connection.id] * len(latest)),
        pa.array([level.value] * len(latest)),
        pa.array([external_id for external_id, _ in latest], pa.string()),
        pa.array([str(row["campaign_id"]) for row in latest.values()], pa.string()),
        pa.array([day for _, day in latest], pa.string()).cast(pa.date32()),
    ]
    columns += [pa.array([metrics.get(name) for metrics in values], pa.int64()) for name in METRICS]
    return with_profit(pa.table(columns, schema=METRIC_SCHEMA), connection.gross_margin)


def names(rows: Iterable[Row]) -> pa.Table:
    """The entities that one page of numbers names, each once. A name that is absent names nothing."""
    named: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for row in rows:
        for level, parent in _NAMED:
            key, name = row.get(f"{level}_id"), row.get(f"{level}_name")
            if key is not None and name is not None:
                above = row.get(parent) if parent else None
                named[level.value, str(key)] = None if above is None else str(above), str(name)
    return names_table(named)


def latest(table: pa.Table) -> pa.Table:
    """The rows of several pages, each entity and day once: data move while we page, and the last page is the freshest."""
    keys = zip(table["external_id"].to_pylist(), table["date"].to_pylist(), strict=True)
    last = {key: row for row, key in enumerate(keys)}
    return table if len(last) == table.num_rows else table.take(pa.array(last.values(), pa.int64()))
