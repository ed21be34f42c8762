"""Holes: days of one kind of read that the platform could not answer, with their reasons. Pure. Steps: plan, fetch."""

from dataclasses import dataclass
from datetime import date, datetime

from adpulse.model import FetchKind

HoleKey = tuple[FetchKind, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report that the platform computes in its own time; instants are business time."""

    id: str
    started_at: datetime
    polls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hole:
    """A day that is not stored, or not wholly: requested again from ``retry_at`` on (business time).

    ``message`` says why, redacted. ``times`` is how often everything failed; 0 while a report is computed, or waits for its turn.
    ``campaigns`` are those that were not answered; empty where none was.
    """

    kind: FetchKind
    day: date
    message: str
    code: str | None
    times: int
    first_at: datetime
    last_at: datetime
    retry_at: datetime
    campaigns: tuple[str, ...] = ()
    report: Report | None = None

    @property
    def is_pending(self) -> bool:
        """Whether the day may still come as a report."""
        return self.times == 0

    @property
    def key(self) -> HoleKey:
        """What identifies it within a connection."""
        return self.kind, self.day
