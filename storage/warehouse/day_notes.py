"""Compares what is known of a connection's days, how fresh each is and what it lacks, with the warehouse's notes. Step: diff."""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

from storage.warehouse.batches import GAP_CHANGE_SCHEMA, READ_DAY_SCHEMA, RunFetch, gap_rows, read_day_rows
from storage.warehouse.sql import query


def compare_days(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch], writing: set[str]) -> pa.Table:
    """The changed rows of read days; ``writing``: connections of which something else is written."""
    noted = [(run.connection_id, run.timezone, run.read_days) for run in batch if run.read_days is not None]
    if not noted:
        return READ_DAY_SCHEMA.empty_table()
    warehouse.register("day_notes", pa.concat_tables(read_day_rows(owner, days) for owner, _, days in noted))
    owners, zones, _ = zip(*noted, strict=True)
    warehouse.register(
        "day_owners", pa.table([pa.array(owners, pa.string()), pa.array(zones, pa.string())], names=["connection_id", "timezone"])
    )
    warehouse.register("writing", pa.table([pa.array(sorted(writing), pa.string())], names=["connection_id"]))
    return warehouse.sql(query("diff_days")).to_arrow_table().cast(READ_DAY_SCHEMA)


def compare_gaps(warehouse: duckdb.DuckDBPyConnection, batch: Sequence[RunFetch]) -> pa.Table:
    """What appeared in the gaps of the connections, and what ended."""
    noted = [(run.connection_id, run.gaps) for run in batch if run.gaps is not None]
    if not noted:
        return GAP_CHANGE_SCHEMA.empty_table()
    warehouse.register("gap_notes", pa.concat_tables(gap_rows(owner, gaps) for owner, gaps in noted))
    warehouse.register("gap_owners", pa.table([pa.array([owner for owner, _ in noted], pa.string())], names=["connection_id"]))
    return warehouse.sql(query("diff_gaps")).to_arrow_table().cast(GAP_CHANGE_SCHEMA)
