"""What a workspace's file says of its connections beside their numbers: name, frequency, labels and status, as of its publication.

A connection that is paused writes nothing any more, so no sync of its own could tell; what is published does, whoever publishes it.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from adpulse.connection_description import ConnectionDescription
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


def _table(descriptions: Sequence[ConnectionDescription]) -> pa.Table:
    rows = [
        {
            "id": described.connection_id,
            "name": described.name,
            "frequency": described.frequency.value,
            "labels": list(described.labels),
            "status": described.status.value,
        }
        for described in descriptions
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)
