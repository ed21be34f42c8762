"""A warehouse in a temporary folder, and short ways to write down answers, runs and connections."""

import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import duckdb
import pyarrow as pa
import pytest
from connecting import unstored

from adpulse.entities import ENTITY_SCHEMA
from adpulse.fetch_result import FetchResult
from adpulse.metric_rows import METRIC_SCHEMA
from adpulse.metrics import METRICS, SPLIT_METRICS
from adpulse.model import Fetch, FetchKind, Heat
from adpulse.planner.completeness import read_days
from adpulse.planner.windows import PartitionAges
from adpulse.refused_rows import RefusedRow
from adpulse.refused_table import refused_table
from storage.warehouse import diff, warehouse
from storage.warehouse.batches import RunFetch
from storage.warehouse.schema import find_tables, latest
from storage.warehouse.warehouse import Warehouse

NOW = datetime(2026, 3, 20, 15, 0, tzinfo=UTC)
TODAY = date(2026, 3, 20)
MARGIN = Decimal("0.3")


class Builder:
    """Tables, answers, runs and connections; whatever is not said is zero, ``c1``, ad ``a1``, campaign ``k1`` and today."""

    now = NOW
    today = TODAY

    def connection(self, connection_id="c1", **changes):
        facts = {"id": connection_id, "external_id": f"1{connection_id[1:]}", "name": f"Account {connection_id}", "gross_margin": MARGIN}
        return unstored(**facts | changes)

    def metrics(self, *rows):
        key = {"connection_id": "c1", "level": "ad", "external_id": "a1", "campaign_id": "k1", "date": TODAY}
        return pa.Table.from_pylist([key | dict.fromkeys(METRICS, 0) | row for row in rows], schema=METRIC_SCHEMA)

    def entities(self, *rows):
        base = {"connection_id": "c1", "level": "ad", "external_id": "a1", "status": "ACTIVE", "attributes": "{}"}
        return pa.Table.from_pylist([base | row for row in rows], schema=ENTITY_SCHEMA)

    def fetch(self, kind, **changes):
        days = {"since": TODAY, "until": TODAY} if kind.has_dates else {}
        return Fetch(**{"kind": kind, "heat": Heat.HOT, "cost": 1} | days | changes)

    def ads(self, *rows, at=NOW, **days):
        return FetchResult(fetch=self.fetch(FetchKind.ADS, **days), fetched_at=at, table=self.metrics(*rows))

    def base(self, *rows, at=NOW, **days):
        """Leaves of a platform that tells the split of conversions in another answer."""
        silent = dict.fromkeys(SPLIT_METRICS)
        return FetchResult(fetch=self.fetch(FetchKind.ADS, **days), fetched_at=at, table=self.metrics(*(silent | row for row in rows)))

    def split(self, *rows, at=NOW, **days):
        """That other answer."""
        silent = {name: None for name in METRICS if name not in SPLIT_METRICS}
        return FetchResult(
            fetch=self.fetch(FetchKind.CATEGORIES, **days), fetched_at=at, table=self.metrics(*(silent | row for row in rows))
        )

    def totals(self, *rows, at=NOW, **days):
        table = self.metrics(*({"level": "campaign", "external_id": "k1"} | row for row in rows))
        return FetchResult(fetch=self.fetch(FetchKind.CAMPAIGNS, **days), fetched_at=at, table=table)

    def account(self, *rows, at=NOW, **days):
        table = self.metrics(*({"level": "account", "external_id": "1", "campaign_id": ""} | row for row in rows))
        return FetchResult(fetch=self.fetch(FetchKind.ACCOUNT, **days), fetched_at=at, table=table)

    def heard(self, *rows, kind=FetchKind.ENTITIES_CHANGED, at=NOW):
        return FetchResult(fetch=self.fetch(kind), fetched_at=at, table=self.entities(*rows))

    def confirmed(self, *rows, at=NOW):
        """What a lookup found."""
        return self.heard(*rows, kind=FetchKind.ENTITIES_CONFIRMED, at=at)

    def refusing(self, answer, *rows):
        """The answer, of which rows were refused too: of ``a1`` in ``k1`` today, where nothing else is said."""
        dated = {"campaign_id": "k1", "day": TODAY} if answer.fetch.kind.has_dates else {}
        base = {"level": "ad", "external_id": "a1", "reason": "clicks: not a count"} | dated
        return replace(answer, refused=refused_table([RefusedRow(**base | row) for row in rows]))

    def walk(self, *rows, at=NOW):
        return self.heard(*rows, kind=FetchKind.ENTITIES_FULL, at=at)

    def noted(self, *fetched, connection=None, **run):
        """A run that also notes which days its answers cover, as read at its instant."""
        connection = connection or self.connection(run.get("connection_id", "c1"))
        plain = self.run(*fetched, **run)
        ages = {(answer.fetch.kind, day): plain.now for answer in fetched for day in answer.fetch.days}
        return replace(plain, read_days=read_days(plain.now, connection, PartitionAges(days=ages)), timezone=connection.timezone)

    def run(self, *fetched, generation=1, connection_id="c1", provider="meta", now=None, run_id=None, gross_margin=MARGIN):
        return RunFetch(
            provider=provider,
            run_id=run_id or f"{connection_id}-r{generation}",
            generation=generation,
            connection_id=connection_id,
            now=now or NOW + timedelta(minutes=generation),
            gross_margin=gross_margin,
            fetched=fetched,
        )


ADDED = {
    9: ["DROP TABLE total_changes"],
    10: ["ALTER TABLE read_days DROP complete_at", "ALTER TABLE read_days DROP conversions_complete_at"],
    11: ["DROP TABLE intraday_points"],
    13: ["ALTER TABLE connections DROP frequency", "ALTER TABLE connections DROP labels"],
    14: ["DROP TABLE mappings"],
    15: [
        *(f"ALTER TABLE connections DROP {column}" for column in ("mapping", "mapping_since", "attribution")),
        "ALTER TABLE mappings DROP attribution",
    ],
    16: ["DROP TABLE restated_days", "DROP TABLE followed_days"],
    17: [f"ALTER TABLE {table} ALTER conversions SET NOT NULL" for table in ("metric_facts", "metric_changes")],
    18: ["DROP TABLE fx_rates"],
    20: ["ALTER TABLE raw.connections DROP status"],
    21: ["DROP TABLE raw.budgets"],
}
"""What undoes a version of the schema; the others change nothing that an older adpulse would miss. Version 19: :func:`leave_raw`."""


def leave_raw(database):
    """Make an open file one of version 18, whose tables are in ``main``, without views."""
    for (view,) in database.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall():
        database.execute(f"DROP VIEW {view}")
    tables = database.execute("SELECT table_name, sql FROM duckdb_tables() WHERE schema_name = 'raw'").fetchall()
    for table, statement in tables:
        database.execute(statement.replace("raw.", "main.", 1))
        database.execute(f"INSERT INTO main.{table} FROM raw.{table}")
    database.execute("DROP SCHEMA raw CASCADE")


class Workspace:
    """A warehouse, its files, and what is in them."""

    def __init__(self, folder, build):
        self.build = build
        self.path = folder / "w.duckdb"
        self.published = folder / "published" / "w.duckdb"
        self.warehouse = Warehouse(self.path, self.published)

    def sync(self, *runs, holds_lease=lambda *_: True, connections=()):
        """Diff and apply one batch; the ids of the applied runs."""
        return self.apply(self.warehouse.diff(runs), holds_lease=holds_lease, connections=connections)

    def apply(self, changes, holds_lease=lambda *_: True, connections=()):
        known = {change.connection_id: self.build.connection(change.connection_id) for change in changes}
        known |= {connection.id: connection for connection in connections}
        return self.warehouse.apply(changes, holds_lease=holds_lease, connections=list(known.values()))

    @contextmanager
    def reading(self):
        """Answers queries from the live file."""
        with duckdb.connect(self.path, read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            find_tables(database)
            yield lambda query, parameters=(): database.execute(query, parameters).fetchall()

    def rows(self, query, parameters=()):
        with self.reading() as rows:
            return rows(query, parameters)

    def row(self, query, parameters=()):
        (row,) = self.rows(query, parameters)
        return row

    def value(self, query, parameters=()):
        (value,) = self.row(query, parameters)
        return value

    def files(self):
        """Names of everything in the warehouse's folder."""
        return sorted(path.name for path in self.path.parent.iterdir())

    def downgrade(self, version):
        """Make the file one that an adpulse of this version of the schema wrote."""
        for number in range(latest(), version, -1):
            if number == 19:
                with duckdb.connect(self.path) as database:
                    leave_raw(database)
            for statement in ADDED.get(number, ()):
                self.command(statement)
        self.command(f"DELETE FROM schema_version WHERE version > {version}")

    def command(self, statement):
        """Change the file behind the warehouse's back."""
        with duckdb.connect(self.path) as database:
            find_tables(database)
            database.execute(statement)


@pytest.fixture(scope="session")
def rows_at_once():
    """Within its block so many rows are compared, and written, at a time."""

    @contextmanager
    def limited(count):
        before = diff.ROWS_AT_ONCE, warehouse.ROWS_AT_ONCE
        diff.ROWS_AT_ONCE = warehouse.ROWS_AT_ONCE = count
        yield
        diff.ROWS_AT_ONCE, warehouse.ROWS_AT_ONCE = before

    return limited


@pytest.fixture(scope="session")
def build():
    return Builder()


@pytest.fixture
def workspace(tmp_path, build):
    return Workspace(tmp_path, build)


@pytest.fixture(scope="session")
def filled(tmp_path_factory, build):
    """A workspace in a folder, as ``fill(workspace, build)`` filled it; what several tests begin with is filled once and copied."""
    folders = {}

    def copied(fill, folder):
        if fill not in folders:
            folders[fill] = tmp_path_factory.mktemp("filled")
            fill(Workspace(folders[fill], build), build)
        shutil.copytree(folders[fill], folder, dirs_exist_ok=True)
        return Workspace(folder, build)

    return copied


def fill_three(workspace, build):
    days = {"since": build.today - timedelta(days=2), "until": build.today}
    for number in (1, 2, 3):
        key = {"connection_id": f"c{number}"}
        for generation, spend in ((1, 10), (2, 20)):
            rows = [key | {"date": build.today - timedelta(days=age), "spend": spend * 1_000_000} for age in range(3)]
            totals = [key | {"date": build.today - timedelta(days=age), "spend": 2 * spend * 1_000_000} for age in range(3)]
            ad = key | {
                "external_id": "a1",
                "parent_id": "k1",
                "name": "A name that is nowhere else 4711" if number == 2 else f"Ad {generation}",
            }
            fetched = (build.ads(*rows, **days), build.totals(*totals, **days), build.walk(ad))
            workspace.sync(build.run(*fetched, generation=generation, connection_id=f"c{number}"))
    workspace.warehouse.publish(min_interval_seconds=0)


@pytest.fixture
def three(filled, tmp_path):
    """Three connections with rows in every table, published; the second has a name of its own."""
    return filled(fill_three, tmp_path)


@pytest.fixture(scope="session")
def new_workspace(tmp_path_factory, build):
    """Makes empty workspaces: one per example of a property."""
    return lambda: Workspace(tmp_path_factory.mktemp("workspace"), build)
