"""Which time zones are known, on this machine and to the warehouse."""

from functools import cache
from zoneinfo import available_timezones

_NOT_IN_DUCKDB = frozenset({"localtime"})
"""The only one of Python's zones that DuckDB 1.5 does not know, and no platform's."""


def is_known(name: str) -> bool:
    """Whether dates can be worked out in a zone of this name."""
    return name in _known()


def names() -> tuple[str, ...]:
    """Every zone that is known, in order."""
    return tuple(sorted(_known()))


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones()) - _NOT_IN_DUCKDB
