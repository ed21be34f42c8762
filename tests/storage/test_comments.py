"""A published file says of everything in it what it means, to any DuckDB."""

import duckdb
import pytest

from adpulse.metrics import METRICS
from storage.warehouse import comments, schema

RELATIONS = """
    SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal
    UNION ALL
    SELECT view_name, comment FROM duckdb_views() WHERE NOT internal
    UNION ALL
    SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal
"""
COLUMNS = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal"


def fill(workspace, build):
    row = {"spend": 5, "clicks": 2}
    workspace.sync(build.noted(build.ads(row), build.totals(row), build.account(row), build.walk({"name": "Ad"})))
    workspace.warehouse.publish(min_interval_seconds=0)


@pytest.fixture
def published(filled, tmp_path):
    workspace = filled(fill, tmp_path)
    with duckdb.connect(workspace.published, read_only=True) as copy:
        yield copy


def test_every_table_view_macro_and_column_of_a_published_file_has_a_comment(published):
    assert [name for name, comment in published.sql(RELATIONS).fetchall() if not comment] == []
    assert [(table, column) for table, column, comment in published.sql(COLUMNS).fetchall() if not comment] == []


def test_a_comment_says_the_unit_of_a_metric_where_it_stands(published):
    spend = {table: comment for table, column, comment in published.sql(COLUMNS).fetchall() if column == "spend"}

    assert spend["daily"] == f"{METRICS['spend'].description}: units of the connection's currency"
    assert spend["metric_facts"] == f"{METRICS['spend'].description}: millionths of the connection's currency"


def test_no_text_is_of_a_column_that_nothing_has(published):
    columns = {column for _, column, _ in published.sql(COLUMNS).fetchall()}
    pairs = {(table, column) for table, column, _ in published.sql(COLUMNS).fetchall()}

    assert set(comments._COLUMNS) - columns == set()
    assert set(comments._OF_RELATION) - pairs == set()


def test_comments_are_written_once_and_again_when_the_views_are_made_anew(filled, tmp_path):
    workspace = filled(fill, tmp_path)
    with duckdb.connect(workspace.path) as file:
        before = file.sql("SELECT comments_sha256 FROM schema_views").fetchall()
        schema.describe(file)
        assert file.sql("SELECT comments_sha256 FROM schema_views").fetchall() == before
        schema.migrate(file)
        assert file.sql("SELECT comment FROM duckdb_views() WHERE view_name = 'daily'").fetchall() == [(None,)]
        schema.describe(file)
        assert [comment for (comment,) in file.sql("SELECT comment FROM duckdb_views() WHERE NOT internal").fetchall() if not comment] == []


@pytest.mark.parametrize("alias", ["ads_of_a_client", "w"])
def test_every_view_works_in_a_file_that_is_attached_under_any_name(filled, tmp_path, alias):
    workspace = filled(fill, tmp_path)
    with duckdb.connect() as reader:
        reader.execute(f"ATTACH '{workspace.published}' AS {alias} (READ_ONLY)")
        views = [name for (name,) in reader.sql(f"SELECT view_name FROM duckdb_views() WHERE database_name = '{alias}'").fetchall()]
        for view in views:
            reader.sql(f"FROM {alias}.{view}").fetchall()
        reader.execute(f"USE {alias}")
        assert len(reader.sql("FROM as_of(now())").fetchall()) == 1
    assert "daily" in views
