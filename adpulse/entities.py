"""The Arrow schema of entities. Pure."""

from typing import NamedTuple

import pyarrow as pa

from adpulse import refused_table

ENTITY_SCHEMA = pa.schema(
    [
        pa.field("connection_id", pa.string(), nullable=False),
        pa.field("level", pa.string(), nullable=False),
        pa.field("external_id", pa.string(), nullable=False),
        pa.field("parent_id", pa.string()),
        pa.field("name", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("objective", pa.string()),
        pa.field("attributes", pa.string(), nullable=False),
    ]
)
"""One row per entity; ``attributes`` is canonical JSON (sorted keys).

``status`` is Meta's effective status, which follows the parents', and Google's own, beside which ``primary_status`` is an attribute.
"""


class EntitiesAnswer(NamedTuple):
    """An answer's ENTITY_SCHEMA rows, and the rows that were refused."""

    rows: pa.Table
    refused: pa.Table = refused_table.SCHEMA.empty_table()
