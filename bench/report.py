"""The report of a load run: its figures as JSON, and a summary line."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from math import isfinite
from typing import Any

from bench import verdict
from bench.evidence import Logs
from bench.verdict import Change, Figures
from bench.watch import Sample

SHOWN_LINES = 20
"""The most lines with errors from the logs."""


def figures_of(
    figures: Figures, connections: Mapping[str, int], samples: Sequence[Sample], logs: Logs, claims: Sequence[dict[str, object]]
) -> dict[str, Any]:
    """Everything that was measured, ready for JSON; ``connections`` are counted by platform."""
    start, due = figures.slots[0].start, len(figures.slots) * sum(connections.values())
    return {
        "connections": sum(connections.values()),
        "slots": [{**asdict(slot), "start": slot.start.isoformat()} for slot in figures.slots],
        "slots_due": due,
        "done": sum(slot.done for slot in figures.slots),
        "late": sum(slot.late for slot in figures.slots),
        "missing": sum(slot.missing for slot in figures.slots),
        "slowest_slot_s": round(max(slot.longest_seconds for slot in figures.slots), 1),
        "platforms": {
            name: {
                "connections": count,
                **_freshness(figures.changes.get(name, ()), start),
                "most_calls_an_hour": figures.most_calls_an_hour.get(name, 0),
            }
            for name, count in connections.items()
        },
        "worker_peak_mb": figures.worker_peak_mb,
        "up_peak_mb": max((sample.total_mb for sample in samples), default=0.0),
        **{
            f"{name}_mean": round(sum(getattr(sample, name) for sample in samples) / max(1, len(samples)), 1)
            for name in ("worker_cpu", "server_cpu", "sandbox_cpu", "machine_cpu")
        },
        "errors": dict(figures.errors),
        "error_lines": logs.trouble[:SHOWN_LINES],
        "prefect_lock_retries": logs.lock_retries,
        "claims": list(claims),
        "claim_p95_ms": figures.claim_p95_ms,
        "samples": [asdict(sample) for sample in samples],
    }


def summary(report: Mapping[str, Any]) -> str:
    """The figures in one line, those of a platform beside its name."""
    platforms = report["platforms"].items()
    memory = f"worker {report['worker_peak_mb']:.0f} MB, {report['worker_peak_measured_mb']:.0f} after the first syncs"
    return " · ".join(
        (
            f"{report['done']} of {report['slots_due']} syncs in their slot, {report['late']} late, {report['missing']} missing",
            "fresh p95 " + ", ".join(f"{name} {platform['fresh_p95_s']} s" for name, platform in platforms),
            f"{memory}, with the Prefect server {report['up_peak_mb']:.0f} MB",
            "calls/h " + ", ".join(f"{name} {platform['most_calls_an_hour']}" for name, platform in platforms),
            f"{sum(report['errors'].values())} errors",
            f"{report['prefect_lock_retries']} lock retries inside Prefect's SQLite",
            f"claim p95 {report['claim_p95_ms']} ms",
        )
    )


def _freshness(changes: Sequence[Change], start: datetime) -> dict[str, Any]:
    """How long changes took until they were stored, altogether and by the instant they were made at."""
    seconds = [change.seconds for change in changes]
    stored, fresh = [latency for latency in seconds if isfinite(latency)], verdict.p95(seconds)
    by_step: dict[datetime, list[float]] = defaultdict(list)
    for change in (change for change in changes if change.stored_at):
        by_step[change.at].append(change.seconds)
    return {
        "changes": len(seconds),
        "changes_not_stored": len(seconds) - len(stored),
        "fresh_p50_s": round(verdict.median(stored), 1),
        "fresh_p95_s": round(fresh, 1) if isfinite(fresh) else None,
        "fresh_max_s": round(max(stored, default=0.0), 1),
        "freshness": [
            {"seconds": (at - start).total_seconds(), "p50": verdict.median(values), "p95": verdict.p95(values), "changes": len(values)}
            for at, values in sorted(by_step.items())
        ],
    }
