"""Files are attached to an instance of DuckDB that lasts: what was done to one neither stays open nor reaches the next."""

import duckdb
import pyarrow as pa
import pytest

from storage.warehouse.instance import Instance, within

ROWS = "SELECT range::VARCHAR || 'a text that fills memory' AS text FROM range(1_000_000)"


@pytest.fixture
def instance():
    return Instance()


@pytest.fixture
def files(tmp_path):
    """Two files with a table each."""
    paths = [tmp_path / name for name in ("one's.duckdb", "two.duckdb")]
    for number, path in enumerate(paths):
        with duckdb.connect(path) as made:
            made.execute(f"CREATE TABLE numbers AS SELECT {number} AS number")
    return paths


def test_each_file_is_read_as_the_only_one(instance, files):
    seen = []
    for path in (*files, files[0]):
        with instance.attached(path, read_only=True) as warehouse:
            seen += warehouse.sql("SELECT number FROM numbers").fetchall()

    assert seen == [(0,), (1,), (0,)]


def test_what_is_written_is_in_the_file_without_a_log_and_anybody_may_open_it(instance, files):
    with instance.attached(files[0], read_only=False) as warehouse:
        warehouse.execute("INSERT INTO numbers VALUES (7)")

    assert not files[0].with_name(f"{files[0].name}.wal").exists()
    with duckdb.connect(files[0]) as other:
        assert other.sql("SELECT max(number) FROM numbers").fetchall() == [(7,)]


def test_what_was_registered_and_set_is_not_there_the_next_time(instance, files):
    with instance.attached(files[0], read_only=True) as warehouse:
        warehouse.register("answer", pa.table({"number": [1]}))
        warehouse.execute("SET TimeZone = 'Asia/Tokyo'")

    with instance.attached(files[0], read_only=True) as warehouse:
        with pytest.raises(duckdb.CatalogException):
            warehouse.sql("SELECT * FROM answer")
        assert warehouse.sql("SELECT current_setting('TimeZone')").fetchall() == [("UTC",)]


def test_after_any_error_the_next_file_is_attached_to_a_new_one(instance, files):
    for error in (duckdb.CatalogException, KeyError):
        with pytest.raises(error):
            write_and_fail(instance, files[0], error)

    with instance.attached(files[0], read_only=True) as warehouse:
        assert warehouse.sql("SELECT number FROM numbers").fetchall() == [(0,)]


def write_and_fail(instance, path, error):
    with instance.attached(path, read_only=False) as warehouse:
        warehouse.execute("BEGIN")
        warehouse.execute("INSERT INTO numbers VALUES (8)")
        raise error


def test_what_does_not_fit_the_memory_is_written_beside_the_file_that_is_open(instance, files):
    for path in files:
        with instance.attached(path, read_only=True) as warehouse, within(warehouse, "24MB"):
            warehouse.execute(f"CREATE TEMP TABLE much AS {ROWS}")
            assert any(path.with_name(f"{path.name}.tmp").iterdir())


def test_a_limit_of_memory_ends_with_its_block():
    with duckdb.connect(config={"threads": 1, "temp_directory": ""}) as connection:
        with pytest.raises(duckdb.OutOfMemoryException), within(connection, "8MB"):
            connection.execute(f"CREATE TABLE much AS {ROWS}")

        connection.execute(f"CREATE TABLE much AS {ROWS}")

        assert connection.sql("SELECT count(*) FROM much").fetchall() == [(1_000_000,)]
