"""Warns about statuses and types that this adpulse does not know; they are stored as the platform sent them. Step: telemetry."""

from collections import Counter
from collections.abc import Iterable

from adpulse.errors import AdpulseError
from adpulse.fetch_result import FetchResult
from adpulse.model import FetchKind, Lease, Level
from adpulse.platforms.registry import platform_of
from storage.control.connection_warnings import UNKNOWN_VALUES, ConnectionWarnings

_FIELDS = ("status", "objective")
_NAMED = 5
"""How many values a message names."""


def note_unknown_values(warnings: ConnectionWarnings, lease: Lease, staged: Iterable[FetchResult]) -> None:
    """Warn after a full walk that listed entities with unknown statuses or types, until a walk lists none."""
    walks = [answer for answer in staged if answer.fetch.kind is FetchKind.ENTITIES_FULL]
    if not walks:
        return
    platform, unknown = platform_of(lease.connection.provider), Counter[str]()
    levels = walks[-1].table["level"].to_pylist()
    for field in _FIELDS:
        counted = Counter(zip(levels, walks[-1].table[field].to_pylist(), strict=True))
        for (level, value), count in counted.items():
            if value and not platform.knows(Level(level), field, value):
                unknown[f"{level} {field} {value[:80]}"] += count
    if not unknown:
        warnings.clear(lease.connection.id, {UNKNOWN_VALUES})
        return
    named = ", ".join(f"{name} ({count})" for name, count in unknown.most_common(_NAMED))
    more = f" and {len(unknown) - _NAMED} more" if len(unknown) > _NAMED else ""
    message = f"{platform.label} uses values that this adpulse does not know; they are stored as they are: {named}{more}."
    warnings.record(lease, UNKNOWN_VALUES, AdpulseError(message, UNKNOWN_VALUES))
