"""A view over HTTP: every format has its rows, all of one publication, and a tag that says which."""

import io

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from adpulse.home import EXPORTS
from storage.warehouse.analytics import read

READERS = {
    "arrow": lambda content: pa.ipc.open_stream(content).read_all(),
    "parquet": lambda content: pyarrow.parquet.read_table(io.BytesIO(content)),
    "csv": lambda content: pyarrow.csv.read_csv(io.BytesIO(content)),
}


@pytest.fixture
def get(ask, team):
    """A view of the team's workspace, with a viewer's key."""

    def send(view="daily", headers=None, **query):
        path = f"/workspaces/{team.workspace.id}/views/{view}"
        return ask("GET", path, team.viewer, headers, params=query)

    return send


@pytest.fixture
def published(installation, team):
    """Answers a query from the team's published copy."""
    return lambda query: read(installation.app.published(team.workspace.id), query).to_pylist()


@pytest.mark.usefixtures("numbers")
@pytest.mark.parametrize("file_format", READERS)
def test_every_format_has_all_rows(get, published, installation, file_format):
    answer = get(format=file_format)

    table = READERS[file_format](answer.content)
    ((expected),) = published("SELECT count(*) AS rows, sum(clicks)::BIGINT AS clicks FROM daily")
    assert {"rows": table.num_rows, "clicks": sum(table["clicks"].to_pylist())} == expected
    assert answer.headers["content-disposition"].endswith(f'"daily.{file_format}"')
    assert list((installation.app.settings.home / EXPORTS).iterdir()) == []


@pytest.mark.usefixtures("numbers")
def test_since_leaves_out_what_changed_before(get, published):
    (row,) = published("SELECT max(changed_at) AS newest, min(changed_at) AS oldest FROM daily")

    assert READERS["arrow"](get(since=row["newest"].isoformat()).content).num_rows == 0
    changed = READERS["arrow"](get(since=row["oldest"].isoformat()).content)
    (expected,) = published(f"SELECT count(*) AS rows FROM daily WHERE changed_at > '{row['oldest']}'")
    assert changed.num_rows == expected["rows"]


def test_who_has_the_answer_is_told_so_until_the_next_publication(get, copied, team):
    copied(team)
    tag = get().headers["etag"]

    same, other = get(headers={"If-None-Match": tag}), get(headers={"If-None-Match": tag}, format="csv")
    copied(team)
    later = get(headers={"If-None-Match": tag})

    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert (other.status_code, later.status_code) == (200, 200)


def test_what_is_no_view_is_not_found_and_the_views_are_named(get, copied, team):
    copied(team)
    answer = get("schema_version")

    assert (answer.status_code, "daily" in answer.json()["detail"]) == (404, True)


def test_a_view_without_instants_cannot_be_asked_for_changes(get, copied, team):
    copied(team)
    answer = get("reconciliation", since="2026-01-01T00:00:00Z")

    assert (answer.status_code, "changed_at" in answer.json()["detail"]) == (400, True)


def test_before_the_first_publication_there_is_nothing(get):
    assert get().status_code == 404
