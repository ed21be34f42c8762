"""What a workspace's file says of its connections beside their numbers: name, frequency, labels and status, as of its publication.

A connection that is paused writes nothing any more, so no sync of its own could tell; what is published does, whoever publishes it.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from adpulse.connection_description import ConnectionDescription
from adpulse.errors import Usage, WarehouseDamaged
from storage.warehouse import analytics
from storage.warehouse.sql import query

_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "name", "frequency")),
        pa.field("labels", pa.list_(pa.string())),
        pa.field("status", pa.string()),
    ]
)


def store(warehouse: duckdb.DuckDBPyConnection, descriptions: Sequence[ConnectionDescription]) -> None:
    """Write what differs, or nothing; connections that the open file does not have are left out, as they have no numbers yet."""
    warehouse.register("described", _table(descriptions))
    warehouse.execute(query("merge_descriptions"))


def are_published(published: Path, descriptions: Sequence[ConnectionDescription]) -> bool:
    """Whether a copy says of each connection that it has what is said now: most workers find it so, and open no file to write."""
    try:
        stored = analytics.read(published, f"SELECT {', '.join(_SCHEMA.names)} FROM raw.connections")  # noqa: S608 - our own names
    except (Usage, WarehouseDamaged):
        return False  # there is none, or one that has to be published anew
    now = {row["id"]: row for row in _rows(descriptions)}
    return all(row == now.get(row["id"], row) for row in stored.to_pylist())


def _table(descriptions: Sequence[ConnectionDescription]) -> pa.Table:
    return pa.Table.from_pylist(_rows(descriptions), schema=_SCHEMA)


def _rows(descriptions: Sequence[ConnectionDescription]) -> list[dict[str, object]]:
    return [
        {
            "id": described.connection_id,
            "name": described.name,
            "frequency": described.frequency,
            "labels": list(described.labels),
            "status": described.status,
        }
        for described in descriptions
    ]
