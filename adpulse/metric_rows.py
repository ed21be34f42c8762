"""Rows of metrics in Arrow: their schema, and the profit that a margin makes. Pure."""

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from adpulse.metrics import MARGIN_UNIT, METRICS, PROFIT

METRIC_SCHEMA = pa.schema(
    [
        pa.field("connection_id", pa.string(), nullable=False),
        pa.field("level", pa.string(), nullable=False),
        pa.field("external_id", pa.string(), nullable=False),
        pa.field("campaign_id", pa.string(), nullable=False),
        pa.field("date", pa.date32(), nullable=False),
        *(pa.field(name, pa.int64()) for name in METRICS),
    ]
)
"""One row per entity and day. Null means that the answer does not say: stored leaves keep what they have, totals stay null.

``campaign_id`` is on the row because an ad's first numbers arrive before its entity does. In account totals it is empty.
"""


def with_every_metric(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Rows that an older version kept, in the columns of ``schema``: a metric that it did not know is null.

    Raises:
        ValueError: a column is missing that is no metric, or one is there that the schema does not have.
    """
    missing = set(schema.names) - set(rows.column_names)
    if not missing <= METRICS.keys() or not set(rows.column_names) <= set(schema.names):
        raise ValueError(f"The columns are {', '.join(rows.column_names)} instead of {', '.join(schema.names)}.")
    nothing = pa.nulls(rows.num_rows, pa.int64())
    return pa.table([nothing if name in missing else rows[name] for name in schema.names], schema=schema)


def summed(rows: pa.Table) -> pa.Table:
    """One row for each entity and day, its parts added up; null stays null where no part has a value."""
    key = [name for name in METRIC_SCHEMA.names if name not in METRICS]
    parts = rows.group_by(key, use_threads=False).aggregate([(name, "sum") for name in METRICS])
    return pa.table([parts[name if name in key else f"{name}_sum"] for name in METRIC_SCHEMA.names], schema=METRIC_SCHEMA)


def with_profit(rows: pa.Table, gross_margin: Decimal) -> pa.Table:
    """The rows with the profit that this margin makes: revenue times margin, rounded half-even to the micro, less spend.

    Null where the revenue is.
    """
    margin = pa.scalar(gross_margin.quantize(MARGIN_UNIT), pa.decimal128(7, 6))
    exact = pc.multiply(rows["revenue"].cast(pa.decimal128(19)), margin)
    earned = pc.round(exact, 0, "half_to_even").cast(pa.int64())
    place = rows.schema.get_field_index(PROFIT.name)
    return rows.set_column(place, rows.schema.field(place), pc.subtract_checked(earned, rows["spend"]))
