"""What flow runs and their tasks say in Prefect's pages: the sentences of states, names and log lines. Pure. Step: telemetry."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from adpulse.model import RunCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What became of one connection's sync in a flow run.

    ``counts`` and ``calls`` are those of this flow run. ``error``: the sentence of the failure. ``attempt`` and ``next_at``: which
    attempt of the sync failed, and when the next one is due, if there is one.
    """

    name: str
    counts: RunCounts = field(default_factory=RunCounts)
    calls: int = 0
    error: str | None = None
    attempt: int = 0
    next_at: datetime | None = None

    @property
    def sentence(self) -> str:
        """``Harbor Outdoor: 12 rows written, 45 unchanged, 3 calls``, or why it failed."""
        if self.error is None:
            return f"{self.name}: {count_words(self.counts, self.calls)}"
        if self.next_at is None:
            return f"{self.name}: {self.error}"
        then = f"Attempt {self.attempt} failed; the next is due" if self.attempt else "It goes on"
        return f"{self.name}: {self.error} {then} at {self.next_at:%Y-%m-%d %H:%M:%S} UTC."


def count_words(counts: RunCounts, calls: int) -> str:
    """``12 rows written, 45 unchanged, 3 calls``."""
    return f"{_number(counts.written, 'row')} written, {counts.unchanged:,} unchanged, {_number(calls, 'call')}"


def describe(syncs: Sequence[Ended]) -> str:
    """The one sentence of a single connection; of several how many were synced, what was written, and each failure."""
    if len(syncs) == 1:
        return syncs[0].sentence
    failed = [sync for sync in syncs if sync.error is not None]
    return " ".join([totals(syncs), *(sync.sentence for sync in failed)])


def totals(syncs: Sequence[Ended]) -> str:
    """``3 of 4 connections synced, 120 rows written, 45 unchanged, 12 calls.``."""
    synced = sum(sync.error is None for sync in syncs)
    counts = sum((sync.counts for sync in syncs), start=RunCounts())
    return f"{synced} of {len(syncs)} connections synced, {count_words(counts, sum(sync.calls for sync in syncs))}."


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
