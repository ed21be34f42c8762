"""Turns Meta's answers into Arrow, one row per key. Pure. Step: normalise."""

from collections.abc import Iterable, Mapping
from datetime import date

import orjson
import pyarrow as pa

from adpulse.entities import ENTITY_SCHEMA, EntitiesAnswer
from adpulse.entity_names import MetricsAnswer, names_table
from adpulse.metric_rows import METRIC_SCHEMA, with_profit
from adpulse.metrics import METRICS
from adpulse.model import AccountFacts, Connection, Level
from adpulse.platforms.meta import shapes
from adpulse.platforms.meta.metrics import RULES, read
from adpulse.platforms.meta.shapes import Days, Row
from adpulse.refused_rows import RefusedRow, RowRefused
from adpulse.refused_table import refused_table

_ACCOUNT_STATUS = {
    "1": "active", "2": "disabled", "3": "unsettled", "7": "pending risk review", "8": "pending settlement", "9": "in grace period",
    "100": "pending closure", "101": "closed", "201": "any active", "202": "any closed",
}  # fmt: skip
_UNREADABLE = frozenset({"2", "7", "100", "101", "202"})
"""Statuses in which nothing can be read. One that is not known yet is no reason to stop: a refusal would say so."""

_NOT_ATTRIBUTES = frozenset(
    {"id", "name", "effective_status", "updated_time", "account_id", "campaign_id", "adset_id", "objective", "optimization_goal"}
)

_NAMED = ((Level.AD, "adset_id"), (Level.AD_SET, "campaign_id"), (Level.CAMPAIGN, None))


def account(node: object, external_id: str | None = None) -> AccountFacts:
    """What Meta says about an ad account: the account with this id, or one of a list. Without a name it is called by its id.

    Raises:
        RowRefused: one of a list has no id.
    """
    fields: Row = node if isinstance(node, Mapping) else {}
    own_id = external_id or shapes.identifier(fields.get("account_id")) or shapes.identifier(fields.get("id"))
    if own_id is None:
        raise RowRefused("account_id: missing")
    status = shapes.text(fields.get("account_status")) or "unknown"
    bare_id = own_id.removeprefix("act_")
    return AccountFacts(
        external_id=bare_id,
        name=shapes.text(fields.get("name")) or bare_id,
        currency=shapes.text(fields.get("currency")) or "",
        timezone=shapes.text(fields.get("timezone_name")) or "",
        enabled=status not in _UNREADABLE,
        status=_ACCOUNT_STATUS.get(status, f"status {status}"),
    )


def entities(level: Level, rows: Iterable[object], connection_id: str) -> EntitiesAnswer:
    """ENTITY_SCHEMA rows of one level. Of an entity that came twice (data move while paging) the last is kept."""
    latest, refused = dict[str, tuple[str | None, ...]](), list[RefusedRow]()
    for row in rows:
        try:
            external_id, fields = shapes.entity(row)
            latest[external_id] = _entity(level, fields)
        except RowRefused as error:
            refused.append(RefusedRow(level=level.value, external_id=shapes.entity_key(row), reason=str(error)))
    parents, names, statuses, goals, attributes = zip(*latest.values(), strict=True) if latest else ((),) * 5
    same = [connection_id] * len(latest), [level.value] * len(latest)
    columns = [*same, list(latest), parents, names, statuses, goals, attributes]
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, ENTITY_SCHEMA, strict=True)], schema=ENTITY_SCHEMA)
    return EntitiesAnswer(table, refused_table(refused))


def _entity(level: Level, row: Row) -> tuple[str | None, ...]:
    """Its parent, name, status, objective and attributes.

    Raises:
        RowRefused: it has no status.
    """
    parent = {Level.CAMPAIGN: None, Level.AD_SET: "campaign_id", Level.AD: "adset_id"}[level]
    goal = {Level.CAMPAIGN: "objective", Level.AD_SET: "optimization_goal", Level.AD: None}[level]
    return (
        shapes.identifier(row.get(parent)) if parent else None,
        shapes.text(row.get("name")),
        shapes.entity_status(row),
        shapes.text(row.get(goal)) if goal else None,
        _attributes(row),
    )


def _attributes(row: Row) -> str:
    """Everything else the call gave, as canonical JSON: the same entity always reads the same.

    Raises:
        RowRefused: it is nested deeper than any attribute.
    """
    attributes = {name: value for name, value in row.items() if name not in _NOT_ATTRIBUTES and value is not None}
    try:
        return orjson.dumps(attributes, option=orjson.OPT_SORT_KEYS).decode()
    except orjson.JSONEncodeError:
        raise RowRefused("attributes: too deep") from None


def metrics(level: Level, rows: Iterable[object], connection: Connection, days: Days) -> MetricsAnswer:
    """One page of a report of these days, one row per entity and day; of a key that came twice the last is kept.

    Raises:
        SeveralDays, Unreadable: a row whose entity or day cannot be told.
    """
    mapping = connection.mapping or RULES.default
    latest, refused, named = dict[tuple[str, date], tuple[str, dict[str, int | None]]](), list[RefusedRow](), list[Row]()
    for sent in rows:
        external_id, day, row = shapes.report_row(level, sent, days, f"account {connection.external_id}")
        named.append(row)
        try:
            campaign_id = "" if level is Level.ACCOUNT else shapes.campaign(row)
            latest[external_id, day] = campaign_id, read(row, leaf=level is Level.AD, mapping=mapping)
        except RowRefused as error:
            owner = shapes.identifier(row.get("campaign_id"))
            refused.append(RefusedRow(level=level.value, external_id=external_id, campaign_id=owner, day=day, reason=str(error)))
    columns: list[pa.Array] = [
        pa.array([connection.id] * len(latest), pa.string()),
        pa.array([level.value] * len(latest), pa.string()),
        pa.array([external_id for external_id, _ in latest], pa.string()),
        pa.array([campaign_id for campaign_id, _ in latest.values()], pa.string()),
        pa.array([day for _, day in latest], pa.date32()),
    ]
    columns += [pa.array([values.get(name) for _, values in latest.values()], pa.int64()) for name in METRICS]
    table = with_profit(pa.table(columns, schema=METRIC_SCHEMA), connection.gross_margin)
    return MetricsAnswer(table, names(named), refused_table(refused))


def names(rows: Iterable[Row]) -> pa.Table:
    """The entities that one page of numbers names, each once. A name that is absent names nothing."""
    named: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for row in rows:
        for level, parent in _NAMED:
            key, name = shapes.identifier(row.get(f"{level}_id")), shapes.text(row.get(f"{level}_name"))
            if key is not None and name is not None:
                named[level.value, key] = shapes.identifier(row.get(parent)) if parent else None, name
    return names_table(named)


def latest(table: pa.Table) -> pa.Table:
    """The rows of several pages, each entity and day once: data move while we page, and the last page is the freshest."""
    keys = zip(table["external_id"].to_pylist(), table["date"].to_pylist(), strict=True)
    last = {key: row for row, key in enumerate(keys)}
    return table if len(last) == table.num_rows else table.take(pa.array(last.values(), pa.int64()))
