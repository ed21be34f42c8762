"""Refused rows in Arrow, as they stand beside the rows of an answer. Pure. Steps: fetch, diff."""

from collections.abc import Iterable
from dataclasses import astuple

import pyarrow as pa

from adpulse.refused_rows import RefusedRow

SCHEMA = pa.schema(
    [
        pa.field("level", pa.string(), nullable=False),
        pa.field("external_id", pa.string()),
        pa.field("campaign_id", pa.string()),
        pa.field("date", pa.date32()),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
"""One row per refused row, in the order of :class:`RefusedRow`."""


def refused_table(rows: Iterable[RefusedRow]) -> pa.Table:
    """SCHEMA rows of these."""
    values = [astuple(row) for row in rows]
    return pa.table([[row[place] for row in values] for place in range(len(SCHEMA))], schema=SCHEMA)
