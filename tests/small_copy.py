"""A small published file: two accounts of different currencies, an unfinished day, and a day a week old that was restated."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
from connecting import unstored

from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.completeness import DayLevel, ReadDay
from storage.warehouse.batches import RunFetch
from storage.warehouse.warehouse import Warehouse

NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)
TODAY, LAST_WEEK = date(2026, 3, 20), date(2026, 3, 13)


def connection(name, currency):
    return unstored(id=f"c-{name}", external_id=f"1{len(name)}", name=name, currency=currency)


HARBOR, SAKURA = connection("Harbor", "USD"), connection("Sakura", "JPY")


def answer(of, at, days):
    """A complete read of two ads: for each day the spend and revenue (in units) of both."""
    rows = [
        dict.fromkeys(METRICS, 0)
        | {"connection_id": of.id, "level": "ad", "external_id": ad, "campaign_id": "9", "date": day, "impressions": 1000}
        | {"spend": int(spend * 1_000_000), "revenue": int(revenue * 1_000_000), "profit": int((revenue - spend) * 1_000_000)}
        for day, numbers in days.items()
        for ad, (spend, revenue) in zip(("1", "2"), numbers, strict=True)
    ]
    fetch = Fetch(kind=FetchKind.ADS, heat=Heat.HOT, cost=1, since=min(days), until=max(days))
    return FetchResult(fetch=fetch, fetched_at=at, table=pa.Table.from_pylist(rows, schema=METRIC_SCHEMA))


def write(warehouse, generation, at, answers):
    """What one tick does with the answers: diff and apply."""
    batch = [
        RunFetch(
            provider=of.provider,
            run_id=f"{of.id}-{generation}",
            generation=generation,
            connection_id=of.id,
            now=at,
            gross_margin=of.gross_margin,
            fetched=[answer(of, at, days)],
            read_days=[ReadDay(level=DayLevel.LEAF, day=day, fresh_until=at, settled=False) for day in days],
        )
        for of, days in answers.items()
    ]
    applied = warehouse.apply(warehouse.diff(batch), holds_lease=lambda *_: True, connections=list(answers))
    assert len(applied) == len(batch)


def publish(folder, name="workspace", others=None):
    """Two accounts of different currencies; a day that grows twice; a day a week old when Harbor's revenue is restated; others' days."""
    published = folder / "published" / f"{name}.duckdb"
    (folder / "warehouse").mkdir(parents=True, exist_ok=True)
    warehouse = Warehouse(folder / "warehouse" / f"{name}.duckdb", published)
    old = {LAST_WEEK: ((40, 100), (60, 200))}
    write(warehouse, 1, NOON, {HARBOR: {**old, TODAY: ((10, 0), (20, 0))}, SAKURA: {**old, TODAY: ((7000, 0), (9000, 0))}})
    write(warehouse, 2, NOON + timedelta(minutes=15), {HARBOR: {TODAY: ((11, 0), (22, 30))}})
    write(warehouse, 3, NOON + timedelta(minutes=30), {HARBOR: {TODAY: ((12, 0), (25, 30)), LAST_WEEK: ((40, 100), (60, 137))}})
    if others:
        write(warehouse, 4, NOON + timedelta(minutes=45), others)
    assert warehouse.publish(min_interval_seconds=0)
    return published
