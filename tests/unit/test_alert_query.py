"""A query that somebody wrote answers from the published copy, and can do nothing else: not write, read files, reach out, or last."""

import json
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import duckdb
import pytest
from repeats import first_quick

from adpulse.errors import Unavailable, Usage
from storage.warehouse import alert_query
from storage.warehouse.alert_query import ROWS, check, run_query


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.duckdb"
    with duckdb.connect(path) as made:
        made.execute("CREATE TABLE spend AS SELECT 'Harbor' AS connection, 12.34::DECIMAL(26, 6) AS spend, DATE '2026-03-20' AS date")
    path.chmod(0o444)
    return path


def test_rows_come_back_as_json_has_them(published):
    answer = run_query(published, "SELECT *, 1 AS one, NULL AS nothing, 0.5::DOUBLE AS half, true AS yes, 'nan'::DOUBLE AS odd FROM spend")

    assert answer.columns == ["connection", "spend", "date", "one", "nothing", "half", "yes", "odd"]
    assert answer.rows == [["Harbor", "12.340000", "2026-03-20", 1, None, 0.5, True, "nan"]]
    assert not answer.truncated
    assert answer.records()[0]["spend"] == "12.340000"


def test_days_are_those_of_utc_and_zones_are_known(published):
    query = "SELECT current_setting('TimeZone'), (TIMESTAMPTZ '2026-03-20 23:00:00Z' AT TIME ZONE 'Asia/Tokyo')::DATE"

    assert run_query(published, query).rows == [["UTC", "2026-03-21"]]


def test_a_great_many_rows_are_cut(published):
    answer = run_query(published, "FROM range(1000000)")

    assert (len(answer.rows), answer.truncated) == (ROWS, True)


@pytest.mark.parametrize(
    "query",
    first_quick(
        [
            "INSERT INTO spend VALUES ('x', 1, current_date)",
            "COPY spend TO '{folder}/out.csv'",
            "ATTACH '{folder}/other.duckdb'",
            "INSTALL httpfs",
            "SET memory_limit = '8GB'",
            "CALL pragma_version()",
            "SELECT 1; COPY spend TO '{folder}/out.csv'",
            "EXPLAIN ANALYZE SELECT 1",
            "",
            "SELECT * FROM read_text('{secret}')",
            "SELECT * FROM '{secret}'",
            "SELECT * FROM read_blob('/proc/self/environ')",
            "SELECT * FROM glob('{folder}/*')",
            "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
            "SELECT * FROM query('COPY spend TO ''{folder}/out.csv''')",
            "SELECT getenv('PATH')",
            "SELECT * FROM asked",
            "SELECT * FROM no_such_view",
            "SELEC 1",
            "DELETE FROM spend",
            "CREATE TABLE other AS SELECT 1",
            "CREATE TEMP TABLE other AS SELECT 1",
            "DROP TABLE spend",
            "EXPORT DATABASE '{folder}/out'",
            "ATTACH ':memory:' AS other",
            "LOAD httpfs",
            "SET enable_external_access = true",
            "RESET lock_configuration",
            "SELECT 1; SELECT 2",
            "CHECKPOINT",
            "PREPARE p AS SELECT 1",
            "-- nothing",
            "SELECT * FROM read_csv('{secret}')",
            "SELECT * FROM sniff_csv('{secret}')",
        ],
        19,
    ),
)
def test_whatever_is_no_look_at_the_copy_is_refused_and_leaves_nothing(published, query):
    secret = published.with_name("secret.csv")
    secret.write_text("canary\n")
    before = {path: path.read_bytes() for path in published.parent.iterdir()}

    with pytest.raises(Usage) as refused:
        run_query(published, query.format(folder=published.parent, secret=secret))

    assert "canary" not in str(refused.value)
    assert {path: path.read_bytes() for path in published.parent.iterdir()} == before


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 3",
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT max(n) FROM t",
        "SELECT list(range) FROM range(1000000000)",
        "SELECT length(repeat('x', 2000000000))",
        "SELECT range, repeat('x', 1000000) FROM range(100000) ORDER BY 2",
    ],
)
def test_what_would_take_for_ever_or_all_memory_is_ended(published, query, monkeypatch):
    monkeypatch.setattr(alert_query, "SECONDS", 1)

    with pytest.raises(Usage, match=r"took more than 1 s and was stopped|took more than 256MB of memory|Out of Memory"):
        run_query(published, query)


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Runs another program as the child; what it wrote to the file ``pid`` tells whether it lives."""

    def put(program):
        script = tmp_path / "child.py"
        script.write_text(f"import os, pathlib, time\npathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(os.getpid()))\n{program}")
        monkeypatch.setattr(alert_query, "_CHILD", script)

    def lives():
        try:
            os.kill(int((tmp_path / "pid").read_text()), 0)
        except ProcessLookupError:
            return False
        return True

    return SimpleNamespace(put=put, lives=lives)


def test_a_query_that_waits_without_using_the_processor_is_stopped_and_its_process_is_gone(published, child, monkeypatch):
    monkeypatch.setattr(alert_query, "SECONDS", 1)
    child.put("print('ready', flush=True)\ntime.sleep(3600)")

    with pytest.raises(Usage, match="took more than 1 s and was stopped"):
        run_query(published, "SELECT 1")

    assert not child.lives()


def test_a_child_that_does_not_begin_is_not_blamed_on_the_query(published, child, monkeypatch):
    monkeypatch.setattr(alert_query, "_START_SECONDS", 1)
    child.put("time.sleep(3600)")

    with pytest.raises(Unavailable, match="too busy"):
        run_query(published, "SELECT 1")

    assert not child.lives()


def test_a_child_that_breaks_off_in_the_middle_of_its_answer_is_told(published, child):
    child.put("print('ready', flush=True)\nprint('{', flush=True)\nos.abort()")

    with pytest.raises(Usage, match="DuckDB failed on it"):
        run_query(published, "SELECT 1")


def test_a_child_whose_parent_died_ends_by_itself():
    request = {"published": "none.duckdb", "query": "SELECT 1", "rows": 1, "seconds": 1, "memory_limit": "256MB", "address_space": 1 << 30}
    program = "import runpy, sys, time; runpy.run_path(sys.argv[1])['main'](); time.sleep(3600)"
    done = subprocess.run(
        [sys.executable, "-c", program, str(alert_query._CHILD)], input=json.dumps(request), capture_output=True, text=True, check=False
    )

    assert (done.returncode, done.stdout.splitlines()[0]) == (-signal.SIGALRM, "ready")


SLEEPING = sorted(
    name
    for (name,) in duckdb.sql(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_name ILIKE '%sleep%' OR macro_definition ILIKE '%sleep%'"
    ).fetchall()
)
DISGUISES = {
    "plain": "SELECT {name}(1)",
    "upper case and quotes": 'SELECT "{upper}"(1)',
    "a comment": "SELECT {name}/* */ (1)",
    "a schema": "SELECT system.{schema}.{name}(1)",
    "a method": "SELECT (1).{name}()",
    "a lambda": "SELECT list_transform([1], lambda each: {name}(each))",
    "an expression of a table": "WITH t AS MATERIALIZED (SELECT {name}(1)) SELECT 1 FROM t",
    "a sort": "SELECT 1 ORDER BY {name}(1)",
    "a window": "SELECT count(*) OVER (ORDER BY {name}(1))",
    "a summary": "SUMMARIZE SELECT {name}(1)",
    "a value": "FROM (VALUES ({name}(1)))",
    "depth": "SELECT {deep}{name}(1){closed}",
    "text that is run": "SELECT * FROM query('SELECT {name}(1)')",
    "a serialised query that is run": "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT {name}(1)'))",
}


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("name", first_quick(SLEEPING))
def test_no_function_that_sleeps_may_be_called_however_it_is_written(published, name, disguise):
    schema = "pg_catalog" if name.startswith("pg_") else "main"
    words = {"name": name, "upper": name.upper(), "schema": schema, "deep": "abs(" * 400, "closed": ")" * 400}

    with pytest.raises(Usage, match="is not allowed"):
        check(DISGUISES[disguise].format(**words), published)


def test_a_query_that_was_stored_before_is_refused_when_it_is_asked(published):
    with pytest.raises(Usage, match="The function sleep_ms is not allowed: an alert does not wait"):
        run_query(published, "SELECT pg_typeof(sleep_ms(1)) FROM spend")


def test_duckdb_has_the_sleeping_functions_that_are_known():
    """Another one may have come with another version: see that its name is refused."""
    assert SLEEPING == ["pg_sleep", "sleep_ms"]


def test_every_function_that_runs_text_as_sql_is_refused(published):
    with duckdb.connect() as here:
        serialised = here.execute("SELECT json_serialize_sql('SELECT 4711 AS ran')").fetchone()[0]
        found = {
            name
            for (name,) in here.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE len(parameters) >= 1").fetchall()
            for text in ("SELECT 4711 AS ran", serialised)
            if _value(here, f'SELECT * FROM "{name}"(?)', text) == 4711 or _value(here, f'SELECT "{name}"(?)', text) == 4711
        }

    assert found == {"query", "json_execute_serialized_sql"}
    for name in found:
        with pytest.raises(Usage, match="write the SQL itself"):
            check(f"SELECT * FROM {name}('SELECT 1')", published)


def _value(connection, query, text):
    try:
        return connection.execute(query, [text]).fetchone()[0]
    except (duckdb.Error, TypeError):
        return None


@pytest.mark.parametrize(
    "query",
    first_quick(
        [
            "SELECT 'sleep_ms(1)' AS sleep, \"sleep\" FROM (SELECT 1 AS sleep)",
            "SELECT * FROM (PIVOT spend ON connection IN ('Harbor') USING sum(spend))",
            "FROM spend",
            "DESCRIBE spend",
        ],
        2,
    ),
)
def test_what_only_looks_like_a_refused_query_is_answered(published, query):
    check(query, published)

    assert run_query(published, query).rows


@pytest.mark.parametrize("query", ["DELETE FROM spend", "SELECT 1; SELECT 2", "SELECT 1 +", "", "SET threads = 4", "COPY spend TO 'x'"])
def test_what_is_not_one_select_is_refused_before_there_are_numbers(tmp_path, query):
    published = tmp_path / "missing.duckdb"
    with pytest.raises(Usage, match="The query failed"):
        check(query, published)


@pytest.mark.parametrize(
    ("query", "unknown"),
    [("SELECT * FROM spent", "spent"), ("SELECT spendd FROM spend", "spendd"), ("SELECT no_function(spend) FROM spend", "no_function")],
)
def test_a_query_that_names_something_that_does_not_exist_is_refused_when_it_is_added(published, query, unknown):
    with pytest.raises(Usage, match=unknown):
        check(query, published)


def test_before_the_first_publication_a_query_is_checked_against_what_will_be_there(tmp_path):
    check("SELECT date, sum(spend) AS spend FROM daily GROUP BY date HAVING sum(spend) > 100 -- a lot\n;", tmp_path / "missing.duckdb")

    with pytest.raises(Usage, match="spendd"):
        check("SELECT spendd FROM daily", tmp_path / "missing.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_a_query_that_is_added_is_planned_and_not_run(published):
    check("SELECT count(*) FROM range(100000) a, range(100000) b, range(100000) c WHERE (a.range + b.range * c.range) % 7 = 3", published)


def test_nothing_published_yet_is_told(tmp_path):
    with pytest.raises(Usage, match="Nothing was published yet"):
        run_query(tmp_path / "none.duckdb", "SELECT 1")


def test_the_child_knows_no_secret_of_ours(published, monkeypatch):
    monkeypatch.setenv("ADPULSE_SECRET_KEY", "canary")
    seen = {}
    real = subprocess.Popen

    def watched(command, **options):
        seen.update(command=command, **options)
        return real(command, **options)

    monkeypatch.setattr(alert_query.subprocess, "Popen", watched)
    run_query(published, "SELECT 1")

    assert seen["env"] == {}
    assert seen["command"][:2] == [sys.executable, "-I"]
    assert "SELECT" not in " ".join(seen["command"])
