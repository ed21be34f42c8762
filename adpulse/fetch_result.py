"""What a fetch brought. Steps: fetch, diff."""

from dataclasses import dataclass, field
from datetime import date, datetime

import pyarrow as pa

from adpulse import entity_names, refused_table
from adpulse.model import CompleteRead, Fetch


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchResult:
    """The answer of a fetch that began at ``fetched_at``: METRIC_SCHEMA rows (with ``names``) or ENTITY_SCHEMA rows.

    It is complete for every day of the fetch but those in ``unread``. Rows of these are stored, and a row that is missing says nothing.
    ``refused`` are rows of the answer that are not in the table: what is stored of them stays.
    """

    fetch: Fetch
    fetched_at: datetime
    table: pa.Table
    names: pa.Table = field(default_factory=entity_names.SCHEMA.empty_table)
    refused: pa.Table = field(default_factory=refused_table.SCHEMA.empty_table)
    unread: frozenset[date] = frozenset()

    @property
    def days(self) -> tuple[date, ...]:
        """The days that it is complete for, oldest first; none for a fetch without dates."""
        return tuple(day for day in self.fetch.days if day not in self.unread)

    @property
    def complete(self) -> CompleteRead:
        """What of it was read completely."""
        return CompleteRead(self.fetch.kind, self.days, self.fetched_at)
