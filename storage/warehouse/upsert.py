"""The statements of one transaction that writes the changes of several runs, each with its history. Step: upsert."""

from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from adpulse.model import Connection
from storage.warehouse.batches import RunChanges, completion_rules, connections_table, mappings_table, runs_table
from storage.warehouse.sql import query


def merge(
    warehouse: duckdb.DuckDBPyConnection,
    pending: Sequence[RunChanges],
    holds_lease: Callable[[str, int], bool],
    connections: Sequence[Connection],
) -> set[str]:
    """Write the changes of all runs in one transaction; runs without a lease, or older than the connection's last one, are left out.

    Returns:
        Ids of the runs whose changes are in the warehouse now.
    """
    warehouse.register("runs", runs_table(pending))
    before = {run_id: (applied, outdated) for run_id, applied, outdated in warehouse.sql(query("runs_before")).fetchall()}
    applied = {run_id for run_id, (is_applied, _) in before.items() if is_applied}
    pending = [run for run in pending if not any(before.get(run.run_id, ()))]
    while pending:
        warehouse.execute("BEGIN")
        _write(warehouse, pending, connections)
        leased = [run for run in pending if holds_lease(run.run_id, run.generation)]
        if len(leased) == len(pending):
            warehouse.execute("COMMIT")
            return applied | {run.run_id for run in leased}
        # Only the whole transaction can be rolled back: write it again without the runs that lost their lease meanwhile.
        warehouse.execute("ROLLBACK")
        pending = leased
    return applied


def _write(
    warehouse: duckdb.DuckDBPyConnection,
    pending: Sequence[RunChanges],
    connections: Sequence[Connection],
) -> None:
    """One statement per table for all runs; tables without changes are not touched."""
    warehouse.register("runs", runs_table(pending))
    margins = {run.connection_id: run.gross_margin for run in pending}
    warehouse.register("connection_rows", connections_table(connections, margins))
    _write_metrics(warehouse, "metric_facts", "metric_changes", [run.facts for run in pending])
    _write_metrics(warehouse, "platform_totals", "total_changes", [run.totals for run in pending])
    _write_metrics(warehouse, "account_totals", "total_changes", [run.account_totals for run in pending])
    if _register(warehouse, "entity_rows", [run.entities for run in pending]).num_rows:
        warehouse.execute(query("merge_entities"))
        warehouse.execute(query("insert_entity_changes"))
        warehouse.execute(query("drop_names"))
    if _register(warehouse, "name_rows", [run.names for run in pending]).num_rows:
        warehouse.execute(query("merge_names"))
    if _register(warehouse, "day_rows", [run.days for run in pending]).num_rows:
        warehouse.register("completion_rules", completion_rules(connections))
        warehouse.execute(query("merge_days"))
    if _register(warehouse, "gap_rows", [run.gaps for run in pending]).num_rows:
        warehouse.execute(query("merge_gaps"))
    _write_remainders(warehouse, pending)
    warehouse.execute(query("merge_connections"))
    warehouse.execute(query("insert_intraday_points"))
    _note_restatements(warehouse)
    warehouse.register("mapping_rows", mappings_table(connections, {run.connection_id for run in pending}))
    warehouse.execute(query("insert_mappings"))
    warehouse.execute(query("insert_sync_runs"))


def _note_restatements(warehouse: duckdb.DuckDBPyConnection) -> None:
    """What pages show of the history; it is read only where a complete day changed, or a day was settled."""
    warehouse.execute(query("touched_days"))
    if warehouse.sql("SELECT 1 FROM touched_rows LIMIT 1").fetchall():
        warehouse.execute(query("insert_restated_days", batch="yes"))
    if warehouse.sql("SELECT 1 FROM settled_days LIMIT 1").fetchall():
        warehouse.execute(query("insert_followed_days"))


def _register(warehouse: duckdb.DuckDBPyConnection, name: str, tables: list[pa.Table]) -> pa.Table:
    table = pa.concat_tables(tables)
    warehouse.register(name, table)
    return table


def _write_remainders(warehouse: duckdb.DuckDBPyConnection, pending: Sequence[RunChanges]) -> None:
    """The history first: it says which metrics differ from the stored row."""
    warehouse.register("remapped_days", warehouse.sql(query("remapped_days")).to_arrow_table())
    if _register(warehouse, "remainders", [run.unreported for run in pending]).num_rows:
        of_campaign = {"campaign": "c.campaign_id", "same_campaign": " AND u.campaign_id = c.campaign_id"}
        warehouse.execute(query("insert_remainder_changes", table="unreported", changes="remainders", **of_campaign))
        warehouse.execute(query("merge_unreported"))
    if _register(warehouse, "account_remainders", [run.not_by_campaign for run in pending]).num_rows:
        of_account = {"campaign": "''", "same_campaign": ""}
        warehouse.execute(query("insert_remainder_changes", table="not_by_campaign", changes="account_remainders", **of_account))
        warehouse.execute(query("merge_not_by_campaign"))


def _write_metrics(warehouse: duckdb.DuckDBPyConnection, table: str, history: str, tables: list[pa.Table]) -> None:
    """Store the changed rows of ``table``, and append them to their history."""
    name = f"{table}_changed"
    changes = _register(warehouse, name, tables)
    inserted = changes.filter(changes["inserted"]).num_rows
    if inserted < changes.num_rows:
        warehouse.execute(query("update_metrics", table=table, changes=name))
    if inserted:
        warehouse.execute(query("insert_metrics", table=table, changes=name))
    if changes.num_rows:
        warehouse.execute(query("insert_metric_changes", history=history, changes=name))
