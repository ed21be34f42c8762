"""Names of entities as metric reads return them, for entities that no walk has read yet. Pure. Steps: fetch, diff."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from adpulse import refused_table

SCHEMA = pa.schema(
    [
        pa.field("level", pa.string(), nullable=False),
        pa.field("external_id", pa.string(), nullable=False),
        pa.field("parent_id", pa.string()),
        pa.field("name", pa.string()),
    ]
)
"""One row per entity, as the platform calls it at the time of the answer, whatever day the numbers are of; null has no name."""

NamesById = Mapping[tuple[str, str], tuple[str | None, str | None]]
"""(level, id) → (parent's id, name)."""


class MetricsAnswer(NamedTuple):
    """An answer's METRIC_SCHEMA rows, the names that came with them, and the rows that were refused."""

    rows: pa.Table
    names: pa.Table
    refused: pa.Table = refused_table.SCHEMA.empty_table()

    @classmethod
    def merged(cls, answers: Sequence["MetricsAnswer"], rows: pa.Table | None = None) -> "MetricsAnswer":
        """Answers of the same columns as one, the last name of each entity counts. At least one answer.

        ``rows`` are those of all answers, where these are not simply one below the other.
        """
        if rows is None:
            rows = pa.concat_tables(answer.rows for answer in answers)
        return cls(rows, merge_names(answer.names for answer in answers), pa.concat_tables(answer.refused for answer in answers))


def names_table(named: NamesById) -> pa.Table:
    """The rows of these names."""
    levels, ids = zip(*named, strict=True) if named else ((), ())
    parents, names = zip(*named.values(), strict=True) if named else ((), ())
    return pa.table([pa.array(column, pa.string()) for column in (levels, ids, parents, names)], schema=SCHEMA)


def merge_names(tables: Iterable[pa.Table]) -> pa.Table:
    """One row per entity, from the last table that names it."""
    last: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    for table in tables:
        columns = (table[name].to_pylist() for name in SCHEMA.names)
        last.update({(level, key): (parent, name) for level, key, parent, name in zip(*columns, strict=True)})
    return names_table(last)
