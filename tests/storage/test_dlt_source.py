"""dlt loads a folder of exports into a database that ends with what is published."""

import sys
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module

import duckdb
import pytest

from storage.exports.exporter import Exporter
from storage.exports.folder import FolderTarget
from storage.exports.views import VIEWS
from storage.warehouse.schema import find_tables

dlt = pytest.importorskip("dlt", reason="the environments of DuckDB 2.0 and Prefect 3.8 have no dlt")


class RealTime:
    def now(self):
        return datetime(2026, 3, 20, 16, 0, tzinfo=UTC)


class Loads:
    """Exports of a workspace to a folder, and a pipeline that loads them into DuckDB."""

    def __init__(self, workspace, folder):
        self.workspace, self.folder = workspace, folder
        folders = {name: folder / name for name in ("locks", "building")}
        self.exporter = Exporter(workspace_id="w", published=workspace.published, version="1", wall=RealTime(), **folders)
        self.target = folder / "target"

    def export(self, *views, publish=True, **options):
        if publish:
            self.workspace.warehouse.publish(min_interval_seconds=0)
        return self.exporter.export(FolderTarget.at(str(self.target)), views, **options)

    def load(self, *views):
        from adpulse.dlt import adpulse_source  # noqa: PLC0415 - where there is dlt

        destination = dlt.destinations.duckdb(str(self.folder / "loaded.duckdb"))
        pipeline = dlt.pipeline("acme", destination=destination, dataset_name="acme", pipelines_dir=str(self.folder / "dlt"))
        return pipeline.run(adpulse_source(str(self.target), views))

    def command(self, statement):
        with duckdb.connect(self.folder / "loaded.duckdb") as database:
            database.execute(statement)

    def loaded(self, view="daily"):
        columns = ", ".join(f'"{name}"' for name in self.published(view)[0])
        with duckdb.connect(self.folder / "loaded.duckdb") as database:
            database.execute("SET TimeZone = 'UTC'")
            return Counter(database.sql(f"SELECT {columns} FROM acme.{view}").fetchall())

    def published(self, view="daily"):
        with duckdb.connect(self.workspace.published, read_only=True) as copy:
            copy.execute("SET TimeZone = 'UTC'")
            find_tables(copy)
            empty = "* REPLACE (coalesce(campaign_id, '') AS campaign_id)" if view == "daily" else "*"
            relation = copy.sql(f"SELECT {empty} FROM {view}")
            return relation.columns, Counter(relation.fetchall())

    def is_as_published(self, *views):
        return all(self.loaded(view) == self.published(view)[1] != Counter() for view in views or ("daily", "sync_runs"))


@pytest.fixture
def loads(workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")
    monkeypatch.chdir(tmp_path)
    return Loads(workspace, tmp_path)


def sync(workspace, build, *rows, generation=1, **run):
    connection = {"connection_id": run.get("connection_id", "c1")}
    totals = build.totals({"clicks": 100} | connection)
    account = build.account({"clicks": 1_000, "spend": 30_000_001} | connection)
    workspace.sync(build.run(build.ads(*(connection | row for row in rows)), totals, account, generation=generation, **run))


def test_first_rows_changes_deletions_and_a_full_export_are_loaded_once_and_exact(loads, workspace, build):
    sync(workspace, build, {"spend": 1}, {"external_id": "a2", "spend": 123_456_789_012_345_678})
    sync(workspace, build, {"clicks": 1}, connection_id="c2")
    loads.export()
    loads.load()
    assert loads.is_as_published()
    with duckdb.connect(loads.folder / "loaded.duckdb") as database:
        assert database.sql("SELECT max(spend) FROM acme.daily").fetchone() == (Decimal("123456789012.345678"),)

    workspace.warehouse.erase("c2")
    loads.export(publish=False)
    sync(workspace, build, {"spend": 2}, {"external_id": "a3", "spend": 5}, generation=2)
    loads.export()
    loads.load()
    assert loads.is_as_published()

    loads.command("UPDATE acme.daily SET external_id = 'somebody'")
    loads.load()
    assert {row[6] for row in loads.loaded()} == {"somebody"}  # nothing was new, so nothing was written
    loads.export(full=True)
    loads.load()
    assert loads.is_as_published()


def test_without_dlt_the_import_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "dlt", None)
    monkeypatch.delitem(sys.modules, "adpulse.dlt", raising=False)

    with pytest.raises(ImportError, match=r"pip install 'adpulse\[dlt\]'"):
        import_module("adpulse.dlt")


@pytest.mark.slow  # daily and sync_runs above go the same way
def test_every_view_is_loaded_and_a_full_export_without_rows_empties_it(loads, workspace, build):
    entities = [{"name": "Spring"}, {"level": "adset", "external_id": "s1"}, {"level": "campaign", "external_id": "k1"}]
    noted = build.noted(build.ads({"clicks": 1, "impressions": 1}), build.totals({"clicks": 100}), build.walk(*entities))
    workspace.sync(noted)
    loads.export(*VIEWS)
    loads.load(*VIEWS)

    assert loads.is_as_published(*VIEWS)
    workspace.warehouse.erase("c1")
    loads.export(*VIEWS, publish=False, full=True)
    loads.load(*VIEWS)
    assert {view: loads.loaded(view) for view in VIEWS} == {view: Counter() for view in VIEWS}
