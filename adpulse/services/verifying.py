"""Comparing what is published of a connection with an export that a person made. It reads the published copy and writes nothing."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from adpulse.conversion_types import KeptTypes
from adpulse.errors import Usage
from adpulse.metrics import METRICS
from adpulse.model import Connection, Level
from adpulse.platforms.registry import mapping_of, platform_of
from adpulse.verification.columns import COMPARED, ColumnNames
from adpulse.verification.comparison import Comparison, Stored, StoredSum, compare
from adpulse.verification.dates import DateOrder
from adpulse.verification.export import Export, Key, read_export
from adpulse.verification.numbers import Notation
from adpulse.verification.remapping import closing
from storage.warehouse.analytics import read_together
from storage.warehouse.sql import known_sum

LARGEST = 100_000_000
"""Bytes of an export: it is read as a whole, and takes some ten times its size."""

_COMPLETE = (
    "SELECT date, bool_and(settled) AS settled FROM completeness WHERE connection_id = ? AND NOT hole GROUP BY date HAVING count(*) = 2"
)
"""Days of which leaves and campaigns were both read, and whether both are settled."""

_NAMES = "SELECT external_id, name FROM known_entities WHERE connection_id = ? AND level = ? AND name IS NOT NULL"


def verify(
    published: Path,
    connection: Connection,
    file: Path,
    chosen: Mapping[str, str],
    notation: Notation | None = None,
    order: DateOrder | None = None,
) -> Comparison:
    """Compare an exported file with the connection's published numbers.

    Args:
        published: the published copy of the connection's workspace.
        connection: whose numbers they are.
        file: the export.
        chosen: names of columns, by what they hold.
        notation: how the file writes numbers, if a person said so.
        order: the same of days with slashes.

    Raises:
        Usage: the file cannot be read, or nothing can be compared.
    """
    export = read_export(_content(file), _columns(connection), chosen, notation, order)
    return compare(export, _stored(published, connection, export))


def _columns(connection: Connection) -> ColumnNames:
    """The names of the platform's columns; that of results holds conversions where these are results, and nothing elsewhere."""
    platform = platform_of(connection.provider)
    own = {"conversions": platform.mapping.results_columns} if mapping_of(connection).counts_results else {}
    return {**platform.export_columns, **own}


def _content(file: Path) -> bytes:
    try:
        size = file.stat().st_size
        if size > LARGEST:
            raise Usage(f"{file} has {size / 1e6:.0f} MB; at most {LARGEST // 1_000_000} are read. Export fewer days at once.")
        return file.read_bytes()
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}.") from None


def _stored(published: Path, connection: Connection, export: Export) -> Stored:
    """What is published of the export's days: the view ``daily``, which people query."""
    sums = ", ".join(f"{known_sum(METRICS[metric])} AS {metric}" for metric in COMPARED)
    rests = ", ".join(f"sum({metric}) FILTER (level = 'unreported') AS rest_{metric}" for metric in COMPARED)
    rows = "daily WHERE connection_id = ? AND campaign_id IS NOT NULL AND date BETWEEN ? AND ?"
    numbers = f"SELECT campaign_id, date, {sums}, {rests} FROM {rows} GROUP BY ALL"  # noqa: S608 - our own names
    queries = ((numbers, [connection.id, *export.days]), (_NAMES, [connection.id, Level.CAMPAIGN]), (_COMPLETE, [connection.id]))
    sums_table, names, days = read_together(published, queries)
    return Stored(
        sums=dict(map(_sum, sums_table.to_pylist())),
        names={row["external_id"]: row["name"] for row in names.to_pylist()},
        days={row["date"]: row["settled"] for row in days.to_pylist()},
        currency=connection.currency,
    )


def _sum(row: Mapping[str, Any]) -> tuple[Key, StoredSum]:
    def values(prefix: str) -> dict[str, Decimal]:
        return {metric: Decimal(row[prefix + metric]) for metric in COMPARED if row[prefix + metric] is not None}

    return (row["campaign_id"], row["date"]), StoredSum(total=values(""), remainder=values("rest_"))


def remapping(comparison: Comparison, connection: Connection, kept: KeptTypes | None) -> Mapping[str, str]:
    """The changes of the connection's mapping that would close differences, by metric; ``kept`` is what its account reported last."""
    return closing(comparison, kept, platform_of(connection.provider).mapping, mapping_of(connection))
