"""What the views of changes cost for one account and day, in a file of 6 million changes: seconds and memory of a process that asks."""

import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from adpulse.metrics import METRICS
from storage.warehouse import schema

ACCOUNTS, DAYS, ADS, CHANGES = 10, 60, 100, 100
"""Each ad's day changes a hundred times, as one that is read every quarter of an hour."""

VIEWS = ("intraday", "changes", "restatements")
_MEMORY_LIMIT = "256MB"
_BEGIN = "TIMESTAMPTZ '2026-01-01 00:00:00+00'"


def measure() -> list[dict[str, object]]:
    """One row per view: rows of the answer, seconds of CPU and by the clock, and the most memory of the process in MB."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "history.duckdb"
        _fill(path)
        return [_ask(view, path) for view in VIEWS]


def _fill(path: Path) -> None:
    """In the order in which syncs append: by day, instant and account."""
    values = ", ".join(f"u.s * {metric.bit} AS {name}" for name, metric in METRICS.items())
    with duckdb.connect(path) as warehouse:
        schema.migrate(warehouse)
        warehouse.execute(f"""
            INSERT INTO metric_changes BY NAME
            SELECT
                'c' || a AS connection_id, 'ad' AS level, 'a' || n AS external_id, 'k' || n % 10 AS campaign_id,
                (DATE '2026-01-01' + d::INTEGER) AS date, {values}, {sum(metric.bit for metric in METRICS.values())} AS changed,
                'platform' AS cause, {_BEGIN} + to_days(d::INTEGER) + to_minutes(17 * s) AS changed_at, 'r' AS run_id, s AS generation
            FROM range({DAYS}) t(d), range({CHANGES}) u(s), range({ACCOUNTS}) v(a), range({ADS}) w(n)
            ORDER BY d, s, a, n
        """)
        warehouse.execute(f"""
            INSERT INTO read_days BY NAME
            SELECT
                'c' || a AS connection_id, 'leaf' AS level, (DATE '2026-01-01' + d::INTEGER) AS date,
                now() AS fresh_until, false AS settled,
                {_BEGIN} + to_days(d::INTEGER) + to_hours(27) AS complete_at,
                {_BEGIN} + to_days(d::INTEGER) + to_hours(27) AS conversions_complete_at
            FROM range({DAYS}) t(d), range({ACCOUNTS}) v(a)
        """)


def _ask(view: str, path: Path) -> dict[str, object]:
    """In a process of its own, whose memory is the query's."""
    done = subprocess.run([sys.executable, "-m", "bench.history", view, path], capture_output=True, text=True, check=True)
    rows, cpu, wall, memory = done.stdout.split()
    return {"view": view, "rows": int(rows), "cpu s": float(cpu), "wall s": float(wall), "peak MB": int(memory)}


def _answer(view: str, path: str) -> None:
    started, cpu = time.perf_counter(), time.process_time()
    with duckdb.connect(path, read_only=True, config={"threads": 1, "memory_limit": _MEMORY_LIMIT, "temp_directory": ""}) as warehouse:
        query = f"FROM {view} WHERE connection_id = 'c3' AND date = DATE '2026-01-30'"
        rows = len(warehouse.execute(query).fetchall())
    # getrusage would have the parent's peak, too: the kernel keeps it when a process becomes another program.
    peak = int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
    print(rows, round(time.process_time() - cpu, 2), round(time.perf_counter() - started, 2), peak)


if __name__ == "__main__":
    _answer(*sys.argv[1:])
