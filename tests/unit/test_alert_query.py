"""A query that somebody wrote answers from the published copy, and can do nothing else: not write, read files, reach out, or last."""

import subprocess
import sys

import duckdb
import pytest

from adpulse.errors import Usage
from storage import alert_query
from storage.alert_query import ROWS, ask


@pytest.fixture
def published(tmp_path):
    path = tmp_path / "published.duckdb"
    with duckdb.connect(path) as made:
        made.execute("CREATE TABLE spend AS SELECT 'Harbor' AS connection, 12.34::DECIMAL(26, 6) AS spend, DATE '2026-03-20' AS date")
    path.chmod(0o444)
    return path


def test_rows_come_back_as_json_has_them(published):
    answer = ask(published, "SELECT *, 1 AS one, NULL AS nothing, 0.5::DOUBLE AS half, true AS yes, 'nan'::DOUBLE AS odd FROM spend")

    assert answer.columns == ["connection", "spend", "date", "one", "nothing", "half", "yes", "odd"]
    assert answer.rows == [["Harbor", "12.340000", "2026-03-20", 1, None, 0.5, True, "nan"]]
    assert not answer.truncated
    assert answer.records()[0]["spend"] == "12.340000"


def test_days_are_those_of_utc_and_zones_are_known(published):
    query = "SELECT current_setting('TimeZone'), (TIMESTAMPTZ '2026-03-20 23:00:00Z' AT TIME ZONE 'Asia/Tokyo')::DATE"

    assert ask(published, query).rows == [["UTC", "2026-03-21"]]


def test_a_great_many_rows_are_cut(published):
    answer = ask(published, "FROM range(1000000)")

    assert (len(answer.rows), answer.truncated) == (ROWS, True)


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO spend VALUES ('x', 1, current_date)",
        "DELETE FROM spend",
        "CREATE TABLE other AS SELECT 1",
        "CREATE TEMP TABLE other AS SELECT 1",
        "DROP TABLE spend",
        "COPY spend TO '{folder}/out.csv'",
        "EXPORT DATABASE '{folder}/out'",
        "ATTACH '{folder}/other.duckdb'",
        "ATTACH ':memory:' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET memory_limit = '8GB'",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "CALL pragma_version()",
        "SELECT 1; COPY spend TO '{folder}/out.csv'",
        "SELECT 1; SELECT 2",
        "CHECKPOINT",
        "EXPLAIN ANALYZE SELECT 1",
        "PREPARE p AS SELECT 1",
        "",
        "-- nothing",
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "SELECT * FROM '{secret}'",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM glob('{folder}/*')",
        "SELECT * FROM read_parquet('https://127.0.0.1:9/x.parquet')",
        "SELECT * FROM sniff_csv('{secret}')",
        "SELECT * FROM query('COPY spend TO ''{folder}/out.csv''')",
        "SELECT getenv('PATH')",
        "SELECT * FROM asked",
        "SELECT * FROM no_such_view",
        "SELEC 1",
    ],
)
def test_whatever_is_no_look_at_the_copy_is_refused_and_leaves_nothing(published, query):
    secret = published.with_name("secret.csv")
    secret.write_text("canary\n")
    before = sorted(published.parent.iterdir())

    with pytest.raises(Usage) as refused:
        ask(published, query.format(folder=published.parent, secret=secret))

    assert "canary" not in str(refused.value)
    assert sorted(published.parent.iterdir()) == before
    assert ask(published, "SELECT count(*) FROM spend").rows == [[1]]


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

    with pytest.raises(Usage, match=r"took more than 1 s or 256MB|Out of Memory"):
        ask(published, query)


def test_nothing_published_yet_is_told(tmp_path):
    with pytest.raises(Usage, match="Nothing was published yet"):
        ask(tmp_path / "none.duckdb", "SELECT 1")


def test_the_child_knows_no_secret_of_ours(published, monkeypatch):
    monkeypatch.setenv("ADPULSE_SECRET_KEY", "canary")
    seen = {}
    real = subprocess.run

    def watched(command, **options):
        seen.update(command=command, **options)
        return real(command, **options)

    monkeypatch.setattr(alert_query.subprocess, "run", watched)
    ask(published, "SELECT 1")

    assert seen["env"] == {}
    assert seen["command"][:2] == [sys.executable, "-I"]
    assert "SELECT" not in " ".join(seen["command"])
