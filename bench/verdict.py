"""What a load run has to hold, and whether it did. Pure: samples in, figures and verdict out."""

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
    """What became of every connection in each of ``count`` slots from ``start`` on.

    A sync belongs to the slot it started in, wherever in the slot its platform's tick is; a slot whose sync started later counts
    as missing.
    """
    found: list[dict[str, datetime | None]] = [{} for _ in range(count)]
    for sync in sorted(syncs, key=lambda each: each.started_at, reverse=True):
        number = (sync.started_at - start) // SLOT
        if 0 <= number < count:
            found[number][sync.connection] = sync.finished_at  # the first one of the slot decides
    return [_slot(start + number * SLOT, ends, connections) for number, ends in enumerate(found)]


def _slot(start: datetime, ends: Mapping[str, datetime | None], connections: Sequence[str]) -> Slot:
    attempted = [ends[each] for each in connections if each in ends]
    closed = [end for end in attempted if end]
    done = sum(end <= start + SLOT for end in closed)
    longest = max(((end - start).total_seconds() for end in closed), default=0.0)
    return Slot(start=start, done=done, late=len(attempted) - done, missing=len(connections) - len(attempted), longest_seconds=longest)


def changes(truth: Sequence[tuple[datetime, Mapping[str, Values]]], stored: Mapping[str, Sequence[Stored]]) -> list[Change]:
    """When each change of the truth was stored.

    Args:
        truth: what the platform told from an instant on, by ad, in order; the first entry is where it begins.
        stored: what the warehouse took over, by ad, oldest first.
    """
    found = []
    for number in range(1, len(truth)):
        at, values = truth[number]
        for ad, now in values.items():
            if truth[number - 1][1].get(ad) != now:
                found.append(Change(at=at, stored_at=_stored_at(truth, number, ad, stored.get(ad, ()))))
    return found


def _stored_at(truth: Sequence[tuple[datetime, Mapping[str, Values]]], number: int, ad: str, rows: Sequence[Stored]) -> datetime | None:
    """When the first row was stored that says what the platform told at this step or a later one."""
    for row in rows:
        if any(at <= row.read_at and values.get(ad) == row.values for at, values in truth[number:]):
            return row.stored_at
    return None


def most_calls(calls: Sequence[datetime]) -> int:
    """The most calls in any closed hour."""
    ordered, first, most = sorted(calls), 0, 0
    for number, at in enumerate(ordered):
        while at - ordered[first] > HOUR:
            first += 1
        most = max(most, number - first + 1)
    return most


def median(values: Sequence[float]) -> float:
    """The middle one; 0 of nothing."""
    return sorted(values)[len(values) // 2] if values else 0.0


def p95(values: Sequence[float]) -> float:
    """The smallest value that 95 % do not exceed; 0 of nothing."""
    return sorted(values)[ceil(len(values) * 0.95) - 1] if values else 0.0


def broken(figures: Figures) -> list[str]:
    """What did not hold, as sentences; empty when all did."""
    late, missing = sum(each.late for each in figures.slots), sum(each.missing for each in figures.slots)
    fresh = {name: p95([each.seconds for each in changes]) for name, changes in figures.changes.items()}
    unseen = [name for name, changes in figures.changes.items() if not changes] if figures.changes else ["any platform"]
    holds = {
        f"{late} syncs late, {missing} missing in {len(figures.slots)} slots": not late + missing and bool(figures.slots),
        f"no change of {' and '.join(unseen)} was seen": not unseen,
        **{f"{name}: freshness p95 {each:.1f} s > {FRESH_SECONDS:g} s": each <= FRESH_SECONDS for name, each in fresh.items()},
        f"worker {figures.worker_peak_mb:.0f} MB > {WORKER_MB:g} MB": figures.worker_peak_mb <= WORKER_MB,
        **{
            f"{name}: {most} calls of one account in an hour > {CALLS_PER_HOUR}": most <= CALLS_PER_HOUR
            for name, most in figures.most_calls_an_hour.items()
        },
        f"claim p95 {figures.claim_p95_ms:.1f} ms > {CLAIM_MS:g} ms": figures.claim_p95_ms <= CLAIM_MS,
        **{f"{count} {what}": not count for what, count in figures.errors.items()},
    }
    return [sentence for sentence, held in holds.items() if not held]
