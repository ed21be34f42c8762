"""Diff and write of a batch, compared with the raw read of the same rows and with other libraries.

Every case gets the same stored table and the same batch, of which 10 % or 0 % of the rows changed:

- ``adpulse``: diff and apply, as the pipeline does it
- ``raw_read``: reading the batch's stored rows into Arrow, the floor
- ``dlt_arrow``, ``dlt_rows``: dlt merges into DuckDB from Arrow, and from dicts (its default path)
- ``orm_rows``: one SELECT and, if changed, one UPDATE per row with SQLAlchemy on SQLite
"""

import logging
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS
from adpulse.model import Fetch, FetchKind, Heat
from storage.warehouse.batches import RunFetch
from storage.warehouse.warehouse import Warehouse

NOW = datetime(2026, 3, 20, 15, tzinfo=UTC)
SIZES = (5_000, 100_000, 1_000_000)
SLOW_LIMIT = 5_000
"""The row-by-row writers are measured at this size only; beyond it they take minutes."""

DLT_LIMIT = 100_000


def measure() -> list[dict[str, object]]:
    """One row per size and share of changed rows: seconds of our way, and the others as multiples of the raw read."""
    logging.getLogger("dlt").setLevel(logging.ERROR)
    return [_case(rows, changed) for rows in SIZES for changed in (10, 0)]


def _case(rows: int, changed: int) -> dict[str, object]:
    stored, batch = _table(rows, 0), _table(rows, changed)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        ways: dict[str, Callable[[], float]] = {
            "raw_read": lambda: _raw_read(home, stored),
            "adpulse": lambda: _adpulse(home, stored, batch),
        }
        if rows <= DLT_LIMIT:
            ways["dlt_arrow"] = lambda: _dlt(home / "arrow", stored, batch)
        if rows <= SLOW_LIMIT:
            ways["dlt_rows"] = lambda: _dlt(home / "rows", stored.to_pylist(), batch.to_pylist())
            ways["orm_rows"] = lambda: _orm(home, stored, batch)
        seconds = {name: way() for name, way in ways.items()}
    floor = seconds["raw_read"]
    ratios = {f"{name}_x": round(value / floor, 1) for name, value in seconds.items() if name != "raw_read"}
    return {"rows": rows, "changed_percent": changed, "raw_read_s": round(floor, 4), "adpulse_s": round(seconds["adpulse"], 3), **ratios}


def _table(rows: int, changed_percent: int) -> pa.Table:
    rng = np.random.default_rng(7)
    ads = max(1, rows // 28)
    spend = rng.integers(0, 10**9, rows)
    if changed_percent:
        spend[:: 100 // changed_percent] += 10_000
    columns = {
        "connection_id": pa.array(["c1"] * rows),
        "level": pa.array(["ad"] * rows),
        "external_id": pa.array([str(10**15 + number % ads) for number in range(rows)]),
        "campaign_id": pa.array([str(10**14 + number % ads // 20) for number in range(rows)]),
        "date": pa.array([date(2026, 3, 20) - timedelta(days=number // ads) for number in range(rows)]),
    }
    columns.update({name: pa.array(spend if name == "spend" else rng.integers(0, 10**6, rows)) for name in METRICS})
    return pa.table(columns).cast(METRIC_SCHEMA)


def _fetch(run: str, table: pa.Table, at: datetime) -> RunFetch:
    days = table.column("date").to_pylist()
    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.COLD, cost=1, since=min(days), until=max(days))
    answer = FetchResult(fetch=fetch, fetched_at=at, table=table)
    return RunFetch(run_id=run, generation=int(run), connection_id="c1", provider="meta", now=at, gross_margin=Decimal(1), fetched=[answer])


def _adpulse(home: Path, stored: pa.Table, batch: pa.Table) -> float:
    warehouse = Warehouse(home / "w.duckdb", home / "p.duckdb")
    warehouse.apply(warehouse.diff([_fetch("1", stored, NOW)]), holds_lease=lambda *_: True, connections=[])
    later = _fetch("2", batch, NOW + timedelta(hours=1))
    start = time.perf_counter()
    warehouse.apply(warehouse.diff([later]), holds_lease=lambda *_: True, connections=[])
    return time.perf_counter() - start


def _raw_read(home: Path, stored: pa.Table) -> float:
    path = str(home / "raw.duckdb")
    with duckdb.connect(path) as con:
        con.register("stored", stored)
        con.execute("CREATE TABLE facts AS SELECT * FROM stored")
    start = time.perf_counter()
    with duckdb.connect(path, read_only=True) as con:
        con.sql("SELECT * FROM facts").to_arrow_table()
    return time.perf_counter() - start


def _dlt(home: Path, stored: object, batch: object) -> float:
    import dlt

    home.mkdir()
    destination = dlt.destinations.duckdb(str(home / "dlt.duckdb"))
    pipeline = dlt.pipeline("bench", destination=destination, dataset_name="d", pipelines_dir=str(home / "state"))
    options = {"table_name": "facts", "write_disposition": "merge", "primary_key": ["connection_id", "external_id", "date"]}
    pipeline.run(stored, **options)
    start = time.perf_counter()
    pipeline.run(batch, **options)
    return time.perf_counter() - start


def _orm(home: Path, stored: pa.Table, batch: pa.Table) -> float:
    engine = sa.create_engine(f"sqlite:///{home / 'orm.db'}")
    key = [sa.Column("external_id", sa.String, primary_key=True), sa.Column("date", sa.Date, primary_key=True)]
    facts = sa.Table("facts", sa.MetaData(), *key, *(sa.Column(name, sa.BigInteger) for name in METRICS))
    facts.create(engine)
    names = ["external_id", "date", *METRICS]
    with engine.begin() as con:
        con.execute(facts.insert(), stored.select(names).to_pylist())
    rows = batch.select(names).to_pylist()
    start = time.perf_counter()
    with engine.begin() as con:
        for row in rows:
            same_key = (facts.c.external_id == row["external_id"]) & (facts.c.date == row["date"])
            if dict(con.execute(sa.select(facts).where(same_key)).mappings().one()) != row:
                con.execute(facts.update().where(same_key).values(row))
    return time.perf_counter() - start
