"""What a workspace's file says of its connections beside their numbers, as of its publication.

That is name, frequency, labels, status and budgets. A connection that is paused writes nothing any more, so no sync of its own could tell;
what is published does, whoever publishes it.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from adpulse.errors import Usage, WarehouseDamaged
from adpulse.workspace_description import WorkspaceDescription
from storage.warehouse import analytics
from storage.warehouse.sql import query

_CONNECTIONS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "name", "frequency")),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("status", pa.string()),
    ]
)
_BUDGETS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "connection_id", "label", "campaign_id", "currency", "period")),
        pa.field("amount", pa.int64()),
    ]
)

_STORED = [
    (f"SELECT {', '.join(schema.names)} FROM raw.{table}", ())  # noqa: S608 - our own names
    for table, schema in (("connections", _CONNECTIONS), ("budgets", _BUDGETS))
]


def store(warehouse: duckdb.DuckDBPyConnection, description: WorkspaceDescription) -> None:
    """Write what differs, or nothing; connections that the open file does not have are left out, as they have no numbers yet."""
    warehouse.register("described", pa.Table.from_pylist(_connections(description), schema=_CONNECTIONS))
    warehouse.execute(query("merge_descriptions"))
    warehouse.register("set_budgets", pa.Table.from_pylist(_budgets(description), schema=_BUDGETS))
    warehouse.execute(query("merge_budgets"))


def is_published(published: Path, description: WorkspaceDescription) -> bool:
    """Whether a copy says what is said now: most workers find it so, and open no file to write."""
    try:
        connections, budgets = (table.to_pylist() for table in analytics.read_together(published, _STORED))
    except (Usage, WarehouseDamaged):
        return False  # there is none, or one that has to be published anew
    now = {row["id"]: row for row in _connections(description)}
    known = {None, *(row["id"] for row in connections)}
    budgets_now = [row for row in _budgets(description) if row["connection_id"] in known]
    return all(row == now.get(row["id"], row) for row in connections) and _by_id(budgets) == _by_id(budgets_now)


def _by_id(rows: Sequence[dict[str, object]]) -> dict[object, dict[str, object]]:
    return {row["id"]: row for row in rows}


def _connections(description: WorkspaceDescription) -> list[dict[str, object]]:
    return [
        {
            "id": described.connection_id,
            "name": described.name,
            "frequency": described.frequency,
            "labels": list(described.labels),
            "status": described.status,
        }
        for described in description.connections
    ]


def _budgets(description: WorkspaceDescription) -> list[dict[str, object]]:
    return [{name: getattr(budget, name) for name in _BUDGETS.names} for budget in description.budgets]
