"""Which connections have another margin than their stored rows, and those rows at the new one. Step: diff."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import duckdb
import pyarrow as pa

from adpulse.metric_rows import with_profit
from adpulse.metrics import MARGIN_UNIT
from storage.warehouse.batches import RunFetch
from storage.warehouse.sql import query

_SCHEMA = pa.schema([pa.field("connection_id", pa.string()), pa.field("gross_margin", pa.decimal128(9, 6))])


def new_margins(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> Mapping[str, Decimal]:
    """The margins of connections whose stored rows were computed with another margin."""
    margins = {run.connection_id: run.gross_margin.quantize(MARGIN_UNIT) for run in batch}
    warehouse.register("margins", pa.table([list(margins), list(margins.values())], schema=_SCHEMA))
    changed = warehouse.sql(query("new_margins")).fetchall()
    warehouse.register(
        "remargined", pa.table([pa.array([connection_id for (connection_id,) in changed], pa.string())], names=["connection_id"])
    )
    return {connection_id: margins[connection_id] for (connection_id,) in changed}


def at_new_margin(warehouse: duckdb.DuckDBPyConnection, table: str, schema: pa.Schema, margins: Mapping[str, Decimal]) -> pa.Table:
    """The stored rows of each connection with a new margin, recomputed at that margin."""
    select = f"SELECT {', '.join(schema.names)} FROM {table} WHERE connection_id = ?"  # noqa: S608 - our own names
    stored = {connection_id: warehouse.sql(select, params=[connection_id]).to_arrow_table().cast(schema) for connection_id in margins}
    return pa.concat_tables([schema.empty_table(), *(with_profit(rows, margins[connection_id]) for connection_id, rows in stored.items())])
