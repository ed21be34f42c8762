"""The days on which conversions of some ads are unknown, read from a published copy."""

from pathlib import Path

from adpulse.planner.completeness import UnknownConversions
from storage.warehouse.analytics import read
from storage.warehouse.kept_answers import kept_for_each_copy

_QUERY = """
    SELECT date, count(*) AS ads
    FROM metric_facts
    WHERE connection_id = ? AND conversions IS NULL
    GROUP BY date
    ORDER BY date
"""


def read_unknown_conversions(published: Path, connection_id: str) -> tuple[UnknownConversions, ...]:
    """Every such day of a connection, oldest first.

    Raises:
        Usage: nothing was published yet.
        WarehouseDamaged: the copy cannot be read.
    """
    return _days(published, connection_id)


@kept_for_each_copy
def _days(published: Path, connection_id: str) -> tuple[UnknownConversions, ...]:
    rows = read(published, _QUERY, [connection_id]).to_pylist()
    return tuple(UnknownConversions(day=row["date"], ads=row["ads"]) for row in rows)
