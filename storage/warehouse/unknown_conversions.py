"""The days on which conversions of some ads are unknown, read from a published copy."""

from functools import lru_cache
from pathlib import Path

from adpulse.planner.completeness import UnknownConversions
from storage.warehouse.analytics import read, version_of

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
    return _days(published, version_of(published), connection_id)


@lru_cache(maxsize=64)
def _days(published: Path, _version: tuple[int, int] | None, connection_id: str) -> tuple[UnknownConversions, ...]:
    """An open page asks again and again, so the answer is kept for each copy."""
    rows = read(published, _QUERY, [connection_id]).to_pylist()
    return tuple(UnknownConversions(day=row["date"], ads=row["ads"]) for row in rows)
