"""A process that stays open sees each publication, whole, and several workspaces as one."""

from contextlib import suppress
from threading import Thread

import duckdb
import pytest

from adpulse.errors import Usage
from storage.warehouse import links
from storage.warehouse.reader import Analytics, attaching


def publish(workspace, build, clicks, generation=1):
    rows = [{"external_id": name, "clicks": clicks} for name in ("a1", "a2")]
    workspace.sync(build.run(build.ads(*rows), generation=generation))
    workspace.warehouse.publish(min_interval_seconds=0)


@pytest.fixture
def other(tmp_path, workspace, build):
    """A second workspace."""
    created = type(workspace)(tmp_path / "other", build)
    publish(created, build, 5)
    return created


def clicks(reader, view="daily"):
    return reader.sql(f"SELECT sum(clicks) AS clicks FROM {view}").to_pylist()[0]["clicks"]


def test_an_open_reader_sees_the_next_publication(workspace, build):
    publish(workspace, build, 1)
    with Analytics({"Acme": workspace.published}) as reader:
        before, then = clicks(reader), reader.published_at["Acme"]
        publish(workspace, build, 2, generation=2)

        assert (before, clicks(reader), clicks(reader, "acme.daily")) == (2, 4, 4)
        assert reader.published_at["Acme"] > then


def test_another_reader_of_the_process_keeps_none_from_the_next_publication(workspace, build):
    publish(workspace, build, 1)
    with duckdb.connect(workspace.published, read_only=True), Analytics({"Acme": workspace.published}) as reader:
        assert clicks(reader) == 2
        publish(workspace, build, 2, generation=2)

        assert clicks(reader) == 4


def test_what_a_query_sets_ends_with_it(workspace, build):
    publish(workspace, build, 1)
    with Analytics({"Acme": workspace.published}) as reader:
        with suppress(Usage):  # DuckDB 2.0 answers with the number of its rows, 1.5 with nothing
            reader.sql("USE acme")
        publish(workspace, build, 2, generation=2)

        assert clicks(reader) == 4


def test_no_query_mixes_two_publications(workspace, build):
    publish(workspace, build, 1)
    seen = []

    def read(reader):
        query = "SELECT min(clicks) AS least, max(clicks) AS most FROM daily"
        seen.extend(reader.sql(query).to_pylist()[0] for _ in range(60))

    with Analytics({"Acme": workspace.published}) as reader:
        threads = [Thread(target=read, args=(reader,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for generation in range(2, 8):
            publish(workspace, build, generation, generation=generation)
        for thread in threads:
            thread.join()

    assert len(seen) == 120
    assert [row for row in seen if row["least"] != row["most"]] == []


def test_workspaces_are_united_with_their_names(workspace, other, build):
    publish(workspace, build, 1)
    with Analytics({"Acme": workspace.published, "O'Neill & Sons": other.published}) as reader:
        rows = reader.sql("SELECT workspace, sum(clicks)::INT AS clicks FROM daily GROUP BY ALL ORDER BY ALL").to_pylist()
        publish(other, build, 6, generation=2)

        assert rows == [{"workspace": "Acme", "clicks": 2}, {"workspace": "O'Neill & Sons", "clicks": 10}]
        assert (clicks(reader), clicks(reader, reader.aliases["O'Neill & Sons"] + ".daily")) == (14, 12)


def test_names_that_look_alike_have_aliases_of_their_own(workspace, other, build):
    publish(workspace, build, 1)
    with Analytics({"A-1": workspace.published, "a 1": other.published, "1": other.published, "memory": other.published}) as reader:
        assert clicks(reader) == 2 + 3 * 10
        assert len(set(reader.aliases.values())) == 4


def test_without_a_publication_the_reader_says_so(tmp_path):
    with Analytics({"Acme": tmp_path / "w.duckdb"}) as reader, pytest.raises(Usage, match="Nothing was published yet"):
        reader.sql("SELECT 1")


def test_the_lines_for_other_programs_show_the_next_publication(workspace, build):
    publish(workspace, build, 1)
    lines = attaching({"Acme": workspace.published})
    with duckdb.connect() as program:
        program.execute(lines)
        before = program.sql("SELECT sum(clicks) FROM acme.daily").fetchall()
        publish(workspace, build, 2, generation=2)
        program.execute(lines)

        assert (before, program.sql("SELECT sum(clicks) FROM acme.daily").fetchall()) == ([(2,)], [(4,)])


def test_a_copy_has_a_link_with_its_workspaces_name(tmp_path):
    ids = {"1f2e3d4c-0000-4000-8000-000000000000": "Acme / Retail", "2f2e3d4c-0000-4000-8000-000000000000": "Nothing yet"}
    copy = tmp_path / f"{next(iter(ids))}.duckdb"
    copy.write_bytes(b"copy")

    links.renew(tmp_path, ids)
    links.renew(tmp_path, ids)

    assert sorted(path.name for path in tmp_path.iterdir()) == [copy.name, "acme-retail-1f2e3d4c.duckdb"]
    assert (tmp_path / "acme-retail-1f2e3d4c.duckdb").read_bytes() == b"copy"


def test_the_link_of_a_renamed_or_deleted_workspace_goes(tmp_path):
    workspace = "1f2e3d4c-0000-4000-8000-000000000000"
    (tmp_path / f"{workspace}.duckdb").write_bytes(b"copy")
    (tmp_path / "mine-12345678.duckdb").write_bytes(b"a file of somebody's own")
    links.renew(tmp_path, {workspace: "Acme"})

    links.renew(tmp_path, {workspace: "Umbrella"})
    renamed = {path.name for path in tmp_path.iterdir() if path.is_symlink()}
    links.renew(tmp_path, {})

    assert renamed == {"umbrella-1f2e3d4c.duckdb"}
    assert {path.name for path in tmp_path.iterdir()} == {f"{workspace}.duckdb", "mine-12345678.duckdb"}
