"""Lists of connections as pages with numbers: all that match, in an order that no index has, and one page of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sqlalchemy import select

from adpulse.frequency import Frequency
from adpulse.model import ConnectionStatus, SyncStatus
from storage.control.database import Engine, reading
from storage.control.listing import NEVER, Criteria
from storage.control.tables import ConnectionRow

_DIGITS = re.compile(r"(\d+)")
_FREQUENCIES = tuple(Frequency)


class Column(StrEnum):
    """The columns by which a numbered list can be ordered; the name decides among equals."""

    NAME = "name"
    STATE = "state"
    FREQUENCY = "frequency"
    SYNCED = "synced"
    CHANGED = "changed"
    SPEND = "spend"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What of a connection decides its place in a list and its part in the totals."""

    id: str
    workspace_id: str
    name: str
    currency: str
    timezone: str
    status: ConnectionStatus
    sync_status: SyncStatus
    frequency: Frequency
    last_sync_completed_at: datetime | None
    last_metrics_changed_at: datetime | None


class NumberedList:
    """Reads the entries of all connections that match, with one small statement however many there are."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def entries(self, criteria: Criteria) -> list[Entry]:
        """Every connection that meets the criteria, in no order."""
        query = select(
            ConnectionRow.id,
            ConnectionRow.workspace_id,
            ConnectionRow.name,
            ConnectionRow.currency,
            ConnectionRow.timezone,
            ConnectionRow.status,
            ConnectionRow.sync_status,
            ConnectionRow.sync_frequency,
            ConnectionRow.last_sync_completed_at,
            ConnectionRow.last_metrics_changed_at,
        ).where(criteria.condition())
        with reading(self._engine).connect() as session:
            return [
                Entry(
                    id=row.id,
                    workspace_id=row.workspace_id,
                    name=row.name,
                    currency=row.currency,
                    timezone=row.timezone,
                    status=ConnectionStatus(row.status),
                    sync_status=SyncStatus(row.sync_status),
                    frequency=Frequency(row.sync_frequency),
                    last_sync_completed_at=row.last_sync_completed_at,
                    last_metrics_changed_at=row.last_metrics_changed_at,
                )
                for row in session.execute(query)
            ]


def natural_key(name: str) -> tuple[str | int, ...]:
    """A key that orders names as people do: ``Account 2`` before ``Account 10``, whatever the case."""
    # Split by digits, texts and numbers alternate, so two keys never compare a text with a number.
    return tuple(int(part) if number % 2 else part for number, part in enumerate(_DIGITS.split(name.casefold())))


def ordered(
    entries: Sequence[Entry], column: Column, *, descending: bool = False, spent: Mapping[str, int] = MappingProxyType({})
) -> list[Entry]:
    """The entries by a column; states the worst first, instants the oldest first and never before all.

    ``spent`` is the spend by which the order of that column goes. Amounts of two currencies cannot be compared: their connections are one
    group after the other, from either end, and those whose spend is not known are the last of their group.
    """
    by_name = sorted(entries, key=lambda entry: (natural_key(entry.name), entry.id))
    if column is Column.SPEND:
        direction = -1 if descending else 1
        return sorted(by_name, key=lambda entry: (entry.currency, entry.id not in spent, direction * spent.get(entry.id, 0)))
    # Python's sort keeps equals as they were, also in reverse: among them the name ascends.
    return sorted(by_name, key=_KEYS[column], reverse=descending)


def _severity(entry: Entry) -> int:
    """0 for what needs a person, 1 for what failed, then what works, what is idle, and what nobody wants synced."""
    if entry.status in (ConnectionStatus.PAUSED, ConnectionStatus.DISCONNECTED, ConnectionStatus.DELETING):
        return 4
    if entry.status is not ConnectionStatus.ACTIVE:
        return 0
    return {SyncStatus.ERROR: 1, SyncStatus.SYNCING: 2, SyncStatus.QUEUED: 2}.get(entry.sync_status, 3)


_KEYS: dict[Column, Callable[[Entry], Any]] = {
    Column.NAME: lambda entry: natural_key(entry.name),
    Column.STATE: _severity,
    Column.FREQUENCY: lambda entry: _FREQUENCIES.index(entry.frequency),
    Column.SYNCED: lambda entry: entry.last_sync_completed_at or NEVER,
    Column.CHANGED: lambda entry: entry.last_metrics_changed_at or NEVER,
}
