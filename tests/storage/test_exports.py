"""An export holds what changed since the last one, once, however often it is killed."""

import csv
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from pyarrow import fs
from repeats import examples

from adpulse.errors import Unavailable, Usage
from storage.exports.exporter import Exporter
from storage.exports.folder import FolderTarget
from storage.exports.manifest import Format, FullReason
from storage.exports.target import target_at
from storage.exports.views import VIEWS

KEY = ("connection_id", "date", "level", "external_id", "campaign_id")


class Killed(BaseException):
    """The process ended here."""


class MortalTarget(FolderTarget):
    """Dies before its n-th write."""

    writes_left = 10_000

    def _write(self):
        self.writes_left -= 1
        if self.writes_left < 0:
            raise Killed

    def store(self, source, name):
        self._write()
        super().store(source, name)

    def commit(self, manifest):
        self._write()
        super().commit(manifest)

    def _remove(self, folder):
        self._write()
        super()._remove(folder)


class RealTime:
    def now(self):
        return datetime(2026, 3, 20, 16, 0, tzinfo=UTC)


class Exports:
    """Exports of a workspace, and what a reader of them ends up with who applies one after the other."""

    def __init__(self, workspace, folder, workspace_id="w"):
        self.workspace = workspace
        self.folder = folder / "target"
        self.exporter = Exporter(
            workspace_id=workspace_id,
            published=workspace.published,
            locks=folder / "locks",
            building=folder / "building",
            version="1",
            wall=RealTime(),
        )
        self.rows, self.runs, self.applied = {}, [], 0

    def target(self, writes=10_000):
        target = MortalTarget(fs.LocalFileSystem(), str(self.folder), name=str(self.folder))
        target.writes_left = writes
        return target

    def export(self, *views, writes=10_000, publish=True, **options):
        if publish:
            self.workspace.warehouse.publish(min_interval_seconds=0)
        return self.exporter.export(self.target(writes), views, **options)

    def read(self, manifest, view="daily"):
        files = [str(self.folder / name) for name in manifest.files if name.startswith(f"{view}/")]
        return duckdb.sql(f"FROM read_parquet({files}, hive_partitioning = false)").to_arrow_table().to_pylist() if files else []

    def catch_up(self):
        """Apply every manifest that was not applied yet."""
        reader = self.target()
        for number in range(self.applied + 1, (newest.sequence if (newest := reader._newest()) else 0) + 1):
            manifest = reader._read(number)
            if manifest.views["daily"].full:
                self.rows.clear()
                self.runs.clear()
            for row in self.read(manifest):
                key = tuple(row[name] for name in KEY)
                if row.pop("deleted"):
                    del self.rows[key]
                else:
                    self.rows[key] = row
            self.runs += [(row["run_id"], row["generation"]) for row in self.read(manifest, "sync_runs") if not row["deleted"]]
            self.applied = number

    def published_rows(self):
        with duckdb.connect(self.workspace.published, read_only=True) as copy:
            copy.execute("SET TimeZone = 'UTC'")
            rows = copy.sql("FROM daily").to_arrow_table().to_pylist()
        return {tuple(row[name] for name in KEY): row for row in rows}


@pytest.fixture
def exports(workspace, tmp_path):
    return Exports(workspace, tmp_path)


def sync(workspace, build, *rows, generation=1, **run):
    connection = {"connection_id": run.get("connection_id", "c1")}
    totals = build.totals({"clicks": 100} | connection)
    workspace.sync(build.run(build.ads(*(connection | row for row in rows)), totals, generation=generation, **run))


def test_the_first_export_has_every_row(exports, workspace, build):
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2", "clicks": 2})

    manifest = exports.export()
    exports.catch_up()

    assert manifest.views["daily"].full is FullReason.FIRST
    assert exports.rows == exports.published_rows() != {}


def test_the_next_export_has_the_changed_rows_alone(exports, workspace, build):
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2", "clicks": 2})
    exports.export()
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2", "clicks": 3}, generation=2)

    manifest = exports.export()

    assert manifest.views["daily"].full is None
    assert {row["external_id"] for row in exports.read(manifest)} == {"a2", ""}  # the ad, and its campaign's remainder


def test_a_new_name_is_a_change_although_no_number_changed(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    workspace.sync(build.run(build.walk({"name": "Spring"}), generation=2))

    manifest = exports.export()

    assert [row["name"] for row in exports.read(manifest)] == ["Spring"]


def test_without_a_change_there_is_no_export(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()

    assert exports.export() is None
    assert exports.target().newest("w").sequence == 1


def test_a_deleted_connection_is_exported_as_deleted_rows(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    sync(workspace, build, {"clicks": 1}, connection_id="c2")
    exports.export()
    exports.catch_up()
    workspace.warehouse.erase("c2")

    manifest = exports.export(publish=False)
    exports.catch_up()

    assert (manifest.views["daily"].changed, manifest.views["daily"].deleted) == (0, 2)
    assert manifest.restored == ()
    assert exports.rows == exports.published_rows()


def test_every_run_is_exported_once(exports, workspace, build):
    for generation in (1, 2, 3):
        sync(workspace, build, {"clicks": generation}, generation=generation)
        if generation != 2:
            exports.export()
        exports.catch_up()

    assert exports.runs == [("c1-r1", 1), ("c1-r2", 2), ("c1-r3", 3)]


def test_on_request_everything_is_exported_again(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()

    manifest = exports.export(full=True)

    assert manifest.views["daily"].full is FullReason.REQUESTED
    assert len(exports.read(manifest)) == len(exports.published_rows())


def test_a_lost_record_of_what_was_exported_makes_the_next_export_full(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    for record in (exports.folder / "state").rglob("*.parquet"):
        record.unlink()
    sync(workspace, build, {"clicks": 2}, generation=2)

    manifest = exports.export()

    assert (manifest.sequence, manifest.views["daily"].full) == (2, FullReason.NO_STATE)


def test_a_restored_warehouse_is_reported_and_its_rows_are_taken_back(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    workspace.warehouse.publish(min_interval_seconds=0)
    older = workspace.published.read_bytes()
    sync(workspace, build, {"clicks": 2}, {"external_id": "a2", "clicks": 2}, generation=2)
    exports.export()
    exports.catch_up()
    workspace.published.unlink()
    workspace.published.write_bytes(older)

    manifest = exports.export(publish=False)
    exports.catch_up()

    assert manifest.restored == ("c1",)
    assert exports.rows == exports.published_rows()


def test_a_target_holds_one_workspace(exports, workspace, build, tmp_path):
    sync(workspace, build, {"clicks": 1})
    exports.export()

    with pytest.raises(Usage, match="holds exports of workspace w"):
        Exports(workspace, tmp_path, workspace_id="other").export()


def test_files_are_partitioned_by_export_and_month(exports, workspace, build):
    long_ago = date(2026, 1, 31)
    workspace.sync(build.run(build.ads({"clicks": 1}, {"clicks": 2, "date": long_ago}, since=long_ago)))

    manifest = exports.export()

    folders = {str(Path(name).parent) for name in manifest.files if name.startswith("daily/")}
    assert folders == {f"daily/export=00000001/month={month}" for month in ("2026-01", "2026-03")}
    assert manifest.files == {name: (exports.folder / name).stat().st_size for name in manifest.files}


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_in_csv_that_a_spreadsheet_would_run_is_neutralised(exports, workspace, build, name):
    workspace.sync(build.run(build.ads({"clicks": 1, "profit": -5}), build.walk({"name": name})))

    manifest = exports.export(format_=Format.CSV)

    (file,) = [exports.folder / file for file in manifest.files if file.startswith("daily/")]
    with file.open(newline="") as lines:
        (row,) = csv.DictReader(lines)
    assert row["name"] == f"'{name}"
    assert row["profit"].startswith("-")  # a number stays one


def test_a_view_that_is_not_exported_is_refused(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})

    with pytest.raises(Usage, match="daily, completeness"):
        exports.export("metric_changes")


def test_every_view_can_be_chosen_and_its_key_identifies_a_row(exports, workspace, build):
    entities = [{"name": "Spring"}, {"level": "adset", "external_id": "s1"}, {"level": "campaign", "external_id": "k1"}]
    rows = [{"clicks": 1, "impressions": 1}, {"clicks": 2, "external_id": "a2", "impressions": 1}]
    workspace.sync(build.run(build.ads(*rows), build.totals({"clicks": 100}), build.walk(*entities)))

    manifest = exports.export(*VIEWS)

    assert set(manifest.views) == {*VIEWS, "sync_runs"}
    for name, entry in manifest.views.items():
        rows = exports.read(manifest, name)
        assert len({tuple(row[column] for column in entry.key) for row in rows}) == len(rows) == entry.changed
    assert {name for name, entry in manifest.views.items() if not entry.changed} == {"completeness"}  # nothing noted its days as read


def test_a_view_with_a_column_of_the_name_has_its_deleted_rows_marked_by_another(exports, workspace, build):
    """``reconciliation`` says how many entities are known to be deleted; a row with a number there is no deleted one."""
    deleted = {"level": "campaign", "external_id": "k2", "status": "DELETED"}
    workspace.sync(build.run(build.ads({"clicks": 1}), build.totals({"clicks": 1}), build.account({"clicks": 9}), build.walk(deleted)))

    manifest = exports.export("reconciliation")

    assert manifest.views["reconciliation"].deleted == 0
    assert {(row["deleted"], row["row_deleted"]) for row in exports.read(manifest, "reconciliation") if row["level"] == "account"} == {
        (1, False)
    }


@pytest.mark.parametrize("location", ["s3://key:secret@bucket/x", "s3://bucket/x?secret_key=abc", "ftp://host/x"])
def test_an_address_with_credentials_or_of_an_unknown_kind_is_refused(location):
    with pytest.raises(Usage) as refused:
        target_at(location, hidden=True)

    assert "secret@" not in str(refused.value)
    assert "abc" not in str(refused.value)


def test_a_folder_that_cannot_be_written_is_reported(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.folder.write_text("a file where the folder should be")

    with pytest.raises(Unavailable, match="Nothing of it counts"):
        exports.export()


def test_files_of_a_killed_export_are_removed_even_when_nothing_changed_after_all(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    older = workspace.published.read_bytes()
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2"}, generation=2)
    with pytest.raises(Killed):
        exports.export(writes=4)
    assert list((exports.folder / "daily").glob("export=00000002/*/*"))

    workspace.published.unlink()
    workspace.published.write_bytes(older)

    assert exports.export(publish=False) is None
    listed = {str(exports.folder / name) for manifest in [exports.target().newest("w")] for name in manifest.files}
    assert {str(path) for path in exports.folder.rglob("rows-*")} == listed


def code_of(language, folder):
    """The longest example of the how-to page in this language, reading the folder."""
    page = (Path(__file__).parents[2] / "docs" / "howto" / "export.md").read_text()
    return max(re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL), key=len).replace("/data/acme", str(folder))


def test_the_readers_of_the_how_to_page_end_with_what_is_published(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    sync(workspace, build, {"clicks": 1}, {"external_id": "a2", "clicks": 2}, connection_id="c2")
    exports.export()
    workspace.warehouse.erase("c1")
    sync(workspace, build, {"clicks": 7}, {"external_id": "a2", "clicks": 2}, connection_id="c2", generation=2)
    exports.export()
    program = {}
    exec(code_of("python", exports.folder), program)  # noqa: S102 - the page's own example

    clicks = {key: row["clicks"] for key, row in exports.published_rows().items()}
    by_query = duckdb.sql(code_of("sql", exports.folder)).to_arrow_table().to_pylist()
    assert {key: row["clicks"] for key, row in program["rows"].items()} == clicks
    assert {tuple(row[name] for name in KEY): row["clicks"] for row in by_query} == clicks


def test_the_frames_of_the_how_to_page_have_exact_amounts(exports, workspace, build):
    pytest.importorskip("pandas", reason="the environment of DuckDB 2.0 has none")
    workspace.sync(build.run(build.ads({"spend": 123_456_789_012_345_678})))
    exports.export()
    page = (Path(__file__).parents[2] / "docs" / "howto" / "export.md").read_text()
    (example,) = re.findall(r"```python\n(import duckdb\n.*?)```", page, re.DOTALL)
    program = {"QUERY": code_of("sql", exports.folder).strip().rstrip(";")}

    exec("".join(line for line in example.splitlines(keepends=True) if "polars" not in line), program)  # noqa: S102 - polars is not installed

    assert program["frame"]["spend"].sum() == Decimal("123456789012.345678")


def test_a_damaged_record_is_an_error_that_names_the_copy(exports, workspace, build):
    sync(workspace, build, {"clicks": 1})
    exports.export()
    for record in (exports.folder / "state").rglob("*.parquet"):
        record.write_bytes(b"not Parquet")
    sync(workspace, build, {"clicks": 2}, generation=2)

    with pytest.raises(Unavailable, match="could not be written out"):
        exports.export()


def test_a_folder_is_the_same_target_however_it_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert FolderTarget.at("exports").name == FolderTarget.at(str(tmp_path / "exports")).name


@examples(2, phases=[Phase.explicit, Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.dictionaries(st.sampled_from(["a1", "a2", "a3"]), st.integers(0, 3), min_size=1), st.integers(0, 8), st.booleans()),
        min_size=1,
        max_size=3,
    )
)
def test_wherever_exports_are_killed_a_reader_has_what_is_published_and_every_run_once(tmp_path_factory, workspace, build, steps):
    folder = tmp_path_factory.mktemp("killed")
    workspace = type(workspace)(folder, build)
    exports = Exports(workspace, folder)
    for generation, (clicks, writes, full) in enumerate(steps, start=1):
        day = build.today - timedelta(days=31 * (generation % 2))
        rows = [{"external_id": name, "clicks": value, "date": day} for name, value in clicks.items()]
        workspace.sync(build.run(build.ads(*rows, since=day, until=day), generation=generation))
        try:
            exports.export(writes=writes, full=full)
        except Killed:
            exports.catch_up()
            exports.export(full=full)
        exports.catch_up()

        assert exports.rows == exports.published_rows()
    assert sorted(exports.runs) == sorted(set(exports.runs))
    assert set(exports.runs) == set(workspace.rows("SELECT run_id, generation FROM sync_runs"))
