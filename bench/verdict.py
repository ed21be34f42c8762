"""The criteria of a load run, and whether it met them. Pure: samples in, figures and verdict out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

SLOT = timedelta(seconds=30)
HOUR = timedelta(hours=1)

FRESH_SECONDS = 60.0
WORKER_MB = 512.0
CALLS_PER_HOUR = 180
CLAIM_MS = 10.0

Values = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """One sync run of a connection; ``finished_at`` is None while it is open."""

    connection: str
    started_at: datetime
    finished_at: datetime | None
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """One slot of the realtime grid: how many connections were synced within it, too late, or not at all."""

    start: datetime
    done: int
    late: int
    missing: int
    longest_seconds: float
    """From the slot's start until the last of its syncs was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A value changed at the platform; ``stored_at`` is None when it never arrived."""

    at: datetime
    stored_at: datetime | None

    @property
    def seconds(self) -> float:
        """How long it took; infinite when it never arrived."""
        return (self.stored_at - self.at).total_seconds() if self.stored_at else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A row the warehouse took over for an ad's day."""

    values: Values
    read_at: datetime
    stored_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Everything a load run is judged by. Changes and calls are by platform, of every one that has connections."""

    slots: Sequence[Slot]
    changes: Mapping[str, Sequence[Change]]
    worker_peak_mb: float
    most_calls_an_hour: Mapping[str, int]
    errors: Mapping[str, int]
    claim_p95_ms: float


def slots(syncs: Sequence[Sync], connections: Sequence[str], start: datetime, count: int) -> list[Slot]:
    """How many connections were synced in each of ``count`` slots from ``start`` on.

    A sync belongs to the slot it started in, wherever in the slot its platform's tick is; a slot whose sync started later counts
    as missing.
    """
    ends_by_slot: list[dict[str, datetime | None]] = [{} for _ in range(count)]
    for sync in sorted(syncs, key=lambda sync: sync.started_at, reverse=True):
        number = (sync.started_at - start) // SLOT
        if 0 <= number < count:
            ends_by_slot[number][sync.connection] = sync.finished_at  # the first one of the slot decides
    return [_slot(start + number * SLOT, ends, connections) for number, ends in enumerate(ends_by_slot)]


def _slot(start: datetime, ends: Mapping[str, datetime | None], connections: Sequence[str]) -> Slot:
    attempted = [ends[connection] for connection in connections if connection in ends]
    closed = [end for end in attempted if end]
    on_time = sum(end <= start + SLOT for end in closed)
    longest = max(((end - start).total_seconds() for end in closed), default=0.0)
    return Slot(
        start=start, done=on_time, late=len(attempted) - on_time, missing=len(connections) - len(attempted), longest_seconds=longest
    )


def changes(truth: Sequence[tuple[datetime, Mapping[str, Values]]], stored: Mapping[str, Sequence[Stored]]) -> list[Change]:
    """When each change of the truth was stored.

    Args:
        truth: what the platform reported from an instant on, by ad, in order; the first entry is the starting point.
        stored: the rows that the warehouse stored, by ad, oldest first.
    """
    changed = []
    for number in range(1, len(truth)):
        at, values = truth[number]
        for ad, now in values.items():
            if truth[number - 1][1].get(ad) != now:
                changed.append(Change(at=at, stored_at=_stored_at(truth, number, ad, stored.get(ad, ()))))
    return changed


def _stored_at(truth: Sequence[tuple[datetime, Mapping[str, Values]]], number: int, ad: str, rows: Sequence[Stored]) -> datetime | None:
    """When the first row was stored that has what the platform reported at this step or a later one."""
    for row in rows:
        if any(at <= row.read_at and values.get(ad) == row.values for at, values in truth[number:]):
            return row.stored_at
    return None


def most_calls(calls: Sequence[datetime]) -> int:
    """The most calls in any closed hour."""
    ordered, first, highest = sorted(calls), 0, 0
    for number, at in enumerate(ordered):
        while at - ordered[first] > HOUR:
            first += 1
        highest = max(highest, number - first + 1)
    return highest


def median(values: Sequence[float]) -> float:
    """The middle one; 0 of nothing."""
    return sorted(values)[len(values) // 2] if values else 0.0


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % do not exceed; 0 of nothing."""
    return sorted(values)[ceil(len(values) * 0.95) - 1] if values else 0.0


def broken(figures: Figures) -> list[str]:
    """The criteria that were not met, as sentences; empty when all were met."""
    late, missing = sum(slot.late for slot in figures.slots), sum(slot.missing for slot in figures.slots)
    fresh = {name: p95([change.seconds for change in changes]) for name, changes in figures.changes.items()}
    unseen = [name for name, changes in figures.changes.items() if not changes] if figures.changes else ["any platform"]
    holds = {
        f"{late} syncs late, {missing} missing in {len(figures.slots)} slots": not late + missing and bool(figures.slots),
        f"no change of {' and '.join(unseen)} was seen": not unseen,
        **{f"{name}: freshness p95 {seconds:.1f} s > {FRESH_SECONDS:g} s": seconds <= FRESH_SECONDS for name, seconds in fresh.items()},
        f"worker {figures.worker_peak_mb:.0f} MB > {WORKER_MB:g} MB": figures.worker_peak_mb <= WORKER_MB,
        **{
            f"{name}: {calls} calls of one account in an hour > {CALLS_PER_HOUR}": calls <= CALLS_PER_HOUR
            for name, calls in figures.most_calls_an_hour.items()
        },
        f"claim p95 {figures.claim_p95_ms:.1f} ms > {CLAIM_MS:g} ms": figures.claim_p95_ms <= CLAIM_MS,
        **{f"{count} {error}": not count for error, count in figures.errors.items()},
    }
    return [sentence for sentence, holds_true in holds.items() if not holds_true]
