"""Keeps, and warns about, rows that a platform sent and that were refused: which entity, which day, and why. Steps: diff, telemetry."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from adpulse.errors import AdpulseError
from adpulse.fetch_result import FetchResult
from adpulse.gaps import REFUSED_ROWS, Gap, gaps_of_holes, refused_after
from adpulse.model import FetchKind, Lease
from adpulse.planner.day_parts import PART_KINDS
from adpulse.platforms.registry import platform_of
from storage.control.connection_warnings import ConnectionWarnings, refused_kind
from storage.control.holes import Holes
from storage.control.refused_rows import RefusedRows

_NAMED = 5
"""How many rows a message names."""


def keep_refused(store: RefusedRows, lease: Lease, staged: Iterable[FetchResult]) -> None:
    """Keep the refused rows of each day until it is read again without them."""
    before = store.of(lease.connection.id)
    after = refused_after(before, staged)
    if after != before:  # most connections have none: no write transaction for them
        store.replace(lease, after)


def gaps_after(holes: Holes, store: RefusedRows, connection_id: str, staged: Sequence[FetchResult]) -> list[Gap]:
    """What the connection's days lack once these answers are stored."""
    read = {(answer.fetch.kind, day) for answer in staged for day in answer.days}
    left = [hole for key, hole in holes.of(connection_id).items() if key not in read]
    return [*gaps_of_holes(left), *refused_after(store.of(connection_id), staged)]


def note_refused(warnings: ConnectionWarnings, lease: Lease, staged: Iterable[FetchResult]) -> None:
    """One warning for each kind of read and day with refused rows. A day that was read again without any loses its warning."""
    latest: dict[tuple[FetchKind, date | None], list[dict[str, Any]]] = {}
    for answer in staged:
        rows = answer.refused.to_pylist()
        if answer.fetch.kind.has_dates:
            latest |= {(answer.fetch.kind, day): [row for row in rows if row["date"] == day] for day in answer.days}
            latest |= {(answer.fetch.kind, row["date"]): [one for one in rows if one["date"] == row["date"]] for row in rows}
        elif rows or answer.fetch.kind is FetchKind.ENTITIES_FULL:  # only a full walk reads an unchanged entity again
            latest[FetchKind.ENTITIES_FULL, None] = rows
    for (kind, day), rows in latest.items():
        if rows:
            warnings.record(lease, refused_kind(kind, day), AdpulseError(_message(lease, day, rows), REFUSED_ROWS))
    warnings.clear(lease.connection.id, {refused_kind(kind, day) for (kind, day), rows in latest.items() if not rows})


def forget_warnings(warnings: ConnectionWarnings, store: RefusedRows, lease: Lease, in_parts: Iterable[date]) -> None:
    """End the warnings of days whose last part was read, where no row of any part is refused any more."""
    read = {(kind, day) for day in in_parts for kind in PART_KINDS}
    if read:
        refused = {gap.key for gap in store.of(lease.connection.id)}
        warnings.clear(lease.connection.id, {refused_kind(kind, day) for kind, day in read - refused})


def _message(lease: Lease, day: date | None, rows: list[dict[str, Any]]) -> str:
    label = platform_of(lease.connection.provider).label
    count = "a row" if len(rows) == 1 else f"{len(rows)} rows"
    of_day = f" of {day}" if day else ""
    named = ", ".join(f"{row['level']} {row['external_id'] or 'without id'} ({row['reason']})" for row in rows[:_NAMED])
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    return f"{label} sent {count}{of_day} that cannot be read; what is stored of them stays: {named}{more}."
