"""What it takes to write a whole warehouse file: the move of its tables to the schema ``raw``, an erasure, a publication, a restore.

Seconds, and the most memory of a process that does one of them, for a small file and one of 1.5 GB
(``MB=300`` in the environment: of that size).
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from adpulse.metrics import METRICS
from bench.processes import resident_mb
from storage.warehouse import schema
from storage.warehouse.sql import migrations
from storage.warehouse.warehouse import Warehouse

SIZES_MB = (50, int(os.environ.get("MB", "1536")))
ACCOUNTS, ADS, CHANGES = 40, 60, 32
"""Each ad's day changes so many times; a file grows by the days that it holds."""

STEPS = ("rewrite", "open", "erase", "publish", "restore")
_BEFORE_RAW = 18
_MASK = sum(metric.bit for metric in METRICS.values())


def measure() -> list[dict[str, object]]:
    """One row for each size and step: MB of the file before and after, seconds of CPU and by the clock, and the peak of memory in MB."""
    rows: list[dict[str, object]] = []
    for size in SIZES_MB:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "w.duckdb"
            _write(path, size)
            rows += [_run(step, path) for step in STEPS]
    return rows


def _write(path: Path, megabytes: int) -> None:
    """A file of the last version before ``raw``, day by day as syncs append, until it is that large."""
    with duckdb.connect(path, config={"threads": 1, "memory_limit": "1GB"}) as warehouse:
        warehouse.execute("SET TimeZone = 'UTC'")
        warehouse.execute("CREATE TABLE schema_version (version INTEGER NOT NULL, applied_at TIMESTAMPTZ NOT NULL)")
        for number, statements in migrations():
            if number <= _BEFORE_RAW:
                warehouse.execute(statements)
                warehouse.execute("INSERT INTO schema_version VALUES (?, now())", [number])
        schema.create_tables(warehouse)  # the metrics' columns
        warehouse.execute(f"""
            INSERT INTO connections BY NAME
            SELECT 'c' || a AS id, 'meta' AS provider, a::VARCHAR AS external_id, 'Account ' || a AS name, 'USD' AS currency,
                'Europe/Berlin' AS timezone, 0.3 AS gross_margin
            FROM range({ACCOUNTS}) t(a)
        """)
        day = 0
        while path.stat().st_size < megabytes << 20:
            _append(warehouse, day)
            warehouse.execute("CHECKPOINT")
            day += 1


def _append(warehouse: duckdb.DuckDBPyConnection, day: int) -> None:
    """Every account's reads of one day: changes of ads and totals, the day's values, its remainders, and entities that changed."""
    date, begin = f"(DATE '2025-01-01' + {day})", f"(TIMESTAMPTZ '2025-01-01 00:00:00+00' + to_days({day}))"
    values = ", ".join(
        f"(s + 1) * (hash(a, n, {day}, {metric.bit}) % 9973 + 1) * 17 + hash(s, n, a) % 17 AS {name}" for name, metric in METRICS.items()
    )
    reads = f"range({CHANGES}) u(s), range({ACCOUNTS}) v(a), range({ADS}) w(n)"
    run = f"md5(concat(a, '-', {day}, '-', s))::UUID::VARCHAR AS run_id"
    ad = "'c' || a AS connection_id, 'ad' AS level, (120200000000000000 + a * 1000000 + n)::VARCHAR AS external_id"
    campaign = "(120100000000000000 + a * 1000000 + n % 6)::VARCHAR AS campaign_id"
    parent = campaign.replace("campaign_id", "parent_id")
    total = "'c' || a AS connection_id, 'campaign' AS level, (120100000000000000 + a * 1000000 + n)::VARCHAR AS external_id"
    total = f"{total}, external_id AS campaign_id"
    at = f"{begin} + to_minutes(45 * s + 5) + to_seconds(a)"
    change = f"{_MASK} AS changed, 'platform' AS cause, {at} AS changed_at, {run}, {day} * {CHANGES} + s AS generation"
    last = f"FROM (SELECT {CHANGES} - 1 AS s, * FROM range({ACCOUNTS}) v(a), range({ADS}) w(n))"
    seen = f"{begin} AS first_seen_at, {at} AS changed_at, {run}"
    for statement in (
        f"metric_changes BY NAME SELECT {ad}, {campaign}, {date} AS date, {values}, {change} FROM {reads} ORDER BY s, a, n",
        f"total_changes BY NAME SELECT {total}, {date} AS date, {values}, {change} FROM {reads} WHERE n < 6 ORDER BY s, a, n",
        f"metric_facts BY NAME SELECT {ad}, {campaign}, {date} AS date, {values}, {seen} {last} ORDER BY a, n",
        f"platform_totals BY NAME SELECT {total}, {date} AS date, {values}, {seen} {last} WHERE n < 6 ORDER BY a, n",
        f"""unreported BY NAME SELECT 'c' || a AS connection_id, {campaign}, {date} AS date, {values},
            {at} AS changed_at, {run} {last} WHERE n < 6""",
        f"""entity_changes BY NAME SELECT {ad}, {parent}, 'Ad ' || n || ' of day ' || {day} AS name,
            'ACTIVE' AS status, '{{}}' AS attributes, {at} AS changed_at, {run}, {day} * {CHANGES} + s AS generation
            {last} WHERE (n + {day}) % 10 = 0""",
        f"""read_days BY NAME SELECT 'c' || a AS connection_id, 'leaf' AS level, {date} AS date, {begin} AS fresh_until,
            {day} % 4 > 0 AS settled, {begin} + INTERVAL 27 HOURS AS complete_at, complete_at AS conversions_complete_at
            FROM range({ACCOUNTS}) v(a)""",
        f"""sync_runs BY NAME SELECT {run}, {day} * {CHANGES} + s AS generation, 'c' || a AS connection_id, {at} AS applied_at,
            {ADS} AS fetched, 0 AS inserted, {ADS} AS updated, 0 AS unchanged, 0 AS entities_changed
            FROM range({CHANGES}) u(s), range({ACCOUNTS}) v(a)""",
    ):
        warehouse.execute(f"INSERT INTO {statement}")
    if day == 0:
        warehouse.execute(f"""INSERT INTO entities BY NAME SELECT {ad}, {parent}, 'Ad ' || n AS name, 'ACTIVE' AS status,
            '{{}}' AS attributes, {seen} {last}""")


def _run(step: str, path: Path) -> dict[str, object]:
    """In a process of its own, whose memory is the step's."""
    before = path.stat().st_size >> 20
    done = subprocess.run([sys.executable, "-m", "bench.rewriting", step, path], stdout=subprocess.PIPE, text=True, check=True)
    cpu, wall, memory = done.stdout.split()
    return {
        "step": step,
        "before MB": before,
        "after MB": path.stat().st_size >> 20,
        "cpu s": float(cpu),
        "wall s": float(wall),
        "peak MB": float(memory),
    }


def _do(step: str, path: Path) -> None:
    warehouse = Warehouse(path, path.with_name("published") / path.name)
    (path.parent / "published").mkdir(exist_ok=True)
    started, cpu = time.perf_counter(), time.process_time()
    if step == "erase":
        warehouse.erase("c7")
    elif step == "publish":
        path.with_name("published").joinpath(path.name).unlink(missing_ok=True)
        warehouse.publish(min_interval_seconds=0)
    elif step == "restore":
        path.write_bytes(b"not a database")
        warehouse.restore(lambda _: None)
    else:
        warehouse.campaigns("c1")  # rewrites a file of before, and opens another one
    print(round(time.process_time() - cpu, 1), round(time.perf_counter() - started, 1), resident_mb(os.getpid(), "VmHWM"))


if __name__ == "__main__":
    _do(sys.argv[1], Path(sys.argv[2]))
