"""Writes ``old_files/NN.sql``, a workspace's file that all later versions of the schema have to read. Run it when you add a version."""

import sys
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

FOLDER = Path(__file__).parent / "old_files"
sys.path[:0] = [str(FOLDER.parent), str(FOLDER.parents[1]), str(FOLDER.parents[2])]

from conftest import Builder, Workspace  # noqa: E402 - found by the line above

from storage.warehouse.sql import migrations  # noqa: E402 - as above

_HEAD = "-- A workspace's file as an adpulse of this version of the schema wrote it: tables and rows. Never edited.\nCREATE SCHEMA raw;"
_TABLES = "SELECT schema_name || '.' || table_name, sql FROM duckdb_tables() ORDER BY ALL"


def fill(workspace, build):
    """Two connections with an ad and its campaign on two days, each read twice."""
    days = {"since": build.today - timedelta(days=1), "until": build.today}
    for number in (1, 2):
        key = {"connection_id": f"c{number}"}
        for generation in (1, 2):
            dates = [key | {"date": build.today - timedelta(days=age)} for age in range(2)]
            rows = [date | {"spend": generation * 10_000_000, "conversions": generation * 1_500_000} for date in dates]
            totals = [date | {"spend": generation * 20_000_000, "conversions": generation * 2_000_000} for date in dates]
            ad = key | {"external_id": "a1", "parent_id": "k1", "name": f"Ad {number}, read {generation}"}
            answers = (build.ads(*rows, **days), build.totals(*totals, **days), build.walk(ad))
            workspace.sync(build.run(*answers, generation=generation, connection_id=f"c{number}"))


def script_of(database):
    """Statements that make the tables of an open file and their rows."""
    yield _HEAD
    for name, statement in database.execute(_TABLES).fetchall():
        yield statement
        if name == "main.schema_views":
            continue  # the views are left out, as DuckDB's text of one cannot always be run again; they are made anew
        for row in database.execute(f"SELECT * FROM {name} ORDER BY ALL").fetchall():
            yield f"INSERT INTO {name} VALUES ({', '.join(map(_literal, row))});"


def _literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, int | float):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def main():
    with TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder), Builder())
        fill(workspace, workspace.build)
        with duckdb.connect(workspace.path, read_only=True) as database:
            database.execute("SET TimeZone = 'UTC'")
            path = FOLDER / f"{migrations()[-1][0]:02}.sql"
            path.write_text("\n".join(script_of(database)) + "\n")
    print(path)


if __name__ == "__main__":
    main()
