"""An export to PostgreSQL is there as a whole or not at all, and ends with what is published."""

import json
import logging
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import duckdb
import pytest
from repeats import first_quick
from waiting import until

from adpulse.errors import Unavailable, Usage
from storage.exports.exporter import Exporter
from storage.exports.manifest import Format, FullReason
from storage.exports.target import target_at
from storage.exports.views import VIEWS
from storage.warehouse import comments

psycopg = pytest.importorskip("psycopg", reason="the environment of DuckDB 2.0 has no driver of PostgreSQL")

ENDS_THE_SESSION = """
    CREATE FUNCTION adpulse.ends_the_session() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;
    CREATE TRIGGER ends BEFORE INSERT ON adpulse.{table} FOR EACH ROW EXECUTE FUNCTION adpulse.ends_the_session();
"""


WAITS = """
    CREATE FUNCTION adpulse.waits() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NEW; END $$;
    CREATE TRIGGER waits BEFORE INSERT ON adpulse.exports FOR EACH ROW EXECUTE FUNCTION adpulse.waits();
"""
EXPORTS = """
import os, sys
from pathlib import Path
from adpulse.clock import SystemClock
from storage.exports.exporter import Exporter
from storage.exports.target import target_at
published, folder = map(Path, sys.argv[1:])
exporter = Exporter(
    workspace_id="w", published=published, locks=folder / "locks", building=folder / "building", version="1", wall=SystemClock()
)
exporter.export(target_at(os.environ["TO"], hidden=True))
"""


class RealTime:
    def now(self):
        return datetime(2026, 3, 20, 16, 0, tzinfo=UTC)


class Exports:
    """Exports of a workspace to a database, and what a reader of it sees."""

    def __init__(self, workspace, folder, address, workspace_id="w"):
        self.workspace, self.address, self.workspace_id = workspace, address, workspace_id
        folders = {name: folder / name for name in ("locks", "building")}
        self.exporter = Exporter(workspace_id=workspace_id, published=workspace.published, version="1", wall=RealTime(), **folders)

    def export(self, *views, publish=True, address=None, **options):
        if publish:
            self.workspace.warehouse.publish(min_interval_seconds=0)
        return self.exporter.export(target_at(address or self.address, hidden=True), views, **options)

    def query(self, statement, *parameters):
        with psycopg.connect(self.address) as session:
            cursor = session.execute(statement, parameters or None)
            return cursor.fetchall() if cursor.description else None

    def rows(self, view="daily"):
        columns = ", ".join(f'"{name}"' for name in self.published(view)[0])
        return Counter(self.query(f"SELECT {columns} FROM adpulse.{view} WHERE workspace_id = %s", self.workspace_id))

    def published(self, view="daily"):
        with duckdb.connect(self.workspace.published, read_only=True) as copy:
            copy.execute("SET TimeZone = 'UTC'")
            ((schema,),) = copy.execute(
                "SELECT schema_name FROM (FROM duckdb_views() SELECT schema_name, view_name AS name "
                "UNION ALL FROM duckdb_tables() SELECT schema_name, table_name) WHERE name = ? ORDER BY schema_name <> 'main' LIMIT 1",
                [view],
            ).fetchall()
            relation = copy.sql(f"FROM {schema}.{view}")
            return relation.columns, Counter(relation.fetchall())

    def is_as_published(self, *views):
        return all(self.rows(view) == self.published(view)[1] != Counter() for view in views or ("daily", "sync_runs"))


@pytest.fixture
def address(postgres):
    with postgres.database() as url:
        yield url


@pytest.fixture
def exports(workspace, tmp_path, address):
    return Exports(workspace, tmp_path, address)


def sync(workspace, build, *rows, generation=1, **run):
    connection = {"connection_id": run.get("connection_id", "c1")}
    totals = build.totals({"clicks": 100} | connection)
    account = build.account({"clicks": 1_000, "spend": 30_000_001} | connection)
    workspace.sync(build.run(build.ads(*(connection | row for row in rows)), totals, account, generation=generation, **run))


def test_the_first_export_has_every_row_and_equals_the_published_file_to_the_micro(exports, workspace, build):
    """Among them one without a campaign, what the account has beyond its campaigns, and texts that CSV would have to quote."""
    sync(workspace, build, {"spend": 1}, {"external_id": "a2", "spend": 123_456_789_012_345_678})
    workspace.sync(build.run(build.walk({"name": ""}, {"external_id": "a2", "name": 'a "b",\n\\N'}), generation=2))

    manifest = exports.export()

    assert manifest.views["daily"].full is FullReason.FIRST
    assert exports.is_as_published()
    ((spend, kind, of_no_campaign),) = exports.query(
        "SELECT sum(spend), pg_typeof(sum(spend))::text, count(*) FILTER (WHERE campaign_id IS NULL) FROM adpulse.daily"
    )
    assert (spend, kind) == (sum(row[exports.published()[0].index("spend")] for row in exports.published()[1]), "numeric")
    assert exports.query("SELECT max(spend) FROM adpulse.daily") == [(Decimal("123456789012.345678"),)]
    assert of_no_campaign == 1
    assert exports.query("SELECT obj_description('adpulse.daily'::regclass)") == [(comments.relations()["daily"],)]


def test_the_next_export_writes_the_changed_rows_alone_and_deletes_the_deleted(exports, workspace, build):
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2", "clicks": 2})
    sync(workspace, build, {"clicks": 1}, connection_id="c2")
    exports.export()
    before = dict(exports.query("SELECT connection_id || external_id || coalesce(campaign_id, '-'), xmin::text FROM adpulse.daily"))
    workspace.warehouse.erase("c2")
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2", "clicks": 3}, generation=2)

    manifest = exports.export()

    assert (manifest.views["daily"].full, manifest.views["daily"].changed, manifest.views["daily"].deleted) == (None, 2, 3)
    assert exports.is_as_published()
    after = dict(exports.query("SELECT connection_id || external_id || coalesce(campaign_id, '-'), xmin::text FROM adpulse.daily"))
    assert {name for name, written in after.items() if written != before[name]} == {"c1a2k1", "c1k1"}


def test_without_a_change_nothing_is_written(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    ((before,),) = exports.query("SELECT max(xmin::text) FROM adpulse.exports")

    assert exports.export() is None
    assert exports.query("SELECT count(*), max(xmin::text) FROM adpulse.exports") == [(1, before)]


def test_the_manifest_is_a_row_beside_the_rows(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    manifest = exports.export()

    ((number, published, version, changed, deleted, stored),) = exports.query(
        "SELECT export, published, schema_version, changed, deleted, manifest::text FROM adpulse.exports WHERE workspace_id = 'w'"
    )
    assert (number, published, changed, deleted) == (1, manifest.published, sum(e.changed for e in manifest.views.values()), 0)
    assert version == workspace.value("SELECT max(version) FROM schema_version")
    assert json.loads(stored) == json.loads(manifest.to_json())
    assert manifest.format is Format.TABLE


@pytest.mark.parametrize("table", first_quick(["exports", "daily", "export_records"]))
def test_an_export_whose_session_ends_midway_leaves_nothing_and_is_made_once_by_the_next(exports, workspace, build, table):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    before = exports.rows()
    exports.query(ENDS_THE_SESSION.format(table=table))
    sync(workspace, build, {"clicks": 2}, {"external_id": "a2", "clicks": 2}, generation=2)

    with pytest.raises(Unavailable, match="as a whole or not at all"):
        exports.export()

    columns = ", ".join(f'"{name}"' for name in exports.published()[0])
    assert Counter(exports.query(f"SELECT {columns} FROM adpulse.daily")) == before
    assert exports.query("SELECT max(export) FROM adpulse.exports") == [(1,)]
    exports.query(f"DROP TRIGGER ends ON adpulse.{table}")
    assert exports.export().sequence == 2
    assert exports.is_as_published()
    assert exports.export() is None


@pytest.mark.slow  # the session that ends midway, above, is what the server sees of it
def test_a_process_that_is_killed_before_the_commit_leaves_nothing(exports, workspace, build, tmp_path):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    before = exports.rows()
    exports.query(WAITS)
    sync(workspace, build, {"clicks": 2}, {"external_id": "a2", "clicks": 2}, generation=2)
    workspace.warehouse.publish(min_interval_seconds=0)
    with psycopg.connect(exports.address) as holder:
        holder.execute("SELECT pg_advisory_lock(7)")
        arguments = [str(workspace.published), str(tmp_path)]
        with subprocess.Popen([sys.executable, "-c", EXPORTS, *arguments], env=os.environ | {"TO": exports.address}) as process:
            until(lambda: exports.query("SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))
            process.kill()

    assert exports.rows() == before
    exports.query("DROP TRIGGER waits ON adpulse.exports")
    assert exports.export(publish=False).sequence == 2
    assert exports.is_as_published()


def test_of_two_exports_of_one_number_the_second_counts_for_nothing(exports, workspace, build, tmp_path):
    """As when two machines begin one at the same time."""
    sync(workspace, build, {"clicks": 1})
    manifest = exports.export()
    built = tmp_path / "built"
    (built / "state" / "00000001").mkdir(parents=True)

    with pytest.raises(Unavailable, match="exports_pkey"):
        target_at(exports.address, hidden=True).write(built, replace(manifest, views={}))

    assert exports.query("SELECT count(*) FROM adpulse.export_records") == [(2,)]


@pytest.mark.slow  # quick for folders: the same comparison, in tests/storage/test_exports.py
def test_a_restored_warehouse_is_reported_and_its_rows_are_taken_back(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    workspace.warehouse.publish(min_interval_seconds=0)
    older = workspace.published.read_bytes()
    sync(workspace, build, {"clicks": 2}, {"external_id": "a2", "clicks": 2}, generation=2)
    exports.export()
    workspace.published.unlink()
    workspace.published.write_bytes(older)

    manifest = exports.export(publish=False)

    assert manifest.restored == ("c1",)
    assert exports.query("SELECT restored FROM adpulse.exports WHERE export = 2") == [(["c1"],)]
    assert exports.is_as_published()


def test_a_lost_record_or_a_changed_table_is_made_good_by_a_full_export(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    exports.query("DELETE FROM adpulse.export_records; UPDATE adpulse.daily SET clicks = 7, connection_id = 'somebody'")
    sync(workspace, build, {"clicks": 2}, generation=2)

    assert exports.export().views["daily"].full == FullReason.NO_STATE
    assert exports.is_as_published()
    exports.query("ALTER TABLE adpulse.daily ALTER clicks TYPE text, DROP campaign_id")
    sync(workspace, build, {"clicks": 3}, generation=3)
    with pytest.raises(Unavailable, match="--full"):
        exports.export()
    exports.query("CREATE VIEW mine AS SELECT clicks FROM adpulse.daily")
    with pytest.raises(Unavailable, match="drop what depends on"):
        exports.export(full=True)
    exports.query("DROP VIEW mine")
    assert exports.export(full=True).views["daily"].full == FullReason.REQUESTED
    assert exports.is_as_published()


def test_a_schema_holds_several_workspaces(exports, workspace, build, tmp_path, address):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    other = Exports(type(workspace)(tmp_path / "other", build), tmp_path, address, workspace_id="v")
    sync(other.workspace, build, {"clicks": 5})  # the same keys, as in a copy of an installation

    other.export()
    other.export(full=True)

    assert exports.is_as_published()
    assert other.is_as_published()
    assert exports.query("SELECT workspace_id, max(export) FROM adpulse.exports GROUP BY 1 ORDER BY 1") == [("v", 2), ("w", 1)]


@pytest.mark.slow  # daily and sync_runs go the same way; the comment of daily is looked at there
def test_every_view_can_be_exported_and_has_the_comments_of_the_published_file(exports, workspace, build):
    entities = [{"name": "Spring"}, {"level": "adset", "external_id": "s1"}, {"level": "campaign", "external_id": "k1"}]
    noted = build.noted(build.ads({"clicks": 1, "impressions": 1}), build.totals({"clicks": 100}), build.walk(*entities))
    workspace.sync(noted)

    manifest = exports.export(*VIEWS)

    assert [name for name, entry in manifest.views.items() if not entry.changed] == []
    assert exports.is_as_published(*manifest.views)
    stored = exports.query(
        "SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE c.relnamespace = 'adpulse'::regnamespace AND c.relkind = 'r' AND a.attnum > 0"
    )
    expected = {
        (view, name): comments.of_column(view, name, in_units=True) for view, entry in manifest.views.items() for name in entry.columns
    }
    assert {(view, name): text for view, name, text in stored}.items() >= expected.items()
    assert all(text for *_, text in stored)


def test_a_table_of_somebody_else_is_left_alone(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.query("CREATE SCHEMA mine; CREATE TABLE mine.daily (clicks text); INSERT INTO mine.daily VALUES ('theirs')")

    with pytest.raises(Usage, match="a schema of its own"):
        exports.export(address=f"{exports.address}?schema=mine")

    assert exports.query("SELECT * FROM mine.daily") == [("theirs",)]
    assert exports.query("SELECT to_regclass('mine.exports')") == [(None,)]


def broken(address, fault):
    base, _, database = address.rpartition("/")
    match fault:
        case "password":
            return f"{base.replace('adpulse:', 'adpulse:wrong', 1)}/{database}", "password authentication failed"
        case "database":
            return f"{base}/nowhere", 'database "nowhere" does not exist'
        case "server":
            return f"{base.rpartition(':')[0]}:1/{database}", "refused"
    return f"{address}?schema=closed", "GRANT"


@pytest.mark.parametrize("fault", first_quick(["rights", "password", "database", "server"]))
def test_a_target_that_cannot_be_had_is_one_sentence_without_the_password(exports, workspace, build, postgres, fault, caplog):
    caplog.set_level(logging.DEBUG)
    sync(workspace, build, {"clicks": 1})
    name = exports.address.rpartition("/")[2]
    postgres._run(f"REVOKE CREATE ON DATABASE {name} FROM PUBLIC; ALTER DATABASE {name} OWNER TO postgres")
    address, reason = broken(exports.address, fault)

    with pytest.raises(Unavailable, match=reason) as refused:
        exports.export(address=address)

    assert "\n" not in str(refused.value)
    assert exports.query("SELECT count(*) FROM pg_namespace WHERE nspname IN ('adpulse', 'closed')") == [(0,)]
    for text in (str(refused.value), repr(refused.value), caplog.text):
        assert postgres.password not in text


@pytest.mark.slow  # quick for the command and the flow, in tests/cli/test_export_command.py
def test_the_password_is_nowhere_in_what_is_written(exports, workspace, build, postgres, caplog):
    caplog.set_level(logging.DEBUG)
    sync(workspace, build, {"clicks": 1})
    target = target_at(exports.address, hidden=True)
    manifest = exports.export()

    stored = exports.query("SELECT manifest::text FROM adpulse.exports")
    for text in (target.name, repr(target), repr(manifest), repr(stored), caplog.text):
        assert postgres.password not in text


@pytest.mark.parametrize("address", ["postgresql://u:%zzsecret@h/d", "postgresql://u@h/d?password=secret&no=1"])
def test_what_is_no_address_is_refused_without_being_repeated(address):
    with pytest.raises(Usage) as refused:
        target_at(address, hidden=True)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["postgresql://u:secret@h/d", "postgres://u@h/d?password=secret"])
def test_a_password_in_a_command_is_refused(address):
    with pytest.raises(Usage, match="PGPASSWORD") as refused:
        target_at(address, hidden=False)

    assert "secret" not in str(refused.value)
    assert "schema adpulse" in target_at(address.replace(":secret", "").replace("?password=secret", ""), hidden=False).name
